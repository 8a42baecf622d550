"""A sheet of augmented training pairs: one row per pair, with the pair itself and several draws, each with its caption."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from keras import ops

from segmenter.augmentation.drawing import Draw, draw
from segmenter.augmentation.variation import apply
from segmenter.captions import WHITE, add_text, add_titles, legend
from segmenter.configuration import Configuration
from segmenter.data.dataset import Sample
from segmenter.data.pairs import PairFormat, read_all
from segmenter.data.stacks import gray_of
from segmenter.pictures import draw_overlay, lesion_colors, write_png
from segmenter.training.epoch_pictures import choose_evenly

_DRAWS = 5  # in addition to the pair itself
_PANEL_PX = 256
_TEXT_PX = 18  # height of the letters


def write_preview(configuration: Configuration, samples: Sequence[Sample], path: Path, count: int, seed: int) -> None:
    """Draws one row per sample: the pair, then the same pair varied. Contours are those of the masks.

    Args:
      samples: `count` of them are drawn, spread evenly; originals where there are any.
      path: of the PNG to write.
      seed: the same seed gives the same picture.
    """
    chosen = choose_evenly(samples, count)
    pair_format = PairFormat.of(configuration)
    images, masks = read_all(chosen, pair_format)
    colors = lesion_colors(configuration.infer.mask_colors, len(configuration.class_names))

    def draw_panels(images: np.ndarray, masks: np.ndarray) -> list[np.ndarray]:
        grays = [gray_of(image, partner=pair_format.partner) for image in images]
        return [_draw_panel(gray, mask, colors) for gray, mask in zip(grays, masks, strict=True)]

    panels = draw_panels(images, masks)
    rows = []
    for index, sample in enumerate(chosen):
        drawn = draw(configuration, seed, np.arange(index * _DRAWS, (index + 1) * _DRAWS))
        pairs = [np.repeat(squares[index : index + 1], _DRAWS, axis=0) for squares in (images, masks)]
        varied = draw_panels(*(ops.convert_to_numpy(squares) for squares in apply(configuration, drawn, *pairs)))
        row = [(panels[index], sample.name), *((panel, describe(drawn, number)) for number, panel in enumerate(varied))]
        rows.append(add_titles([panel for panel, _ in row], [(title, WHITE) for _, title in row], _TEXT_PX))
    ground_truth, _, *classes = legend(colors, configuration.class_names)
    write_png(path, add_text(np.vstack(rows), [[(f"contours: {ground_truth[0]}", ground_truth[1]), *classes]], _TEXT_PX))


def describe(drawn: Draw, pair: int) -> str:
    """Describes the variations that were applied to a pair of the batch, with their value where it is one number."""
    descriptions = []
    for name, happens in drawn.happens.items():
        if happens[pair]:
            value = drawn.values.get(name)
            descriptions.append(name if value is None or value.ndim > 1 else f"{name} {value[pair]:.3g}")
    return ", ".join(descriptions) or "nothing"


def _draw_panel(gray: np.ndarray, mask: np.ndarray, colors: Sequence[tuple[int, int, int]]) -> np.ndarray:
    """Draws a gray image, (height, width) uint8, and its mask, (height, width, 1) uint8, as one panel of the sheet, in color."""
    size = (_PANEL_PX, round(_PANEL_PX * gray.shape[0] / gray.shape[1]))
    gray = cv2.resize(gray, size, interpolation=cv2.INTER_AREA if gray.shape[1] > _PANEL_PX else cv2.INTER_NEAREST)
    mask = cv2.resize(mask[..., 0], size, interpolation=cv2.INTER_NEAREST)
    return draw_overlay(gray, np.zeros_like(mask), mask, colors)
