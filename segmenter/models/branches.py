"""What a network passes to the head that all networks share."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Branches:
    """The outputs of a network before its head.

    Attributes:
      features: (batch, height, width, filters) at the input's height and width; the head, a convolution with one filter
        per class, turns them into logits.
      head_kernel: side of the head's kernel, in pixels.
      side_logits: for deep supervision, in training only; each (batch, height, width, classes), with the height and width of
        `features`. They have the same loss as the head.
      presence: (batch, 1), the probability that the image has a lesion. Below 0.5 none is predicted.
    """

    features: "keras.KerasTensor"
    head_kernel: int = 1
    side_logits: tuple["keras.KerasTensor", ...] = ()
    presence: "keras.KerasTensor | None" = None
