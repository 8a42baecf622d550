"""The losses and the metrics that [model] may name: each declared once, and implemented in `segmenter.training`.

This module does not import Keras. `segmenter.training.losses` and `.metrics` have one function of the same name for each;
the parameters of a loss are keys of [model] and arguments of its function.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from segmenter.configuration.section import as_tuples


@dataclass(frozen=True)
class Parameter:
    """A number that a loss takes: a key of [model], and an argument of the loss's function.

    Attributes:
      limits: as `pydantic.Field` takes them: gt, ge, lt, le.
    """

    name: str
    default: float
    limits: dict[str, Any]
    meaning: str


@dataclass(frozen=True)
class Loss:
    """The declaration of a loss.

    Attributes:
      smallest_side: the smallest side of an image that the loss accepts, in pixels.
    """

    meaning: str
    parameters: tuple[Parameter, ...] = ()
    smallest_side: int = 1


_TVERSKY = (
    Parameter("tversky_alpha", 0.3, {"gt": 0}, "weight of false positives"),
    Parameter("tversky_beta", 0.7, {"gt": 0}, "weight of false negatives"),
)
_FOCAL = (
    Parameter("focal_alpha", 0.25, {"gt": 0, "lt": 1}, "weight of lesion pixels"),
    Parameter("focal_gamma", 2.0, {"ge": 0}, "how much less the pixels count that are predicted well"),
)
_SSIM_WINDOW = 11
LOSSES = {
    "bce_dice_loss": Loss("mean of cross-entropy and Dice loss"),
    "dice_loss": Loss("1 - Dice of the batch"),
    "bce_image_dice_loss": Loss("mean of cross-entropy and 1 - mean Dice of the images"),
    "iou_loss": Loss("1 - IoU of the batch"),
    "bce_iou_loss": Loss("mean of cross-entropy and IoU loss"),
    "basnet_hybrid_loss": Loss("mean of cross-entropy, SSIM and IoU loss", smallest_side=_SSIM_WINDOW),
    "bce_loss": Loss("cross-entropy, binary or categorical"),
    "ssim_loss": Loss("1 - structural similarity", smallest_side=_SSIM_WINDOW),
    "tversky_loss": Loss("Dice loss with weights for false positives and false negatives", _TVERSKY),
    "focal_tversky_loss": Loss("Tversky loss to the power of 3/4", _TVERSKY),
    "focal_loss": Loss("cross-entropy in which pixels that are predicted well count less", _FOCAL),
}
METRICS = {
    "dice_coef": "Dice of the batch",
    "iou_coef": "IoU of the batch",
    "sensitivity": "share of the lesion pixels that is found",
    "specificity": "share of the other pixels that is left alone",
    "binary_accuracy": "share of all pixels that is right",
}


def loss_parameters() -> dict[str, Parameter]:
    """The parameters of all losses by name, in the order of the losses."""
    return {parameter.name: parameter for loss in LOSSES.values() for parameter in loss.parameters}


def parameter_fields() -> dict[str, Any]:
    """The parameters of all losses as fields for `pydantic.create_model`."""
    return {
        name: (float, Field(default=parameter.default, description=parameter.meaning, **parameter.limits))
        for name, parameter in loss_parameters().items()
    }


def class_metrics(names: Sequence[str], class_names: Sequence[str]) -> list[tuple[str, str, int]]:
    """The metrics per lesion class, if there are several: title, such as `dice_coef_benign`, metric, and class index."""
    if len(class_names) == 1:
        return []
    return [(f"{name}_{title}", name, index) for name in names for index, title in enumerate(class_names, 1)]


def _to_weights(value: object) -> object:
    """Converts a loss's name to a table of names and weights, and checks the table."""
    table = {value: 1.0} if isinstance(value, str) else value
    if not isinstance(table, dict) or not table:
        raise ValueError("expected the name of a loss, or a table such as { bce_loss = 0.5, dice_loss = 0.5 }")
    if unknown := [name for name in table if name not in LOSSES]:
        raise ValueError(f"{unknown[0]} is not a known loss; expected one of {', '.join(LOSSES)}")
    if wrong := [
        name for name, weight in table.items() if isinstance(weight, bool) or not isinstance(weight, float | int) or weight <= 0
    ]:
        raise ValueError(f"{wrong[0]} has the weight {table[wrong[0]]!r}; expected a number above 0")
    return {name: float(weight) for name, weight in table.items()}


def _to_name(table: dict[str, float]) -> object:
    return next(iter(table)) if list(table.values()) == [1.0] else table


def _check_metrics(names: tuple[str, ...]) -> tuple[str, ...]:
    if unknown := [name for name in names if name not in METRICS]:
        raise ValueError(f"{unknown[0]} is not a known metric; expected one of {', '.join(METRICS)}")
    if len(set(names)) < len(names) or not names:
        raise ValueError("metrics must name at least one metric, and each once")
    return names


# For editors, which cannot run the checks above.
_WEIGHTS_SCHEMA = {
    "type": "object",
    "propertyNames": {"enum": [*LOSSES]},
    "additionalProperties": {"type": "number", "exclusiveMinimum": 0},
    "minProperties": 1,
}
_LOSS_SCHEMA = WithJsonSchema({"anyOf": [{"enum": [*LOSSES]}, _WEIGHTS_SCHEMA]})
_METRICS_SCHEMA = WithJsonSchema({"type": "array", "items": {"enum": [*METRICS]}, "minItems": 1, "uniqueItems": True})

LossWeights = Annotated[dict[str, float], BeforeValidator(_to_weights), PlainSerializer(_to_name), _LOSS_SCHEMA]
MetricNames = Annotated[tuple[str, ...], BeforeValidator(as_tuples), AfterValidator(_check_metrics), _METRICS_SCHEMA]
