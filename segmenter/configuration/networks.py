"""The keys of [model] that only one network has, and the sides that each network accepts."""

import itertools
from typing import Annotated, Literal, get_args

from pydantic import Field, ValidationError, model_validator

from segmenter.configuration.model import Activation, ConvolutionalSettings, ModelSettings, UNetSettings
from segmenter.configuration.section import Integers, Pair


class SlightlyFlexibleUNetSettings(UNetSettings):
    """The published experiment's network. The dropout rate of level i is dropout_rate * i."""

    paper = "Ronneberger, Fischer, Brox: U-Net. MICCAI 2015, arXiv:1505.04597"

    model: Literal["SlightlyFlexibleUNet"] = "SlightlyFlexibleUNet"
    base_kernels: Pair = (3, 3)
    dilation: Pair = (1, 1)

    @model_validator(mode="after")
    def _dropout_stays_under_one(self) -> "SlightlyFlexibleUNetSettings":
        if self.dropout_rate * (self.num_layers - 1) >= 1:
            raise ValueError(
                f"dropout_rate {self.dropout_rate} grows to {self.dropout_rate * (self.num_layers - 1):g} "
                f"at the last of {self.num_layers} levels; it must stay below 1"
            )
        return self


class AttentionUNetSettings(UNetSettings):
    """Additive attention gates on the skips."""

    paper = "Oktay et al.: Attention U-Net. MIDL 2018, arXiv:1804.03999"

    model: Literal["AttentionUNet"] = "AttentionUNet"


class MultiResUNetSettings(UNetSettings):
    """Blocks that cover three scales, and residual convolutions along the skips. The paper uses base_filters 32."""

    paper = "Ibtehaz, Rahman: MultiResUNet. Neural Networks 121, 2020, arXiv:1902.04049"

    model: Literal["MultiResUNet"] = "MultiResUNet"
    normalization: bool = True
    alpha: float = Field(default=1.67, gt=0)  # filters of a block, as a multiple of the filters of a UNet's level


class UNet3PlusSettings(UNetSettings):
    """Each level of the decoder gets the features of all scales. The paper uses base_filters 64."""

    paper = "Huang et al.: UNet 3+. ICASSP 2020, arXiv:2004.08790"

    model: Literal["UNet3Plus"] = "UNet3Plus"
    num_layers: int = Field(default=5, ge=2)  # one level has no scales to join
    normalization: bool = True
    deep_supervision: bool = False  # in training, each level of the decoder predicts too
    classification_guided: bool = False  # the bottom predicts if there is a lesion; if not, the mask is empty

    @model_validator(mode="after")
    def _guides_what_is_supervised(self) -> "UNet3PlusSettings":
        if self.classification_guided and not self.deep_supervision:
            raise ValueError(
                "classification_guided is on and deep_supervision is off; the former is an addition to the "
                "latter, so turn both on, or both off"
            )
        return self


class U2NetSettings(ConvolutionalSettings):
    """A U of small Us with outputs at six scales. The paper uses base_filters 32, and 16 with lite."""

    paper = "Qin et al.: U2-Net. Pattern Recognition 106, 2020, arXiv:2005.09007"

    model: Literal["U2Net"] = "U2Net"
    normalization: bool = True
    lite: bool = False  # the same number of filters in all stages: U2-Net†, also called U2NETP

    @property
    def side_multiple(self) -> int:
        """Both the stages and the blocks within them halve the side, down to a 32nd."""
        return 32

    def explain_multiple(self) -> str:
        """Names the network's strides."""
        return "model U2Net, which halves it 5 times"


class SharpUNetSettings(UNetSettings):
    """A fixed sharpening filter on each skip. The paper uses base_filters 32."""

    paper = "Zunair, Ben Hamza: Sharp U-Net. Computers in Biology and Medicine 136, 2021, arXiv:2107.12461"

    model: Literal["SharpUNet"] = "SharpUNet"


class SwinUNetSettings(ModelSettings):
    """Attention within windows, shifted in every second block. The defaults are the paper's, except for the window."""

    paper = "Cao et al.: Swin-Unet. ECCV Workshops 2022, arXiv:2105.05537 (2021)"

    model: Literal["SwinUNet"] = "SwinUNet"
    activation: Activation = "gelu"  # within the MLP of a block
    patch_size: int = Field(default=4, ge=2)  # pixels; side of the patch that becomes one token
    base_filters: int = Field(default=96, ge=1)  # of the first stage; each further stage has twice as many
    depths: Integers = (2, 2, 2, 2)  # blocks of each stage, the same in the decoder
    num_heads: Integers = (3, 6, 12, 24)  # heads of each stage
    # Tokens; a 32nd of the default side, as the paper's 7 is of its 224 px. One number, or one per stage.
    window_size: Annotated[int, Field(ge=1)] | Integers = 4
    mlp_ratio: int = Field(default=4, ge=1)
    drop_path: float = Field(
        default=0.1, ge=0, lt=1
    )  # rate at which the last block is skipped; the rate rises from 0 at the first block

    @property
    def side_multiple(self) -> int:
        """A patch is a token, and each further stage halves the side."""
        return self.patch_size * 2 ** (len(self.depths) - 1)

    def explain_multiple(self) -> str:
        """Names patch_size, the number of stages, and window_size."""
        return f"patch_size {self.patch_size}, {len(self.depths)} stages and {self._describe_windows()}"

    @property
    def windows(self) -> tuple[int, ...]:
        """The side of a window of each stage, in tokens."""
        return (self.window_size,) * len(self.depths) if isinstance(self.window_size, int) else self.window_size

    def stage_sides(self, side: int) -> list[int]:
        """The side of each stage in tokens, for an image's side in pixels."""
        return [side // self.patch_size // 2**stage for stage in range(len(self.depths))]

    @model_validator(mode="after")
    def _windows_tile_the_stages(self) -> "SwinUNetSettings":
        if len(self.depths) != len(self.num_heads) or not self.depths or min(self.depths + self.num_heads) < 1:
            raise ValueError(
                f"depths {list(self.depths)} and num_heads {list(self.num_heads)} do not match; "
                "list one whole number above 0 per stage in both"
            )
        if len(self.windows) != len(self.depths) or min(self.windows) < 1:
            raise ValueError(
                f"window_size {list(self.windows)} does not match depths {list(self.depths)}; give one whole number above 0, or "
                "one per stage"
            )
        for stage, heads in enumerate(self.num_heads):
            if (filters := self.base_filters * 2**stage) % heads:
                raise ValueError(
                    f"stage {stage} has {filters} filters, which cannot be divided evenly among its {heads} heads; "
                    "change base_filters or num_heads"
                )
        for key, side in self.sides:
            if not self._is_tiled(side):
                raise ValueError(
                    f"{key} {side} makes stages of {self.stage_sides(side)} tokens per side; each must be a multiple of "
                    f"{self._describe_windows()}, or smaller; give {self._near_sides(side)}, or another window_size"
                )
        self._check_rectangle()
        return self

    def _check_rectangle(self) -> None:
        """Where a stage is narrower than its window, its windows are as small as its shorter side."""
        stages = zip(self.windows, self.stage_sides(self.image_height), self.stage_sides(self.image_width), strict=True)
        for window, *sides in stages:
            if max(sides) % min(window, *sides):
                raise ValueError(
                    f"image_height {self.image_height} and image_width {self.image_width} make a stage of {sides[0]} x "
                    f"{sides[1]} tokens, which windows of {min(window, *sides)} tokens do not fill; give other sides, or another "
                    "window_size"
                )

    def _is_tiled(self, side: int) -> bool:
        sides = self.stage_sides(side)
        return all(tokens <= window or tokens % window == 0 for tokens, window in zip(sides, self.windows, strict=True))

    def _describe_windows(self) -> str:
        return f"window_size {self.window_size if isinstance(self.window_size, int) else list(self.window_size)}"

    def _near_sides(self, side: int) -> str:
        steps = side // self.side_multiple
        below = next((step for step in range(steps, 0, -1) if self._is_tiled(step * self.side_multiple)), 0)
        # A last stage of whole windows is always tiled, so the search ends.
        above = next(step for step in itertools.count(steps + 1) if self._is_tiled(step * self.side_multiple))
        return " or ".join(str(step * self.side_multiple) for step in (below, above) if step)


class BackboneSettings(ModelSettings):
    """A network whose encoder is one known from ImageNet. It gets the same pixels whatever input_normalize is."""

    backbone: str
    weights: str = "none"  # random; or "imagenet", or a file that Keras' save or save_weights wrote for the backbone alone
    activation: Activation = "relu"  # of the decoder; the backbone keeps its own

    @model_validator(mode="after")
    def _backbone_can_be_made(self) -> "BackboneSettings":
        if self.weights not in ("none", "imagenet") and not self.weights.endswith((".keras", ".h5")):
            raise ValueError(
                f"weights {self.weights!r} is not a weights file; give none, imagenet, or a path that ends in .keras or .h5"
            )
        if self.image_channels not in (1, 3):
            raise ValueError(
                f"image_channels is {self.image_channels}; backbone {self.backbone} takes 3, or 1, which is repeated"
            )
        return self


class EfficientUNetSettings(BackboneSettings):
    """A UNet decoder on an EfficientNet. The ImageNet weights of EfficientNetLite0 are part of this package."""

    paper = "Tan, Le: EfficientNet. ICML 2019, arXiv:1905.11946"

    model: Literal["EfficientUNet"] = "EfficientUNet"
    backbone: Literal[
        "EfficientNetB0",
        "EfficientNetB1",
        "EfficientNetB2",
        "EfficientNetB3",
        "EfficientNetB4",
        "EfficientNetB5",
        "EfficientNetB6",
        "EfficientNetB7",
        "EfficientNetLite0",
    ] = "EfficientNetB0"
    base_filters: int = Field(default=16, ge=1)  # of the decoder at full size; each level below has twice as many

    @property
    def side_multiple(self) -> int:
        """The backbone halves the side five times."""
        return 32

    def explain_multiple(self) -> str:
        """Names the backbone."""
        return f"backbone {self.backbone}, which halves it 5 times"


class DeepLabV3PlusSettings(BackboneSettings):
    """An atrous spatial pyramid on a backbone whose last strides are replaced by dilation."""

    paper = "Chen et al.: DeepLabv3+. ECCV 2018, arXiv:1802.02611"

    model: Literal["DeepLabV3Plus"] = "DeepLabV3Plus"
    backbone: Literal["ResNet50", "ResNet101", "ResNet152", "MobileNetV2"] = "ResNet50"
    output_stride: Literal[8, 16] = 16  # side of the input divided by that of the backbone's output
    base_filters: int = Field(default=256, ge=1)  # of each branch of the pyramid and of the decoder
    skip_filters: int = Field(default=48, ge=1)  # to which the features at a quarter of the side are reduced

    @property
    def side_multiple(self) -> int:
        """The side of the backbone's output is smaller by this factor."""
        return self.output_stride

    def explain_multiple(self) -> str:
        """Names output_stride."""
        return f"output_stride {self.output_stride}"


class TransUNetSettings(ModelSettings):
    """An encoder of a ResNet-50 and a ViT-B/16 on top of it. The defaults are the paper's, whose dropout_rate is 0.1."""

    paper = "Chen et al.: TransUNet. arXiv:2102.04306 (2021)"

    model: Literal["TransUNet"] = "TransUNet"
    activation: Activation = "relu"  # of the convolutions; the transformer uses GELU
    base_filters: int = Field(default=64, ge=1)  # of the ResNet's first convolution
    num_blocks: Integers = (3, 4, 9)  # residual blocks of the ResNet's three stages
    hidden_size: int = Field(default=768, ge=1)  # of a token
    num_heads: int = Field(default=12, ge=1)
    transformer_layers: int = Field(default=12, ge=1)
    mlp_size: int = Field(default=3072, ge=1)
    decoder_filters: Integers = (512, 256, 128, 64, 16)  # at 1/16, 1/8, 1/4, 1/2 of the side and at full size

    @property
    def side_multiple(self) -> int:
        """The ResNet halves the side four times."""
        return 16

    def explain_multiple(self) -> str:
        """Names the ResNet's strides."""
        return "model TransUNet, whose encoder halves it 4 times"

    @model_validator(mode="after")
    def _shapes_fit(self) -> "TransUNetSettings":
        for key, values, count in (("num_blocks", self.num_blocks, 3), ("decoder_filters", self.decoder_filters, 5)):
            if len(values) != count or min(values) < 1:
                raise ValueError(f"{key} is {list(values)}; expected {count} whole numbers above 0")
        if self.hidden_size % self.num_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} cannot be divided evenly among num_heads {self.num_heads}; change one of them"
            )
        return self


AnyModel = (
    SlightlyFlexibleUNetSettings
    | AttentionUNetSettings
    | MultiResUNetSettings
    | SwinUNetSettings
    | EfficientUNetSettings
    | UNet3PlusSettings
    | DeepLabV3PlusSettings
    | TransUNetSettings
    | U2NetSettings
    | SharpUNetSettings
)
MODEL_SETTINGS: dict[str, type[ModelSettings]] = {cls.model_fields["model"].default: cls for cls in get_args(AnyModel)}


def canonical_name(name: str) -> str:
    """Returns a network's name without the published project's prefix `Tensorflow`; UNet is SlightlyFlexibleUNet.

    Raises:
      ValueError: there is no such network.

    Example:
      >>> canonical_name("TensorflowUNet"), canonical_name("UNet3Plus")
      ('SlightlyFlexibleUNet', 'UNet3Plus')
    """
    short = name.removeprefix("Tensorflow")
    short = "SlightlyFlexibleUNet" if short == "UNet" else short
    if short not in MODEL_SETTINGS:
        raise ValueError(
            f"{name} is not a known network; expected one of {', '.join(MODEL_SETTINGS)}, each also with the prefix Tensorflow"
        )
    return short


def describe_sides(settings: type[ModelSettings]) -> str:
    """Describes the sides that a network's default settings accept: all multiples of a number, or a list of those that fit."""
    multiple = settings.model_validate({}).side_multiple
    sides = range(multiple * -(-11 // multiple), 513, multiple)
    fitting = [side for side in sides if _takes(settings, side)]
    return f"multiples of {multiple}" if fitting == list(sides) else f"{', '.join(map(str, fitting))} (up to 512)"


def _takes(settings: type[ModelSettings], side: int) -> bool:
    try:
        settings.model_validate({"image_width": side, "image_height": side})
    except ValidationError:
        return False
    return True
