"""Averages predictions: those of several models, and those of one model on turned and flipped copies of an image.

Probabilities are averaged. Both classes can be used wherever a predictor can, also inside each other.
"""

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np

from pipeline.files import InputError

# Counter-clockwise quarter turns, and whether the turned image is then mirrored.
_VIEWS = {
    "flips": [(turns, mirrored) for turns in (0, 2) for mirrored in (False, True)],
    "turns": [(turns, mirrored) for turns in range(4) for mirrored in (False, True)],
}


def count_views(augmentation: Literal["none", "flips", "turns"]) -> int:
    """How often a network predicts each image, with this setting of [infer] augmentation."""
    return len(_VIEWS.get(augmentation, [None]))


class AnyPredictor(Protocol):
    """Predicts the probabilities of raw images."""

    @property
    def height(self) -> int:
        """Height of the images, in pixels."""

    @property
    def width(self) -> int:
        """Width of the images, in pixels."""

    @property
    def channels(self) -> int:
        """1 or 3."""

    @property
    def classes(self) -> int:
        """1 for the lesion's probability alone; with more, the first is the background's."""

    @property
    def crop(self) -> Literal["none", "breast"]:
        """How the images are cut out of whole ones: as squares around them, or by `segmenter.data.cropping`."""

    @property
    def partner(self) -> bool:
        """Whether the channels are those of `segmenter.data.stacks`: both images of a view."""

    @property
    def name(self) -> str:
        """Its name in error messages."""

    @property
    def network(self) -> str:
        """The network's name, without any path."""

    def predict(self, images: np.ndarray) -> np.ndarray:
        """From (batch, height, width, channels) uint8 to (batch, height, width, classes) float32."""


class Ensemble:
    """The mean of several predictors' probabilities.

    Raises:
      InputError: they take images of different sizes or channels, or predict different numbers of classes.
    """

    def __init__(self, predictors: Sequence[AnyPredictor]):
        first = predictors[0]
        for other in predictors[1:]:
            if _sizes(other) != _sizes(first):
                raise InputError(
                    f"{other.name}: is for {_describe_sizes(other)}, and {first.name} for {_describe_sizes(first)}; "
                    "an ensemble needs models with the same side, channels and classes"
                )
        self.predictors = predictors
        self.height, self.width, self.channels, self.classes, self.crop, self.partner = _sizes(first)
        self.name = " + ".join(predictor.name for predictor in predictors)

    @property
    def network(self) -> str:
        """The networks' names, each once."""
        return " + ".join(dict.fromkeys(predictor.network for predictor in self.predictors))

    def predict(self, images: np.ndarray) -> np.ndarray:
        """The mean; shapes as for a single predictor."""
        total = self.predictors[0].predict(images)
        for predictor in self.predictors[1:]:
            total = total + predictor.predict(images)
        return total / np.float32(len(self.predictors))


class AugmentedPredictor:
    """The mean of a predictor's probabilities over views of each image, each turned back first.

    Args:
      views: `flips` for the image and its flips (4 views), `turns` for all turns by 90 degrees as well (8 views).

    Raises:
      InputError: images that are not square are to be turned by 90 degrees.
    """

    def __init__(self, predictor: AnyPredictor, views: Literal["flips", "turns"]):
        self.predictor, self.views = predictor, _VIEWS[views]
        self.height, self.width, self.channels, self.classes, self.crop, self.partner = _sizes(predictor)
        if views == "turns" and self.height != self.width:
            raise InputError(
                f"{predictor.name}: takes images of {self.width} x {self.height} px, which cannot be turned by 90 degrees; "
                "set [infer] augmentation to flips"
            )
        self.name = predictor.name

    @property
    def network(self) -> str:
        """The predictor's own network."""
        return self.predictor.network

    def predict(self, images: np.ndarray) -> np.ndarray:
        """The mean; shapes as for the predictor itself."""
        total = np.zeros((*images.shape[:3], self.classes), np.float32)
        for turns, mirrored in self.views:
            view = np.rot90(images, turns, axes=(1, 2))
            predicted = self.predictor.predict(np.ascontiguousarray(view[:, :, ::-1] if mirrored else view))
            total += np.rot90(predicted[:, :, ::-1] if mirrored else predicted, -turns, axes=(1, 2))
        return total / np.float32(len(self.views))


def _sizes(predictor: AnyPredictor) -> tuple[int, int, int, int, Literal["none", "breast"], bool]:
    return predictor.height, predictor.width, predictor.channels, predictor.classes, predictor.crop, predictor.partner


def _describe_sizes(predictor: AnyPredictor) -> str:
    channels, classes = predictor.channels, predictor.classes
    square = predictor.height == predictor.width
    size = f"{predictor.width} px" if square else f"{predictor.width} x {predictor.height} px"
    cropped = "" if predictor.crop == "none" else f", cropped to the {predictor.crop}"
    views = ", both images of a view" if predictor.partner else ""
    inputs = f"{size}, {channels} channel{'s' if channels > 1 else ''}"
    return f"{inputs} and {classes} class{'es' if classes > 1 else ''}{cropped}{views}"
