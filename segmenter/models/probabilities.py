"""The check that what a model predicts are probabilities."""

import numpy as np

from pipeline.files import InputError

_ROUNDING = 1e-3  # of probabilities in 16 bits


def check_probabilities(predicted: np.ndarray, name: str) -> np.ndarray:
    """Returns predicted probabilities as float32, cut to 0 and 1.

    Args:
      predicted: of any shape.
      name: of the model in the error.

    Raises:
      InputError: they are not probabilities, for example because the model ends without a sigmoid.
    """
    predicted = np.asarray(predicted, np.float32)
    lowest, highest = float(predicted.min()), float(predicted.max())
    if not (lowest >= -_ROUNDING and highest <= 1 + _ROUNDING):  # also where they are not numbers
        raise InputError(
            f"{name}: predicts values from {lowest:.4g} to {highest:.4g}; expected probabilities, 0 to 1: does it "
            "lack a sigmoid or softmax at its end, or did its training diverge?"
        )
    return np.clip(predicted, 0, 1)
