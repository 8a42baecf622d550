"""The keys of the published project's `train_eval_infer.config`, and what each becomes here. Data and converters only."""

import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple, get_args

import pydantic
from PIL import ImageColor

from segmenter.configuration.augmentation import DeformationSettings
from segmenter.configuration.model import ModelSettings

Key = tuple[str, str]  # section, key


class Rule(NamedTuple):
    """What a published key becomes: a key of ours, or nothing. A converter raises ValueError for a value that it refuses."""

    target: Key | None
    convert: Callable[[Any], Any] = lambda value: value
    note: str = ""  # why the key has no effect, or what differs from the published project


def side_of(kernel: Any) -> Any:
    """Converts (5, 5) to 5."""
    if not isinstance(kernel, list | tuple):
        return kernel
    if len(set(kernel)) != 1:
        raise ValueError("expected a square kernel, such as (5, 5)")
    return kernel[0]


def level_as_probability(level: Any) -> float:
    """Converts a gray level from 1 to 254 to a probability; a number between 0 and 1 is a probability already."""
    if isinstance(level, bool) or not isinstance(level, int | float) or not 0 < level < 255:
        raise ValueError("expected a gray level from 1 to 254")
    return level if level < 1 else round(level / 255, 4)


def thresholding(name: Any) -> str | None:
    """Converts names of OpenCV flags, such as "cv2.THRESH_BINARY + cv2.THRESH_OTSU", to our name of the algorithm."""
    flags = set(re.split(r"\s*[+|]\s*", str(name).replace("cv2.", ""))) - {"THRESH_BINARY", "None"}
    if not flags <= {"THRESH_OTSU", "THRESH_TRIANGLE"} or len(flags) > 1:
        raise ValueError("expected cv2.THRESH_OTSU, cv2.THRESH_TRIANGLE, cv2.THRESH_BINARY or None")
    return flags.pop().removeprefix("THRESH_").lower() if flags else None


def color(value: Any) -> tuple[int, ...]:
    """Converts a color name that Pillow knows, or three numbers, to red, green, blue."""
    if isinstance(value, str):
        return ImageColor.getrgb(value)[:3]
    if (
        not isinstance(value, list | tuple)
        or len(value) != 3
        or not all(type(level) is int and 0 <= level < 256 for level in value)
    ):
        raise ValueError('expected the name of a color, such as "green", or three numbers from 0 to 255')
    return tuple(value)


def colors_by_class(indices: Any) -> tuple[tuple[int, ...], ...]:
    """Converts {(0, 0, 0): 0, (255, 255, 0): 1, ...} to the colors of the classes 1, 2, ..."""
    if not isinstance(indices, dict) or sorted(map(repr, indices.values())) != sorted(map(repr, range(len(indices)))):
        raise ValueError("expected class indices from 0 on, one for each color")
    return tuple(color(key) for key, index in sorted(indices.items(), key=lambda item: item[1]) if index)


def halve_until_unfolded(alpha: float, sigmoids: Any) -> float:
    """Halves the strength of an elastic field until [deformation] accepts it with the given sigmas."""
    while 1 < alpha < math.inf:
        try:
            return DeformationSettings(alpha=float(alpha), sigmoids=sigmoids).alpha
        except pydantic.ValidationError as error:
            if "folds" not in str(error):
                return alpha  # another fault, which is reported when the whole configuration is checked
        alpha /= 2
    return alpha


def _color_converter(name: Any) -> str | None:
    if name is None or str(name).removeprefix("cv2.") == "COLOR_BGR2RGB":
        return None
    match = re.fullmatch(r"(?:cv2\.)?COLOR_(?:BGR|RGB)2(BGR|GRAY|HSV|YCrCb)(?:_FULL)?", str(name))
    if not match:
        raise ValueError("expected cv2.COLOR_BGR2HSV, cv2.COLOR_BGR2GRAY, cv2.COLOR_BGR2YCrCb, cv2.COLOR_RGB2BGR or None")
    return f"COLOR_RGB2{match[1]}"


def _off_at_zero(value: Any) -> Any:
    return None if value == 0 else value


def _none_as_empty(values: Any) -> Any:
    return () if values is None else values


def _size_of_amount(amount: Any) -> Any:
    return abs(amount) if isinstance(amount, int | float) else amount


def _renamed(names: dict[str, str]) -> Callable[[Any], Any]:
    return lambda value: names.get(value.lower(), value) if isinstance(value, str) else value


_OPTIMIZERS = {name.lower(): name for name in get_args(ModelSettings.model_fields["optimizer"].annotation)}
_ACTIVATIONS = {"swish": "silu"} | {
    name: name for name in (*get_args(ModelSettings.model_fields["activation"].annotation), "sigmoid", "softmax")
}
_LOSSES = {"binary_crossentropy": "bce_loss", "categorical_crossentropy": "bce_loss"}
_METRICS = {"accuracy": "binary_accuracy", "dice_coef_multiclass": "dice_coef", "iou_coef_multiclass": "iou_coef"}


def _metrics(names: Any) -> Any:
    rename = _renamed(_METRICS)
    return tuple(rename(name) for name in names) if isinstance(names, list | tuple) else (rename(names),)


NO_EARLY_STOPPING = 1_000_000  # epochs of patience, instead of the published project's 0

# Keys that mean the same here as there.
_SAME = {
    "model": "generator image_width image_height image_channels normalization num_classes base_filters base_kernels num_layers "
    "dropout_rate learning_rate clipvalue dilation",
    "train": "epochs batch_size steps_per_epoch validation_steps epoch_change_infer epoch_change_tiledinfer "
    "num_infer_images learning_rate_reducer reducer_factor reducer_patience",
    "eval": "batch_size",
    "infer": "blur mask_colorize",
    "tiledinfer": "overlapping split_size",
    "augmentor": "vflip hflip rotation angles deformation distortion sharpening brightening barrdistortion pincdistortion",
    "distortion": "distortions",
    "barrdistortion": "radius amount centers",
    "pincdistortion": "radius centers",
    "sharpening": "k",
    "brightening": "alpha beta",
}

_CHANGED = {
    ("model", "optimizer"): Rule(("model", "optimizer"), _renamed(_OPTIMIZERS)),
    ("model", "activation"): Rule(("model", "activation"), _renamed(_ACTIVATIONS)),
    ("model", "final_activation"): Rule(("model", "final_activation"), _renamed(_ACTIVATIONS)),
    ("model", "loss"): Rule(("model", "loss"), _renamed(_LOSSES)),
    ("model", "metrics"): Rule(("model", "metrics"), _metrics),
    ("test", "batch_size"): Rule(("eval", "batch_size"), note="one batch size for the evaluation of all splits"),
    ("infer", "ksize"): Rule(("infer", "ksize"), side_of, "kernels are square"),
    ("infer", "algorithm"): Rule(("infer", "algorithm"), thresholding),
    ("tiledinfer", "bitwise_blending"): Rule(
        ("tiledinfer", "whole_image_weight"),
        lambda on: 0.5 if on is True else 0.0 if on is False else on,
        "the probabilities of tiles and of the whole image are averaged, where the published project intersects their masks",
    ),
    ("image", "color_converter"): Rule(
        ("image", "color_converter"), _color_converter, "images are read as red, green, blue, and hue runs from 0 to 255"
    ),
    ("image", "gamma"): Rule(("image", "gamma"), _off_at_zero),
    ("image", "sharpening"): Rule(
        ("image", "sharpening"), _off_at_zero, "unsharp masking with a Gaussian, which is milder at the same strength"
    ),
    ("mask", "blur"): Rule(("mask", "blur"), note="masks are smoothed before thresholding, so that lesions do not grow"),
    ("mask", "blur_size"): Rule(("mask", "blur_size"), side_of, "kernels are square"),
    ("train", "patience"): Rule(("train", "patience"), lambda epochs: NO_EARLY_STOPPING if epochs == 0 else epochs),
    ("augmentor", "shrinks"): Rule(("augmentor", "shrinks"), _none_as_empty),
    ("augmentor", "shears"): Rule(("augmentor", "shears"), _none_as_empty),
    ("pincdistortion", "amount"): Rule(("pincdistortion", "amount"), _size_of_amount, "the section gives the direction"),
}

# The published programs read these only where they need them, and replace None by a default.
NONE_IS_LEFT_OUT: set[Key] = {("infer", "ksize"), ("mask", "blur_size")}

# Reasons why keys have no effect here, each with its keys.
_WITHOUT_EFFECT = {
    "a run's files are in DATASET/runs/NAME": "train.model_dir train.eval_dir train.best_model_file train.epoch_change_infer_dir "
    "train.epoch_change_tiledinfer_dir",
    "the command infer has options for its images and its output": "infer.images_dir infer.output_dir infer.merged_dir "
    "tiledinfer.images_dir tiledinfer.output_dir tiledinfer.merged_dir",
    "whole models are saved": "train.save_weights_only",
    "a run is kept until --restart": "train.create_backup",
    "train_losses and train_metrics are written as CSV and PNG": "train.show_history",
    "train_metrics has all the metrics that [model] metrics names": "train.metrics",
    "the splits are folders of DATASET": "train.dataset_splitter",
    "random numbers always depend on [train] seed": "model.dropout_seed_fixing train.seedreset_callback",
    "training prints no summary": "model.show_summary",
    "the command evaluate compares a model with a split": "model.evaluation",
    "DATASET is always read in the same way": "dataset.datasetclass dataset.class_name dataset.image_format "
    "dataset.mask_format mask.mask_file_format",
    "images are shrunk by area averaging": "dataset.resize_interpolation",
    "images are read as red, green, blue": "dataset.color_order image.color_order",
    "masks are gray levels or class indices": "dataset.rgb_mask mask.mask_channels mask.grayscaling",
    "the published loader reads but does not use it; [model] input_normalize and [dataset] image_normalize apply": (
        "dataset.input_normalize"
    ),
    "the command preview shows what training sees": "dataset.debug generator.debug",
    "tiles are thresholded as set in [infer]": "tiledinfer.binarize tiledinfer.threshold",
    "pixels outside an image are black": "tiledinfer.background",
}


def _split_key(dotted: str) -> Key:
    section, _, key = dotted.partition(".")
    return section, key


RULES: dict[Key, Rule] = (
    {(section, key): Rule((section, key)) for section, keys in _SAME.items() for key in keys.split()}
    | {_split_key(dotted): Rule(None, note=why) for why, keys in _WITHOUT_EFFECT.items() for dotted in keys.split()}
    | _CHANGED
)

# Other spellings of a key, in other versions of the published project.
ALIASES: dict[Key, Key] = {
    _split_key(alias): _split_key(key)
    for alias, key in {
        "train.images_dir": "train.image_datapath",
        "train.masks_dir": "train.mask_datapath",
        "eval.images_dir": "eval.image_datapath",
        "eval.masks_dir": "eval.mask_datapath",
        "valid.images_dir": "valid.image_datapath",
        "valid.masks_dir": "valid.mask_datapath",
        "test.images_dir": "test.image_datapath",
        "test.masks_dir": "test.mask_datapath",
        "augmentor.transformer": "augmentor.deformation",
        "augmentor.alpah": "deformation.alpah",
        "augmentor.sigmoid": "deformation.sigmoids",
        "deformation.alpha": "deformation.alpah",
        "deformation.sigmoid": "deformation.sigmoids",
    }.items()
}

# Keys that files have although nothing in the published project reads them. They are accepted, as any key is that does not
# resemble one with an effect; these do.
UNREAD: set[Key] = {
    _split_key(dotted)
    for dotted in ("train.save_model_file", "train.save_waits_only", "train.create_backups", "model.self.activation")
}

# Keys whose meaning depends on other keys; `settling` settles them.
SETTLED: set[Key] = {
    *(("model", key) for key in ("model", "dice_loss", "iou_loss")),
    *((section, key) for section in ("train", "eval", "valid", "test") for key in ("image_datapath", "mask_datapath")),
    *(("segmentation", key) for key in ("colorize", "black", "white", "blursize")),
    *(("mask", key) for key in ("binarize", "threshold", "algorithm", "mask_colors", "rgb_map")),
    ("infer", "threshold"),
    ("model", "input_normalize"),
    ("dataset", "image_normalize"),
    ("generator", "augmentation"),
    *(("deformation", key) for key in ("alpah", "sigmoids")),
    *(("distortion", key) for key in ("gaussian_filter_rsigma", "gaussian_filter_sigma")),
}

VARIATION_SECTIONS = ("deformation", "distortion", "barrdistortion", "pincdistortion", "sharpening", "brightening")

# The published project's default of a key that a file leaves out, where ours is another; and the key of the same section
# that must be on for it to apply.
LEFT_OUT: dict[Key, tuple[Any, str | None]] = {
    ("model", "clipvalue"): (0.2, None),
    ("model", "loss"): ("bce_loss", None),
    ("model", "metrics"): (("binary_accuracy",), None),
    ("train", "learning_rate_reducer"): (False, None),
    ("train", "reducer_factor"): (0.1, "learning_rate_reducer"),
    ("train", "epoch_change_infer"): (False, None),
    ("train", "num_infer_images"): (1, "epoch_change_infer"),
    ("mask", "blur_size"): (3, "blur"),
    ("augmentor", "vflip"): (True, None),
    ("augmentor", "hflip"): (True, None),
    ("augmentor", "rotation"): (True, None),
    ("augmentor", "shrinks"): ((0.8,), None),
    ("barrdistortion", "amount"): (0.5, None),
    ("pincdistortion", "amount"): (0.5, None),
    ("brightening", "alpha"): (1.2, None),
}
