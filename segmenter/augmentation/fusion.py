"""What keeps a compiler from computing the same pixels many times."""

from typing import Any

from keras import ops


def compute_once(happens: Any, values: Any) -> Any:
    """Returns `values`, or zeros where no pair of the batch needs them, so that they are computed before whatever reads them.

    XLA, which compiles for TensorFlow and JAX, merges an operation with those that read its result, and computes it again for
    each of them. Where eleven shifted copies of a padded image are added, it decides at each pixel of each copy whether that
    lies in the padding, and takes three times as long. It merges nothing across a condition that is known only when it runs.

    Args:
      happens: (batch,) bool.
    """
    return ops.cond(ops.any(happens), lambda: values, lambda: ops.zeros_like(values))
