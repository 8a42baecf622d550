"""Pictures of the best and the worst images of an evaluation."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from segmenter.configuration import Configuration
from segmenter.data.dataset import Sample
from segmenter.data.ground_truth import read_gray, read_ground_truth
from segmenter.pictures import draw_row, lesion_colors, write_png

COUNT = 3


def write_extremes(
    samples: Sequence[Sample], images: Sequence[Mapping[str, Any]], configuration: Configuration, folder: Path
) -> None:
    """Draws the three best and the three worst images by Dice, as best.png and worst.png.

    Args:
      samples: from which they are chosen; the predicted masks must be in `folder`/masks.
      images: the rows of per_image.csv of these samples and maybe others.
    """
    dices = {row["sample"]: row["dice"] for row in images}
    scored = [(dices[sample.name], sample) for sample in samples if dices[sample.name] is not None]
    ordered = sorted(scored, key=lambda entry: (entry[0], entry[1].name))
    for name, entries in (("worst", ordered[:COUNT]), ("best", ordered[::-1][:COUNT])):
        if entries:
            rows = [_draw_row(dice, sample, configuration, folder) for dice, sample in entries]
            write_png(folder / f"{name}.png", np.vstack(rows))


def _draw_row(dice: float, sample: Sample, configuration: Configuration, folder: Path) -> np.ndarray:
    colors = lesion_colors(configuration.infer.mask_colors, len(configuration.class_names))
    predicted, ground_truth = read_gray(mask_file(folder, sample)), read_ground_truth(sample.mask, configuration)
    return draw_row(
        read_gray(sample.image), predicted, ground_truth, f"{sample.name}, Dice {dice:.2f}", colors, configuration.class_names
    )


def mask_file(folder: Path, sample: Sample) -> Path:
    """Where an evaluation keeps the predicted class map of a sample."""
    return folder / "masks" / f"{sample.name}.png"
