"""Finding source images: by suffix, and DICOM by its mark."""

import numpy as np
from inputs import mammogram

from pipeline.contract import DATASET_MARK, IMAGE_SUFFIXES
from pipeline.sources import PHANTOM_MARK, find_files, read_header

STORED = np.arange(0, 240, 4, dtype=np.int16).reshape(10, 6) * 16  # twelve bits


def test_find_files_skips_phantoms_data_sets_and_hidden_folders(tmp_path):
    for name in ("a.jpg", "deep/er/b.JPG", ".hidden/c.jpg", "phantom/d.jpg", "made/train/images/e.jpg", "~$f.jpg", "g.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "phantom" / PHANTOM_MARK).write_text("")
    (tmp_path / "made" / DATASET_MARK).write_text("")
    assert [path.name for path in find_files(tmp_path, IMAGE_SUFFIXES)] == ["a.jpg", "b.JPG"]
    assert [path.name for path in find_files(tmp_path / "phantom", IMAGE_SUFFIXES)] == ["d.jpg"]


def test_find_files_recognises_dicom_by_its_mark_and_skips_its_index(tmp_path):
    for name in ("IM000001", "1.2.840.5", "DICOMDIR", "b.dcm"):
        mammogram(tmp_path / name, STORED)
    (tmp_path / "notes").write_text("no image")
    names = [path.name for path in find_files(tmp_path, IMAGE_SUFFIXES, dicom=True)]
    assert names == ["1.2.840.5", "IM000001", "b.dcm"]
    assert [path.name for path in find_files(tmp_path, IMAGE_SUFFIXES)] == ["b.dcm"]
    assert read_header(tmp_path / "IM000001") == read_header(tmp_path / "b.dcm")
