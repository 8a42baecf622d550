"""What a configuration may hold: its sections and keys, their defaults, and how they must agree.

Sections and keys carry the names that users of the published project know. A key is here only when it has an effect.
"""

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from segmenter.configuration import augmentation
from segmenter.configuration.networks import AnyModel, SlightlyFlexibleUNetSettings, canonical_name
from segmenter.configuration.section import Colors, Names, Section

_NO_VARIATION = ("probability", "angles", "angle_range")  # how [augmentor] varies, not what


class DatasetSettings(Section):
    """[dataset]: the order in which training sees the samples, and what the classes are called."""

    shuffle: bool = True
    class_names: Names = ()  # of the lesion classes 1, 2, ...; empty: those of recipe `full`, or class_1, class_2, ...

    @model_validator(mode="after")
    def _names_tell_apart(self) -> "DatasetSettings":
        if wrong := [name for name in self.class_names if not re.fullmatch(r"\w+", name)]:
            raise ValueError(f"class_names holds {wrong[0]!r}; wanted letters, digits and _, because they name columns")
        if len(set(self.class_names)) < len(self.class_names):
            raise ValueError(f"class_names lists {', '.join(self.class_names)}; each must be another")
        return self


class ImageSettings(Section):
    """[image]: what is done to each image inside the model, in this order, before it is scaled."""

    gamma: float | None = Field(default=None, gt=0)  # 255 (pixel / 255) ^ gamma
    sharpening: float | None = Field(default=None, gt=0)  # unsharp masking of that strength
    blur_size: int | None = Field(default=None, ge=3)  # odd side of a Gaussian kernel, in pixels of the model's side
    color_converter: Literal["COLOR_RGB2BGR", "COLOR_RGB2GRAY", "COLOR_RGB2HSV", "COLOR_RGB2YCrCb"] | None = None

    @model_validator(mode="after")
    def _kernel_has_a_middle(self) -> "ImageSettings":
        if self.blur_size and self.blur_size % 2 == 0:
            raise ValueError(f"blur_size {self.blur_size} has no middle pixel; give an odd number")
        return self


class MaskSettings(Section):
    """[mask]: how the gray levels of a mask file become lesion and background. Class indices are taken as they are."""

    blur: bool = False
    blur_size: int = Field(default=5, ge=3)  # odd side of a Gaussian kernel, in pixels of the file
    threshold: int = Field(default=128, ge=1, le=255)  # lesion from this level on
    algorithm: Literal["otsu", "triangle"] | None = None  # finds a threshold for each mask, in place of `threshold`

    @model_validator(mode="after")
    def _kernel_has_a_middle(self) -> "MaskSettings":
        if self.blur_size % 2 == 0:
            raise ValueError(f"blur_size {self.blur_size} has no middle pixel; give an odd number")
        return self


class TrainSettings(Section):
    """[train]: how long, in which steps, and what is kept."""

    epochs: int = Field(default=50, ge=1)
    batch_size: int = Field(default=8, ge=1)
    steps_per_epoch: int | None = Field(default=None, ge=1)  # None: once through the training samples
    validation_steps: int | None = Field(default=None, ge=1)  # None: once through the validation samples
    patience: int = Field(default=10, ge=1)  # epochs without a better val_loss before training stops
    learning_rate_reducer: bool = True  # cut the rate by reducer_factor after reducer_patience epochs without a better val_loss
    reducer_factor: float = Field(default=0.5, gt=0, lt=1)
    reducer_patience: int = Field(default=4, ge=1)
    cosine_decay: bool = False  # let the rate fall along half a cosine to 0 at the last of `epochs`
    warmup_epochs: int = Field(default=0, ge=0)  # let it rise from 0 before, step by step
    epoch_change_infer: bool = True
    epoch_change_tiledinfer: bool = False  # the same at full size by tiles, as [tiledinfer] says
    num_infer_images: int = Field(default=4, ge=1)
    seed: int = Field(default=1, ge=0, lt=2**31)
    deterministic: bool = False  # the same weights from each run on one machine; slower on GPUs

    @model_validator(mode="after")
    def _one_schedule(self) -> "TrainSettings":
        if self.cosine_decay and self.learning_rate_reducer:
            raise ValueError("cosine_decay and learning_rate_reducer both set the learning rate; turn one of them off")
        if self.warmup_epochs >= self.epochs:
            raise ValueError(f"warmup_epochs {self.warmup_epochs} leaves nothing of epochs {self.epochs}; lower it")
        return self


class EvalSettings(Section):
    """[eval]: batch metrics such as dice_coef depend on the number of images in a batch."""

    batch_size: int = Field(default=4, ge=1)
    nsd_tolerance_px: float = Field(default=2.0, gt=0)  # contours this near count as one; pixels of the data set's grid


class InferSettings(Section):
    """[infer]: where probabilities are cut, for masks and for metrics per image, and what is written."""

    threshold: float = Field(default=0.5, gt=0, lt=1)
    algorithm: Literal["otsu"] | None = None  # finds a threshold for each image, in place of `threshold`
    blur: bool = False  # smooth the probabilities before the cut
    ksize: int = Field(default=5, ge=3)  # odd side of that Gaussian kernel, in pixels of the map that is cut
    smallest_lesion_px: int = Field(default=0, ge=0)  # smaller connected components are dropped; pixels of the map that is cut
    augmentation: Literal["none", "flips", "turns"] = "none"  # average over 4 flips, or over all 8 turns and flips
    mask_colorize: bool = False  # also write masks in `mask_colors`, and them merged with the image
    mask_colors: Colors = ()  # red, green, blue of each lesion class; empty: green, white (malignant), then others
    batch_size: int = Field(default=4, ge=1)

    @model_validator(mode="after")
    def _kernel_has_a_middle(self) -> "InferSettings":
        if self.ksize % 2 == 0:
            raise ValueError(f"ksize {self.ksize} has no middle pixel; give an odd number")
        return self

    @model_validator(mode="after")
    def _colors_are_levels(self) -> "InferSettings":
        if wrong := [color for color in self.mask_colors if not all(0 <= level <= 255 for level in color)]:
            raise ValueError(f"mask_colors holds {list(wrong[0])}; wanted red, green and blue of 0 to 255")
        return self


class TiledInferSettings(Section):
    """[tiledinfer]: inference by overlapping tiles, at the source image's resolution."""

    split_size: int | None = Field(default=None, ge=8)  # side of a tile in source pixels; None: the model's side
    overlapping: int | None = Field(default=None, ge=0)  # source pixels that neighbours share at least; None: a quarter
    whole_image_weight: float = Field(default=0.0, ge=0, lt=1)  # part of the whole-image prediction in the result

    def sizes(self, side: int) -> tuple[int, int]:
        """The side of a tile and what neighbours share at least, in source pixels, for a model of a side.

        Raises:
          ValueError: tiles would share all they have.
        """
        tile = self.split_size or side
        overlap = tile // 4 if self.overlapping is None else self.overlapping
        if overlap >= tile:
            raise ValueError(f"[tiledinfer] overlapping {overlap} leaves nothing of a tile of {tile} px; lower it")
        return tile, overlap


class Configuration(Section):
    """A whole configuration; a section left out has its defaults."""

    model: AnyModel = Field(default=SlightlyFlexibleUNetSettings(), discriminator="model")
    dataset: DatasetSettings = DatasetSettings()
    image: ImageSettings = ImageSettings()
    mask: MaskSettings = MaskSettings()
    train: TrainSettings = TrainSettings()
    eval: EvalSettings = EvalSettings()
    infer: InferSettings = InferSettings()
    tiledinfer: TiledInferSettings = TiledInferSettings()
    augmentor: augmentation.AugmentorSettings = augmentation.AugmentorSettings()
    deformation: augmentation.DeformationSettings = augmentation.DeformationSettings()
    distortion: augmentation.DistortionSettings = augmentation.DistortionSettings()
    barrdistortion: augmentation.LensSettings = augmentation.LensSettings()
    pincdistortion: augmentation.LensSettings = augmentation.LensSettings()
    sharpening: augmentation.SharpeningSettings = augmentation.SharpeningSettings()
    brightening: augmentation.BrighteningSettings = augmentation.BrighteningSettings()
    contrast: augmentation.ContrastSettings = augmentation.ContrastSettings()
    gamma: augmentation.GammaSettings = augmentation.GammaSettings()
    noise: augmentation.NoiseSettings = augmentation.NoiseSettings()
    blur: augmentation.BlurSettings = augmentation.BlurSettings()

    @field_validator("model", mode="before")
    @classmethod
    def _know_the_network(cls, value: object) -> object:
        """Keys without a `model` are those of the default network; `Tensorflow` in front is taken off."""
        if not isinstance(value, dict):
            return value
        name = value.get("model", SlightlyFlexibleUNetSettings().model)
        return value | {"model": canonical_name(name) if isinstance(name, str) else name}

    @model_validator(mode="after")
    def _sections_agree(self) -> "Configuration":
        lesion_classes = max(1, self.model.num_classes - 1)
        for key, given in (
            ("[dataset] class_names", self.dataset.class_names),
            ("[infer] mask_colors", self.infer.mask_colors),
        ):
            if given and len(given) != lesion_classes:
                raise ValueError(
                    f"{key} lists {len(given)}; [model] num_classes {self.model.num_classes} has {lesion_classes} lesion classes"
                )
        self.tiledinfer.sizes(self.model.image_width)  # refuses an overlap of whole tiles
        if self.model.image_channels not in (1, 3):
            raise ValueError(f"[model] image_channels is {self.model.image_channels}; image files hold 1 or 3 channels, give one")
        if self.image.color_converter and self.model.image_channels != 3:
            raise ValueError(f"[image] color_converter {self.image.color_converter} needs [model] image_channels = 3")
        if self.model.generator and not self.varies:
            raise ValueError("[model] generator is on and [augmentor] turns nothing on; turn on hflip or another one")
        return self

    @property
    def varies(self) -> bool:
        """Whether [augmentor] turns anything on."""
        return any(value not in (False, ()) for key, value in self.augmentor if key not in _NO_VARIATION)

    @property
    def class_names(self) -> tuple[str, ...]:
        """What the lesion classes 1, 2, ... are called."""
        return self.dataset.class_names or default_class_names(max(1, self.model.num_classes - 1))


def default_class_names(count: int) -> tuple[str, ...]:
    """The names of so many lesion classes where none are given: those of recipe `full`, or class_1, class_2, ..."""
    defaults = {1: ("lesion",), 2: ("benign", "malignant")}
    return defaults.get(count, tuple(f"class_{index}" for index in range(1, count + 1)))
