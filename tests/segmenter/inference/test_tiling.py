"""The law of tiles: a network that does not see beyond the margin predicts the same with and without tiles."""

import tracemalloc
from dataclasses import dataclass

import keras
import numpy as np
import pytest

from segmenter.configuration import TiledInferSettings
from segmenter.inference.tiling import predict_tiled, predict_whole, weigh_tiles
from segmenter.models.saved_models import Predictor


@dataclass
class Gray:
    """A predictor of gray levels / 255 as the lesion's probability; with two classes the background has the rest."""

    height: int = 16
    width: int = 16
    channels: int = 1
    classes: int = 1
    name: str = "gray"
    crop: str = "none"
    partner: bool = False
    largest_batch: int = 0

    def predict(self, images):
        assert images.shape[1:] == (self.height, self.width, self.channels)
        assert images.dtype == np.uint8
        self.largest_batch = max(self.largest_batch, len(images))
        lesion = images[..., :1].astype(np.float32) / 255
        return lesion if self.classes == 1 else np.concatenate([1 - lesion, lesion], axis=-1)


def noise(height, width):
    return np.random.default_rng(1).integers(0, 256, (height, width)).astype(np.uint8)


@pytest.fixture
def convolution():
    """Makes a model that is one convolution of the given radius, with the same weights for every size."""

    def make(height, width, radius, classes=2):
        pixels = keras.Input((height, width, 1))
        layer = keras.layers.Conv2D(classes, 2 * radius + 1, padding="same", activation="sigmoid")
        model = keras.Model(pixels, layer(keras.layers.Rescaling(1 / 255)(pixels)))
        rng = np.random.default_rng(2)
        layer.set_weights([rng.normal(size=weight.shape) / 8 for weight in layer.get_weights()])
        return model

    return make


def largest_difference(convolution, radius, settings, height=75, width=53, side=32):
    """The largest difference between the tiled result and the same convolution over the whole image."""
    gray = noise(height, width)
    whole = convolution(height, width, radius).predict_on_batch(gray[None, ..., None])[0]
    tiled = predict_tiled(gray, Predictor(convolution(side, side, radius), side, side, 1, 2), settings)
    assert tiled.shape == (height, width, 2)
    assert tiled.dtype == np.float32
    return np.abs(tiled - whole).max()


@pytest.mark.parametrize(("overlapping", "radius"), [(None, 1), (None, 2), (12, 3), (16, 4), (18, 4), (30, 7), (0, 0)])
def test_a_convolution_up_to_the_margin_has_no_seams(convolution, overlapping, radius):
    assert largest_difference(convolution, radius, TiledInferSettings(overlapping=overlapping)) < 1e-5


@pytest.mark.parametrize(("overlapping", "radius"), [(None, 3), (12, 4), (0, 1)])
def test_a_convolution_beyond_the_margin_has_seams(convolution, overlapping, radius):
    assert largest_difference(convolution, radius, TiledInferSettings(overlapping=overlapping)) > 1e-3


def test_without_margin_the_same_convolution_would_have_seams(convolution, monkeypatch):
    def blend_whole_tiles(length, tile, overlap):
        tiles = weigh_tiles(length, tile, overlap)
        bell = np.exp(-0.5 * ((np.arange(tile) - (tile - 1) / 2) / (tile / 8)) ** 2)
        total = sum(np.pad(bell, (start, length - tile - start)) for start, _ in tiles)
        return [(start, (bell / total[start : start + tile]).astype(np.float32)) for start, _ in tiles]

    monkeypatch.setattr("segmenter.inference.tiling.weigh_tiles", blend_whole_tiles)
    assert largest_difference(convolution, 2, TiledInferSettings()) > 1e-4


@pytest.mark.parametrize(("length", "starts"), [(8, [0]), (9, [0, 1]), (12, [0, 4]), (14, [0, 4, 6]), (16, [0, 4, 8])])
def test_tiles_cover_an_axis_and_none_leaves_it(length, starts):
    tiles = weigh_tiles(length, tile=8, overlap=4)
    assert [start for start, _ in tiles] == starts
    total = np.zeros(length)
    for start, weights in tiles:
        total[start : start + 8] += weights
    np.testing.assert_allclose(total, 1, rtol=1e-6)


def test_a_tile_counts_in_its_middle_and_up_to_the_border():
    (_, first), (_, second), (_, third) = weigh_tiles(16, tile=8, overlap=4)
    np.testing.assert_array_equal(first > 0, [True] * 7 + [False])
    np.testing.assert_array_equal(second > 0, [False] + [True] * 6 + [False])
    np.testing.assert_array_equal(third > 0, [False] + [True] * 7)
    assert first[:5].tolist() == [1, 1, 1, 1, 1]
    # Pixel 5 is 1.5 sigma from the middle of tile one and 2.5 sigma from that of tile two.
    assert first[5] == second[2] == pytest.approx(1 / (1 + np.exp((1.5**2 - 2.5**2) / 2)))


@pytest.mark.parametrize("shape", [(16, 16), (40, 23), (5, 40), (3, 2)])
@pytest.mark.parametrize("classes", [1, 2])
def test_levels_come_back_at_their_position_whatever_the_size(shape, classes):
    gray = noise(*shape)
    predictor = Gray(classes=classes, channels=3)
    result = predict_tiled(gray, predictor, TiledInferSettings())
    np.testing.assert_allclose(result[..., -1], gray / 255, atol=1e-6)
    assert result.shape == (*shape, classes)
    assert predictor.largest_batch <= 4


def test_tiles_of_another_size_are_resized_and_back():
    gray = np.repeat(np.repeat(noise(6, 9) // 2 + 60, 8, axis=0), 8, axis=1)
    small, large = (predict_tiled(gray, Gray(), TiledInferSettings(split_size=size))[..., 0] * 255 for size in (8, 64))
    # Blocks of 8 px: enlarged tiles keep them, and tiles shrunk to a quarter keep them except for their rims.
    np.testing.assert_allclose(small[3::8, 3::8], gray[3::8, 3::8], atol=12)
    middle = np.abs(large[3::8, 3::8] - gray[3::8, 3::8].astype(float))
    assert np.median(middle) < 15
    assert small.shape == large.shape == gray.shape


@pytest.mark.parametrize("settings", [{"overlapping": 16}, {"split_size": 24, "overlapping": 30}])
def test_tiles_that_overlap_completely_are_refused(settings, configure):
    with pytest.raises(ValueError, match=r"overlapping \d+ is not below the side of a tile, (16|24) px; lower it"):
        configure(**{f"tiledinfer__{key}": value for key, value in settings.items()})


def test_the_whole_image_is_blended_in():
    gray = noise(40, 30)
    tiled, whole = predict_tiled(gray, Gray(), TiledInferSettings()), predict_whole([gray], Gray())[0]
    assert np.abs(tiled - whole).max() > 0.1
    blended = predict_tiled(gray, Gray(), TiledInferSettings(whole_image_weight=0.25))
    np.testing.assert_allclose(blended, 0.75 * tiled + 0.25 * whole, atol=1e-6)


def test_images_of_several_sizes_are_predicted_in_one_batch():
    grays = [np.full(shape, level, np.uint8) for shape, level in (((32, 20), 51), ((10, 10), 204))]
    for result, gray in zip(predict_whole(grays, Gray(classes=2)), grays, strict=True):
        assert result.shape == (*gray.shape, 2)
        np.testing.assert_allclose(result[2:-2, 2:-2, 1], gray[2:-2, 2:-2] / 255, atol=0.01)


def test_a_large_image_needs_memory_for_its_result_and_a_few_tiles():
    """4000 x 4000 px: 61 MB of probabilities, 15 MB of image; all tiles together would be over 100 MB more."""

    class Blind:
        height, width, channels, classes, crop, partner, name = 512, 512, 1, 1, "none", False, "blind"

        def predict(self, images):
            return np.zeros((*images.shape[:3], 1), np.float32)

    gray = np.zeros((4000, 4000), np.uint8)
    tracemalloc.start()
    result = predict_tiled(gray, Blind(), TiledInferSettings())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert result.shape == (4000, 4000, 1)
    assert peak < 1.5 * result.nbytes
