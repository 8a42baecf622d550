"""Online augmentation: training pairs varied again in each epoch, inside the `tf.data` graph.

`draw` holds all the chance; `apply` has none. Image and mask share one draw: what moves the image moves the mask, and what
changes gray levels never sees the mask.
"""

from segmenter.augmentation.drawing import VARIATIONS, Draw, draw
from segmenter.augmentation.variation import Augmentation, apply, make_augmentation

__all__ = ["VARIATIONS", "Augmentation", "Draw", "apply", "draw", "make_augmentation"]
