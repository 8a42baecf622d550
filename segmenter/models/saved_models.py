"""Reads and writes `.keras` files: whole or not at all; other files are refused in one line."""

import contextlib
import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pipeline.contract import MOST_CLASSES
from pipeline.files import InputError, refuse_zip_bomb, replacing
from segmenter.models.registry import register_layers

MOST_SIDE = 4096  # of a model's input; a mammogram has some 3000 pixels in its longer side
_ROUNDING = 1e-3  # of probabilities in 16 bits


@dataclass(frozen=True)
class Predictor:
    """A trained model, from raw square pixels to probabilities.

    Attributes:
      side, channels: of the images that it takes.
      classes: 1, the lesion's probability; or more, and the first is the background's.
      name: of the model in errors, such as its path.
    """

    model: keras.Model
    side: int
    channels: int
    classes: int
    name: str = "the model"

    @property
    def network(self) -> str:
        """The network's name, as `train` gave it to the model."""
        return self.model.name

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Probabilities of a batch.

        Args:
          images: (batch, side, side, channels) uint8, raw.

        Returns:
          (batch, side, side, classes) float32.

        Raises:
          InputError: they are not probabilities, for example because the model ends without a sigmoid.
        """
        # A model of one output may return it in a list or by its name.
        predicted = np.asarray(keras.tree.flatten(self.model.predict_on_batch(images))[0], np.float32)
        predicted = predicted[: len(images)]  # during a training on several devices, each predicts all
        lowest, highest = float(predicted.min()), float(predicted.max())
        if not (lowest >= -_ROUNDING and highest <= 1 + _ROUNDING):  # also where they are not numbers
            raise InputError(
                f"{self.name}: predicts values from {lowest:.4g} to {highest:.4g}; expected probabilities, 0 to 1: does it "
                "lack a sigmoid or softmax at its end, or did its training diverge?"
            )
        return np.clip(predicted, 0, 1)


def save_whole(model: keras.Model, path: Path) -> None:
    """Writes a model with its optimizer; the old file stays until the new one is whole."""
    with replacing(path) as temporary:
        model.save(temporary)


def save_for_prediction(model: keras.Model, path: Path) -> None:
    """As `save_whole`, without optimizer, losses and side branches: a third of the size."""
    save_whole(keras.Model(model.inputs, model.outputs[0], name=model.name), path)


def load_predictor(path: Path) -> Predictor:
    """Reads a model for prediction, under Keras' safe mode: no code from the file is run.

    Raises:
      InputError: the file is not a Keras model, or not one from square images to probabilities per pixel.
    """
    model = load_whole(path, compile=False)
    # A model that is not built has none.
    input_shape: Any = getattr(model, "input_shape", None)
    output_shape: Any = getattr(model, "output_shape", None)
    fits = (
        isinstance(input_shape, tuple)
        and isinstance(output_shape, tuple)
        and len(model.inputs) == len(model.outputs) == 1
        and len(input_shape) == len(output_shape) == 4
        and input_shape[1] == input_shape[2] is not None
        and input_shape[1] <= MOST_SIDE
        and input_shape[3] in (1, 3)
        and output_shape[1:3] == input_shape[1:3]
        and output_shape[3] in range(1, MOST_CLASSES + 2)
    )
    if not fits:
        raise InputError(
            f"{path}: has the input shape {input_shape} and the output shape {output_shape}; expected one input, "
            f"(None, side, side, 1 or 3) with sides up to {MOST_SIDE}, and one output, (None, side, side, classes) with up to "
            f"{MOST_CLASSES + 1} classes; give a model that `cesm-segmenter train` wrote"
        )
    return Predictor(model, input_shape[1], input_shape[3], output_shape[3], str(path))


def load_whole(path: Path, *, compile: bool = True) -> keras.Model:
    """Reads a model, with its optimizer unless `compile` is off.

    Raises:
      InputError: the file is not a Keras model.
    """
    register_layers()
    remedy = "give a .keras file that `cesm-segmenter train` wrote"
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; {remedy}")
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            raise InputError(f"{path}: is not a Keras model: it starts with {file.read(8)!r}; {remedy}")
    refuse_zip_bomb(path, remedy)
    try:
        with _weights_within(path):
            model = keras.saving.load_model(path, compile=compile, safe_mode=True)
    except Exception as error:  # Keras raises many types of them
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"{path}: cannot be loaded as a Keras model ({reason}); {remedy}") from error
    if not isinstance(model, keras.Model):
        raise InputError(f"{path}: holds a {type(model).__name__}, which is no Keras model; {remedy}")
    return model


@contextlib.contextmanager
def _weights_within(path: Path) -> Iterator[None]:
    """Lets layers make only weights that the file can hold: their sizes are somebody's, and memory is taken before any is read.

    Raises:
      InputError: within the block, where a layer would make more.
    """
    with zipfile.ZipFile(path) as archive:
        left = 2 * sum(member.file_size for member in archive.infolist())  # a weight of 16 bits takes 32 bits here
    plain = keras.layers.Layer.add_weight

    def add_weight(layer, shape=None, *args, **kwargs):
        nonlocal left
        left -= 4 * math.prod(shape or ())
        if left < 0:
            raise InputError(f"its layer {layer.name!r} of shape {tuple(shape)} has more weights than the file holds")
        return plain(layer, shape, *args, **kwargs)

    keras.layers.Layer.add_weight = add_weight
    try:
        yield
    finally:
        keras.layers.Layer.add_weight = plain
