"""The lesions of a mask file: its classes, their connected components, and the outline of each component."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from pipeline import contract, sources
from pipeline.files import InputError, read_regular
from pipeline.geometry import connected_components
from pipeline.recipe import Recipe


def class_names(recipe: Recipe) -> tuple[str, ...]:
    """Returns the names of the classes 1, 2, ... in the masks of a recipe; all lesions are one class in binary masks."""
    if recipe.mask.values == "binary":
        return ("lesion",)
    return contract.LESION_CLASSES


def read_mask(path: Path, names: tuple[str, ...]) -> np.ndarray:
    """Reads a mask of a data set or of a prediction.

    Args:
      path: as `pipeline.sources.read_mask` reads it.
      names: of the lesion classes that it may hold.

    Returns:
      (height, width) uint8: 0 is background, 1 is names[0], and so on.

    Raises:
      InputError: it cannot be read, or holds another class.
    """
    try:
        mask = sources.read_mask(read_regular(path), None)
    except (OSError, contract.MaskError) as error:
        raise InputError(f"{path}: {error}") from error
    if (highest := int(mask.max(initial=0))) > len(names):
        known = ", ".join(f"{index} {name}" for index, name in enumerate(names, 1))
        raise InputError(f"{path}: holds the class {highest}; the data set's recipe knows {known}")
    return mask


@dataclass(frozen=True)
class Part:
    """One connected component of a class of a mask.

    Attributes:
      class_index: 1, 2, ...
      left, top: first column and row of the smallest window around it.
      pixels: the window, (height, width) uint8: 1 on the component, 0 elsewhere.
    """

    class_index: int
    left: int
    top: int
    pixels: np.ndarray

    @property
    def filled(self) -> np.ndarray:
        """The window with the component's holes filled."""
        outlines, _ = cv2.findContours(self.pixels, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        return cv2.drawContours(np.zeros_like(self.pixels), outlines, -1, 1, cv2.FILLED)

    @property
    def has_hole(self) -> bool:
        """Whether it has a hole, which an outline alone cannot represent."""
        return bool((self.filled != self.pixels).any())


def find_parts(mask: np.ndarray) -> list[Part]:
    """Finds the connected components of each class in a mask; edges and corners connect.

    Args:
      mask: (height, width) uint8: 0 is background.

    Returns:
      The components by class, and within a class from top to bottom.
    """
    parts = []
    for index in range(1, int(mask.max(initial=0)) + 1):
        components = connected_components(mask == index)
        for label, (left, top, width, height) in enumerate(components.boxes.tolist(), 1):
            window = components.labels[top : top + height, left : left + width]
            parts.append(Part(index, left, top, (window == label).astype(np.uint8)))
    return sorted(parts, key=lambda part: (part.class_index, part.top, part.left))


def outline(pixels: np.ndarray) -> np.ndarray:
    """Returns the outer outline of one connected component, through the centres of its border pixels.

    Drawing it as a polygon that includes its edges gives the component back, with its holes filled.

    Args:
      pixels: (height, width) uint8: not 0 on the component.

    Returns:
      (points, 2) int as x, y; whole numbers are the centres of pixels. There are three points or more, because a polygon
      needs three: a component with one or two corners repeats them.
    """
    (points, *_), _ = cv2.findContours(pixels, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    corners = points.reshape(-1, 2)
    return corners if len(corners) > 2 else corners[[0, -1, -1]]
