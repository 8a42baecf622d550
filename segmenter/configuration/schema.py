"""What a configuration may hold: its sections and keys, their defaults, and the rules that they must meet together.

Sections and keys carry the names that users of the published project know. Every key here has an effect.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from segmenter.configuration import augmentation
from segmenter.configuration.networks import AnyModel, SlightlyFlexibleUNetSettings, canonical_name
from segmenter.configuration.section import Colors, Names, Section

NO_TILES = 'a model with [dataset] crop = "breast" predicts the breast as a whole, and no tiles'
_NEEDS_A_SQUARE = "turns images by 90 degrees, which needs [model] image_width and image_height to be the same"
_NO_VARIATION = ("probability", "angles", "angle_range")  # how [augmentor] varies, not what


class DatasetSettings(Section):
    """[dataset]: the order of the training samples, what the network sees of each, and the names of the classes."""

    shuffle: bool = True
    crop: Literal["none", "breast"] = "none"  # breast: the model sees the breast's box, the chest wall at the left
    partner: bool = False  # inputs are the low-energy image, the subtracted one, and the annotated one of the two again
    partner_dropout: float = Field(default=0.0, ge=0, lt=1)  # share of training samples without the image that is not annotated
    class_names: Names = ()  # of the lesion classes 1, 2, ...; empty: those of recipe `full`, or class_1, class_2, ...

    @model_validator(mode="after")
    def _names_are_columns(self) -> "DatasetSettings":
        if wrong := [name for name in self.class_names if not re.fullmatch(r"\w+", name)]:
            raise ValueError(f"class_names holds {wrong[0]!r}; expected letters, digits and _, because they name columns")
        if len(set(self.class_names)) < len(self.class_names):
            raise ValueError(f"class_names lists {', '.join(self.class_names)}; each name must be different")
        return self

    @model_validator(mode="after")
    def _dropout_needs_partners(self) -> "DatasetSettings":
        if self.partner_dropout and not self.partner:
            raise ValueError(f"partner_dropout {self.partner_dropout:g} needs partner = true; set it, or leave this out")
        return self


class ImageSettings(Section):
    """[image]: operations on each image inside the model, in this order, before it is scaled."""

    gamma: float | None = Field(default=None, gt=0)  # 255 (pixel / 255) ^ gamma
    sharpening: float | None = Field(default=None, gt=0)  # unsharp masking of this strength
    blur_size: int | None = Field(default=None, ge=3)  # odd side of a Gaussian kernel, in pixels of the model's side
    color_converter: Literal["COLOR_RGB2BGR", "COLOR_RGB2GRAY", "COLOR_RGB2HSV", "COLOR_RGB2YCrCb"] | None = None

    @model_validator(mode="after")
    def _kernel_has_a_middle(self) -> "ImageSettings":
        if self.blur_size and self.blur_size % 2 == 0:
            raise ValueError(f"blur_size {self.blur_size} has no middle pixel; give an odd number")
        return self


class MaskSettings(Section):
    """[mask]: how the gray levels of a mask file are thresholded into lesion and background. Class indices are not changed."""

    blur: bool = False
    blur_size: int = Field(default=5, ge=3)  # odd side of a Gaussian kernel, in pixels of the file
    threshold: int = Field(default=128, ge=1, le=255)  # levels from here on are lesion
    algorithm: Literal["otsu", "triangle"] | None = None  # finds a threshold for each mask, instead of `threshold`

    @model_validator(mode="after")
    def _kernel_has_a_middle(self) -> "MaskSettings":
        if self.blur_size % 2 == 0:
            raise ValueError(f"blur_size {self.blur_size} has no middle pixel; give an odd number")
        return self


class TrainSettings(Section):
    """[train]: how long training runs, in which steps, and what it writes."""

    epochs: int = Field(default=50, ge=1)
    batch_size: int = Field(default=8, ge=1)  # of all devices together
    gradient_accumulation_steps: int = Field(default=1, ge=1)  # the weights change after this many batches, by the mean gradient
    steps_per_epoch: int | None = Field(default=None, ge=1)  # batches; None: once through the training samples
    validation_steps: int | None = Field(default=None, ge=1)  # the same first batches each time; None: all validation samples
    patience: int = Field(default=10, ge=1)  # epochs without a better val_loss before training stops
    learning_rate_reducer: bool = True  # cut the rate by reducer_factor after reducer_patience epochs without a better val_loss
    reducer_factor: float = Field(default=0.5, gt=0, lt=1)
    reducer_patience: int = Field(default=4, ge=1)
    cosine_decay: bool = False  # the rate falls along half a cosine to 0 at the end of `epochs`
    warmup_epochs: int = Field(default=0, ge=0)  # before that, the rate rises from 0 step by step
    epoch_change_infer: bool = True  # after each epoch, write predictions on num_infer_images images
    epoch_change_tiledinfer: bool = False  # also at full size by tiles, as set in [tiledinfer]
    num_infer_images: int = Field(default=4, ge=1)
    seed: int = Field(default=1, ge=0, lt=2**31)
    cache_limit_mb: int | None = Field(default=None, ge=0)  # pairs may take this much memory; None: half of what is free; 0: none
    deterministic: bool = False  # the same weights from each run on one machine; slower on GPUs

    @model_validator(mode="after")
    def _one_schedule(self) -> "TrainSettings":
        if self.cosine_decay and self.learning_rate_reducer:
            raise ValueError("cosine_decay and learning_rate_reducer both set the learning rate; turn one of them off")
        if self.warmup_epochs >= self.epochs:
            raise ValueError(f"warmup_epochs {self.warmup_epochs} is not below epochs {self.epochs}; lower it")
        return self


class EvalSettings(Section):
    """[eval]: metrics over a batch, such as dice_coef, depend on the number of images in it."""

    batch_size: int = Field(default=4, ge=1)
    nsd_tolerance_px: float = Field(default=2.0, gt=0)  # contours this close count as equal; pixels of the data set's grid


class InferSettings(Section):
    """[infer]: how probabilities are thresholded, for masks and for metrics per image, and what is written."""

    threshold: float = Field(default=0.5, gt=0, lt=1)
    # The threshold of a model that takes both images of a view, for an image whose other one is missing; None: `threshold`.
    threshold_single: float | None = Field(default=None, gt=0, lt=1)
    algorithm: Literal["otsu"] | None = None  # finds a threshold for each image, instead of `threshold`
    blur: bool = False  # smooth the probabilities before thresholding
    ksize: int = Field(default=5, ge=3)  # odd side of this Gaussian kernel, in pixels of the probability map
    smallest_lesion_px: int = Field(default=0, ge=0)  # smaller connected components are dropped; pixels of the map
    augmentation: Literal["none", "flips", "turns"] = "none"  # average over 4 flips, or over all 8 turns and flips
    masks_only: bool = (
        False  # write masks and lesions.csv, but no probabilities and pictures, which take longer than a small network
    )
    mask_colorize: bool = False  # also write masks in `mask_colors`, and these merged with the image
    mask_colors: Colors = ()  # red, green, blue of each lesion class; empty: green, white (malignant), then others
    batch_size: int = Field(default=4, ge=1)

    def for_single_images(self) -> "InferSettings":
        """The settings for images without the other one of their view."""
        return self.model_copy(update={"threshold": self.threshold_single or self.threshold})

    @model_validator(mode="after")
    def _writes_what_it_colors(self) -> "InferSettings":
        if self.masks_only and self.mask_colorize:
            raise ValueError("masks_only and mask_colorize are both on, but colored masks are pictures; turn one of them off")
        return self

    @model_validator(mode="after")
    def _kernel_has_a_middle(self) -> "InferSettings":
        if self.ksize % 2 == 0:
            raise ValueError(f"ksize {self.ksize} has no middle pixel; give an odd number")
        return self

    @model_validator(mode="after")
    def _colors_are_levels(self) -> "InferSettings":
        if wrong := [color for color in self.mask_colors if not all(0 <= level <= 255 for level in color)]:
            raise ValueError(f"mask_colors holds {list(wrong[0])}; expected red, green and blue from 0 to 255")
        return self


def change_infer(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of [infer] with changes; a changed threshold alone is that of single images, too."""
    reset = {"threshold_single": None} if "threshold" in changes else {}
    return {**settings, **reset, **changes}


class TiledInferSettings(Section):
    """[tiledinfer]: inference by overlapping tiles, at the source image's resolution."""

    split_size: int | None = Field(default=None, ge=8)  # side of a tile in source pixels; None: the model's side
    overlapping: int | None = Field(
        default=None, ge=0
    )  # smallest overlap of neighbours, in source pixels; None: a quarter of a tile
    whole_image_weight: float = Field(default=0.0, ge=0, lt=1)  # weight of the whole-image prediction in the result

    def sizes(self, side: int) -> tuple[int, int]:
        """The side of a tile and the smallest overlap of neighbouring tiles, in source pixels.

        Args:
          side: of the model's input, in pixels.

        Raises:
          ValueError: the overlap is as large as a tile.
        """
        tile = self.split_size or side
        overlap = tile // 4 if self.overlapping is None else self.overlapping
        if overlap >= tile:
            raise ValueError(f"[tiledinfer] overlapping {overlap} is not below the side of a tile, {tile} px; lower it")
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
        """Keys without a `model` belong to the default network; the prefix `Tensorflow` is removed."""
        if not isinstance(value, dict):
            return value
        name = value.get("model", SlightlyFlexibleUNetSettings().model)
        return value | {"model": canonical_name(name) if isinstance(name, str) else name}

    @model_validator(mode="after")
    def _sections_agree(self) -> "Configuration":
        lesion_classes = max(1, self.model.num_classes - 1)
        for key, values in (
            ("[dataset] class_names", self.dataset.class_names),
            ("[infer] mask_colors", self.infer.mask_colors),
        ):
            if values and len(values) != lesion_classes:
                raise ValueError(
                    f"{key} has length {len(values)}; expected {lesion_classes}, one per lesion class of [model] num_classes "
                    f"{self.model.num_classes}"
                )
        self._check_sides()
        if self.model.image_channels not in (1, 3):
            raise ValueError(
                f"[model] image_channels is {self.model.image_channels}; image files have 1 or 3 channels, so give one of these"
            )
        if self.image.color_converter and self.model.image_channels != 3:
            raise ValueError(f"[image] color_converter {self.image.color_converter} needs [model] image_channels = 3")
        if self.dataset.partner and self.model.image_channels != 3:
            raise ValueError(f"[dataset] partner needs [model] image_channels = 3; found {self.model.image_channels}")
        if self.dataset.partner and self.image.color_converter:
            raise ValueError(
                f"[image] color_converter {self.image.color_converter} mixes the images that [dataset] partner puts into three "
                "channels; leave one of them out"
            )
        if self.model.ema_momentum and self.train.gradient_accumulation_steps > 1:
            raise ValueError(
                "[model] ema_momentum needs [train] gradient_accumulation_steps = 1, because Keras averages the weights after "
                "each batch, also where they have not changed; leave one of them out"
            )
        if self.model.generator and not self.varies:
            raise ValueError("[model] generator is on and [augmentor] turns nothing on; turn on hflip or another one")
        return self

    def _check_sides(self) -> None:
        model = self.model
        if self.dataset.crop == "none":
            if not model.is_square:
                raise ValueError(
                    f"[model] image_width is {model.image_width} and image_height {model.image_height}; data set images are "
                    'square, so give both the same value, or set [dataset] crop = "breast"'
                )
            self.tiledinfer.sizes(model.image_width)  # refuses an overlap of whole tiles
        elif self.train.epoch_change_tiledinfer:
            raise ValueError(f"[train] epoch_change_tiledinfer is on, but {NO_TILES}; turn it off")
        if not model.is_square and self.infer.augmentation == "turns":
            raise ValueError(f'[infer] augmentation = "turns" {_NEEDS_A_SQUARE}; give "flips", or equal sides')
        if not model.is_square and self.augmentor.turns_by_quarters:
            raise ValueError(
                f"[augmentor] rotation with angles {list(self.augmentor.angles)} {_NEEDS_A_SQUARE}; "
                "give angles = [180.0], or angle_range, or equal sides"
            )

    @property
    def varies(self) -> bool:
        """Whether [augmentor] turns anything on."""
        return any(value not in (False, ()) for key, value in self.augmentor if key not in _NO_VARIATION)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the lesion classes 1, 2, ..."""
        return self.dataset.class_names or default_class_names(max(1, self.model.num_classes - 1))


def default_class_names(count: int) -> tuple[str, ...]:
    """The names of `count` lesion classes where none are given: those of recipe `full`, or class_1, class_2, ..."""
    defaults = {1: ("lesion",), 2: ("benign", "malignant")}
    return defaults.get(count, tuple(f"class_{index}" for index in range(1, count + 1)))
