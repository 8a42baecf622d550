"""dataset.json: what a data set holds, how it was made, and what was dropped, for programs; the card is for people."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.contract import CLASSES, GROUPS, LESION_CLASSES, SCHEMA, SPLITS, DescriptionFile, find_reason
from pipeline.files import InputError, check_json, dump_toml, read_json, shorten, write_text
from pipeline.indexing.tables import Reject
from pipeline.recipe import Recipe

LICENCE = (
    "The images and annotations are CDD-CESM's. Public files give its licence as CC BY 4.0; check it on the data set's page "
    "at The Cancer Imaging Archive before you pass anything on, and cite:"
)
# Of a set whose recipe has a [layout] of its own.
OTHER_LICENCE = (
    "The images and annotations are not CDD-CESM's: look up their licence and what to cite where you got them, before you "
    "pass anything on."
)
CITATIONS = (
    "Khaled R., Helal M., Alfarghaly O., Mokhtar O., Elkorany A., El Kassas H., Fahmy A.: Categorized Digital Database for "
    "Low energy and Subtracted Contrast Enhanced Spectral Mammography images [data set]. The Cancer Imaging Archive, 2021. "
    "https://doi.org/10.7937/29kw-ae92",
    "Khaled R., Helal M., Alfarghaly O., Mokhtar O., Elkorany A., El Kassas H., Fahmy A.: Categorized contrast enhanced "
    "mammography dataset for diagnostic and artificial intelligence research. Scientific Data 9, 122, 2022. "
    "https://doi.org/10.1038/s41597-022-01238-0",
    "Clark K., Vendt B., Smith K., et al.: The Cancer Imaging Archive (TCIA): maintaining and operating a public information "
    "repository. Journal of Digital Imaging 26(6), 1045-1057, 2013. https://doi.org/10.1007/s10278-013-9622-7",
)
PHANTOM = (
    "This is a phantom: synthetic images made by a program. They prove nothing clinical and are nobody's breast. The counts "
    "and the licence below are about the look-alike, not about CDD-CESM."
)


def describe_dataset(
    recipe: Recipe,
    rows: Sequence[Mapping[str, Any]],
    manifest_sha256: str,
    rejects: Iterable[Reject],
    regions: Mapping[str, int],
    *,
    doubtful: Mapping[str, Any],
    named: int,
    unread: Sequence[Mapping[str, Any]] = (),
    annotators: Sequence[Mapping[str, str]] = (),
    phantom: bool,
    keyed: bool,
    partners: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Returns the content of dataset.json.

    Args:
      recipe: resolved.
      rows: of the manifest.
      manifest_sha256: of the manifest's file.
      rejects: the images that were dropped.
      regions: counts of regions that were `drawn`, `clipped`, `vanished`, `ignored` and `left_out`.
      doubtful: as `find_doubtful` returns it.
      named: how many source images the files and annotations name.
      unread: files that were found where annotations are and not read, as the index counts them.
      annotators: by whom and when annotation files were made, where they state it.
      phantom: whether the images are synthetic.
      keyed: whether sources have keyed names.
      partners: their counts, where the recipe uses partners.
    """
    own_layout = recipe.layout.image is not None
    return {
        "schema": SCHEMA,
        "name": recipe.name,
        "title": recipe.title,
        "differs": " ".join(recipe.differs.split()),
        "recipe_sha256": hashlib.sha256(dump_toml(recipe).encode()).hexdigest(),
        "manifest_sha256": manifest_sha256,
        "phantom": phantom,
        "keyed": keyed,
        "size_px": recipe.image.size_px,
        "lesion_classes": list(LESION_CLASSES if recipe.mask.values == "classes" else ("lesion",)),
        "counts": {split: _count(row for row in rows if row["split"] == split) for split in SPLITS} | {"all": _count(rows)},
        "classes": {name: count for name in CLASSES if (count := _count_images(rows, "class", name))},
        "groups": {column: _count_group(rows, column) for column in GROUPS},
        "folds": recipe.split.folds,
        "folds_sha256": _digest_folds(rows),
        "named": named,
        "dropped": _count_reasons(rejects),
        "unread": list(unread),
        "regions": {key: regions.get(key, 0) for key in ("drawn", "clipped", "vanished", "ignored", "left_out")},
        "doubtful": doubtful,
        **({} if partners is None else {"partners": partners}),
        **({"annotators": list(annotators)} if annotators else {}),
        "licence": OTHER_LICENCE if own_layout else LICENCE,
        "citations": [] if own_layout else list(CITATIONS),
    }


def _count(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    inside = list(rows)
    columns = {"patients": "patient", "images": "image_id", "samples": "sample"}
    return {name: len({row[column] for row in inside}) for name, column in columns.items()}


def _count_images(rows: Iterable[Mapping[str, Any]], column: str, value: Any) -> int:
    return len({row["image_id"] for row in rows if row[column] == value})


def _count_group(rows: Sequence[Mapping[str, Any]], column: str) -> dict[str, dict[str, int]]:
    """Counts the source images of each split by value of a column; unknown values are counted under the empty value."""
    values = sorted({row[column] for row in rows}, key=lambda value: (not value, value))
    of_splits = {split: [row for row in rows if row["split"] == split] for split in SPLITS}
    return {str(value): {split: _count_images(inside, column, value) for split, inside in of_splits.items()} for value in values}


def _digest_folds(rows: Iterable[Mapping[str, Any]]) -> str:
    """Returns the SHA-256 of the patients' folds: equal digests mean equal folds, whatever else differs."""
    folds = sorted({(row["patient"], int(row["fold"])) for row in rows})
    return hashlib.sha256("".join(f"{patient},{fold}\n" for patient, fold in folds).encode()).hexdigest()


def _count_reasons(rejects: Iterable[Reject]) -> list[dict[str, Any]]:
    reasons = Counter(reject.reason for reject in rejects)
    return [
        {"reason": reason, "images": count, "meaning": find_reason(reason).meaning} for reason, count in reasons.most_common()
    ]


def write_description(path: Path, description: Mapping[str, Any]) -> None:
    """Writes dataset.json."""
    write_text(path, json.dumps(description, indent=1, ensure_ascii=False) + "\n")


def read_description(path: Path) -> dict[str, Any]:
    """Reads dataset.json.

    Raises:
      InputError: it is missing or broken, or of another schema than this version writes.
    """
    remedy = "run the stage 'variants' again (make variants)"
    description = read_json(path, dict[str, Any], remedy)
    if description.get("schema") != SCHEMA:
        raise InputError(f"{path}: is of schema {shorten(description.get('schema'))}, and this program reads {SCHEMA}; {remedy}")
    check_json(description, DescriptionFile, str(path), remedy)
    return description


def describe_partners(partners: Mapping[str, Any]) -> str:
    """Describes how many images have a partner, and why others have none, as text."""
    parts = [f"images with a registered partner: {partners['registered']}", f"without one in the download: {partners['missing']}"]
    parts += [f"with one that cannot be used ({reason}): {count}" for reason, count in partners["faults"].items()]
    return f"{', '.join(parts)}; partners.csv lists them"


def describe_annotators(annotators: Iterable[Mapping[str, str]]) -> list[str]:
    """Describes by whom and when annotation files were made, one line per file.

    Example:
      >>> describe_annotators([{"file": "corrected.json", "annotator": "R. Reader", "date": "2026-11-20"}])
      ['corrected.json, by R. Reader, 2026-11-20']
    """
    lines = []
    for entry in annotators:
        by, on = (f", by {entry['annotator']}" if entry["annotator"] else ""), (f", {entry['date']}" if entry["date"] else "")
        lines.append(f"{entry['file']}{by}{on}")
    return lines


def describe_regions(counts: Mapping[str, int]) -> str:
    """Describes what became of the drawn regions, as text."""
    left_out = counts.get("left_out", 0)
    bands = f" {left_out} long thin regions were left out, as the recipe asks." if left_out else ""
    return (
        f"{counts['drawn']} regions were drawn. {counts['clipped']} of them cross the image's border and were clipped there; "
        f"{counts['vanished']} are smaller than half a target pixel and kept the one that they fill most; {counts['ignored']} "
        "more are points, or polylines where the recipe does not close them, and were not drawn."
    ) + bands
