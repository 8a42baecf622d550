"""Quantiles of Student's t distribution, by which bootstrap intervals of few patients are widened."""

import math
from functools import cache

import numpy as np


def two_sided_share(t: float, degrees: int) -> float:
    """The probability that |T| is less than `t`, for `degrees` degrees of freedom, 1 or more.

    Source: Abramowitz and Stegun, "Handbook of Mathematical Functions", 1964, 26.7.3 and 26.7.4.

    Example:
      >>> round(two_sided_share(1.0, degrees=1), 6), round(two_sided_share(2.776445, degrees=4), 6)
      (0.5, 0.95)
    """
    angle = math.atan(t / math.sqrt(degrees))
    cosine, odd = math.cos(angle), degrees % 2
    # Each term of the series is the one before it times cos^2 and a ratio of neighboring whole numbers.
    steps = np.arange(1 + odd, degrees - 1, 2)
    terms = np.cumprod(np.concatenate([[cosine if odd else 1.0], cosine**2 * steps / (steps + 1)]))
    if degrees == 1:
        return 2 / math.pi * angle
    series = math.sin(angle) * float(terms.sum())
    return 2 / math.pi * (angle + series) if odd else series


@cache
def quantile(share: float, degrees: int) -> float:
    """The t that |T| does not exceed with probability `share`.

    Example:
      >>> round(quantile(0.95, degrees=1), 4), round(quantile(0.95, degrees=29), 4)
      (12.7062, 2.0452)
    """
    low, high = 0.0, 1.0
    while two_sided_share(high, degrees) < share:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if two_sided_share(middle, degrees) < share else (low, middle)
    return high
