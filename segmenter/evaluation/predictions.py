"""What a model says of a split's samples, on the data set's own grid, batch by batch."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pipeline.files import progress
from segmenter.configuration import Configuration
from segmenter.data.dataset import Sample


def load(model_file: Path, configuration: Configuration):
    """The model of a file, looking at as many views of each image as [infer] augmentation says."""
    from segmenter.inference.ensembles import AugmentedPredictor
    from segmenter.models.saved_models import load_predictor

    predictor, views = load_predictor(model_file), configuration.infer.augmentation
    return predictor if views == "none" else AugmentedPredictor(predictor, views)


def predict_batches(
    predictor, samples: Sequence[Sample], configuration: Configuration
) -> Iterator[tuple[Sequence[Sample], np.ndarray, np.ndarray]]:
    """Samples, truth, (batch, size, size, 1) uint8 of classes, and probabilities of that size, float32; batch by batch."""
    import tensorflow as tf

    from segmenter.data.input_pipeline import evaluation_batches
    from segmenter.data.pairs import PairFormat, explained

    # The model decides about its input; the configuration about the rest.
    form = dataclasses.replace(PairFormat.of(configuration), side=predictor.side, channels=predictor.channels)
    count = configuration.eval.batch_size
    with explained(samples, form):
        batches = evaluation_batches(samples, form, count)
        told = progress(batches, -(-len(samples) // count), f"evaluating {samples[0].split}", "batches")
        for number, (images, masks) in enumerate(told):
            probabilities = tf.image.resize(predictor.predict(images.numpy()), masks.shape[1:3], method="bilinear")
            yield samples[number * count :][:count], masks.numpy(), probabilities.numpy()
