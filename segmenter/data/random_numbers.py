"""Random numbers that depend on a seed and on the number of a sample alone, the same with every version of NumPy."""

import numpy as np


def uniform(seed: int, number: int, start: int, count: int) -> np.ndarray:
    """`count` float32 at least 0 and below 1, which depend on seed, number and start alone.

    The generator is Philox, which turns a key and a counter into numbers: seed and number are the key, and whatever is drawn
    for a sample counts from a start of its own. The generator's raw numbers are used, whose sequence NumPy keeps from version
    to version (NEP 19).
    """
    key = np.array([seed % 2**64, number % 2**64], np.uint64)
    raw = np.random.Philox(key=key, counter=np.array([0, 0, 0, start], np.uint64)).random_raw(count)
    return (raw >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)
