"""Pictures of training and prediction: curves, overlays, coloured masks, rows of image, truth and prediction.

Images are OpenCV's (blue, green, red) uint8; colours of lesion classes are red, green, blue, as in a configuration.
In every overlay the prediction's outline is orange and the truth's green. Where there are several lesion classes both
have the class's colour, and the truth's outline is dashed.
"""

import colorsys
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from pipeline.files import replacing

PREDICTION_BGR = (0, 140, 255)
TRUTH_BGR = (80, 220, 80)
_CAPTION_PX = 22
_BENIGN, _MALIGNANT = (0, 255, 0), (255, 255, 255)
_COLOR_PART = 0.4  # of a merged pixel; the rest is the image's
Color = tuple[int, int, int]


def write_png(path: Path, image: np.ndarray, *flags: int) -> None:
    """Writes a PNG, whole or not at all."""
    with replacing(path) as beside:
        beside.write_bytes(cv2.imencode(".png", image, flags)[1].tobytes())


def lesion_colors(given: Sequence[Color], count: int) -> tuple[Color, ...]:
    """The colours of so many lesion classes: those given, or green, white, and then hues that are neither."""
    # From cyan over blue and red to yellow; golden steps, so that the first few are far from each other already.
    hues = [0.45 + 0.75 * (number * 0.618 % 1) for number in range(1, count - 1)]
    return tuple(given) or (_BENIGN, _MALIGNANT, *map(_full_color, hues))[:count]


def _full_color(hue: float) -> Color:
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue % 1, 1, 1))
    return red, green, blue


def colorize(mask: np.ndarray, colors: Sequence[Color]) -> np.ndarray:
    """A class map in colours.

    Args:
      mask: (height, width) uint8, 0 is background and black.
      colors: of the classes 1, 2, ...

    Returns:
      (height, width, 3) uint8.
    """
    return np.array([(0, 0, 0), *(color[::-1] for color in colors)], np.uint8)[mask]


def merge(gray: np.ndarray, mask: np.ndarray, colors: Sequence[Color]) -> np.ndarray:
    """The image with the lesions' colours blended in; arguments and result as for `colorize`, background as in the image."""
    picture = cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR)
    # OpenCV's sum stops at 255, where numpy's of uint8 would go on from 0.
    blended = cv2.addWeighted(picture, 1 - _COLOR_PART, colorize(mask, colors), _COLOR_PART, 0)
    return cv2.copyTo(blended, mask, picture)


def draw_overlay(
    gray: np.ndarray, predicted: np.ndarray, truth: np.ndarray | None = None, colors: Sequence[Color] = ()
) -> np.ndarray:
    """Outlines of the prediction, and of the truth where it is known, on the image.

    Args:
      gray: (height, width) uint8.
      predicted, truth: (height, width) bool or uint8, nonzero is lesion; class maps where there are several colours.
      colors: of the lesion classes; fewer than two for the colours of prediction and truth.

    Returns:
      (height, width, 3) uint8.
    """
    picture = cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR)
    several = len(colors) > 1
    for mask, own_color, dashed in ((truth, TRUTH_BGR, several), (predicted, PREDICTION_BGR, False)):
        if mask is None:
            continue
        parts = [(mask == index, color[::-1]) for index, color in enumerate(colors, 1)] if several else [(mask != 0, own_color)]
        for part, color in parts:
            _draw_outline(picture, part, color, dashed=dashed)
    return picture


def _draw_outline(picture: np.ndarray, part: np.ndarray, color: Sequence[int], *, dashed: bool) -> None:
    thickness = max(1, round(max(part.shape) / 500))
    outlines, _ = cv2.findContours(part.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    drawn = cv2.drawContours(np.zeros(part.shape, np.uint8), outlines, -1, 1, thickness) > 0
    if dashed:
        rows, columns = (np.arange(length) // (4 * thickness) % 2 == 0 for length in part.shape)
        drawn &= rows[:, None] ^ columns
    picture[drawn] = color


def draw_row(
    gray: np.ndarray, predicted: np.ndarray, truth: np.ndarray, caption: str, colors: Sequence[Color] = ()
) -> np.ndarray:
    """Image, truth and prediction side by side with a caption above; arguments as for `draw_overlay`."""
    panels = [
        cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR),
        draw_overlay(gray, np.zeros_like(gray), truth, colors),
        draw_overlay(gray, predicted, colors=colors),
    ]
    row = cv2.copyMakeBorder(np.hstack(panels), _CAPTION_PX, 0, 0, 0, cv2.BORDER_CONSTANT)
    words = f"{caption} | image, truth, prediction"
    cv2.putText(row, words, (4, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255), 1, cv2.LINE_AA)
    return row


def write_curves(path: Path, history: Sequence[Mapping[str, float]], names: Sequence[str], best_epoch: int) -> None:
    """Draws the named columns of a history over its epochs, training and validation in one panel each."""
    # The object interface: pyplot would look for a display and costs most of a second to import.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * len(names), 4), layout="constrained")
    epochs = [row["epoch"] for row in history]
    for panel, name in zip(np.atleast_1d(figure.subplots(1, len(names))), names, strict=True):
        panel.plot(epochs, [row[name] for row in history], marker=".", label="train")
        panel.plot(epochs, [row[f"val_{name}"] for row in history], marker=".", label="valid")
        panel.axvline(best_epoch, color="0.6", linestyle=":", label=f"best model, epoch {best_epoch}")
        panel.set(title=name, xlabel="epoch")
        panel.legend()
    with replacing(path) as beside:
        FigureCanvasAgg(figure).print_png(beside)
