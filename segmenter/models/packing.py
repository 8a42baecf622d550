"""Halves the files of trained models: large kernels keep about 16 bits, and are float32 again as soon as they are loaded.

In a .keras file they are rounded to 15 significant bits and compressed by HDF5, which Keras reads like any other file. In an ONNX
file, which is not compressed, they are whole numbers of 16 bits with a scale for each slice along the first axis; onnxruntime
turns them back once, when it opens the file. Half precision (11 significant bits) takes as much room, and changes the
probabilities of a deep network ten times as much. Small kernels, biases and the factors of normalization take little room and
stay as they are: each scales a whole channel.
"""

import io
import zipfile
from pathlib import Path

import numpy as np

from pipeline.files import InputError, replacing
from segmenter.models.onnx_models import is_onnx

MOST_DIFFERENCE = 2e-3  # between the probabilities of both files; measured: 0.0005 for best.toml
_MANTISSA = 14  # bits that are kept after the first one
_LEAST = 16_384  # values of a kernel that is packed
_WEIGHTS = "model.weights.h5"  # Keras' name of the weights in a .keras file
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the time of each member, so that the same weights give the same bytes


def pack(path: Path, output: Path) -> None:
    """Writes a model with packed kernels.

    Args:
      path: a .keras file without optimizer, or an .onnx file of `cesm-segmenter export`.
      output: a file of the same format, which may be `path` itself.
    """
    with replacing(output) as temporary:
        (_pack_onnx if is_onnx(path) else _pack_keras)(path, temporary)


def check_difference(path: Path, output: Path, probabilities: np.ndarray, expected: np.ndarray) -> float:
    """Returns the largest difference between the probabilities that a model and its packed copy predict for the same images.

    Raises:
      InputError: it is above MOST_DIFFERENCE.
    """
    difference = float(np.abs(probabilities - expected).max())
    if not difference <= MOST_DIFFERENCE:  # also where it is not a number
        raise InputError(
            f"{output}: with packed kernels its probabilities differ by {difference:.2g} from those of {path}, and at most "
            f"{MOST_DIFFERENCE:g} is accepted; keep the weights in float32"
        )
    return difference


def round_mantissa(values: np.ndarray) -> np.ndarray:
    """Rounds float32 to the nearest with 15 significant bits."""
    dropped = 23 - _MANTISSA
    bits = np.ascontiguousarray(values).view(np.uint32) + np.uint32(1 << dropped - 1)
    return (bits >> dropped << dropped).view(np.float32)


def _is_large_kernel(values: np.ndarray) -> bool:
    """Whether an array is packed; one with a single axis longer than 1 is a factor for each channel, and no kernel."""
    return values.dtype == np.float32 and values.size >= _LEAST and sum(side > 1 for side in values.shape) >= 2


def _pack_keras(path: Path, output: Path) -> None:
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(output, "w") as target:
        for member in source.infolist():
            data = source.read(member)
            packed = zipfile.ZipInfo(member.filename, _EPOCH)
            packed.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(packed, _pack_hdf5(data) if member.filename == _WEIGHTS else data)


def _pack_hdf5(data: bytes) -> bytes:
    import h5py

    packed = io.BytesIO()

    def copy(name: str, item) -> None:
        if not isinstance(item, h5py.Dataset):
            copied = target.require_group(name)
        elif not _is_large_kernel(values := item[()]):
            copied = target.create_dataset(name, data=values)
        else:
            # The shuffle puts the bytes that rounding has set to 0 next to each other.
            options = {"chunks": values.shape, "compression": "gzip", "compression_opts": 9, "shuffle": True}
            copied = target.create_dataset(name, data=round_mantissa(values), **options)
        copied.attrs.update(item.attrs)

    with h5py.File(io.BytesIO(data)) as source, h5py.File(packed, "w") as target:
        source.visititems(copy)
    return packed.getvalue()


def _pack_onnx(path: Path, output: Path) -> None:
    import onnx

    model, scales, nodes = onnx.load(path), [], []
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if not _is_large_kernel(values):
            continue
        name = tensor.name
        largest = np.abs(values).max(axis=tuple(range(1, values.ndim)), keepdims=True)
        scale = np.where(largest > 0, largest / np.iinfo(np.int16).max, 1).astype(np.float32)
        tensor.CopyFrom(onnx.numpy_helper.from_array(np.rint(values / scale).astype(np.int16), f"{name}_packed"))
        scales.append(onnx.numpy_helper.from_array(scale, f"{name}_scale"))
        nodes += [
            onnx.helper.make_node("Cast", [f"{name}_packed"], [f"{name}_float"], f"{name}_cast", to=onnx.TensorProto.FLOAT),
            onnx.helper.make_node("Mul", [f"{name}_float", f"{name}_scale"], [name], f"{name}_unpack"),
        ]
    nodes += model.graph.node
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(scales)
    onnx.save(model, output)
