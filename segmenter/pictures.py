"""Pictures of training and prediction: curves, overlays, rows of image, truth and prediction.

Images are OpenCV's (blue, green, red) uint8. In every overlay the prediction's outline is orange and the truth's green.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from pipeline.files import replacing

PREDICTION_BGR = (0, 140, 255)
TRUTH_BGR = (80, 220, 80)
_CAPTION_PX = 22


def write_png(path: Path, image: np.ndarray, *flags: int) -> None:
    """Writes a PNG, whole or not at all."""
    with replacing(path) as beside:
        beside.write_bytes(cv2.imencode(".png", image, flags)[1].tobytes())


def draw_overlay(gray: np.ndarray, predicted: np.ndarray, truth: np.ndarray | None = None) -> np.ndarray:
    """Outlines of the prediction, and of the truth where it is known, on the image.

    Args:
      gray: (height, width) uint8.
      predicted, truth: (height, width) bool or uint8, nonzero is lesion.

    Returns:
      (height, width, 3) uint8.
    """
    picture = cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR)
    thickness = max(1, round(max(gray.shape) / 500))
    for mask, colour in ((truth, TRUTH_BGR), (predicted, PREDICTION_BGR)):
        if mask is not None:
            outlines, _ = cv2.findContours((mask != 0).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(picture, outlines, -1, colour, thickness)
    return picture


def draw_row(gray: np.ndarray, predicted: np.ndarray, truth: np.ndarray, caption: str) -> np.ndarray:
    """Image, truth and prediction side by side with a caption above; arguments as for `draw_overlay`."""
    panels = [
        cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR),
        draw_overlay(gray, np.zeros_like(gray), truth),
        draw_overlay(gray, predicted),
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
