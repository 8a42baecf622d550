"""[augmentor] and the sections of its variations: how training pairs are varied. `segmenter.augmentation` applies them.

Lengths in pixels are for a 512 px image and scale with the longer side, except for the blur, whose sigma is in the model's own
pixels.
"""

import math
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from segmenter.configuration.section import Numbers, Points, Range, Section

# Where the Jacobian determinant of a field of displacements is 0 or less, the image folds over itself and lesions tear. Up to
# these limits no field did so, of 480 and of 400 random ones at 64 and 512 px with sigmas of 8 to 160 px; at 0.2 and at 1.0 some
# did. The tests repeat it on a few.
STEEPEST = 0.15  # standard deviation of the slope of [deformation]
FARTHEST = 0.65  # largest displacement of [distortion], as a multiple of its sigma


def _rising(ends: tuple[float, float]) -> tuple[float, float]:
    if ends[0] > ends[1]:
        raise ValueError(f"[{ends[0]:g}, {ends[1]:g}] is not in ascending order; expected [lowest, highest]")
    return ends


def _positive(numbers: tuple[float, ...]) -> tuple[float, ...]:
    if wrong := [number for number in numbers if number <= 0]:
        raise ValueError(f"holds {wrong[0]:g}; expected numbers above 0")
    return numbers


AngleRange = Annotated[Range, AfterValidator(_rising)]
PositiveRange = Annotated[Range, AfterValidator(_rising), AfterValidator(_positive)]
Choices = Annotated[Numbers, Field(min_length=1), AfterValidator(_positive)]


class AugmentorSettings(Section):
    """[augmentor]: which variations a pair may get; each is drawn independently, with `probability`."""

    probability: float = Field(default=0.5, gt=0, le=1)
    vflip: bool = False
    hflip: bool = False
    rotation: bool = False
    angles: Numbers = (90.0, 180.0, 270.0)  # degrees counter-clockwise; one of them is drawn
    angle_range: AngleRange | None = None  # degrees; an angle between the two is drawn, instead of one of `angles`
    shrinks: Numbers = ()  # factors; one is drawn, and the surroundings are black
    shears: Numbers = ()  # pixels of shift per pixel of distance from the middle; one is drawn, with a sign and an axis
    deformation: bool = False  # elastic: a random field of displacements
    distortion: bool = False  # a wider and gentler random field
    barrdistortion: bool = False  # a bulge
    pincdistortion: bool = False  # a dent
    sharpening: bool = False
    brightening: bool = False
    contrast: bool = False
    gamma: bool = False
    noise: bool = False
    blur: bool = False

    @property
    def turns_by_quarters(self) -> bool:
        """Whether one of the angles is an odd number of quarter turns, after which height and width are swapped."""
        return self.rotation and self.angle_range is None and any(angle % 180 == 90 for angle in self.angles)

    @model_validator(mode="after")
    def _can_be_drawn(self) -> "AugmentorSettings":
        if self.rotation and not self.angles and not self.angle_range:
            raise ValueError("rotation is on and angles is empty; list angles, or give angle_range = [lowest, highest]")
        if wrong := [factor for factor in self.shrinks if not 0 < factor <= 1]:
            raise ValueError(f"shrinks holds {wrong[0]:g}; expected factors above 0 and up to 1")
        if wrong := [shear for shear in self.shears if not 0 < shear < 1]:
            raise ValueError(f"shears holds {wrong[0]:g}; expected numbers above 0 and below 1")
        return self


class DeformationSettings(Section):
    """[deformation]: elastic deformation (Simard, Steinkraus, Platt: Best practices for CNNs, ICDAR 2003)."""

    alpha: float = Field(default=1200.0, gt=0)  # displacement before smoothing: uniform in -alpha..alpha, in pixels
    sigmoids: Choices = (32.0,)  # sigmas of the Gaussian that smooths the field, in pixels; one is drawn

    @model_validator(mode="after")
    def _does_not_fold(self) -> "DeformationSettings":
        # The field's slope has a standard deviation of alpha / (sqrt(24 pi) sigma^2).
        largest = STEEPEST * math.sqrt(24 * math.pi) * min(self.sigmoids) ** 2
        if self.alpha > largest:
            raise ValueError(
                f"alpha {self.alpha:g} with sigmoids {min(self.sigmoids):g} folds the image over itself; "
                f"expected an alpha of at most {math.floor(largest)}, or larger sigmoids"
            )
        return self


class DistortionSettings(Section):
    """[distortion]: a random field of displacements, smoothed twice."""

    gaussian_filter_rsigma: float = Field(default=40.0, gt=0)  # sigma of the first Gaussian, in pixels
    gaussian_filter_sigma: float = Field(default=0.5, gt=0)  # sigma of the second Gaussian
    distortions: Choices = (0.02,)  # largest displacement along x and along y, as a fraction of the longer side; one is drawn

    @model_validator(mode="after")
    def _does_not_fold(self) -> "DistortionSettings":
        largest = FARTHEST * math.hypot(self.gaussian_filter_rsigma, self.gaussian_filter_sigma) / 512
        if max(self.distortions) > largest:
            raise ValueError(
                f"distortions {max(self.distortions):g} with gaussian_filter_rsigma {self.gaussian_filter_rsigma:g} folds the "
                f"image over itself; expected at most {math.floor(largest * 1000) / 1000:g}, or a larger gaussian_filter_rsigma"
            )
        return self


class LensSettings(Section):
    """[barrdistortion], [pincdistortion]: a bulge or a dent around a centre."""

    radius: float = Field(default=0.5, gt=0, le=1)  # as a fraction of the longer side
    amount: float = Field(default=0.3, gt=0, lt=1)  # how much nearer, or farther, the source is at the centre, as a fraction
    centers: Annotated[Points, Field(min_length=1)] = ((0.5, 0.5),)  # x, y as fractions of width and height; one is drawn


class SharpeningSettings(Section):
    """[sharpening]: unsharp masking."""

    k: float = Field(default=1.0, gt=0)  # strength


class BrighteningSettings(Section):
    """[brightening]: pixel * alpha + beta, clipped to 0..255. Black stays black, as it does with contrast and noise."""

    alpha: float = Field(default=1.1, gt=0)
    beta: float = 10.0


class ContrastSettings(Section):
    """[contrast]: difference from the mean of all pixels that are not black, times a factor drawn from the range."""

    factors: PositiveRange = (0.8, 1.2)


class GammaSettings(Section):
    """[gamma]: 255 (pixel / 255) ^ exponent, with an exponent drawn from the range."""

    exponents: PositiveRange = (0.8, 1.25)


class NoiseSettings(Section):
    """[noise]: Gaussian noise with a standard deviation drawn between 0 and sigma, in gray levels."""

    sigma: float = Field(default=5.0, gt=0)


class BlurSettings(Section):
    """[blur]: Gaussian blur with a sigma drawn from the range, in pixels at the model's size."""

    sigmas: PositiveRange = (0.5, 1.5)
