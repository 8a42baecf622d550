"""A hospital's folder with planted identifiers, made into a data set under a site key: none of them is in the output."""

import functools
import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import PIL.PngImagePlugin
import pydicom
import pytest
from inputs import Download, circle, mammogram, small_recipe

from pipeline.cli import main
from pipeline.files import read_csv

KEY, OTHER_KEY = "0123456789abcdef0123", "another-key-of-this-site"
SECRETS = ("MRN778812", "Smithers", "19611224", "ACC99812", "General Hospital", "2.25.77", "WARD-7B", "scan0")
KINDS = {
    "DM": ["DERIVED", "PRIMARY", "POST_CONTRAST", "", "LOW_ENERGY"],
    "CM": ["DERIVED", "PRIMARY", "POST_CONTRAST", "SUBTRACTION"],
}


def secret_tags(number, kind, exposure=1):
    """Tags of the patient with that number, with values that must not appear in the output."""
    return {
        "PatientID": f"MRN77881{number}",
        "PatientName": f"Smithers^Jane {number}",
        "PatientBirthDate": "19611224",
        "StudyDate": "20240131",
        "AccessionNumber": f"ACC9981{number}",
        "InstitutionName": "General Hospital",
        "SOPInstanceUID": f"2.25.77{number}{exposure}{'DC'.index(kind[0])}1234",
        "FrameOfReferenceUID": f"2.25.88{number}{exposure}1234",
        "ImageType": KINDS[kind],
    }


def write_hospital(root):
    """Six patients, both images of one view each, in folders of their own; a VIA file that names the files."""
    raw, regions = root / "raw", {}
    for number in range(1, 7):
        folder = raw / "WARD-7B" / f"Smithers{number}"
        folder.mkdir(parents=True)
        for kind in KINDS:
            name = f"scan0{number}{kind}"
            pixels = Download.pixels(name).astype(np.uint16) * 16
            mammogram(folder / name, pixels, **secret_tags(number, kind))
            drawn = [{"shape_attributes": circle(20, 30, 5 + number)}]
            stated = {"annotator": "Doctor Smithers", "date": "2024-01-31"}
            regions[name] = {"filename": name, "size": 1, "regions": drawn, "file_attributes": stated}
    (root / "via.json").write_text(json.dumps(regions))
    text = Path(small_recipe(root / "small.toml")).read_text()
    (root / "small.toml").write_text(f'{text}\n[layout]\nunlisted_class = "malignant"\n')
    return root


ARGUMENTS = {
    "dataset": ["--raw", "raw", "--annotations", "via.json", "--out", "set", "--recipe", "small.toml", "--workers", "1"],
    "index": ["--raw", "raw", "--annotations", "via.json", "--out", "set", "--recipe", "small.toml", "--workers", "1"],
    "audit": ["set", "--privacy", "raw"],
}


def run_in(root, command, *more, key=KEY):
    """Runs a command on a hospital under a key."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CESM_SITE_KEY", key)
        patch.chdir(root)
        return main([command, *ARGUMENTS.get(command, ["set"]), *more])


@pytest.fixture
def hospital(tmp_path):
    """A hospital's folder from which no data set has been made yet."""
    return write_hospital(tmp_path)


@pytest.fixture
def run(hospital):
    """Runs a command on it under a key."""
    return functools.partial(run_in, hospital)


@pytest.fixture(scope="module")
def made_once(tmp_path_factory):
    """A hospital's folder with its data set."""
    root = write_hospital(tmp_path_factory.mktemp("hospital"))
    assert run_in(root, "dataset") == 0
    return root


@pytest.fixture
def made(made_once, tmp_path):
    """A copy of it, to change."""
    return Path(shutil.copytree(made_once, tmp_path / "made"))


def everything(folder):
    """All names and all bytes of a folder, as one text."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    assert len(files) > 30
    return "\n".join(f"{path.relative_to(folder)}\n{path.read_bytes().decode('latin-1')}" for path in files)


def test_no_identifier_of_the_sources_is_in_the_output(made_once, capsys):
    text = everything(made_once / "set")
    assert [secret for secret in SECRETS if secret.lower() in text.lower()] == []
    assert KEY not in text
    assert str(made_once) not in text
    assert run_in(made_once, "audit") == 0
    printed = capsys.readouterr()
    assert "audit: no findings" in printed.out
    assert "audit: searched " in printed.err


def test_pairs_and_patients_stay_together(made_once):
    rows = [row for row in read_csv(made_once / "set" / "manifest.csv") if row["variant"] == "original"]
    assert len(rows) == 12
    assert len({row["patient"] for row in rows}) == 6
    names = {row["image_id"] for row in rows}
    assert all(name.replace("_DM_", "_CM_") in names for name in names)
    assert all(row["source"].endswith(".dcm") and len(row["source"]) == 24 for row in rows)


def test_a_view_taken_twice_is_distinguished_by_its_exposure(hospital, run):
    folder = hospital / "raw" / "WARD-7B" / "Smithers1"
    for kind in KINDS:
        pixels = Download.pixels(f"again{kind}").astype(np.uint16) * 16
        mammogram(folder / f"again{kind}", pixels, **secret_tags(1, kind, exposure=2))
    assert run("index") == 0
    names = [row["image"] for row in read_csv(hospital / "set" / "rejects.csv")] + [
        row["image_id"] for row in read_csv(hospital / "set" / "index.csv")
    ]
    suffixes = sorted(name.rsplit("_", 1)[1] for name in names if name.count("_") == 4)
    assert len(suffixes) == 4
    assert suffixes[0] == suffixes[1] != suffixes[2] == suffixes[3]


def test_images_that_do_not_state_whether_text_is_burned_in_are_counted(run, capsys):
    assert run("index") == 0
    printed = capsys.readouterr().out
    assert "index: 12 of 12 DICOM images, " in printed
    assert ".dcm first, do not state whether text is burned in (BurnedInAnnotation is absent, which does not mean no)" in printed


def test_without_a_key_it_is_an_error_that_states_what_to_do_and_shows_no_identifier(run, capsys):
    assert run("dataset", key="") == 2
    error = capsys.readouterr().err
    assert (
        "12 of 12 DICOM files (WARD-7B/Smithers1/scan01CM is the first) have a patient, in PatientID or path, that does" in error
    )
    assert "give a site key, in the variable CESM_SITE_KEY or with --site-key FILE" in error
    assert "MRN" not in error


def test_stage_by_stage_the_key_and_raw_are_given_again(hospital, run, capsys):
    assert run("index") == 0
    assert run("split") == 0
    assert run("masks", "--workers", "1") == 2
    assert (
        "was made with a site key and stores neither the key nor the path of the sources; give --raw RAW"
        in capsys.readouterr().err
    )
    assert run("masks", "--raw", "raw", "--workers", "1", key=OTHER_KEY) == 2
    assert "was made from another RAW than raw, or with another site key" in capsys.readouterr().err
    assert run("masks", "--raw", "raw", "--workers", "1") == 0
    assert run("variants", "--raw", "raw", "--workers", "1") == 0
    assert len(read_csv(hospital / "set" / "manifest.csv")) == 36
    capsys.readouterr()
    assert run("index") == 0
    assert "up to date" in capsys.readouterr().out


def test_another_key_or_none_is_refused_in_the_same_folder(run, capsys):
    assert run("index") == 0
    assert run("index", key=OTHER_KEY) == 2
    assert (
        "set: was made with a site key, and RAW or the key has changed, or no key is given; choose another folder"
        in capsys.readouterr().err
    )


def test_the_map_is_written_only_on_request_and_elsewhere(hospital, run, capsys):
    assert run("dataset") == 0
    assert run("index", "--write-map", "set/map.csv") == 2
    assert "lies in the data set's folder, which may be passed on; write it elsewhere" in capsys.readouterr().err
    assert run("index", "--write-map", "map.csv") == 0
    originals = {row["name"]: row["original"] for row in read_csv(hospital / "map.csv")}
    sources = {row["source"] for row in read_csv(hospital / "set" / "manifest.csv")}
    assert sources == originals.keys()
    assert all((hospital / "raw" / path).is_file() for path in originals.values())


def test_a_map_without_a_key_is_refused_before_anything_is_written(hospital, run, capsys):
    assert run("index", "--write-map", "map.csv", key="") == 2
    assert "--write-map map.csv: there is no site key, so all names are the sources' own" in capsys.readouterr().err
    assert not (hospital / "set").exists()


def test_a_file_that_cannot_be_read_is_rejected_without_its_name(hospital, run):
    path = hospital / "raw" / "WARD-7B" / "Smithers1" / "scan01DM"
    path.write_bytes(path.read_bytes()[:-50])
    assert run("index") == 0
    rejects = read_csv(hospital / "set" / "rejects.csv")
    assert {row["reason"] for row in rejects} == {"file-truncated", "unknown-name"}
    assert not [secret for secret in SECRETS if secret in json.dumps(rejects)]


def test_numbers_in_names_are_patients_too(hospital, run):
    """Unreadable DICOM and JPEGs next to it, all named by numbers of the hospital."""
    folder = hospital / "raw" / "WARD-7B"
    good = folder / "Smithers1" / "scan01DM"
    (folder / "P7788122_R_CM_CC.dcm").write_bytes(good.read_bytes()[:-50])
    cv2.imwrite(str(folder / "P7788123_R_CM_CC.jpg"), Download.pixels("x"))
    good.rename(folder / "P7788124_L_DM_CC")
    assert run("index") == 0
    text = "".join((hospital / "set" / name).read_text() for name in ("index.csv", "rejects.csv", "regions.csv"))
    assert "77881" not in text + (hospital / "set" / ".work" / "index.json").read_text()


def test_what_an_annotator_remarked_stays_in_the_annotation_file(hospital, run):
    regions = json.loads((hospital / "via.json").read_text())
    regions["scan01DM"]["regions"][0]["shape_attributes"]["comment"] = "Smithers"
    regions["scan02DM"]["regions"][0]["shape_attributes"] = "of Jane Smithers"
    regions["nobody.dcm"] = {"filename": "Smithers.dcm", "size": 1, "regions": []}
    (hospital / "via.json").write_text(json.dumps(regions))
    assert run("dataset") == 0
    assert "smithers" not in everything(hospital / "set").lower()
    reasons = {row["reason"]: row["words"] for row in read_csv(hospital / "set" / "rejects.csv")}
    assert reasons["region-malformed"] == "one of its regions cannot be read; correct it in the annotation file"


def test_under_a_key_no_annotator_may_be_stated(hospital, run, capsys):
    assert run("index", "--annotator", "Smithers") == 2
    message = "--annotator, --annotated: a site key keeps all names out of the data set; leave them out"
    assert message in capsys.readouterr().err


def test_a_key_changes_names_and_not_what_is_kept(tmp_path, monkeypatch):
    """The table names images as their tags do; the files are called IM1, IM2, ..."""
    raw = tmp_path / "raw"
    download = Download(raw)
    for number in range(1, 7):
        download.add(f"P{number}_L_DM_CC", file=False)
        tags = secret_tags(number, "DM") | {"PatientID": f"P{number}"}
        mammogram(raw / f"IM{number}", Download.pixels(str(number)).astype(np.uint16) * 16, **tags)
    # A region names its image as the table does.
    download.shapes = [(name, shape, 5) for name, shape, _ in download.shapes]
    download.write()
    counts = []
    recipe = small_recipe(tmp_path / "small.toml")
    for name, key in (("open", ""), ("keyed", KEY)):
        monkeypatch.setenv("CESM_SITE_KEY", key)
        assert main(["dataset", "--raw", str(raw), "--out", str(tmp_path / name), "--recipe", recipe, "--workers", "1"]) == 0
        counts.append(len(read_csv(tmp_path / name / "manifest.csv")))
    assert counts == [18, 18]


def test_names_of_files_take_precedence_over_their_tags(tmp_path, monkeypatch):
    """A second exposure has the tags of the first and a name of its own, as in CDD-CESM."""
    raw = tmp_path / "raw"
    download = Download(raw)
    for name in ("P1_L_DM_MLO", "P1_L_DM_MLO_2", "P2_L_DM_MLO", "P3_L_DM_MLO"):
        path = download.add(name, file=False).with_suffix(".dcm")
        tags = secret_tags(1, "DM", exposure=1 + name.endswith("_2")) | {"PatientID": name[:2], "ViewPosition": "MLO"}
        mammogram(path, Download.pixels(name).astype(np.uint16) * 16, **tags)
    download.write()
    monkeypatch.setenv("CESM_SITE_KEY", KEY)
    recipe = small_recipe(tmp_path / "small.toml")
    assert main(["dataset", "--raw", str(raw), "--out", str(tmp_path / "set"), "--recipe", recipe, "--workers", "1"]) == 0
    assert len({row["image_id"] for row in read_csv(tmp_path / "set" / "manifest.csv")}) == 4


def test_jpegs_under_a_key_keep_their_pairs_and_copies_are_one(tmp_path, monkeypatch):
    """Second exposures are recognised by the end of their names; the same file twice is one image."""
    raw = tmp_path / "raw"
    download = Download(raw)
    for patient in (1, 2, 3):
        for kind in KINDS:
            for end in ("", "_2")[: 1 + (patient == 1)]:
                path = download.add(f"P{patient}_L_{kind}_MLO{end}")
    download.write()
    (raw / "copy").mkdir()
    (raw / "copy" / path.name).write_bytes(path.read_bytes())
    monkeypatch.setenv("CESM_SITE_KEY", KEY)
    recipe = small_recipe(tmp_path / "small.toml")
    assert main(["dataset", "--raw", str(raw), "--out", str(tmp_path / "set"), "--recipe", recipe, "--workers", "1"]) == 0
    names = {row["image_id"] for row in read_csv(tmp_path / "set" / "manifest.csv")}
    assert len(names) == 8
    assert all(name.replace("_DM_", "_CM_") in names for name in names)


def test_a_frame_of_reference_of_a_whole_study_does_not_unite_exposures(tmp_path, monkeypatch):
    raw = tmp_path / "raw"
    download = Download(raw)
    for name in ("P1_L_DM_CC", "P1_L_DM_CC_2", "P2_L_DM_CC", "P3_L_DM_CC"):
        path = download.add(name, file=False).with_suffix(".dcm")
        tags = secret_tags(1, "DM") | {"PatientID": name[:2], "SOPInstanceUID": f"2.25.{sum(name.encode())}"}
        mammogram(path, Download.pixels(name).astype(np.uint16) * 16, **tags)
    download.write()
    monkeypatch.setenv("CESM_SITE_KEY", KEY)
    recipe = small_recipe(tmp_path / "small.toml")
    assert main(["index", "--raw", str(raw), "--out", str(tmp_path / "set"), "--recipe", recipe, "--workers", "1"]) == 0
    assert len(read_csv(tmp_path / "set" / "index.csv")) == 4


def test_a_rejected_file_with_a_private_number_needs_a_key_too(hospital, run, capsys):
    for path in (hospital / "raw").rglob("scan*"):
        path.unlink()
    pixels = Download.pixels("x").astype(np.uint16) * 16
    mammogram(hospital / "raw" / "P77881234_L_CM_CC.dcm", pixels, PatientID="P7", BurnedInAnnotation="YES")
    assert run("index", key="") == 2
    assert (
        "1 of 1 DICOM files (P77881234_L_CM_CC.dcm is the first) have a patient, in PatientID or path" in capsys.readouterr().err
    )


def test_the_original_of_a_path_that_is_not_utf_8(hospital, run):
    os.rename(hospital / "raw" / "WARD-7B", os.fsencode(hospital / "raw") + b"/M\xfcller")
    assert run("index", "--write-map", "map.csv") == 0
    assert all("M\\udcfcller/" in row["original"] for row in read_csv(hospital / "map.csv"))


def test_the_first_bytes_of_a_file_that_is_not_an_image_are_not_quoted(hospital, run):
    (hospital / "raw" / "P9_R_CM_CC.jpg").write_text("SMITHERS, Jane")
    regions = json.loads((hospital / "via.json").read_text())
    regions["x"] = {"filename": "P9_R_CM_CC.jpg", "size": 1, "regions": [{"shape_attributes": circle(9, 9, 5)}]}
    (hospital / "via.json").write_text(json.dumps(regions))
    assert run("index") == 0
    (reject,) = [row for row in read_csv(hospital / "set" / "rejects.csv") if row["reason"] == "not-an-image"]
    assert reject["words"] == "is not a JPEG, PNG, TIFF or DICOM file that can be read"


def test_a_pair_without_a_frame_of_reference_stays_a_pair(hospital, run):
    for path in sorted((hospital / "raw").rglob("scan01*")):
        dataset = pydicom.dcmread(path)
        del dataset.FrameOfReferenceUID
        dataset.save_as(path)
    assert run("index") == 0
    assert not [row for row in read_csv(hospital / "set" / "index.csv") if row["image_id"].count("_") > 3]


def plant_in_text(folder):
    (folder / "notes.txt").write_text("as discussed with Jane Smithers\n")


def plant_in_table(folder):
    path = folder / "manifest.csv"
    path.write_text(path.read_text().replace(",CC,", ",CC MRN778812,", 1))


def plant_date(folder):
    (folder / "stats" / "dates.json").write_text('{"taken": "2024-01-31"}')


def plant_in_name(folder):
    (folder / "train" / "WARD-7B.txt").write_text("")


def plant_in_picture(folder):
    info = PIL.PngImagePlugin.PngInfo()
    info.add_text("Comment", "from General Hospital", zip=True)
    PIL.Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / "stats" / "x.png", pnginfo=info)


def plant_in_jpeg(folder):
    path = next((folder / "train" / "images").glob("*.jpg"))
    image = PIL.Image.fromarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))
    image.save(path, comment=b"ACC99812")


def plant_uid(folder):
    (folder / ".work" / "uid.json").write_text('["2.25.771101234"]')


@pytest.mark.parametrize(
    ("plant", "message"),
    [
        (plant_in_text, "notes.txt: holds PatientName"),
        (plant_in_table, "manifest.csv: holds PatientID"),
        (plant_date, "stats/dates.json: holds StudyDate"),
        (plant_in_name, "train/WARD-7B.txt: its name holds folder"),
        (plant_in_picture, "stats/x.png: holds InstitutionName"),
        (plant_in_jpeg, ": holds AccessionNumber"),
        (plant_uid, ".work/uid.json: holds SOPInstanceUID"),
    ],
)
def test_the_audit_finds_a_planted_identifier_and_does_not_repeat_it(made, capsys, plant, message):
    plant(made / "set")
    assert run_in(made, "audit") == 1
    out = capsys.readouterr().out
    assert "identifier: 1 files" in out
    assert message in out
    assert not [secret for secret in SECRETS if secret in out.replace("WARD-7B.txt", "")]


def test_an_audit_needs_the_sources(made, capsys, monkeypatch):
    (made / "empty").mkdir()
    monkeypatch.chdir(made)
    assert main(["audit", "set", "--privacy", "empty"]) == 2
    assert "--privacy empty: holds no DICOM file; name the folder that the data set was made from" in capsys.readouterr().err


def test_names_of_public_sets_are_kept_by_design(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("CESM_SITE_KEY", raising=False)
    raw = tmp_path / "raw"
    download = Download(raw)
    for number in range(1, 7):
        download.add(f"P{number}_L_DM_CC", file=False)
        tags = secret_tags(number, "DM") | {"PatientID": f"P{number}"}
        pixels = Download.pixels(str(number)).astype(np.uint16) * 16
        mammogram(raw / f"P{number}_L_DM_CC.dcm", pixels, **tags)
    download.write()
    recipe = small_recipe(tmp_path / "small.toml")
    assert main(["dataset", "--raw", str(raw), "--out", str(tmp_path / "set"), "--recipe", recipe, "--workers", "1"]) == 0
    capsys.readouterr()
    assert main(["audit", str(tmp_path / "set"), "--privacy", str(raw)]) == 0
    assert "public names such as P12 are kept by design" in capsys.readouterr().err
