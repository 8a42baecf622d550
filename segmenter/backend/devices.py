"""The device that the backend runs on, in one line, and its memory."""

import ctypes
from collections.abc import Callable

from pipeline.files import all_cores


def describe_device(used: int = 1) -> str:
    """Describes what training runs on: the first `used` GPUs with their memory, or the CPU with its threads."""
    import keras

    names, threads = _DEVICES[keras.config.backend()]()
    if not names:
        cores = all_cores()
        shares = f", devices: {used}" if used > 1 else ""
        return f"CPU (cores: {cores}, threads: {threads or cores}{shares})"
    described = [f"GPU {name}{_describe_memory(index)}" for index, name in enumerate(names[:used])]
    unused = f" (not used: {', '.join(names[used:])})" if names[used:] else ""
    return " and ".join(described) + unused


def _describe_memory(index: int) -> str:
    memory = gpu_memory(index)
    return f", {memory / 2**30:.1f} GiB" if memory else ""


def _tensorflow() -> tuple[list[str], int]:
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    names = [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus]
    return names, tf.config.threading.get_intra_op_parallelism_threads()


def _jax() -> tuple[list[str], int]:
    import jax

    return [device.device_kind for device in jax.local_devices() if device.platform != "cpu"], 0


def _torch() -> tuple[list[str], int]:
    import torch

    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return names, torch.get_num_threads()


# Each gives the names of the accelerators, and the threads on the CPU: 0 where it uses as many as there are cores.
_DEVICES: dict[str, Callable[[], tuple[list[str], int]]] = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}


def gpu_memory(index: int) -> int | None:
    """The memory of a visible GPU in bytes; None if CUDA's driver does not report it.

    TensorFlow reports only what is in use. Source: CUDA Driver API, cuDeviceTotalMem.
    """
    try:
        cuda = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    device, size = ctypes.c_int(), ctypes.c_size_t()
    failed = (
        cuda.cuInit(0) or cuda.cuDeviceGet(ctypes.byref(device), index) or cuda.cuDeviceTotalMem_v2(ctypes.byref(size), device)
    )
    return None if failed else size.value
