"""Pictures of training and prediction: curves, overlays, colored masks, rows of image, ground truth and prediction.

Images are OpenCV's (blue, green, red) uint8; colors of lesion classes are red, green, blue, as in a configuration.
In every overlay the ground truth's contour is green and the prediction's orange. Where there are several lesion classes both
have the class's color, and the ground truth's contour is dashed.
"""

import colorsys
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from pipeline.files import write_buffered
from pipeline.page import GROUND_TRUTH_COLOR, PREDICTION_COLOR, new_figure, rgb
from segmenter.captions import WHITE, Color, add_text, add_titles, legend, text_size

PREDICTION_BGR = rgb(PREDICTION_COLOR)[::-1]
GROUND_TRUTH_BGR = rgb(GROUND_TRUTH_COLOR)[::-1]
_BENIGN, _MALIGNANT = (0, 255, 0), (255, 255, 255)
_COLOR_WEIGHT = 0.4  # in a merged pixel; the rest is the image's


def write_png(path: Path, image: np.ndarray, *flags: int) -> None:
    """Writes a PNG, whole or not at all; not durably, because there may be many (`pipeline.files.sync`)."""
    data = cv2.imencode(".png", image, flags)[1].tobytes()
    write_buffered(path, lambda file: file.write(data), durable=False)


def lesion_colors(given: Sequence[Color], count: int) -> tuple[Color, ...]:
    """The colors of `count` lesion classes: those given, or green, white, and then other hues.

    Example:
      >>> lesion_colors((), 2)
      ((0, 255, 0), (255, 255, 255))
    """
    # From cyan through blue and red to yellow, in steps of the golden ratio, so that even a few differ clearly.
    hues = [0.45 + 0.75 * (number * 0.618 % 1) for number in range(1, count - 1)]
    return tuple(given) or (_BENIGN, _MALIGNANT, *map(_full_color, hues))[:count]


def _full_color(hue: float) -> Color:
    red, green, blue = (round(255 * level) for level in colorsys.hsv_to_rgb(hue % 1, 1, 1))
    return red, green, blue


def colorize(mask: np.ndarray, colors: Sequence[Color]) -> np.ndarray:
    """A class map in colors.

    Args:
      mask: (height, width) uint8, 0 is background and black.
      colors: those of the classes 1, 2, ...

    Returns:
      (height, width, 3) uint8.

    Example:
      >>> colorize(np.array([[0, 1]], np.uint8), [(255, 128, 0)]).tolist()
      [[[0, 0, 0], [0, 128, 255]]]
    """
    return np.array([(0, 0, 0), *(color[::-1] for color in colors)], np.uint8)[mask]


def merge(gray: np.ndarray, mask: np.ndarray, colors: Sequence[Color]) -> np.ndarray:
    """The image with the lesions' colors blended in; arguments and result as for `colorize`, background as in the image."""
    picture = cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR)
    # OpenCV's sum stops at 255, where numpy's of uint8 would wrap around to 0.
    blended = cv2.addWeighted(picture, 1 - _COLOR_WEIGHT, colorize(mask, colors), _COLOR_WEIGHT, 0)
    return cv2.copyTo(blended, mask, picture)


def draw_overlay(
    gray: np.ndarray, predicted: np.ndarray, ground_truth: np.ndarray | None = None, colors: Sequence[Color] = ()
) -> np.ndarray:
    """Draws the contours of the prediction, and of the ground truth where it is known, on the image.

    Args:
      gray: (height, width) uint8.
      predicted, ground_truth: (height, width) bool or uint8, nonzero is lesion; class maps where there are several colors.
      colors: those of the lesion classes; with fewer than two, prediction and ground truth have their own colors.

    Returns:
      (height, width, 3) uint8.
    """
    picture = cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR)
    several = len(colors) > 1
    for mask, own_color, dashed in ((ground_truth, GROUND_TRUTH_BGR, several), (predicted, PREDICTION_BGR, False)):
        if mask is None:
            continue
        classes = [(mask == index, color[::-1]) for index, color in enumerate(colors, 1)] if several else [(mask != 0, own_color)]
        for class_mask, color in classes:
            _draw_contour(picture, class_mask, color, dashed=dashed)
    return picture


def _draw_contour(picture: np.ndarray, mask: np.ndarray, color: Sequence[int], *, dashed: bool) -> None:
    thickness = max(1, round(max(mask.shape) / 500))
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    drawn = cv2.drawContours(np.zeros(mask.shape, np.uint8), contours, -1, 1, thickness) > 0
    if dashed:
        rows, columns = (np.arange(length) // (4 * thickness) % 2 == 0 for length in mask.shape)
        drawn &= rows[:, None] ^ columns
    picture[drawn] = color


def draw_row(
    gray: np.ndarray,
    predicted: np.ndarray,
    ground_truth: np.ndarray,
    caption: str,
    colors: Sequence[Color] = (),
    class_names: Sequence[str] = (),
) -> np.ndarray:
    """Draws image, ground truth and prediction next to each other, each under its name, and a caption above.

    Args:
      class_names: those of the lesion classes, for the legend of their colors; without them, classes are numbered.
      gray, predicted, ground_truth, colors: as for `draw_overlay`.
    """
    panels = [
        cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR),
        draw_overlay(gray, np.zeros_like(gray), ground_truth, colors),
        draw_overlay(gray, predicted, colors=colors),
    ]
    truth_entry, prediction_entry, *class_entries = legend(colors, class_names)
    size_px = text_size(3 * gray.shape[1])
    row = add_titles(panels, [("image", WHITE), truth_entry, prediction_entry], size_px)
    return add_text(row, [[(caption, WHITE)], class_entries], size_px)


def write_curves(path: Path, history: Sequence[Mapping[str, float]], names: Sequence[str], best_epoch: int) -> None:
    """Draws the named columns of a history over its epochs, one panel per column with training and validation."""
    figure, axes = new_figure(5 * len(names), 4, 1, len(names))
    epochs = [row["epoch"] for row in history]
    for ax, name in zip(axes, names, strict=True):
        ax.plot(epochs, [row[name] for row in history], marker=".", label="train")
        ax.plot(epochs, [row[f"val_{name}"] for row in history], marker=".", label="valid")
        ax.axvline(best_epoch, color="0.6", linestyle=":", label=f"best model, epoch {best_epoch}")
        ax.set(title=name, xlabel="epoch")
        ax.legend()
    write_buffered(path, functools.partial(figure.savefig, format=path.suffix[1:]))
