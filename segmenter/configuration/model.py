"""[model]: what every network is told of its input, and how it learns.

No Keras here: a configuration is checked, and a finished run recognised, without it.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from segmenter.configuration.section import Section, as_tuples

LOSS_NAMES = (
    "bce_dice_loss",
    "dice_loss",
    "iou_loss",
    "bce_iou_loss",
    "basnet_hybrid_loss",
    "bce_loss",
    "ssim_loss",
    "tversky_loss",
    "focal_tversky_loss",
    "focal_loss",
)
Activation = Literal["relu", "elu", "gelu", "silu"]
MetricName = Literal["dice_coef", "iou_coef", "sensitivity", "specificity", "binary_accuracy"]


def _weigh(value: object) -> object:
    """A loss's name, or a table of names and weights, as a table."""
    table = {value: 1.0} if isinstance(value, str) else value
    if not isinstance(table, dict) or not table:
        raise ValueError("wanted the name of a loss, or a table such as { bce_loss = 0.5, dice_loss = 0.5 }")
    if unknown := [name for name in table if name not in LOSS_NAMES]:
        raise ValueError(f"{unknown[0]} is no known loss; known are {', '.join(LOSS_NAMES)}")
    if wrong := [
        name for name, weight in table.items() if isinstance(weight, bool) or not isinstance(weight, float | int) or weight <= 0
    ]:
        raise ValueError(f"{wrong[0]} has the weight {table[wrong[0]]!r}; wanted a number above 0")
    return {name: float(weight) for name, weight in table.items()}


def _unweigh(table: dict[str, float]) -> object:
    return next(iter(table)) if list(table.values()) == [1.0] else table


Losses = Annotated[dict[str, float], BeforeValidator(_weigh), PlainSerializer(_unweigh)]


class ModelSettings(Section):
    """What every network is told. A network's own keys are in a class of its own, which inherits from this one."""

    paper: ClassVar[str]  # authors, title, year, identifier; `cesm-segmenter models` prints it

    model: str
    image_width: int = Field(default=128, ge=8)
    image_height: int = Field(default=128, ge=8)
    image_channels: int = Field(default=1, ge=1)
    input_normalize: bool = True  # the model divides its input by 255; without it, it sees raw 0..255
    num_classes: int = Field(default=1, ge=1)  # 1: lesion or not; more: masks hold class indices, 0 is the background
    activation: Activation = "relu"
    final_activation: Literal["sigmoid", "softmax"] = "sigmoid"  # left out: sigmoid for one class, softmax for more
    dropout_rate: float = Field(default=0.0, ge=0, lt=1)
    optimizer: Literal["Adam", "AdamW", "SGD"] = "Adam"
    learning_rate: float = Field(default=0.001, gt=0)
    weight_decay: float | None = Field(default=None, gt=0)  # AdamW; Keras' own is 0.004
    clipvalue: float | None = Field(default=None, gt=0)  # each gradient value is cut there
    clipnorm: float | None = Field(default=None, gt=0)  # each variable's gradient is shortened to that
    ema_momentum: float | None = Field(default=None, gt=0, lt=1)  # keep a moving average of the weights and judge that
    loss: Losses = Field(default="bce_dice_loss", validate_default=True)  # or a table: losses are added by weight
    tversky_alpha: float = Field(default=0.3, gt=0)  # weight of false positives in the Tversky losses
    tversky_beta: float = Field(default=0.7, gt=0)  # of misses
    focal_alpha: float = Field(default=0.25, gt=0, lt=1)  # weight of lesion pixels in the focal loss
    focal_gamma: float = Field(default=2.0, ge=0)  # how much less well-known pixels count
    metrics: Annotated[tuple[MetricName, ...], BeforeValidator(as_tuples)] = ("dice_coef",)
    generator: bool = False  # augment the training pairs as [augmentor] says
    mixed_precision: bool = False  # bfloat16 between input and head; fast where the processor has it, slow elsewhere
    jit_compile: bool = False  # XLA; Keras would turn it on by itself on a GPU, and it is slower on processors

    @property
    def side_multiple(self) -> int:
        """Sides that this network can take are multiples of this, in pixels."""
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
        if self.image_width != self.image_height:
            raise ValueError(
                f"image_width is {self.image_width} and image_height {self.image_height}; "
                "data set images are squares, so give both the same value"
            )
        if self.image_width % self.side_multiple:
            raise ValueError(
                f"image_width {self.image_width} does not suit {self.explain_multiple()}; "
                f"give a multiple of {self.side_multiple}, such as {self._near_sides()}"
            )
        if (self.final_activation == "softmax") != (self.num_classes > 1):
            raise ValueError(
                f"final_activation {self.final_activation} does not suit num_classes {self.num_classes}; one class takes "
                "sigmoid and several take softmax, so leave final_activation out"
            )
        if self.weight_decay and self.optimizer != "AdamW":
            raise ValueError(f"weight_decay is for optimizer AdamW, and optimizer is {self.optimizer}; leave one out")
        if self.image_width < 11 and {"ssim_loss", "basnet_hybrid_loss"} & set(self.loss):
            raise ValueError(f"image_width {self.image_width} is too small for SSIM, whose window is 11 px; give more")
        if self.clipvalue and self.clipnorm:
            raise ValueError(f"clipvalue {self.clipvalue} and clipnorm {self.clipnorm} both clip; leave one out")
        if len(set(self.metrics)) < len(self.metrics) or not self.metrics:
            raise ValueError("metrics must name at least one metric, and each once")
        return self

    def _near_sides(self) -> str:
        below = self.image_width // self.side_multiple * self.side_multiple
        return " or ".join(str(side) for side in (below, below + self.side_multiple) if side)


class ConvolutionalSettings(ModelSettings):
    """A network whose size one number of filters sets."""

    base_filters: int = Field(default=16, ge=1)
    normalization: bool = False  # batch normalisation after each convolution


class UNetSettings(ConvolutionalSettings):
    """A network of levels, each with half the side and twice the filters of the level above."""

    num_layers: int = Field(default=5, ge=1)  # levels; counts the bottom

    @property
    def side_multiple(self) -> int:
        """The side is halved between levels."""
        return 2 ** (self.num_layers - 1)

    def explain_multiple(self) -> str:
        """Names num_layers."""
        return f"num_layers {self.num_layers}, which halve it {self.num_layers - 1} times"
