"""A site with a key: no name of a patient, a file or a folder is printed or written, whatever is wrong with the files."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from inputs import Download, circle, mammogram, small_recipe

from pipeline import stages
from pipeline.cli import main

MARK = "Zebrowski"
KINDS = {"DM": ["DERIVED", "PRIMARY", "", "LOW_ENERGY"], "CM": ["DERIVED", "PRIMARY", "", "SUBTRACTION"]}
MAKING = ["--raw", "raw", "--annotations", "notes", "--out", "set", "--recipe", "small.toml", "--workers", "1"]


def add_image(regions, number, kind, name="", **tags):
    """Adds an image of a patient, with the mark in its path and in all tags that may hold it, and its region."""
    folder = Path("raw", f"{MARK} ward", f"{MARK}{number}")
    folder.mkdir(parents=True, exist_ok=True)
    name = name or f"{MARK}{number}{kind}"
    values = {
        "PatientID": f"{MARK}-{number}",
        "PatientName": f"{MARK}^Jane",
        "AccessionNumber": f"{MARK}{number}",
        "StudyDescription": MARK,
        "ImageType": KINDS[kind],
        "SOPInstanceUID": f"2.25.{number}1{kind == 'CM':d}",
        "FrameOfReferenceUID": f"2.25.{number}2",
    }
    pixels = Download.pixels(name).astype(np.uint16) * 16
    shapes = [{"shape_attributes": circle(20, 30, 5 + number), "region_attributes": {"seen by": MARK}}]
    regions[name] = {"filename": name, "size": 1, "regions": shapes}
    return mammogram(folder / name, pixels, **(values | tags))


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A hospital's folder with faults of many kinds; the regions by entry."""
    monkeypatch.setenv("CESM_SITE_KEY", "0123456789abcdef0123")
    monkeypatch.chdir(tmp_path)
    regions = {}
    for number in range(1, 5):
        for kind in KINDS:
            add_image(regions, number, kind)
    cut = add_image(regions, 5, "DM")
    cut.write_bytes(cut.read_bytes()[:-60])
    add_image(regions, 5, "CM").write_bytes(bytes(128) + b"DICM" + MARK.encode() * 9)
    del regions[add_image(regions, 6, "DM").name]
    add_image(regions, 6, "CM", PatientID="")
    for name in ("", f"{MARK}copy"):
        add_image(regions, 7, "DM", name)
    add_image(regions, 7, "CM", ImageType=[MARK, MARK])
    for tag in ("ImageLaterality", "ViewPosition", "Modality", "SOPClassUID", "PhotometricInterpretation", "BurnedInAnnotation"):
        add_image(regions, 8, "DM", f"{MARK}{tag}", **{tag: MARK[:5].upper(), "PatientID": f"{MARK}{tag}"})
    regions[f"{MARK}1DM"]["regions"][0]["shape_attributes"] = MARK
    regions[f"{MARK}1CM"]["regions"][0]["shape_attributes"] = {"name": MARK}
    regions[f"{MARK}2DM"]["regions"][0]["shape_attributes"] = circle(4000, 30, 5)
    regions["x"] = {"filename": f"{MARK}2CM", "size": 2, "regions": [{"shape_attributes": circle(1, 2, 3)}]}
    for name in (f"{MARK}nobody", f"{MARK.upper()} 3dm"):
        regions[name] = {"filename": name, "size": 1, "regions": [{"shape_attributes": circle(9, 9, 3)}]}
    write_others(regions)
    text = Path(small_recipe(tmp_path / "small.toml")).read_text()
    (tmp_path / "small.toml").write_text(f'{text}\n[layout]\nunlisted_class = "malignant"\n')
    return tmp_path


def write_others(regions):
    """Writes the regions, and files that are not read."""
    Path("notes").mkdir()
    Path("notes", f"{MARK}.json").write_text(json.dumps(regions))
    Path("notes", f"{MARK}-labelme.json").write_text(json.dumps({"shapes": [], "imagePath": MARK}))
    for name, data in {"jpg": MARK.encode(), "png": b"", "bmp": b"BM", "zip": b"PK\3\4", "xml": MARK.encode()}.items():
        Path("raw", f"{MARK}.{name}").write_bytes(data)
    cv2.imwrite(f"raw/P98_L_DM_CC_{MARK}.png", Download.pixels("q"))
    Path("raw", f"{MARK}-link").symlink_to(f"/nowhere/{MARK}")
    Path("raw", f"{MARK}-loop").symlink_to(".")
    if hasattr(os, "mkfifo"):
        os.mkfifo(f"raw/{MARK}-pipe.dcm")


def printed(capfd):
    """All that this process and its workers printed."""
    return "".join(capfd.readouterr())


def test_no_name_is_printed_or_written(site, capfd):
    out = ""
    for command, status in (
        (["dataset", *MAKING, "--dry-run"], 0),
        (["dataset", *MAKING], 0),
        (["index", *MAKING, "--json"], 0),
        (["index", *MAKING, "--strict"], 2),
        (["split", "set"], 0),
        (["masks", "set"], 2),
        (["audit", "set"], 0),
        (["audit", "set", "--privacy", "raw"], 0),
        (["report", "set"], 0),
    ):
        assert main(command) == status, out
        out += printed(capfd)
    assert "index: found, not used: 1 file (look like LabelMe)" in out
    rejects = (site / "set" / "rejects.csv").read_text()
    for reason in ("file-truncated", "unknown-kind", "unknown-patient", "duplicate-name", "region-malformed", "region-outside"):
        assert reason in rejects
    written = [path for path in (site / "set").rglob("*") if path.is_file()]
    texts = {str(path): str(path) + path.read_bytes().decode("latin-1") for path in written} | {"printed": out}
    assert [where for where, text in texts.items() if MARK.lower() in text.lower()] == []


def break_table(regions):
    regions["y"] = {"filename": "", "size": 1, "regions": []}


def break_reference(regions):
    Path("notes", f"{MARK}.csv").write_text(f"filename,file_size,region_shape_attributes\n{MARK}1DM,1\n")


@pytest.mark.parametrize("damage", [break_table, break_reference])
def test_an_error_about_an_annotation_file_goes_to_the_map_alone(site, capfd, damage):
    path = site / "notes" / f"{MARK}.json"
    regions = json.loads(path.read_text())
    damage(regions)
    path.write_text(json.dumps(regions))
    assert main(["index", *MAKING]) == 2
    out = printed(capfd)
    assert "error: notes: an annotation file or a source cannot be used; the message names it, and is not shown under" in out
    assert "index --write-map FILE writes it to a file outside of the data set" in out
    assert MARK not in out
    assert main(["index", *MAKING, "--write-map", "map.csv"]) == 2
    assert "map.csv has it" in printed(capfd)
    assert f"error,notes/{MARK}" in (site / "map.csv").read_text()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (KeyError(MARK), "KeyError: the message is not shown under a site key"),
        (PermissionError(13, "Permission denied", f"raw/{MARK}/x"), "error: a file below raw: Permission denied; change the"),
        (FileNotFoundError(2, "No such file", Path("raw", MARK)), "error: a file below raw: No such file; it was there before"),
    ],
)
def test_a_fault_names_no_source(site, monkeypatch, capfd, error, message):
    def fail(*_, **__):
        try:
            raise ValueError(MARK)
        except ValueError:
            raise error from None

    monkeypatch.setattr(stages, "index", fail)
    main(["index", *MAKING])
    out = printed(capfd)
    assert message in out
    assert MARK not in out
    monkeypatch.delenv("CESM_SITE_KEY")
    main(["index", *MAKING])
    assert MARK in printed(capfd)
