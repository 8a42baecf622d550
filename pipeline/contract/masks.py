"""How the values of a mask file become classes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

LESION_LEVEL = 128  # gray levels of a mask from this one on are lesion
MOST_CLASSES = 15  # a lossless mask without higher values holds class indices, not gray levels


class MaskError(ValueError):
    """A mask file cannot be read as classes; the message states which values it holds and what to do."""


class ClassesError(MaskError):
    """A mask file is sound, but does not hold the expected number of classes."""


@dataclass(frozen=True)
class MaskLevels:
    """The values of a mask file.

    Attributes:
      levels: (height, width) uint8.
      lossy: whether the encoding changes values, as JPEG does.
    """

    levels: "np.ndarray"
    lossy: bool

    @property
    def values(self) -> list[int]:
        """The values that occur, in ascending order."""
        import numpy as np  # what commands read of the contract does not wait for it

        ends = sorted({int(self.levels.min(initial=255)), int(self.levels.max(initial=0))}) if self.levels.size else []
        if sum(np.count_nonzero(self.levels == level) for level in ends) == self.levels.size:
            return ends  # nearly every mask; a table of all levels takes many times as long
        return np.flatnonzero(np.bincount(self.levels.ravel(), minlength=256)).tolist()


def cut_levels(levels: "np.ndarray") -> "np.ndarray":
    """Thresholds gray levels: 1 where a level is lesion, else 0; uint8 of the shape of `levels`."""
    return (levels >= LESION_LEVEL).astype("uint8")


def as_classes(
    mask: MaskLevels,
    classes: int | None = 1,
    cut: "Callable[[np.ndarray], np.ndarray]" = cut_levels,
    *,
    any_levels: bool = False,
) -> "np.ndarray":
    """Converts a decoded mask to classes.

    Args:
      mask: as `pipeline.sources.decode_mask` returns it.
      classes: how many there are, including the background; 1 separates lesion from background; None takes any that the file
        holds.
      cut: thresholds gray levels, (height, width) uint8, to 0 and 1.
      any_levels: whether `cut` also takes masks without a level of 128 or more.

    Returns:
      (height, width) uint8: 0 is background, 1 is lesion, or 1, 2, ... are the lesion classes.

    Raises:
      MaskError: it holds values that a mask of these classes cannot hold.

    Example:
      >>> import numpy as np
      >>> as_classes(MaskLevels(np.array([[0, 255]], np.uint8), lossy=False)).tolist()
      [[0, 1]]
      >>> as_classes(MaskLevels(np.array([[0, 2]], np.uint8), lossy=False), classes=3).tolist()
      [[0, 2]]
    """
    highest = int(mask.levels.max(initial=0))
    indices = not mask.lossy and highest <= MOST_CLASSES
    if classes is None and indices:
        return mask.levels
    if classes is not None and classes > 1:
        if mask.lossy or highest >= classes:
            problem = "is a JPEG" if mask.lossy else f"holds values up to {highest}"
            raise ClassesError(f"{problem}; expected a lossless mask of the class indices 0 to {classes - 1}")
        return mask.levels
    if indices and highest <= 1:
        return mask.levels
    if indices:
        raise ClassesError(f"holds class indices up to {highest}; expected 0 and 255, or 0 and 1")
    if 0 < highest < LESION_LEVEL and not any_levels:
        raise MaskError(f"holds only levels up to {highest}, which are neither class indices nor lesion; expected 0 and 255")
    return cut(mask.levels)
