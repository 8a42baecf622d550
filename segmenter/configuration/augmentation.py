"""[generator], [augmentor] and its parts: how training pairs are varied. Lengths are parts of the image's side."""

from typing import Annotated

from pydantic import Field, model_validator

from segmenter.configuration.section import Numbers, Points, Range, Section

Part = Annotated[float, Field(gt=0, le=1)]


class AugmentorSettings(Section):
    """[augmentor]: which variations are drawn for a pair, each apart from the others with `probability`."""

    probability: float = Field(default=0.5, gt=0, le=1)
    vflip: bool = False
    hflip: bool = False
    rotation: bool = False
    angles: Numbers = (90.0, 180.0, 270.0)  # degrees counter-clockwise, one of them is drawn
    angle_range: Range | None = None  # degrees; a turn between the two is drawn, in place of `angles`
    shrinks: Numbers = ()  # factors; one is drawn
    shears: Numbers = ()  # how far the edge moves along itself; one is drawn, with a sign and an axis
    deformation: bool = False  # elastic: a smooth random field
    distortion: bool = False  # a finer random field
    barrdistortion: bool = False
    pincdistortion: bool = False
    sharpening: bool = False
    brightening: bool = False
    contrast: bool = False
    gamma: bool = False
    noise: bool = False
    blur: bool = False

    @model_validator(mode="after")
    def _can_be_drawn(self) -> "AugmentorSettings":
        if self.rotation and not self.angles and not self.angle_range:
            raise ValueError("rotation is on and angles is empty; list angles, or give angle_range = [lowest, highest]")
        if wrong := [factor for factor in self.shrinks if not 0 < factor <= 1]:
            raise ValueError(f"shrinks holds {wrong[0]:g}; wanted factors above 0 and up to 1")
        if wrong := [shear for shear in self.shears if not 0 < shear < 1]:
            raise ValueError(f"shears holds {wrong[0]:g}; wanted parts of the side, above 0 and under 1")
        return self


class DeformationSettings(Section):
    """[deformation]: elastic deformation (Simard, Steinkraus, Platt: Best practices for CNNs, ICDAR 2003)."""

    alpha: float = Field(default=1300.0, gt=0)  # displacement before smoothing, in pixels of a 512 px image
    sigmoids: Numbers = (8.0,)  # sigmas of the Gaussian that smooths the field, in those pixels; one is drawn


class DistortionSettings(Section):
    """[distortion]: a random field of displacements, smoothed twice."""

    gaussian_filter_rsigma: float = Field(default=40.0, gt=0)  # sigma of the first Gaussian, in pixels of a 512 px image
    gaussian_filter_sigma: float = Field(default=0.5, gt=0)  # of the second one
    distortions: Numbers = (0.02,)  # largest displacement as part of the side; one is drawn


class LensSettings(Section):
    """[barrdistortion], [pincdistortion]: a bulge or a dent around a centre."""

    radius: Part = 0.5  # part of the side that it reaches
    amount: Part = 0.3  # strength
    centers: Points = ((0.5, 0.5),)  # x, y as parts of the side; one is drawn


class SharpeningSettings(Section):
    """[sharpening]: unsharp masking."""

    k: float = Field(default=1.0, gt=0)


class BrighteningSettings(Section):
    """[brightening]: pixel * alpha + beta, cut to 0..255."""

    alpha: float = Field(default=1.1, gt=0)
    beta: float = 10.0


class ContrastSettings(Section):
    """[contrast]: distance from the image's mean, times a factor drawn between the two."""

    factors: Range = (0.8, 1.2)


class GammaSettings(Section):
    """[gamma]: 255 (pixel / 255) ^ exponent, drawn between the two."""

    exponents: Range = (0.8, 1.25)


class NoiseSettings(Section):
    """[noise]: Gaussian noise of up to that many grey levels."""

    sigma: float = Field(default=5.0, gt=0)


class BlurSettings(Section):
    """[blur]: Gaussian blur of a sigma drawn between the two, in pixels of the model's side."""

    sigmas: Range = (0.5, 1.5)
