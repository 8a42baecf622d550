"""What the backends do differently: compilation, determinism, and the errors for too little memory."""

import contextlib
import os
from collections.abc import Callable, Iterator

from pipeline.files import InputError

# Of TensorFlow, JAX, and PyTorch on a GPU and on a processor.
_SIGNS = ("RESOURCE_EXHAUSTED", "Out of memory", "out of memory", "OOM when allocating", "DefaultCPUAllocator")


def jit_compiles(wanted: bool | None) -> bool:
    """Whether a step is compiled: as [model] jit_compile says, or where it says nothing, on JAX only.

    JAX runs a step that is not compiled operation by operation, seven times as slow on an H100 (docs/gpu.md). XLA on TensorFlow
    is slower on processors, and PyTorch's compiler takes minutes.
    """
    import keras

    return keras.config.backend() == "jax" if wanted is None else wanted


def compiled(function: Callable) -> Callable:
    """Compiles a function of arrays and structures of them by XLA, on TensorFlow and JAX; it is returned as it is on PyTorch.

    It is compiled at its first call, and again for arrays of other shapes.
    """
    import keras

    match keras.config.backend():
        case "jax":
            import jax

            return jax.jit(function)
        case "tensorflow":
            import tensorflow as tf

            # Nothing in Keras' operations needs AutoGraph to rewrite Python code, which would take seconds.
            return tf.function(function, jit_compile=True, autograph=False)
    return function


def make_deterministic() -> None:
    """Asks the backend for the same result from each run on one machine, before it runs anything.

    On processors all backends keep that. On GPUs, JAX keeps it only if this process has run nothing before; PyTorch raises
    an error at an operation that has no deterministic kernel.
    """
    import keras

    name = keras.config.backend()
    if name == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    elif name == "jax":
        flag = "--xla_gpu_deterministic_ops=true"  # XLA reads it when its first client starts
        if flag not in (flags := os.environ.get("XLA_FLAGS", "")):
            os.environ["XLA_FLAGS"] = f"{flags} {flag}".strip()
    else:
        import torch

        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of any backend, of which each has a type of its own, is about memory."""
    return isinstance(error, MemoryError) or any(sign in str(error) for sign in _SIGNS)


@contextlib.contextmanager
def explained_memory(message: str) -> Iterator[None]:
    """Within its block, an error of any backend about memory is an `InputError` with this message."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise InputError(message) from error
        raise
