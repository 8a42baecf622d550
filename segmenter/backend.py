"""Imports TensorFlow once, quietly. Whatever needs it asks here first, so that `--help` never pays for it."""

import contextlib
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
