"""Finds the model that comes with the package, and describes it; neither Keras nor onnxruntime is imported.

`python benchmarks/quality.py final` writes the files. A source tree from before the final training has none of them.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.files import InputError, is_installed, read_json

FOLDER = Path(__file__).parent
NAME = "cdd-cesm"  # of the model's files: .keras and .onnx, and .json with its facts
CARD = "model_card.md"
LICENCE = "CC BY-NC 4.0"
_INPUTS = {"pair": "both images of a view", "single": "one image"}


@dataclass(frozen=True)
class CrossValidation:
    """Dice of networks that were trained in the same way, on images of patients that they were not trained on.

    Attributes:
      folds, images, patients: how many were tested.
      dice_mean, dice_median: per image with a lesion.
      dice_mean_low, dice_mean_high: the 95 % interval of the mean, over patients.
    """

    folds: int
    images: int
    patients: int
    dice_mean: float
    dice_mean_low: float | None
    dice_mean_high: float | None
    dice_median: float

    def __str__(self) -> str:
        interval = ""
        if self.dice_mean_low is not None and self.dice_mean_high is not None:
            interval = f" ({self.dice_mean_low:.3f} to {self.dice_mean_high:.3f})"
        return f"{self.dice_mean:.3f}{interval}"


@dataclass(frozen=True)
class Facts:
    """What is known of the model, in addition to the files of its network.

    Attributes:
      images, patients: how many it was trained on.
      infer: settings of [infer]: threshold, smallest_lesion_px and augmentation.
      sha256: of each of the network's files, by name.
      folds_sha256: of the folds of the cross-validation.
      cross_validation: by input, `pair` or `single`; empty where there is none yet.
    """

    images: int
    patients: int
    infer: dict[str, Any]
    sha256: dict[str, str]
    folds_sha256: str
    cross_validation: dict[str, CrossValidation]


@dataclass(frozen=True)
class Pretrained:
    """The model that comes with the package.

    Attributes:
      file: its network, .onnx or .keras.
      facts: what else is known of it.
    """

    file: Path
    facts: Facts

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings that it is applied with, nested as the tables of a configuration are."""
        return {"infer": self.facts.infer}

    def describe(self) -> str:
        """What it is and what it is not, in two lines."""
        results = [f"{result} for {_INPUTS.get(name, name)}" for name, result in self.facts.cross_validation.items()]
        dice = f"mean Dice in cross-validation {', '.join(results)}" if results else "it has no cross-validation yet"
        return (
            f"{self.file.name}, the model of this package: trained on {self.facts.images} malignant images of "
            f"{self.facts.patients} patients of CDD-CESM; {dice}\n"
            f"for research only ({LICENCE}), not a medical device; {self.file.with_name(CARD)} has its limits"
        )

    def as_json(self) -> dict[str, object]:
        """The same for programs."""
        card = self.file.with_name(CARD)
        return {"model": self.file, "card": card, "licence": LICENCE, "use": "research only"} | asdict(self.facts)


def find_pretrained() -> Pretrained:
    """Finds the model: the .onnx file where onnxruntime is installed, which starts faster, or else the .keras file.

    Raises:
      InputError: this copy of the package has no model, or its facts cannot be read.
    """
    suffix = ".onnx" if is_installed("onnxruntime") or not is_installed("keras") else ".keras"
    file, path = FOLDER / f"{NAME}{suffix}", FOLDER / f"{NAME}.json"
    for needed in (file, path):
        if not needed.is_file():
            raise InputError(
                f"{needed}: is missing, so this copy of the package has no model of its own; choose one with --name or --model, "
                "or make it with `python benchmarks/quality.py final DATASET`"
            )
    return Pretrained(file, read_json(path, Facts, "install the package again"))
