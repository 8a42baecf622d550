"""What a network hands to the head that all networks share."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Branches:
    """The ends of a network before its head; all but the first are there for training only.

    Attributes:
      features: (batch, height, width, filters) at the input's height and width; the head, a convolution with one filter
        a class, makes the logits of it.
      head_kernel: side of the head's kernel, in pixels.
      side_logits: (batch, height, width, classes) each, as `features` in height and width: deep supervision. They take
        the same loss as the head.
      presence: (batch, 1), the probability that there is a lesion at all. Where it is under a half, none is predicted.
    """

    features: "keras.KerasTensor"
    head_kernel: int = 1
    side_logits: tuple["keras.KerasTensor", ...] = ()
    presence: "keras.KerasTensor | None" = None
