"""What a training run is told: the sections and keys of a configuration, read strictly from TOML.

Sections and keys carry the names that users of the published project know. A key is here only when it has an effect.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from pipeline.files import InputError, load_toml

CONFIGS = Path(__file__).parent / "configs"

LossName = Literal["bce_dice_loss", "dice_loss", "iou_loss", "bce_iou_loss"]
MetricName = Literal["dice_coef", "iou_coef", "sensitivity", "specificity", "binary_accuracy"]
# TOML knows lists only; the settings are frozen, so lists are kept as tuples.
_listed = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
Pair = Annotated[tuple[int, int], _listed]
MetricNames = Annotated[tuple[MetricName, ...], _listed]


class Section(BaseModel):
    """A table of a configuration: unknown keys are errors, values keep their type, nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, protected_namespaces=())


class ModelSettings(Section):
    """[model]: the network, its input, and how it learns."""

    model: Literal["SlightlyFlexibleUNet"] = "SlightlyFlexibleUNet"
    image_width: int = Field(default=128, ge=8)
    image_height: int = Field(default=128, ge=8)
    image_channels: Literal[1, 3] = 1
    input_normalize: bool = True  # the model divides its input by 255; without it, it sees raw 0..255
    normalization: bool = False  # batch normalisation after each convolution
    num_classes: Literal[1] = 1
    base_filters: int = Field(default=16, ge=1)
    base_kernels: Pair = (3, 3)
    num_layers: int = Field(default=5, ge=1)  # counts the bottom
    dropout_rate: float = Field(default=0.0, ge=0, lt=1)  # level i drops dropout_rate * i
    dilation: Pair = (1, 1)
    activation: Literal["relu", "elu", "gelu", "silu"] = "relu"
    final_activation: Literal["sigmoid"] = "sigmoid"
    optimizer: Literal["Adam", "AdamW", "SGD"] = "Adam"
    learning_rate: float = Field(default=0.001, gt=0)
    clipvalue: float | None = Field(default=None, gt=0)
    loss: LossName = "bce_dice_loss"
    metrics: MetricNames = ("dice_coef",)
    mixed_precision: bool = False  # bfloat16 between input and head; fast where the processor has it, slow elsewhere
    jit_compile: bool = False  # XLA; Keras would turn it on by itself on a GPU, and it is slower on processors

    @model_validator(mode="after")
    def _fits_together(self) -> "ModelSettings":
        if self.image_width != self.image_height:
            raise ValueError(
                f"image_width is {self.image_width} and image_height {self.image_height}; "
                "data set images are squares, so give both the same value"
            )
        if self.image_width % 2 ** (self.num_layers - 1):
            raise ValueError(
                f"image_width {self.image_width} cannot be halved {self.num_layers - 1} times; "
                f"with num_layers {self.num_layers} give a multiple of {2 ** (self.num_layers - 1)}"
            )
        if self.dropout_rate * (self.num_layers - 1) >= 1:
            raise ValueError(
                f"dropout_rate {self.dropout_rate} grows to {self.dropout_rate * (self.num_layers - 1):g} "
                f"at the last of {self.num_layers} levels; it must stay under 1"
            )
        if len(set(self.metrics)) < len(self.metrics) or not self.metrics:
            raise ValueError("metrics must name at least one metric, and each once")
        return self


class DatasetSettings(Section):
    """[dataset]: the order in which training sees the samples."""

    shuffle: bool = True


class TrainSettings(Section):
    """[train]: how long, in which steps, and what is kept."""

    epochs: int = Field(default=50, ge=1)
    batch_size: int = Field(default=8, ge=1)
    patience: int = Field(default=10, ge=1)  # epochs without a better val_loss before training stops
    learning_rate_reducer: bool = True
    reducer_factor: float = Field(default=0.5, gt=0, lt=1)
    reducer_patience: int = Field(default=4, ge=1)
    epoch_change_infer: bool = True
    num_infer_images: int = Field(default=4, ge=1)
    seed: int = Field(default=1, ge=0, lt=2**31)


class EvalSettings(Section):
    """[eval]: batch figures such as dice_coef depend on the number of images in a batch."""

    batch_size: int = Field(default=4, ge=1)


class InferSettings(Section):
    """[infer]: where probabilities are cut, for masks and for figures an image."""

    threshold: float = Field(default=0.5, gt=0, lt=1)
    batch_size: int = Field(default=4, ge=1)


class Configuration(Section):
    """A whole configuration; a section left out has its defaults."""

    model: ModelSettings = ModelSettings()
    dataset: DatasetSettings = DatasetSettings()
    train: TrainSettings = TrainSettings()
    eval: EvalSettings = EvalSettings()
    infer: InferSettings = InferSettings()


def load_configuration(name_or_path: str) -> Configuration:
    """Reads `segmenter/configs/NAME.toml`, or the file at a path that ends in `.toml`.

    Raises:
      InputError: no such configuration, or one with unknown keys or values.
    """
    if name_or_path.endswith(".toml"):
        return load_toml(Path(name_or_path), Configuration)
    path = CONFIGS / f"{name_or_path}.toml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in CONFIGS.glob("*.toml")))
        raise InputError(
            f"--config {name_or_path}: is no known configuration; known are {known}, or give the path of a .toml file"
        )
    return load_toml(path, Configuration)
