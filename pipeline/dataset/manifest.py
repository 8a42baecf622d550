"""manifest.csv: one row per sample, written last. `pipeline.contract` declares its columns."""

import os
from collections.abc import Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

from pipeline.contract import COLUMN_NAMES, PAIR_SUFFIXES, SCHEMA, SPLITS, read_row, sample_name
from pipeline.dataset.journal import JournalEntry
from pipeline.files import InputError, PathsBelow, csv_text, iterate_csv, name_problem, shorten
from pipeline.geometry import Letterbox
from pipeline.indexing.tables import SourceImage


def sample_rows(image: SourceImage, entry: JournalEntry, target: int, splits: Mapping[str, str], fold: int) -> list[dict]:
    """Makes the manifest's rows of one source image.

    Args:
      image: its row of the index.
      entry: its files.
      target: side of the squares, in pixels.
      splits: the split by variant.
      fold: the patient's fold.
    """
    box = Letterbox(image.width, image.height, target)
    return [
        {
            "schema": SCHEMA,
            "sample": sample_name(variant, image.image_id),
            "image_id": image.image_id,
            "variant": variant,
            "split": splits[variant],
            "fold": fold,
            "patient": image.patient,
            "class": image.image_class,
            "kind": image.kind,
            "side": image.side,
            "view": image.view,
            **image.details,
            "regions": entry.counts["drawn"],
            "lesion_px": entry.counts["lesion_px"],
            "source": image.source,
            "source_width": image.width,
            "source_height": image.height,
            "scale": f"{box.scale:.8f}",
            "pad_left": box.pad_left,
            "pad_top": box.pad_top,
            "spacing_mm": "" if image.spacing_mm is None else image.spacing_mm,
            "image": files["image"].path,
            "mask": files["mask"].path,
            "source_sha256": image.source_sha256,
            "image_sha256": files["image"].sha256,
            "mask_sha256": files["mask"].sha256,
        }
        for variant, files in entry.samples.items()
    ]


def manifest_text(rows: Sequence[Mapping]) -> str:
    """Returns the manifest's text: rows sorted by sample, so that they do not depend on the order of the work."""
    return csv_text(COLUMN_NAMES, sorted(rows, key=itemgetter("sample")))


def read_manifest(path: Path, data: bytes | None = None) -> list[dict[str, Any]]:
    """Reads a manifest; the values are of the types that `contract.COLUMNS` declares.

    Args:
      path: the file.
      data: its bytes where the caller has read them already.

    Raises:
      InputError: the file is missing, it lacks a column, a cell is not of its column's type, a path or a name leads outside
        of the folder, a sample occurs twice, or it has another schema.
    """
    _, rows = iterate_csv(path, COLUMN_NAMES, data)
    values: dict[str, dict[str, Any]] = {}
    outputs, sources = PathsBelow(path.parent), PathsBelow(Path("RAW"), follow_links=True)
    for number, row in enumerate(rows, 2):
        where = f"{path}: row {number}"
        if row["schema"] != str(SCHEMA):
            raise InputError(f"{path}: is of schema {row['schema']}; this program reads {SCHEMA}: make the set again")
        try:
            value = read_row(row)
        except ValueError as error:
            raise InputError(f"{where}: {error}; make the set again") from error
        _check_row(value, where, outputs, sources)
        if values.setdefault(value["sample"], value) is not value:
            raise InputError(f"{where}: names the sample {value['sample']}, as an earlier row does; make the set again")
    return list(values.values())


def _check_row(row: Mapping[str, Any], where: str, outputs: PathsBelow, sources: PathsBelow) -> None:
    for column in ("sample", "image_id"):
        if problem := name_problem(row[column]):
            raise InputError(f"{where}: {column} {shorten(row[column])} {problem}; make the set again")
    if row["split"] not in SPLITS:
        raise InputError(f"{where}: has the split {shorten(row['split'])}; expected {', '.join(SPLITS)}; make the set again")
    for column in ("image", "mask"):
        outputs.check(row[column], f"{where}: {column}")
        if os.path.splitext(row[column])[1].lower() not in PAIR_SUFFIXES:
            raise InputError(f"{where}: {column} is {shorten(row[column])}; expected {', '.join(sorted(PAIR_SUFFIXES))}")
    for column in ("source_width", "source_height", "scale"):
        if not 0 < (row[column] or 0) < 2**31:
            raise InputError(f"{where}: {column} is {row[column]}; expected a number above 0; make the set again")
    sources.check(row["source"], f"{where}: source")
