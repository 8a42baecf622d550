"""Online augmentation: training pairs varied again in each epoch, inside the `tf.data` graph.

All randomness is in `draw`; `apply` is deterministic. Image and mask share one draw: what moves the image moves the mask,
and what changes gray levels leaves the mask as it is.
"""

from segmenter.augmentation.drawing import VARIATIONS, Draw, draw
from segmenter.augmentation.variation import Augmentation, apply, make_augmentation, make_variation

__all__ = ["VARIATIONS", "Augmentation", "Draw", "apply", "draw", "make_augmentation", "make_variation"]
