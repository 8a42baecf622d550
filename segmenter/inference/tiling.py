"""Predicts images at their own size: in one pass at the model's size, or in overlapping tiles at source resolution.

Gaussian weights of an eighth of the tile: F. Isensee et al., "nnU-Net", Nature Methods 18, 2021.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from pipeline.geometry import square_image, unsquare
from segmenter.configuration import TiledInferSettings
from segmenter.inference.ensembles import AnyPredictor

# Bounds memory: a 512 px network needs about 100 MB per tile.
_TILES_AT_ONCE = 4


def predict_whole(images: Sequence[np.ndarray], predictor: AnyPredictor) -> list[np.ndarray]:
    """Letterboxes images to the model's side, predicts them, and resizes the probabilities back to the images' sizes.

    Args:
      images: (height, width) or, for a model of three channels, (height, width, 3) uint8 each, of any sizes.

    Returns:
      (height, width, classes) float32 each.
    """
    squares = predict_at_side(images, predictor)
    return [resize_back(square, *image.shape[:2]) for square, image in zip(squares, images, strict=True)]


def predict_at_side(images: Sequence[np.ndarray], predictor: AnyPredictor) -> np.ndarray:
    """As `predict_whole`, but the probabilities stay letterboxed: (images, side, side, classes) float32."""
    return _predict_squares([square_image(image, predictor.side) for image in images], predictor)


def resize_back(probabilities: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resizes letterboxed probabilities to an image's size; those that have it already are returned as they are."""
    return probabilities if probabilities.shape[:2] == (height, width) else _unsquare(probabilities, height, width)


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
    tile, overlap = settings.sizes(predictor.side)
    height, width = image.shape[:2]
    below, right = max(0, tile - height), max(0, tile - width)
    padded = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_CONSTANT, value=0)
    result = np.zeros((*padded.shape[:2], predictor.classes), np.float32)
    rows, columns = (weigh_tiles(length, tile, overlap) for length in padded.shape[:2])
    positions = [(row, column) for row in rows for column in columns]
    for first in range(0, len(positions), _TILES_AT_ONCE):
        batch = positions[first : first + _TILES_AT_ONCE]
        tiles = [padded[top : top + tile, left : left + tile] for (top, _), (left, _) in batch]
        if tile != predictor.side:
            tiles = [square_image(pixels, predictor.side) for pixels in tiles]
        for ((top, down), (left, across)), square in zip(batch, _predict_squares(tiles, predictor), strict=True):
            probabilities = square if tile == predictor.side else _unsquare(square, tile, tile)
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


def _predict_squares(squares: Sequence[np.ndarray], predictor: AnyPredictor) -> np.ndarray:
    batch = np.stack(squares)
    return predictor.predict(batch if batch.ndim == 4 else np.repeat(batch[..., None], predictor.channels, axis=-1))


def _unsquare(square: np.ndarray, height: int, width: int) -> np.ndarray:
    return unsquare(square, width, height).reshape(height, width, -1)  # OpenCV drops a lone channel
