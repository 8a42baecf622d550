"""The pre-trained model that comes with the package: weights, model card, licence, and how they are found."""

from segmenter.pretrained.packaged import Pretrained, find_pretrained

__all__ = ["Pretrained", "find_pretrained"]
