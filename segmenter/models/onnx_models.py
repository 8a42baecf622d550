"""Reads ONNX files that `cesm-segmenter export` wrote, and predicts with them by onnxruntime: no TensorFlow, no Keras.

All that an inference needs stands in the file: `Description` is its metadata, as JSON under METADATA_KEY.
"""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pipeline.files import InputError, parse_json, read_regular, require, stamp_of
from segmenter.models.probabilities import check_probabilities
from segmenter.models.sizes import check_sizes

SUFFIX = ".onnx"
METADATA_KEY = "cesm_segmenter"
# The channels of a model that takes both images of a view.
VIEW_PIXELS = (
    "raw levels 0 to 255 as float32, not scaled, (batch, side, side, 3): the low-energy image, the subtracted image laid over "
    "it, and again the one of the two in which lesions are wanted; 0 where an image is missing"
)
_REMEDY = "give a file that `cesm-segmenter export --format onnx` wrote"


@dataclass(frozen=True)
class Description:
    """What the metadata of an exported model records.

    Attributes:
      network: the network's name.
      class_names: the names of the lesion classes; empty for the default names.
      infer, tiledinfer: the settings of [infer] and [tiledinfer].
      dicom, source_bits: how the sources of its data set were read; see `Plan`.
      model_sha256: of the .keras file that was exported.
      package: the version of this package that exported it.
      pixels, geometry, output: how other programs prepare images, and what they get.
      crop, partner: as in [dataset]; left out of a file where they are none and false, as in those of earlier versions.
    """

    network: str
    class_names: tuple[str, ...]
    infer: dict[str, Any]
    tiledinfer: dict[str, Any]
    dicom: dict[str, Any]
    source_bits: int | None
    model_sha256: str
    package: str
    pixels: str = "raw levels 0 to 255 as float32, not scaled, (batch, side, side, channels); gray, or red, green, blue"
    geometry: str = (
        "pad with 0 to a square, with the odd row or column below or on the right; shrink to the side by area average, or "
        "enlarge by bicubic interpolation"
    )
    output: str = "probabilities, (batch, side, side, classes) float32: of lesion; with several classes of each, background first"
    crop: Literal["none", "breast"] = "none"
    partner: bool = False


CROPPED_GEOMETRY = (
    "mirror the image so that the chest wall is at the left; cut out the breast's box with a margin of 2 % of the image's longer "
    "side; pad it with 0 on the right, or evenly above and below, to the shape of the input; shrink by area average, or enlarge "
    "by bicubic interpolation"
)


@dataclass(frozen=True)
class OnnxPredictor:
    """A model in onnxruntime, from raw pixels to probabilities; attributes as in `AnyPredictor`."""

    session: Any
    height: int
    width: int
    channels: int
    classes: int
    name: str
    network: str
    crop: Literal["none", "breast"]
    partner: bool

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Probabilities of a batch; shapes and errors as for `saved_models.Predictor.predict`."""
        (predicted,) = self.session.run(None, {self.session.get_inputs()[0].name: images.astype(np.float32)})
        return check_probabilities(predicted, self.name)


def is_onnx(path: Path) -> bool:
    """Whether a model file is to be read by onnxruntime, by its name."""
    return path.suffix.lower() == SUFFIX


def require_onnxruntime() -> None:
    """Checks that onnxruntime is installed.

    Raises:
      InputError: it is not; the message contains the command that installs it.
    """
    require("onnxruntime", "to run ONNX models", "onnx")


def load_onnx_predictor(path: Path) -> OnnxPredictor:
    """Opens an ONNX file for prediction.

    Raises:
      InputError: the file is not such a model, or onnxruntime is not installed.
    """
    session = _open(path)
    shapes = ([tensor.shape for tensor in tensors] for tensors in (session.get_inputs(), session.get_outputs()))
    description = read_description(path)
    sizes = check_sizes(path, *shapes, cropped=description.crop == "breast")
    return OnnxPredictor(session, *sizes, str(path), description.network, description.crop, description.partner)


def read_description(path: Path) -> Description:
    """Reads the metadata of an ONNX file; errors as for `load_onnx_predictor`, and where it has none of ours."""
    metadata = _open(path).get_modelmeta().custom_metadata_map
    if METADATA_KEY not in metadata:
        raise InputError(f"{path}: has no metadata {METADATA_KEY!r}, by which images are prepared and thresholded; {_REMEDY}")
    return parse_json(metadata[METADATA_KEY], Description, f"{path}: metadata", _REMEDY)


def _open(path: Path) -> Any:
    require_onnxruntime()
    try:
        return _open_once(path, stamp_of(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); {_REMEDY}") from error


@functools.lru_cache(maxsize=1)
def _open_once(path: Path, _stamp: tuple[int, int]) -> Any:
    """A session of onnxruntime; the last one is kept, because metadata and model are asked for one after the other."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    try:
        # From memory, where a model cannot name files of weights next to it.
        return onnxruntime.InferenceSession(read_regular(path), options, providers=onnxruntime.get_available_providers())
    except OSError:
        raise
    except Exception as error:  # onnxruntime's errors have no type in common
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: cannot be loaded as an ONNX model ({reason}); {_REMEDY}") from error
