"""The name of a model's input, which states what the model takes of an image: it stays with the model, whatever the file."""

import json
import zipfile
from pathlib import Path
from typing import Literal

Crop = Literal["none", "breast"]
_CROPPED = "breast_crop"  # not a whole image, but its breast; see `segmenter.data.cropping`
_VIEW = "low_energy_subtracted_annotated"  # the channels of `segmenter.data.stacks`


def input_name(*, crop: Crop = "none", partner: bool = False) -> str:
    """The name of an input; arguments as in [dataset].

    Example:
      >>> input_name(), input_name(crop="breast", partner=True)
      ('image', 'low_energy_subtracted_annotated_breast_crop')
    """
    return "_".join([_VIEW] * partner + [_CROPPED] * (crop == "breast")) or "image"


def crop_of(name: str) -> Crop:
    """What the name of an input states about [dataset] crop."""
    return "breast" if name.endswith(_CROPPED) else "none"


def takes_partner(name: str) -> bool:
    """What the name of an input states about [dataset] partner."""
    return name.startswith(_VIEW)


def read_input_name(path: Path) -> str:
    """The name of the first input of a .keras file, read without Keras; empty where the file is no model that has one."""
    try:
        with zipfile.ZipFile(path) as archive:
            layers = json.loads(archive.read("config.json"))["config"]["input_layers"]
    except (OSError, zipfile.BadZipFile, ValueError, KeyError, TypeError):  # refused with a reason once it is loaded
        return ""
    while isinstance(layers, list) and layers:
        layers = layers[0]
    return layers if isinstance(layers, str) else ""
