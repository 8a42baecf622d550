"""The manifest's form, which the segmenter and other programs depend on."""

import pytest

from pipeline.contract import COLUMN_NAMES
from pipeline.dataset.journal import JournalEntry, Stamp
from pipeline.dataset.manifest import manifest_text, read_manifest, sample_rows
from pipeline.files import InputError, tables
from pipeline.indexing.tables import SourceImage

IMAGE = SourceImage(
    "P2_R_DM_CC",
    "P2",
    "R",
    "CC",
    "DM",
    "malignant",
    {"density": "C", "birads": "4$3", "findings": "Mass, round", "machine": "1"},
    2,
    0.1,
    1315,
    2355,
    0.07,
    "Low energy/P2_R_DM_CC.jpg",
    9,
    "a" * 64,
)
ENTRY = JournalEntry(
    "P2_R_DM_CC",
    "key",
    counts={"drawn": 2, "lesion_px": 77},
    samples={
        "original": {
            "image": Stamp("train/images/P2_R_DM_CC.jpg", 1, 0, "b" * 64),
            "mask": Stamp("train/masks/P2_R_DM_CC.png", 1, 0, "c" * 64),
        },
        "flipped": {
            "image": Stamp("train/images/flipped_P2_R_DM_CC.jpg", 1, 0, "d" * 64),
            "mask": Stamp("train/masks/flipped_P2_R_DM_CC.png", 1, 0, "e" * 64),
        },
    },
)


def test_the_columns_are_those_of_the_contract():
    assert ", ".join(COLUMN_NAMES) == (
        "schema, sample, image_id, variant, split, fold, patient, class, kind, side, view, density, birads, findings, machine, "
        "regions, lesion_px, source, source_width, source_height, scale, pad_left, pad_top, spacing_mm, image, mask, "
        "source_sha256, image_sha256, mask_sha256"
    )


def test_a_manifest_of_a_million_samples_is_within_the_limits_of_tables():
    rows = sample_rows(IMAGE, ENTRY, 512, {"original": "train", "flipped": "train"}, 3)
    samples = 6 * 200_000
    assert samples * len(COLUMN_NAMES) < tables.MOST_CELLS
    assert samples * len(manifest_text(rows).splitlines()[1]) < tables.MOST_BYTES


def test_rows_come_back_as_written_sorted_by_sample(tmp_path):
    rows = sample_rows(IMAGE, ENTRY, 512, {"original": "train", "flipped": "train"}, 3)
    (tmp_path / "manifest.csv").write_text(manifest_text(rows))
    read = read_manifest(tmp_path / "manifest.csv")
    assert [row["sample"] for row in read] == ["P2_R_DM_CC", "flipped_P2_R_DM_CC"]
    assert {key: read[0][key] for key in ("findings", "scale", "pad_left", "pad_top", "spacing_mm", "fold", "regions")} == {
        "findings": "Mass, round",
        "scale": 0.21740977,
        "pad_left": 520,
        "pad_top": 0,
        "spacing_mm": 0.07,
        "fold": 3,
        "regions": 2,
    }


def test_a_manifest_of_another_schema_is_refused(tmp_path):
    rows = sample_rows(IMAGE, ENTRY, 512, {"original": "train", "flipped": "train"}, 3)
    (tmp_path / "manifest.csv").write_text(manifest_text([row | {"schema": 9} for row in rows]))
    with pytest.raises(InputError, match="is of schema 9; this program reads 1: make the set again"):
        read_manifest(tmp_path / "manifest.csv")


def test_a_cell_of_another_type_is_an_error_that_names_its_row_and_column(tmp_path):
    rows = sample_rows(IMAGE, ENTRY, 512, {"original": "train", "flipped": "train"}, 3)
    (tmp_path / "manifest.csv").write_text(manifest_text([row | {"fold": "three"} for row in rows]))
    with pytest.raises(InputError, match="row 2: fold is 'three'; expected int; make the set again"):
        read_manifest(tmp_path / "manifest.csv")
