"""Takes the backend of Keras that the user chose, checks that it is installed, and imports it once, quietly."""

import contextlib
import importlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pipeline.files import InputError, is_installed, require

# The packages by Keras' name of the backend, with the extra that installs each; the first is taken where nothing is chosen.
EXTRAS = {"tensorflow": "train", "jax": "jax", "torch": "torch"}
_VARIABLE = "KERAS_BACKEND"


def require_backend() -> str:
    """Checks that Keras and its backend are installed, without the seconds that importing them takes; returns the backend.

    The variable KERAS_BACKEND chooses it, then ~/.keras/keras.json, and else it is TensorFlow. Where that is not installed and
    KERAS_BACKEND did not ask for it, another one that is installed is taken, which a line on stderr reports.

    Raises:
      InputError: one of them is not installed, and the message contains the command that installs it; or Keras has no such
        backend.
    """
    chosen, source = _chosen()
    if chosen and chosen not in EXTRAS:
        raise InputError(f"{source}: {chosen!r} is not a backend that networks run on; set {_VARIABLE} to {_options()}")
    name = chosen or next(iter(EXTRAS))
    if not is_installed(name) and source != _VARIABLE and (others := [other for other in EXTRAS if is_installed(other)]):
        print(f"{name} is not installed; networks run on {others[0]}, as {_VARIABLE}={others[0]} would ask for", file=sys.stderr)
        name = others[0]
    asked = f" with {_VARIABLE}={name}" if source == _VARIABLE else ""
    for module in (name, "keras"):
        require(module, f"to train and apply networks{asked}", EXTRAS[name])
    os.environ[_VARIABLE] = name  # before Keras is imported; and so the line above is printed once
    return name


def _chosen() -> tuple[str, str]:
    """The backend that the user chose, and where; empty where nowhere."""
    if keras := sys.modules.get("keras"):  # by whoever imports this package, and it cannot be changed any more
        return keras.config.backend(), "keras"
    if name := os.environ.get(_VARIABLE):
        return name, _VARIABLE
    path = _keras_json()
    with contextlib.suppress(OSError, ValueError, AttributeError):  # `pin_keras` explains a damaged file
        name = json.loads(path.read_text(encoding="utf-8")).get("backend", "")
        return str(name), str(path)
    return "", ""


def _keras_json() -> Path:
    return Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "keras.json"


def _options() -> str:
    *names, last = EXTRAS
    return f"{', '.join(names)} or {last}"


def load_backend() -> str:
    """Imports Keras and its backend, and returns the backend's name; start-up messages appear only if that fails.

    Raises:
      InputError: as `require_backend` does.
    """
    name = require_backend()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _held_back_stderr():
        pin_keras()  # first, since TensorFlow imports Keras too
        if name == "tensorflow":
            import tensorflow as tf

            for gpu in tf.config.list_physical_devices("GPU"):
                with contextlib.suppress(RuntimeError):  # in use already, in the same process
                    tf.config.experimental.set_memory_growth(gpu, True)
    return name


def load_tensorflow(purpose: str) -> None:
    """As `load_backend`, for what only TensorFlow can do.

    Raises:
      InputError: it is not installed, or Keras runs on another backend.
    """
    if (name := require_backend()) != "tensorflow":
        raise InputError(f"{purpose} needs TensorFlow, but networks run on {name}; set {_VARIABLE}=tensorflow")
    load_backend()


def pin_keras() -> None:
    """Sets what ~/.keras/keras.json of somebody else's project may have changed: networks here are channels-last in float32.

    Raises:
      InputError: that file holds values that Keras does not know.
    """
    try:
        import keras
    except (AssertionError, AttributeError, ValueError) as error:
        raise InputError(f"{_keras_json()}: Keras cannot be imported with it; correct or delete it") from error
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)


def backend_versions() -> dict[str, str]:
    """The backend's name, and the versions of the backend and of Keras by their names."""
    import keras

    name = keras.config.backend()
    return {"backend": name, name: importlib.import_module(name).__version__, "keras": keras.__version__}


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
