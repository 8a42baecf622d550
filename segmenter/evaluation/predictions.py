"""Predicts samples on the data set's own grid, batch by batch."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pipeline.files import progress
from pipeline.geometry import unsquare
from segmenter.configuration import Configuration
from segmenter.data.batches import evaluation_batches
from segmenter.data.dataset import Sample
from segmenter.data.pairs import PairFormat


def load(model_file: Path, configuration: Configuration):
    """Loads the model of a file; it averages over the views of each image that [infer] augmentation sets."""
    from segmenter.inference.ensembles import AugmentedPredictor
    from segmenter.models.saved_models import load_predictor

    predictor, views = load_predictor(model_file), configuration.infer.augmentation
    return predictor if views == "none" else AugmentedPredictor(predictor, views)


def predict_batches(
    predictor, samples: Sequence[Sample], configuration: Configuration
) -> Iterator[tuple[Sequence[Sample], np.ndarray, np.ndarray]]:
    """Yields for each batch its samples, their ground truth, and the predicted probabilities.

    Ground truth is (batch, size, size, 1) uint8 of classes, probabilities are (batch, size, size, classes) float32.
    """
    # The model fixes the format of its input, the configuration the rest.
    pair_format = dataclasses.replace(
        PairFormat.of(configuration),
        height=predictor.height,
        width=predictor.width,
        channels=predictor.channels,
        crop=predictor.crop,
    )
    count = configuration.eval.batch_size
    batches = evaluation_batches(samples, pair_format, count)
    batches_with_progress = progress(batches, -(-len(samples) // count), f"evaluating {samples[0].split}", "batches")
    for number, (images, masks, crops) in enumerate(batches_with_progress):
        predicted = zip(predictor.predict(images), crops, strict=True)
        probabilities = np.stack([crop.back(one) if crop else _resize(one, masks.shape[1]) for one, crop in predicted])
        yield samples[number * count :][:count], masks, probabilities


def _resize(square: np.ndarray, side: int) -> np.ndarray:
    return unsquare(square, side, side).reshape(side, side, -1)  # OpenCV drops a lone channel
