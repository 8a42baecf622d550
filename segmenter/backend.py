"""Imports TensorFlow once, quietly, and describes the device that it runs on.

Code that needs TensorFlow calls `load_tensorflow` first, so that `--help` does not import it.
"""

import contextlib
import ctypes
import os
import tempfile
from collections.abc import Iterator

from pipeline.files import InputError, require


def require_tensorflow() -> None:
    """Checks that TensorFlow and Keras are installed, without the seconds that importing them takes.

    Raises:
      InputError: one of them is not installed; the message contains the command that installs it.
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
        pin_keras()  # first, since TensorFlow imports Keras too
        import tensorflow as tf

        for gpu in tf.config.list_physical_devices("GPU"):
            with contextlib.suppress(RuntimeError):  # in use already, in the same process
                tf.config.experimental.set_memory_growth(gpu, True)


def pin_keras() -> None:
    """Sets what ~/.keras/keras.json of somebody else's project may have changed: networks here are channels-last in float32.

    Raises:
      InputError: that file holds values that Keras does not know.
    """
    try:
        import keras
    except (AssertionError, ValueError) as error:
        home = os.environ.get("KERAS_HOME", "~/.keras")
        raise InputError(f"{home}/keras.json: Keras cannot be imported with it; correct or delete it") from error
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)


def describe_device() -> str:
    """Describes what training runs on: the first GPU with its memory, or the CPU with its threads."""
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


@contextlib.contextmanager
def _held_back_stderr() -> Iterator[None]:
    # TensorFlow's C++ side writes its first lines to descriptor 2 before any setting of its own takes effect.
    with tempfile.TemporaryFile() as messages:
        stderr = os.dup(2)
        os.dup2(messages.fileno(), 2)
        try:
            yield
        except BaseException:
            messages.seek(0)
            os.write(stderr, messages.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
