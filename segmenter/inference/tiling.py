"""Predicts images at their own size: in one pass at the model's size, or in overlapping tiles at source resolution.

Gaussian weights of an eighth of the tile: F. Isensee et al., "nnU-Net", Nature Methods 18, 2021.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.geometry import Letterbox, place, square_image, unsquare
from segmenter.configuration import TiledInferSettings
from segmenter.data.cropping import Crop, find_crop
from segmenter.inference.ensembles import AnyPredictor

# Bounds memory: a 512 px network needs about 100 MB per tile.
_TILES_AT_ONCE = 4


@dataclass(frozen=True)
class Predicted:
    """The probabilities of an image at the model's size, which take less memory than at the image's own.

    Attributes:
      probabilities: (height, width, classes) float32.
      rows, columns: of the image.
      crop: how it was cut out; None where it was letterboxed, or where the probabilities are of the image's size already.
    """

    probabilities: np.ndarray
    rows: int
    columns: int
    crop: Crop | None = None

    def at_source(self) -> np.ndarray:
        """The probabilities at the image's size, (rows, columns, classes) float32."""
        whole = self.crop.back(self.probabilities) if self.crop else self.probabilities
        return whole if whole.shape[:2] == (self.rows, self.columns) else _unsquare(whole, self.rows, self.columns)


def predict_whole(images: Sequence[np.ndarray], predictor: AnyPredictor) -> list[np.ndarray]:
    """Predicts images at the model's size, and resizes the probabilities back to the images' sizes.

    Args:
      images: (height, width) or, for a model of three channels, (height, width, 3) uint8 each, of any sizes.

    Returns:
      (height, width, classes) float32 each.
    """
    return [predicted.at_source() for predicted in predict_at_side(images, predictor)]


def predict_at_side(images: Sequence[np.ndarray], predictor: AnyPredictor) -> list[Predicted]:
    """As `predict_whole`, but the probabilities stay at the model's size. Images are letterboxed, or cropped to the breast."""
    crops: list[Crop | None] = [None] * len(images)
    if predictor.crop == "none":
        pixels = [square_image(image, predictor.height) for image in images]
    else:
        squares = [_letterbox(image) for image in images]
        found = [find_crop(square[..., -1], predictor.height, predictor.width) for square in squares]
        pixels = [crop.image(square) for crop, square in zip(found, squares, strict=True)]
        crops = [*found]
    return [
        Predicted(probabilities, image.shape[0], image.shape[1], crop)
        for probabilities, image, crop in zip(_predict_batch(pixels, predictor), images, crops, strict=True)
    ]


def _letterbox(image: np.ndarray) -> np.ndarray:
    """A square around an image at its own resolution, (side, side, channels) uint8."""
    box = Letterbox(image.shape[1], image.shape[0], max(image.shape[:2]))
    return place(image if image.ndim == 3 else image[..., None], box.pad_left, box.pad_top, box.side)


def predict_tiled(image: np.ndarray, predictor: AnyPredictor, settings: TiledInferSettings) -> np.ndarray:
    """Predicts overlapping tiles and averages them, with more weight on the middle of a tile than on its rim.

    Seams are avoided as far as possible: a quarter of the overlap at each side of a tile, where the tile's own zero padding
    has an effect, does not count, except along the image's border. So a network without pooling whose receptive field has
    a radius of at most a quarter of `overlapping` (a sixteenth of the tile by default) predicts the same as on the whole
    image, if tiles have the model's side. With a larger receptive field, predictions change smoothly from tile to tile.

    Only the result and a few tiles are in memory. An image smaller than a tile is padded with black on the right and below.

    Args:
      image: (height, width) or, for a model of three channels, (height, width, 3) uint8.
      settings: tiles of another side than the model's are resized to it, and their probabilities are resized back.

    Returns:
      (height, width, classes) float32, at source resolution.
    """
    side = predictor.height
    tile, overlap = settings.sizes(side)
    height, width = image.shape[:2]
    below, right = max(0, tile - height), max(0, tile - width)
    padded = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_CONSTANT, value=0)
    result = np.zeros((*padded.shape[:2], predictor.classes), np.float32)
    rows, columns = (weigh_tiles(length, tile, overlap) for length in padded.shape[:2])
    positions = [(row, column) for row in rows for column in columns]
    for first in range(0, len(positions), _TILES_AT_ONCE):
        batch = positions[first : first + _TILES_AT_ONCE]
        tiles = [padded[top : top + tile, left : left + tile] for (top, _), (left, _) in batch]
        if tile != side:
            tiles = [square_image(pixels, side) for pixels in tiles]
        for ((top, down), (left, across)), square in zip(batch, _predict_batch(tiles, predictor), strict=True):
            probabilities = square if tile == side else _unsquare(square, tile, tile)
            result[top : top + tile, left : left + tile] += probabilities * (down[:, None] * across)[..., None]
    result = result[:height, :width]
    if settings.whole_image_weight:
        whole = predict_whole([image], predictor)[0]
        whole *= settings.whole_image_weight
        result *= 1 - settings.whole_image_weight
        result += whole
    return result


def weigh_tiles(length: int, tile: int, overlap: int) -> list[tuple[int, np.ndarray]]:
    """Places tiles along one axis, and weighs each of their pixels.

    Weights of all tiles add up to 1 at each pixel, so that sums of products over both axes are averages already. The last
    tile is moved back to end with the image.

    Args:
      length: the length of the axis, in pixels; at least `tile`.
      tile, overlap: the side of a tile, and the least number of pixels that neighbors share.

    Returns:
      For each tile its first pixel and its weights, (tile,) float32.

    Example:
      >>> [(start, weights.shape) for start, weights in weigh_tiles(length=10, tile=6, overlap=2)]
      [(0, (6,)), (4, (6,))]
    """
    starts = [*range(0, length - tile, tile - overlap), length - tile]
    margin = overlap // 4
    bell = np.exp(-0.5 * ((np.arange(tile) - (tile - 1) / 2) / (tile / 8)) ** 2)
    weights = np.tile(bell, (len(starts), 1))
    weights[1:, :margin] = 0
    weights[:-1, tile - margin :] = 0
    total = np.zeros(length)
    for start, row in zip(starts, weights, strict=True):
        total[start : start + tile] += row
    return [(start, (row / total[start : start + tile]).astype(np.float32)) for start, row in zip(starts, weights, strict=True)]


def _predict_batch(images: Sequence[np.ndarray], predictor: AnyPredictor) -> np.ndarray:
    batch = np.stack(images)
    batch = batch if batch.ndim == 4 else batch[..., None]
    return predictor.predict(batch if batch.shape[-1] == predictor.channels else np.repeat(batch, predictor.channels, axis=-1))


def _unsquare(square: np.ndarray, height: int, width: int) -> np.ndarray:
    return unsquare(square, width, height).reshape(height, width, -1)  # OpenCV drops a lone channel
