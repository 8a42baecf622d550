"""Online augmentation: training pairs varied again in each epoch.

All randomness is in `draw`, which needs NumPy alone; `apply` is deterministic, and consists of operations of Keras on a whole
batch. Image and mask share one draw: what moves the image moves the mask, and what changes gray levels leaves the mask as it is.
"""

from segmenter.augmentation.drawing import VARIATIONS, Draw, draw
from segmenter.augmentation.variation import apply, make_variation

__all__ = ["VARIATIONS", "Draw", "apply", "draw", "make_variation"]
