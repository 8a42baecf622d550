"""The rule by which a probability becomes lesion, in training metrics, masks, curves and networks alike."""

from typing import Any


def is_lesion(probabilities: Any, threshold: float = 0.5) -> Any:
    """Where probabilities are lesion: at the threshold and above it, so that 0.5 is lesion at 0.5.

    Args:
      probabilities: an array of NumPy, TensorFlow or another backend, of any shape.
      threshold: compared in the precision of the probabilities: a float32 0.7 is lesion at 0.7.

    Returns:
      The same shape, bool.

    Example:
      >>> import numpy as np
      >>> is_lesion(np.array([0.2, 0.7, 0.9], np.float32), np.float64(0.7)).tolist()
      [False, True, True]
    """
    return probabilities >= float(threshold)
