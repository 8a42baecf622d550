"""Compares two data set folders. Files with equal bytes are not decoded, so equal data sets take seconds."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.contract import COLUMN_NAMES, MaskError, SourceError
from pipeline.diff.changes import KINDS, Difference, Pair, SampleChange
from pipeline.diff.sides import Side, SideSample, match
from pipeline.files import progress, read_regular
from pipeline.sources import read_image, read_mask

# Columns that say where and how a file is stored, and those that other kinds of changes cover.
_NOT_COMPARED = {"schema", "sample", "split", "fold", "class", "lesion_px"}
_NOT_COMPARED |= {"image", "mask", "image_sha256", "mask_sha256"}
_COLUMNS = [name for name in COLUMN_NAMES if name not in _NOT_COMPARED]
_Arrays = tuple[np.ndarray, np.ndarray]


def compare_sets(first: Path, second: Path) -> Difference:
    """Compares two data set folders; either may lack a manifest, and is then compared by the names of its files.

    Raises:
      InputError: a folder is not a data set, or its manifest or recipe cannot be read.
    """
    sides = Side(first), Side(second)
    pairs = list(match(*sides))
    compared = (_compare_samples(*pair, *sides) for pair in progress(pairs, len(pairs), "diff", "samples"))
    before, after = (side.annotation_files for side in sides)
    known = before is not None and after is not None
    return Difference(
        folders=(str(first), str(second)),
        samples=(len(sides[0].samples), len(sides[1].samples)),
        changes=[change for change in compared if change],
        recipe=_compare_recipes(*sides),
        annotation_files=(_only_in(before, after), _only_in(after, before)) if known else ([], []),
        annotators=(sides[0].annotators, sides[1].annotators),
        regions=_compare_regions(*sides),
        not_compared=_describe_not_compared(sides),
    )


def _only_in(names: list[str] | None, others: list[str] | None) -> list[str]:
    return sorted({*(names or [])} - {*(others or [])})


def _describe_not_compared(sides: tuple[Side, Side]) -> list[str]:
    lines = []
    for side in sides:
        if not side.has_manifest:
            lines.append(f"{side.root} has no manifest: folds, classes and other columns were not compared")
        if side.recipe is None:
            lines.append(f"{side.root} has no recipe: settings and annotations were not compared")
    return lines


def _compare_samples(before: SideSample | None, after: SideSample | None, first: Side, second: Side) -> SampleChange | None:
    """Returns what changed of a sample; None where nothing did."""
    if before is None or after is None:
        sample = before or after
        assert sample  # one of the two sides has it
        values = {name: _one_sided(sample.row[name], before) for name in ("split", "fold", "class") if name in sample.row}
        return SampleChange(sample.row["sample"], sample.row["image_id"], ("dropped" if before else "added",), values)
    values = _compare_rows(before.row, after.row)
    kinds: list[str] = [name for name in ("split", "fold", "class") if name in values]
    kinds += ["columns"] if values.keys() - set(kinds) else []
    measured: dict[str, Any] = {}
    for name, read in _READERS.items():
        verdict, arrays = compare_files(before.files.get(name), after.files.get(name), read)
        if name == "mask" and arrays and (first.has_binary_masks or second.has_binary_masks):
            arrays = (arrays[0] > 0).astype(np.uint8), (arrays[1] > 0).astype(np.uint8)
            verdict = _compare_pixels(*arrays)
        if verdict:
            kinds.append(f"{name}-{verdict}")
        if verdict == "pixels" and arrays:
            measured |= _measure(name, arrays)
    ordered = tuple(sorted(kinds, key=list(KINDS).index))
    if not kinds:
        return None
    files = before.files, after.files
    return SampleChange(after.row["sample"], after.row["image_id"], ordered, values, files=files, **measured)


def _one_sided(value: Any, before: SideSample | None) -> Pair:
    return (value, None) if before else (None, value)


def _compare_rows(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Pair]:
    """Returns the columns that both rows have with different values."""
    columns = [name for name in ("split", "fold", "class", *_COLUMNS) if name in before and name in after]
    return {name: (before[name], after[name]) for name in columns if before[name] != after[name]}


def compare_files(
    first: Path | None, second: Path | None, read: Callable[[Path, bytes], np.ndarray]
) -> tuple[str, _Arrays | None]:
    """Compares two files by bytes, and only where these differ by pixels.

    Args:
      first, second: the files; None where there is none.
      read: decodes a file; it is given the path and the bytes.

    Returns:
      Empty, `missing`, `unreadable`, `bytes` or `pixels`, and the pixels where both files were decoded.
    """
    try:
        before, after = _read_bytes(first), _read_bytes(second)
        if before == after:
            return "", None
        if first is None or second is None or before is None or after is None:
            return "missing", None
        arrays = read(first, before), read(second, after)
    except (OSError, SourceError, MaskError):
        return "unreadable", None
    return _compare_pixels(*arrays), arrays


def _read_bytes(path: Path | None) -> bytes | None:
    """Reads a file; None where there is none."""
    try:
        return None if path is None else read_regular(path)
    except FileNotFoundError:
        return None


def _compare_pixels(first: np.ndarray, second: np.ndarray) -> str:
    return "bytes" if np.array_equal(first, second) else "pixels"


def _read_pixels(path: Path, data: bytes) -> np.ndarray:
    return read_image(path, data, bits=16, stated_bits=16)


def _read_classes(_: Path, data: bytes) -> np.ndarray:
    return read_mask(data, None)


_READERS = {"image": _read_pixels, "mask": _read_classes, "partner": _read_pixels}


def _measure(name: str, arrays: _Arrays) -> dict[str, Any]:
    """Measures how images or masks of different pixels differ, by the fields of `SampleChange`."""
    first, second = arrays
    if name == "mask":
        areas = int(np.count_nonzero(first)), int(np.count_nonzero(second))
        return {"lesion_px": areas, "iou": _iou(first, second) if first.shape == second.shape else None}
    if name == "image" and first.shape == second.shape:
        return {"image_difference": float(np.abs(first.astype(np.float32) - second.astype(np.float32)).mean() / 257)}
    return {}


def _iou(first: np.ndarray, second: np.ndarray) -> float:
    either = np.count_nonzero((first > 0) | (second > 0))
    return float(np.count_nonzero((first == second) & (first > 0)) / either)


def _compare_recipes(first: Side, second: Side) -> dict[str, Pair]:
    if first.recipe is None or second.recipe is None:
        return {}
    before, after = (dict(_flatten(side.recipe.model_dump(mode="json"))) for side in (first, second) if side.recipe)
    keys = sorted(before.keys() | after.keys())
    return {key: (before.get(key), after.get(key)) for key in keys if before.get(key) != after.get(key)}


def _flatten(values: Mapping[str, Any], section: str = ""):
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flatten(value, f"{section}{key}.")
        else:
            yield f"{section}{key}", value


def _compare_regions(first: Side, second: Side) -> list[str]:
    """Lists the images of both data sets whose regions differ."""
    if first.regions is None or second.regions is None:
        return []
    kept, others = ({sample.row["image_id"] for sample in side.samples} for side in (first, second))
    images = kept & others
    return sorted(image for image in images if first.regions.get(image) != second.regions.get(image))
