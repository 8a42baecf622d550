"""nnU-Net v2: `Dataset501_CESM_v2/` with images, labels, dataset.json and our patient folds as splits_final.json.

Source: `documentation/dataset_format.md`, `documentation/manual_data_splits.md` and
`nnunetv2/experiment_planning/verify_dataset_integrity.py` of github.com/MIC-DKFZ/nnUNet.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from pipeline.contract import SourceError
from pipeline.dataset.folder import DatasetFolder, partner_path
from pipeline.exports.format import Rows
from pipeline.exports.lesions import class_names, read_mask
from pipeline.files import InputError, progress, write_bytes, write_text
from pipeline.recipe import Recipe
from pipeline.sources import read_header, read_image

# nnU-Net normalises by the channel's name; with one that it does not know, each image to mean 0 and deviation 1.
_CHANNEL, _PARTNER_CHANNEL = "mammogram", "partner"
_MOST_ID = 999


def write(folder: DatasetFolder, rows: Rows, out: Path, *, dataset_id: int = 501) -> list[str]:
    """Writes the originals as PNG: train and valid to imagesTr and labelsTr, test to imagesTs and labelsTs.

    nnU-Net turns and flips images itself; variants would only repeat one image in its batches. Where the data set has partners,
    they are the second channel, black where an image has none.

    Args:
      folder: the data set.
      rows: of its manifest.
      out: the folder to write to; it can be `nnUNet_raw`.
      dataset_id: nnU-Net's number of the data set, 1 to 999.

    Returns:
      What was written, as lines to print.

    Raises:
      InputError: the number is out of range, there is nothing to train on, or a file cannot be read.
    """
    recipe = folder.load_recipe()
    originals = [row for row in rows if row["variant"] == "original"]
    training = [row for row in originals if row["split"] != "test"]
    test = [row for row in originals if row["split"] == "test"]
    if not 1 <= dataset_id <= _MOST_ID:
        raise InputError(f"--dataset-id {dataset_id}: expected 1 to {_MOST_ID}; nnU-Net itself uses 1 to 10")
    if not training:
        raise InputError(f"{folder.manifest}: has no original in train or valid, so nnU-Net has nothing to train on")
    root = out / dataset_name(recipe, dataset_id)
    names = class_names(recipe)
    for suffix in ("Tr", "Ts"):
        for name in ("images", "labels"):
            (root / f"{name}{suffix}").mkdir(parents=True)
    for row in progress(originals, len(originals), "export"):
        suffix = "Ts" if row["split"] == "test" else "Tr"
        image = _read_gray(folder.root / row["image"])
        _write_png(root / f"images{suffix}" / f"{row['sample']}_0000.png", image)
        if recipe.partner.use:
            path = folder.root / partner_path(row["split"], row["sample"], recipe)
            partner = _read_gray(path) if path.exists() else np.zeros_like(image)  # nnU-Net takes no case without a channel
            _write_png(root / f"images{suffix}" / f"{row['sample']}_0001.png", partner)
        _write_png(root / f"labels{suffix}" / f"{row['sample']}.png", read_mask(folder.root / row["mask"], names))
    splits, warnings = _split_by_folds(training, recipe.split.folds)
    write_text(root / "dataset.json", _to_json(_describe(recipe, names, len(training))))
    write_text(root / "splits_final.json", _to_json(splits))
    return [
        f"{root.name}: {len(training)} training cases in {len(splits)} folds, {len(test)} test cases",
        *warnings,
        *_leak(originals),
    ]


def dataset_name(recipe: Recipe, dataset_id: int) -> str:
    """Returns nnU-Net's name of the data set's folder."""
    return f"Dataset{dataset_id:03d}_CESM_{recipe.name.replace('-', '_')}"


def _describe(recipe: Recipe, names: Sequence[str], training: int) -> dict:
    """Returns the content of dataset.json."""
    return {
        "channel_names": {"0": _CHANNEL} | ({"1": _PARTNER_CHANNEL} if recipe.partner.use else {}),
        "labels": {"background": 0} | {name: index for index, name in enumerate(names, 1)},
        "numTraining": training,
        "file_ending": ".png",
        "name": f"CESM {recipe.name}",
        "description": recipe.title,
    }


def _split_by_folds(training: Rows, count: int) -> tuple[list[dict[str, list[str]]], list[str]]:
    """Returns the content of splits_final.json and warnings; fold k validates on its own patients and trains on all others."""
    folds = sorted({int(row["fold"]) for row in training})
    if len(folds) < 2:
        raise InputError(f"all {len(training)} training cases are of fold {folds[0]}; cross-validation needs two folds or more")
    splits = []
    for fold in folds:
        inside = [row["sample"] for row in training if int(row["fold"]) == fold]
        others = [row["sample"] for row in training if int(row["fold"]) != fold]
        splits.append({"train": others, "val": inside})
    missing = [str(fold) for fold in range(count) if fold not in folds]
    warning = f"our folds without a training case, which nnU-Net's numbering skips: {', '.join(missing)}"
    return splits, [warning] if missing else []


def _leak(originals: Rows) -> list[str]:
    patients = [{row["patient"] for row in originals if (row["split"] == "test") is test} for test in (False, True)]
    count = len(patients[0] & patients[1])
    return [f"{count} patients are both in imagesTr and in imagesTs, because the recipe splits by sample"] if count else []


def _to_json(content: object) -> str:
    return json.dumps(content, indent=1) + "\n"


def _read_gray(path: Path) -> np.ndarray:
    """Reads an image of the data set, (height, width) uint8 or uint16, with all its bits."""
    try:
        return read_image(path, bits=16 if read_header(path).is_deep else 8, stated_bits=16)
    except SourceError as error:
        raise InputError(f"{path}: {error}; make the data set again") from error


def _write_png(path: Path, pixels: np.ndarray) -> None:
    write_bytes(str(path), cv2.imencode(".png", pixels)[1].tobytes())
