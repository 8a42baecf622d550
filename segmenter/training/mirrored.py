"""Trains on all devices of one machine: each has a copy of the model and a share of each batch. TensorFlow only.

What is computed is what one device would compute from the whole batch: losses, metrics and batch normalisation sum over all
devices, and gradients are added before they are clipped. So a run may change devices when it is resumed.
"""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator

import keras
import tensorflow as tf

from segmenter.reduction import batch_mean, shared_batches
from segmenter.training.devices import Devices


class MirroredDevices(Devices):
    """Two or more devices of this machine.

    Args:
      names: as TensorFlow names them, such as GPU:0.
    """

    def __init__(self, names: tuple[str, ...]):
        self.count, self.strategy = len(names), _make_strategy(names)

    @contextlib.contextmanager
    def shared(self) -> Iterator[None]:
        with self.strategy.scope(), shared_batches(_sum_over_devices):
            yield

    def prepare(self, model: keras.Model) -> None:
        if model.jit_compile:
            print("[model] jit_compile has no effect on several devices: XLA cannot compile a step that they share", flush=True)
            model.jit_compile = False
        for layer in model._flatten_layers():
            if isinstance(layer, keras.layers.BatchNormalization):
                layer._moments = _moments
        _sum_gradients_first(model.optimizer)
        _weigh_shares(model, self.count)
        side, channels = model.input_shape[1], model.input_shape[3]
        images, masks = tf.zeros((1, side, side, channels), tf.uint8), tf.zeros((1, side, side, 1), tf.uint8)
        model._symbolic_build(data_batch=(images, masks))
        # `fit` would build it from the mean of the devices' shares, which need not be equally large.
        model._maybe_symbolic_build = lambda *_, **__: None

    def divide(self, batches: tf.data.Dataset) -> tf.distribute.DistributedDataset:
        """Batches whose images are divided among the devices as evenly as possible, each share with its weight; without end.

        Where there are fewer images than devices, some get an image that another has too, with weight 0: TensorFlow 2.21
        computes wrong shapes from no image.
        """
        count = self.count

        def shares(*batch: tf.Tensor) -> tf.data.Dataset:
            size = tf.shape(batch[0], tf.int64)[0]

            def share(index: tf.Tensor) -> tuple[tf.Tensor, ...]:
                first, last = size * index // count, size * (index + 1) // count
                end = tf.maximum(last, first + 1)
                return (*(tensor[first:end] for tensor in batch), tf.cast(last > first, tf.float32))

            return tf.data.Dataset.range(count).map(share)

        return self.strategy.distribute_datasets_from_function(lambda _: batches.repeat().flat_map(shares).prefetch(2 * count))


def find_names(batch_size: int) -> tuple[str, ...]:
    """All GPUs, or all processors where TensorFlow was set to see several; no more than a batch has images."""
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return tuple(device.name.removeprefix("/device:") for device in devices[:batch_size])


@functools.cache  # a second one would number its messages as the first one did, and get the shapes of those
def _make_strategy(names: tuple[str, ...]) -> tf.distribute.Strategy:
    return tf.distribute.MirroredStrategy(names)


_of_replica = threading.local()  # TensorFlow traces the step of each device in a thread of its own


def _weigh_shares(model: keras.Model, count: int) -> None:
    """Makes the steps of a model take the weight of their share, and count it in sums and in the mean loss of an epoch."""
    tracker, update, compute_loss = model._loss_tracker, model._loss_tracker.update_state, model.compute_loss

    def weighted(step: Callable) -> Callable:
        def run(data):
            images, masks, _of_replica.weight = data
            return step((images, masks))

        return run

    model.train_step, model.test_step = weighted(model.train_step), weighted(model.test_step)
    # Gradients are added, so each device takes its part of the loss. Keras does that for losses per image, which ours are not.
    model.compute_loss = lambda *args, **keys: compute_loss(*args, **keys) / count
    tracker.update_state = lambda loss, sample_weight: update(loss, tf.cast(sample_weight, tf.float32) * _of_replica.weight)


def _sum_gradients_first(optimizer: keras.optimizers.Optimizer) -> None:
    """Makes an optimizer clip and accumulate the gradients of all devices together; Keras does both on each device apart."""
    apply = optimizer._backend_apply_gradients

    def apply_sums(gradients: list, variables: list) -> None:
        apply(tf.distribute.get_replica_context().all_reduce("SUM", gradients), variables)

    optimizer._backend_apply_gradients = apply_sums
    optimizer._all_reduce_sum_gradients = lambda pairs: pairs


def _moments(pixels: tf.Tensor, mask: None) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean and variance of each channel, as Keras computes them on one device."""
    mean = batch_mean(pixels, (0, 1, 2))
    return mean, batch_mean(tf.square(pixels - mean), (0, 1, 2))


def _sum_over_devices(values: list) -> list:
    context = tf.distribute.get_replica_context()
    if context is None:  # while the model is built
        return values
    return context.all_reduce("SUM", [value * _of_replica.weight for value in values])
