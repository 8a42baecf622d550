"""[model]: the settings that all networks share, for their input and their training.

This module does not import Keras: a configuration is checked, and a finished run recognised, without it.
"""

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, create_model, model_validator

from segmenter.configuration.objectives import LOSSES, LossWeights, MetricNames, parameter_fields
from segmenter.configuration.section import Section

Activation = Literal["relu", "elu", "gelu", "silu", "mish"]


class _UpToTheLoss(Section):
    """The keys of [model] up to the loss, in the order in which a configuration is written."""

    paper: ClassVar[str]  # authors, title, year, identifier; `cesm-segmenter models` prints it

    model: str
    image_width: int = Field(default=128, ge=8)
    image_height: int = Field(default=128, ge=8)
    image_channels: int = Field(default=1, ge=1)
    input_normalize: bool = True  # the model divides its input by 255; if off, it gets raw 0..255
    num_classes: int = Field(default=1, ge=1)  # 1: lesion or not; more: masks hold class indices, 0 is the background
    activation: Activation = "relu"
    final_activation: Literal["sigmoid", "softmax"] = "sigmoid"  # if left out: sigmoid for one class, softmax for more
    dropout_rate: float = Field(default=0.0, ge=0, lt=1)
    optimizer: Literal["Adam", "AdamW", "SGD"] = "Adam"
    learning_rate: float = Field(default=0.001, gt=0)
    weight_decay: float | None = Field(default=None, gt=0)  # for AdamW; Keras' default is 0.004
    clipvalue: float | None = Field(default=None, gt=0)  # each gradient value is clipped to it
    clipnorm: float | None = Field(default=None, gt=0)  # each variable's gradient is scaled down to this norm
    ema_momentum: float | None = Field(default=None, gt=0, lt=1)  # keep a moving average of the weights and validate with it
    loss: LossWeights = Field(default="bce_dice_loss", validate_default=True)  # or a table of losses with weights


if TYPE_CHECKING:
    _WithLossParameters = _UpToTheLoss
else:
    _WithLossParameters = create_model("_WithLossParameters", __base__=_UpToTheLoss, **parameter_fields())


class ModelSettings(_WithLossParameters):
    """The keys that all networks have. The keys of a single network are in a subclass."""

    metrics: MetricNames = ("dice_coef",)
    generator: bool = False  # augment the training pairs as [augmentor] says
    mixed_precision: bool = False  # bfloat16 between input and head; fast where the hardware supports it, slow elsewhere
    jit_compile: bool | None = None  # compile the training step; None: on JAX, which needs it, and not on TensorFlow and PyTorch

    @property
    def sides(self) -> tuple[tuple[str, int], ...]:
        """The width and the height of the input in pixels, each with its key."""
        return ("image_width", self.image_width), ("image_height", self.image_height)

    @property
    def is_square(self) -> bool:
        """Whether width and height of the input are the same."""
        return self.image_width == self.image_height

    @property
    def side_multiple(self) -> int:
        """The sides that this network accepts are multiples of this number of pixels."""
        return 1

    def explain_multiple(self) -> str:
        """The settings that `side_multiple` comes from, for an error about the side."""
        return f"model {self.model}"

    @model_validator(mode="before")
    @classmethod
    def _activate_by_classes(cls, values: object) -> object:
        if not isinstance(values, dict) or not isinstance(classes := values.get("num_classes", 1), int):
            return values
        return {"final_activation": "sigmoid" if classes == 1 else "softmax"} | values

    @model_validator(mode="after")
    def _fits_together(self) -> "ModelSettings":
        for key, side in self.sides:
            if side % self.side_multiple:
                raise ValueError(
                    f"{key} {side} does not suit {self.explain_multiple()}; "
                    f"give a multiple of {self.side_multiple}, such as {self._near_sides(side)}"
                )
        if (self.final_activation == "softmax") != (self.num_classes > 1):
            raise ValueError(
                f"final_activation {self.final_activation} does not suit num_classes {self.num_classes}; one class takes "
                "sigmoid and several take softmax, so leave final_activation out"
            )
        if self.weight_decay and self.optimizer != "AdamW":
            raise ValueError(f"weight_decay needs optimizer AdamW, but optimizer is {self.optimizer}; change one of them")
        for name in self.loss:
            for key, side in self.sides:
                if side < (smallest := LOSSES[name].smallest_side):
                    raise ValueError(f"{key} {side} is too small for {name}; give {smallest} or more")
        if self.clipvalue and self.clipnorm:
            raise ValueError(f"clipvalue {self.clipvalue} and clipnorm {self.clipnorm} both clip gradients; leave one out")
        return self

    def _near_sides(self, side: int) -> str:
        below = side // self.side_multiple * self.side_multiple
        return " or ".join(str(side) for side in (below, below + self.side_multiple) if side)


class ConvolutionalSettings(ModelSettings):
    """A network whose size is set by one number of filters."""

    base_filters: int = Field(default=16, ge=1)
    normalization: bool = False  # batch normalisation after each convolution


class UNetSettings(ConvolutionalSettings):
    """A network of levels, each with half the side and twice the filters of the level above."""

    num_layers: int = Field(default=5, ge=1)  # levels, including the bottom

    @property
    def side_multiple(self) -> int:
        """The side is halved between levels."""
        return 2 ** (self.num_layers - 1)

    def explain_multiple(self) -> str:
        """Names num_layers."""
        return f"num_layers {self.num_layers}, which halves it {self.num_layers - 1} times"
