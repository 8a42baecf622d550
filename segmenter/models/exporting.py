"""Exports a trained model to ONNX, SavedModel or LiteRT, and compares the export with the model before it gets its name."""

import contextlib
import errno
import json
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np

from pipeline.files import InputError, require
from segmenter.models.onnx_models import METADATA_KEY, SUFFIX, Description, load_onnx_predictor
from segmenter.models.saved_models import Predictor

# Between the probabilities of an export and of its model. Untrained networks differ by under 1e-5, a trained best.toml by 1.8e-5.
MOST_DIFFERENCE = 1e-4
_BATCHES = (1, 3)  # the number of images is free in an export


@dataclass(frozen=True)
class Format:
    """A format to export to.

    Attributes:
      keras_name: Keras' name of it.
      suffix: of its files; a SavedModel is a folder.
      packages: what its export needs in addition to TensorFlow, from the extra `onnx`.
    """

    keras_name: str
    suffix: str
    packages: tuple[str, ...] = ()


FORMATS = {
    "onnx": Format("onnx", SUFFIX, ("onnx", "onnxruntime", "tf2onnx")),
    "savedmodel": Format("tf_saved_model", ""),
    "litert": Format("litert", ".tflite"),
}


def default_name(stem: str, format_name: str) -> str:
    """The name of an export next to its model: best_model.onnx, best_model_savedmodel or best_model.tflite."""
    return stem + (FORMATS[format_name].suffix or f"_{format_name}")


def require_packages(format_name: str) -> None:
    """Checks that the packages of a format are installed.

    Raises:
      InputError: one is not; the message contains the command that installs it.
    """
    for package in FORMATS[format_name].packages:
        require(package, f"to export to {format_name}", "onnx")


def check_output(path: Path, format_name: str) -> None:
    """Checks that an export may be written to a path.

    Raises:
      InputError: its suffix is not that of the format, or what is there is not a file, or not a SavedModel.
    """
    suffix = FORMATS[format_name].suffix
    if suffix and path.suffix != suffix:
        raise InputError(f"--output {path}: expected a name that ends with {suffix} for --format {format_name}")
    if suffix and path.is_dir():
        raise InputError(f"--output {path}: is a folder; expected a file for --format {format_name}; give another name")
    if not suffix and path.exists() and not (path / "saved_model.pb").is_file():
        raise InputError(f"--output {path}: exists and is not a SavedModel; give another folder")


def _system_fault(error: Exception) -> int:
    """The number of the system's error behind an error, or 0; TensorFlow raises one of its own that quotes the text."""
    if isinstance(error, OSError):
        return error.errno or 0
    return errno.ENOSPC if os.strerror(errno.ENOSPC) in str(error) else 0


def export_model(
    predictor: Predictor, format_name: str, output: Path, description: Description, most_difference: float = MOST_DIFFERENCE
) -> float:
    """Writes an export, whole or not at all; an earlier one is replaced.

    Args:
      predictor: the model.
      format_name: one of FORMATS.
      output: a file, or for a SavedModel a folder.
      description: becomes the metadata of an ONNX file.
      most_difference: between the probabilities of the export and the model that is accepted.

    Returns:
      The largest difference between the probabilities of the export and the model on a few images.

    Raises:
      InputError: the model cannot be exported to the format, or the export predicts something else.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=output.parent) as folder:
        written = Path(folder, f"model{FORMATS[format_name].suffix}")
        images = [example_images(predictor, count) for count in _BATCHES]
        expected = [predictor.predict(batch) for batch in images]
        try:
            with _quiet():
                _free_constants(predictor.model)
                if format_name == "onnx":
                    _register_erfc()
                predictor.model.export(written, format=FORMATS[format_name].keras_name, verbose=False)
                if format_name == "onnx":
                    _describe(written, description, predictor.model)
                run = _RUNNERS[format_name](written)
                exported = [run(batch.astype(np.float32)) for batch in images]
        except Exception as error:  # converters and runtimes raise errors of any type
            if number := _system_fault(error):  # another format would not help
                raise OSError(number, os.strerror(number), str(output)) from error
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            raise InputError(
                f"{predictor.name}: cannot be exported to {format_name} ({reason}); choose another --format"
            ) from error
        difference = max(float(np.abs(one - other).max()) for one, other in zip(expected, exported, strict=True))
        if not difference <= most_difference:  # also where it is not a number
            raise InputError(
                f"{predictor.name}: its export to {format_name} differs by {difference:.2g} in probabilities, and at most "
                f"{most_difference:g} is accepted; nothing is written; choose another --format"
            )
        if output.is_dir():
            shutil.rmtree(output)
        os.replace(written, output)
    return difference


def example_images(predictor: Predictor, count: int) -> np.ndarray:
    """Images of all levels, smooth and noisy, the same each time: (count, height, width, channels) uint8."""
    generator = np.random.default_rng(count)
    shape = (count, predictor.height, predictor.width, predictor.channels)
    ramp = np.linspace(0, 200, predictor.height)[:, None, None]
    return np.clip(ramp + generator.normal(0, 40, shape), 0, 255).astype(np.uint8)


@contextlib.contextmanager
def _quiet():
    """Holds back what the converters print, whether it goes well or not: an error has its reason."""
    loggers = [logging.getLogger(name) for name in ("tensorflow", "tf2onnx", "absl")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(None), contextlib.redirect_stderr(None):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _free_constants(model: keras.Model) -> None:
    """Makes the mean and variance of EfficientNet's normalization plain numbers: tensors become inputs of an ONNX graph."""
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Normalization) and layer.mean is not None:
            layer.mean, layer.variance = (np.asarray(value) for value in (layer.mean, layer.variance))


def _register_erfc() -> None:
    """Lets tf2onnx convert the exact gelu of SwinUNet and TransUNet, which TensorFlow computes by erfc; ONNX has only erf."""
    from tf2onnx.handler import tf_op

    @tf_op("Erfc")
    class Erfc:
        @classmethod
        def version_9(cls, ctx, node, **_):
            """1 - erf(x)."""
            kind = np.dtype("float32")
            one = ctx.make_const(f"{node.name}_one", np.ones((), kind))
            erf = ctx.make_node("Erf", [node.input[0]], name=f"{node.name}_erf")
            shape, dtype, output = ctx.get_shape(node.output[0]), ctx.get_dtype(node.output[0]), node.output[0]
            ctx.remove_node(node.name)
            ctx.make_node("Sub", [one.output[0], erf.output[0]], outputs=[output], shapes=[shape], dtypes=[dtype], name=node.name)


def _describe(path: Path, description: Description, exported: keras.Model) -> None:
    """Adds the metadata, calls the free number of images `batch`, and states the sizes that tf2onnx did not infer."""
    import onnx

    model = onnx.load(path)
    tensors = zip((*model.graph.input, *model.graph.output), (*exported.inputs, *exported.outputs), strict=True)
    for tensor, (_, *sizes) in ((tensor, symbolic.shape) for tensor, symbolic in tensors):
        batch, *dimensions = tensor.type.tensor_type.shape.dim
        batch.dim_param = "batch"
        for dimension, size in zip(dimensions, sizes, strict=True):
            dimension.dim_value = size
    defaults = (("crop", "none"), ("partner", False))
    metadata = {key: value for key, value in asdict(description).items() if (key, value) not in defaults}
    onnx.helper.set_model_props(model, {METADATA_KEY: json.dumps(metadata)})
    onnx.save(model, path)


def _run_onnx(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    return load_onnx_predictor(path).predict


def _run_saved_model(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    return lambda images: loaded.serve(images).numpy()


def _run_litert(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    import tensorflow as tf

    interpreter = tf.lite.Interpreter(str(path))
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()

    def run(images: np.ndarray) -> np.ndarray:
        interpreter.resize_tensor_input(source["index"], images.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(source["index"], images)
        interpreter.invoke()
        return interpreter.get_tensor(target["index"])

    return run


_RUNNERS = {"onnx": _run_onnx, "savedmodel": _run_saved_model, "litert": _run_litert}
