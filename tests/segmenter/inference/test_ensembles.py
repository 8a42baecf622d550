from dataclasses import dataclass, field

import numpy as np
import pytest

from pipeline.files import InputError
from segmenter.inference.ensembles import AugmentedPredictor, Ensemble


@dataclass
class Toy:
    """A predictor whose probabilities are gray levels times a factor for each pixel's position."""

    factors: np.ndarray
    height: int = 2
    width: int = 2
    channels: int = 1
    classes: int = 1
    name: str = "toy"
    crop: str = "none"
    partner: bool = False
    network: str = "ToyNet"
    inputs: list = field(default_factory=list)

    def predict(self, images):
        self.inputs.append(images)
        return np.repeat(images[..., :1] * self.factors[None, ..., None], self.classes, axis=-1).astype(np.float32)


EVEN = np.full((2, 2), 1 / 8, np.float32)
UNEVEN = np.array([[1, 0], [0, 0]], np.float32)  # only the upper left corner shows
IMAGE = np.array([[1, 2], [3, 6]], np.uint8)[None, ..., None]


def test_an_ensemble_is_the_mean():
    one, two = Toy(EVEN), Toy(UNEVEN)
    mean = Ensemble([one, two, two])
    np.testing.assert_allclose(mean.predict(IMAGE)[0, ..., 0], [[(1 / 8 + 2) / 3, 2 / 24], [3 / 24, 6 / 24]])
    assert (mean.width, mean.channels, mean.classes, mean.name) == (2, 1, 1, "toy + toy + toy")
    assert mean.predict(IMAGE).dtype == np.float32


def test_networks_are_named_once_and_by_no_file():
    predictors = [Toy(EVEN, name="a.keras"), Toy(EVEN, name="b.keras"), Toy(EVEN, name="c.keras", network="OtherNet")]
    assert AugmentedPredictor(Ensemble(predictors), "flips").network == "ToyNet + OtherNet"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"height": 4, "width": 4},
            "b.keras: is for 4 px, 1 channel and 1 class, and a.keras for 2 px, 1 channel and 1 class; an ensemble",
        ),
        ({"channels": 3}, "b.keras: is for 2 px, 3 channels and 1 class, and a.keras"),
        ({"classes": 3}, "b.keras: is for 2 px, 1 channel and 3 classes, and a.keras"),
    ],
)
def test_models_that_do_not_fit_together_are_named(changes, message):
    with pytest.raises(InputError, match=message):
        Ensemble([Toy(EVEN, name="a.keras"), Toy(EVEN, name="b.keras", **changes)])


@pytest.mark.parametrize("views", ["flips", "turns"])
def test_views_change_nothing_where_the_position_does_not_matter(views):
    rng = np.random.default_rng(1)
    images = rng.integers(0, 8, (2, 6, 6, 3)).astype(np.uint8)
    toy = Toy(np.full((6, 6), 1 / 8, np.float32), height=6, width=6, channels=3, classes=2)
    augmented = AugmentedPredictor(toy, views)
    np.testing.assert_allclose(augmented.predict(images), toy.predict(images), rtol=1e-6)
    assert (augmented.width, augmented.channels, augmented.classes, augmented.name) == (6, 3, 2, "toy")


@pytest.mark.parametrize(
    ("views", "count", "mean"),
    # Each pixel is in the corner that shows in one of four flips, and in two of eight turns and flips.
    [("flips", 4, [[0.25, 0.5], [0.75, 1.5]]), ("turns", 8, [[0.25, 0.5], [0.75, 1.5]])],
)
def test_views_are_averaged_where_the_position_matters(views, count, mean):
    toy = Toy(UNEVEN)
    np.testing.assert_allclose(AugmentedPredictor(toy, views).predict(IMAGE)[0, ..., 0], mean)
    assert len({images.tobytes() for images in toy.inputs}) == len(toy.inputs) == count


def test_flips_are_the_four_flips_of_the_image():
    toy = Toy(np.array([[1, 0.5], [0, 0]], np.float32))
    # A pixel of the upper row stays in it in two of four flips, once with each factor.
    np.testing.assert_allclose(AugmentedPredictor(toy, "flips").predict(IMAGE)[0, ..., 0], IMAGE[0, ..., 0] * 1.5 / 4)
    upright = {images[0, ..., 0].tobytes() for images in toy.inputs}
    square = IMAGE[0, ..., 0]
    assert upright == {view.tobytes() for view in (square, square[::-1], square[:, ::-1], square[::-1, ::-1])}


def test_an_ensemble_can_be_augmented():
    mean = AugmentedPredictor(Ensemble([Toy(UNEVEN), Toy(EVEN)]), "flips")
    np.testing.assert_allclose(mean.predict(IMAGE)[0, ..., 0], IMAGE[0, ..., 0] * (0.25 + 0.125) / 2)
