"""The backends of Keras that networks run on: which one is taken, what it runs on, and what differs between them.

Keras and the backend are imported by the functions that need them, so that `--help` imports neither.
"""

from segmenter.backend.devices import describe_device, gpu_memory
from segmenter.backend.differences import compiled, explained_memory, is_out_of_memory, jit_compiles, make_deterministic
from segmenter.backend.selection import backend_versions, load_backend, load_tensorflow, pin_keras, require_backend

__all__ = [
    "backend_versions",
    "compiled",
    "describe_device",
    "explained_memory",
    "gpu_memory",
    "is_out_of_memory",
    "jit_compiles",
    "load_backend",
    "load_tensorflow",
    "make_deterministic",
    "pin_keras",
    "require_backend",
]
