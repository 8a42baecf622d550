"""The devices that a training uses: all GPUs where Keras runs on TensorFlow, and else one device."""

import contextlib
from typing import Any

import keras


class Devices:
    """One device, for which nothing has to be done.

    Attributes:
      count: the number of devices.
    """

    count = 1

    def shared(self) -> contextlib.AbstractContextManager[None]:
        """Within its block models are made for these devices, and trained on them."""
        return contextlib.nullcontext()

    def prepare(self, model: keras.Model) -> None:
        """Makes a compiled model ready for `fit` with the batches of `divide`."""

    def divide(self, batches: Any) -> Any:
        """The batches of an input pipeline as `fit` takes them for these devices."""
        return batches


def find_devices(batch_size: int) -> Devices:
    """All devices that can share a batch of a training."""
    if keras.config.backend() != "tensorflow":
        return Devices()
    from segmenter.training.mirrored import MirroredDevices, find_names

    names = find_names(batch_size)
    return MirroredDevices(names) if len(names) > 1 else Devices()
