"""Reads and writes `.keras` files: whole or not at all; other files are refused in one line."""

import contextlib
import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np

from pipeline.files import InputError, refuse_zip_bomb, replacing
from segmenter.models.input_names import crop_of, takes_partner
from segmenter.models.probabilities import check_probabilities
from segmenter.models.registry import register_layers
from segmenter.models.sizes import check_sizes


@dataclass(frozen=True)
class Predictor:
    """A trained model, from raw pixels to probabilities.

    Attributes:
      height, width, channels: of the images that it takes.
      classes: 1, the lesion's probability; or more, and the first is the background's.
      name: of the model in errors, such as its path.
    """

    model: keras.Model
    height: int
    width: int
    channels: int
    classes: int
    name: str = "the model"

    @property
    def network(self) -> str:
        """The network's name, as `train` gave it to the model."""
        return self.model.name

    @property
    def crop(self) -> Literal["none", "breast"]:
        """How its images are cut out of whole ones, by the name of its input."""
        return crop_of(self.model.inputs[0].name)

    @property
    def partner(self) -> bool:
        """Whether its channels are those of `segmenter.data.stacks`, by the name of its input."""
        return takes_partner(self.model.inputs[0].name)

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Probabilities of a batch.

        Args:
          images: (batch, height, width, channels) uint8, raw.

        Returns:
          (batch, height, width, classes) float32.

        Raises:
          InputError: they are not probabilities, for example because the model ends without a sigmoid.
        """
        # A model with side branches, during its training, returns several outputs, of which the first is the prediction.
        predicted = keras.tree.flatten(self.model.predict_on_batch(images))[0]
        return check_probabilities(predicted[: len(images)], self.name)  # on several devices, each predicts all


def save_whole(model: keras.Model, path: Path) -> None:
    """Writes a model with its optimizer; the old file stays until the new one is whole."""
    with replacing(path) as temporary:
        model.save(temporary)


def save_for_prediction(model: keras.Model, path: Path) -> None:
    """As `save_whole`, without optimizer, losses and side branches: a third of the size."""
    save_whole(take_plain_tensor(model), path)


def take_plain_tensor(model: keras.Model) -> keras.Model:
    """The same network from its first input to its first output, each a tensor and not a list of one, on which Keras remarks."""
    return keras.Model(model.inputs[0], model.outputs[0], name=model.name)


def load_predictor(path: Path) -> Predictor:
    """Reads a model for prediction, under Keras' safe mode: no code from the file is run.

    Raises:
      InputError: the file is not a Keras model, or not one from images to probabilities per pixel.
    """
    model = load_whole(path, compile=False)
    # A model that is not built has none.
    shapes = (_as_list(getattr(model, name, None)) for name in ("input_shape", "output_shape"))
    cropped = any(crop_of(tensor.name) == "breast" for tensor in getattr(model, "inputs", None) or [])
    sizes = check_sizes(path, *shapes, cropped=cropped)
    return Predictor(take_plain_tensor(model), *sizes, str(path))


def _as_list(shapes: Any) -> list:
    return shapes if isinstance(shapes, list) else [shapes]


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
