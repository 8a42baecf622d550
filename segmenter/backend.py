"""Imports TensorFlow once, quietly, and describes what it runs on. Whatever needs it comes here first, so that `--help`
never pays for it."""

import contextlib
import ctypes
import os
import tempfile
from collections.abc import Iterator

from pipeline.files import require


def require_tensorflow() -> None:
    """Checks that TensorFlow and Keras are installed, without the seconds that importing them takes.

    Raises:
      InputError: one of them is not; the message holds the command that installs it.
    """
    for module in ("tensorflow", "keras"):
        require(module, "to train and apply networks", "train")


def load_tensorflow() -> None:
    """Imports TensorFlow and finds its devices; its start-up messages appear only if that fails.

    Raises:
      InputError: it is not installed.
    """
    require_tensorflow()
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _held_back_stderr():
        import tensorflow as tf

        for gpu in tf.config.list_physical_devices("GPU"):
            with contextlib.suppress(RuntimeError):  # in use already, in the same process
                tf.config.experimental.set_memory_growth(gpu, True)


def describe_device() -> str:
    """What training runs on: the first GPU with its memory, or the processor with its threads."""
    import tensorflow as tf

    if not (gpus := tf.config.list_physical_devices("GPU")):
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        threads = tf.config.threading.get_intra_op_parallelism_threads() or cores  # 0: as many as there are cores
        return f"CPU (cores: {cores}, threads: {threads})"
    names = [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus]
    memory = gpu_memory(0)
    first = f"GPU {names[0]}" + (f", {memory / 2**30:.1f} GiB" if memory else "")
    unused = f" (not used: {', '.join(names[1:])})" if names[1:] else ""
    return first + unused


def gpu_memory(index: int) -> int | None:
    """The memory of a GPU in bytes, counted among the visible ones; None where CUDA's driver does not answer.

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


@contextlib.contextmanager
def _held_back_stderr() -> Iterator[None]:
    # TensorFlow's C++ side writes its first lines to descriptor 2 before any setting of its own takes effect.
    with tempfile.TemporaryFile() as held:
        kept = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
