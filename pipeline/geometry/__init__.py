"""Where a source pixel lands, and what shapes are on a grid of pixels. Numbers and arrays only; no files.

Coordinates are x to the right, y down, in source pixels. A whole number is a pixel's centre, so pixel x covers the
stretch from x - 0.5 to x + 0.5.
"""

from pipeline.geometry.breast import Breast, find_breast, has_white_background
from pipeline.geometry.components import (
    BAND_FILLING,
    BAND_LENGTH,
    Components,
    band_share,
    connected_components,
    find_bands,
)
from pipeline.geometry.letterbox import Letterbox, area_average, place, square_image, unsquare
from pipeline.geometry.registration import Registration, lay_over, register
from pipeline.geometry.variants import VARIANTS, vary, vary_back

__all__ = [
    "BAND_FILLING",
    "BAND_LENGTH",
    "VARIANTS",
    "Breast",
    "Components",
    "Letterbox",
    "Registration",
    "area_average",
    "band_share",
    "connected_components",
    "find_bands",
    "find_breast",
    "has_white_background",
    "lay_over",
    "place",
    "register",
    "square_image",
    "unsquare",
    "vary",
    "vary_back",
]
