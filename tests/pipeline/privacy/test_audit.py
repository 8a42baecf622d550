"""The identifiers that the privacy audit finds, and ordinary words that are not findings."""

import gzip
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.PngImagePlugin
import pytest
from inputs import Download, circle, mammogram, small_recipe
from pydicom.dataset import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian

from pipeline.cli import main
from pipeline.privacy import text_extraction
from pipeline.privacy.audit import audit_privacy, collect_identifiers

PIXELS = np.zeros((8, 8), np.uint16)
GRAY = PIL.Image.fromarray(np.zeros((8, 8), np.uint8))
PATIENT_ID = "MRN778812"


@pytest.fixture
def look(tmp_path):
    """Audits what `plant` puts into an empty folder, for one DICOM file with the given tags."""

    def run(plant, source="ward/one.dcm", **tags):
        (tmp_path / "raw" / source).parent.mkdir(parents=True)
        mammogram(tmp_path / "raw" / source, PIXELS, **({"PatientID": PATIENT_ID} | tags))
        out = tmp_path / "out"
        out.mkdir()
        plant(out)
        identifiers = collect_identifiers(tmp_path / "raw", public=False)
        return list(audit_privacy(out, identifiers).examples), list(identifiers.left_out())

    return run


def text(content, name="a.txt", encoding="utf-8"):
    """Plants a text."""
    return lambda folder: (folder / name).write_bytes(content.encode(encoding))


def nested(**tags):
    """Tags in an item of a sequence in another one."""
    inner, outer = Dataset(), Dataset()
    for tag, value in tags.items():
        setattr(inner, tag, value)
    outer.ReferencedPatientSequence = [inner]
    return [outer]


UTF_8 = {"SpecificCharacterSet": "ISO_IR 192"}


@pytest.mark.parametrize(
    ("content", "tags", "kind"),
    [
        ("x MRN778812 y", {}, "PatientID"),
        ("MRN-778812", {}, "PatientID"),
        ("scan_778812_L", {"PatientID": "77-88-12"}, "PatientID"),
        ("Иванова", UTF_8 | {"PatientName": "Иванова^Мария"}, "PatientName"),
        ("山田太郎", UTF_8 | {"PatientName": "山田^太郎"}, "PatientName"),
        ("Muller", UTF_8 | {"PatientName": "Müller^Jane"}, "PatientName"),
        ("M\\u00fcllerova", UTF_8 | {"PatientName": "Müllerova^X"}, "PatientName"),
        ("Smithers&#32;x", {"PatientName": "Smithers^J"}, "PatientName"),
        ("Mrs Featherstone", {"PatientComments": "Mrs Featherstone"}, "PatientComments"),
        ("2024-01-31", {"StudyDate": "20240131"}, "StudyDate"),
        ("31.01.2024", {"StudyDate": "20240131"}, "StudyDate"),
        ("01/31/2024", {"AcquisitionDateTime": "20240131101112"}, "AcquisitionDateTime"),
        ("20240131101112", {"AcquisitionDateTime": "20240131101112"}, "AcquisitionDateTime"),
        ("2.25.771101234.1", {"SOPInstanceUID": "2.25.771101234"}, "SOPInstanceUID"),
        ("OTH99123", {"RequestAttributesSequence": nested(PatientID="OTH99123")}, "PatientID"),
    ],
)
def test_an_identifier_is_found_in_its_spellings(look, content, tags, kind):
    examples, _ = look(text(content), **tags)
    assert examples == [f"a.txt: holds {kind}"]


@pytest.mark.parametrize(
    ("content", "source"),
    [("scan01DM", "w/scan01DM.final.dcm"), ("scan01DM.final", "w/scan01DM.final.dcm"), ("Ward-7B", "WARD-7B/1.dcm")],
)
def test_names_below_raw_are_found(look, content, source):
    examples, _ = look(text(content), source)
    assert len(examples) == 1


@pytest.mark.parametrize("content", ["P77881231_R_DM_MLO,P77881231", "p77881231"])
def test_a_number_in_the_programs_own_spelling_of_patients_is_found(look, content):
    examples, _ = look(text(content), PatientID="0077881231")
    assert examples == ["a.txt: holds PatientID"]


def test_names_next_to_the_dicom_files_and_of_raw_itself_are_found(tmp_path):
    raw, out = tmp_path / "Northgate", tmp_path / "out"
    raw.mkdir()
    out.mkdir()
    mammogram(raw / "1.dcm", PIXELS)
    (raw / "Smithers_LCC.jpg").write_bytes(b"\xff\xd8")
    (out / "a.txt").write_text("Smithers_LCC")
    (out / "b.txt").write_text("at northgate")
    examples = audit_privacy(out, collect_identifiers(raw, public=False)).examples
    assert list(examples) == ["a.txt: holds file name", "b.txt: holds folder"]


def test_names_of_data_sets_below_raw_are_not_looked_for(tmp_path):
    out = tmp_path / "raw" / "northgate-512"
    out.mkdir(parents=True)
    mammogram(tmp_path / "raw" / "1.dcm", PIXELS)
    (out / "recipe.toml").write_text('name = "northgate-512"')
    (out / "other.txt").write_text("other")
    assert audit_privacy(out, collect_identifiers(tmp_path / "raw", public=False)).count == 0


def in_zip(folder):
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("t.txt", f"{PATIENT_ID} " * 20)


def in_workbook(folder):
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append([PATIENT_ID])
    book.save(folder / "a.xlsx")


def in_png(keyword, content, **options):
    def plant(folder):
        info = PIL.PngImagePlugin.PngInfo()
        (info.add_itxt if options.pop("itxt", False) else info.add_text)(keyword, content, **options)
        GRAY.save(folder / "a.jpg", format="PNG", pnginfo=info)  # recognised by its content

    return plant


def in_exif(tag, value):
    def plant(folder):
        exif = PIL.Image.Exif()
        exif[tag] = value
        GRAY.save(folder / "a.png.jpg", format="JPEG", exif=exif)

    return plant


def behind_jpeg(folder):
    GRAY.save(folder / "a.jpg")
    with (folder / "a.jpg").open("ab") as file:
        file.write(PATIENT_ID.encode())


def in_records(folder):
    GRAY.save(folder / "a.jpg")
    picture = (folder / "a.jpg").read_bytes()
    (folder / "a.tfrecord").write_bytes(b"\x09\0\0" + picture + b"\x0a\x09" + PATIENT_ID.encode() + b"\x12\0")


@pytest.mark.parametrize(
    "plant",
    [
        text(PATIENT_ID, encoding="utf-16"),
        text(f"Müller {PATIENT_ID}", encoding="latin-1"),
        in_zip,
        in_workbook,
        lambda folder: (folder / "a.csv.gz").write_bytes(gzip.compress(PATIENT_ID.encode())),
        lambda folder: np.savez_compressed(folder / "a.npz", ids=np.array([PATIENT_ID])),
        in_png(PATIENT_ID, "x"),
        in_png("c", PATIENT_ID, zip=True),
        in_png("c", PATIENT_ID, zip=True, itxt=True),
        in_exif(0x010E, PATIENT_ID),
        in_exif(0x9C9F, PATIENT_ID.encode("utf-16le")),
        behind_jpeg,
        in_records,
    ],
)
def test_an_identifier_is_found_in_every_type_of_file(look, plant):
    examples, left_out = look(plant)
    assert len(examples) == 1
    assert examples[0].endswith(": holds PatientID")
    assert not any("could not be searched" in line for line in left_out)


def test_the_name_of_an_empty_folder_counts(look):
    examples, _ = look(lambda folder: (folder / PATIENT_ID).mkdir())
    assert examples == [f"{PATIENT_ID}: its name holds PatientID"]


@pytest.mark.parametrize(
    ("plant", "tags"),
    [
        (text("width,source_width\n2294,2294\n", "index.csv"), {"PatientID": "2294"}),
        (text("side,view\nR,MLO\n", "index.csv"), {"SeriesDescription": "R MLO"}),
        (text("a test of mammo"), {"StationName": "MAMMO", "InstitutionName": "Test"}),
        (text("source,class\n", "index.csv"), {"OperatorsName": "source"}),
        (text("of the National Archive"), {"InstitutionName": "National Clinic"}),
        (text("[778, 812, 31, 1]"), {"PatientID": "778-812"}),
        (text("f778812e0a"), {"PatientID": "778812"}),
        (text("the ller x"), UTF_8 | {"PatientName": "Müller^J"}),
        (text('<img src="data:image/png;base64,ab/Jane+cd">'), {"PatientName": "Qwertz^Jane"}),
        (text("1.2.840.10008.5.1.4.1.1.1.2 Siemens"), {"Manufacturer": "Siemens"}),
    ],
)
def test_ordinary_words_and_numbers_are_not_findings(look, plant, tags):
    examples, _ = look(plant, **tags)
    assert examples == []


def test_a_short_number_counts_in_names(look):
    examples, _ = look(text("patient,width\nP1,2294\n2294,10\n", "manifest.csv"), PatientID="2294")
    assert examples == ["manifest.csv: holds PatientID"]


def test_coded_pixels_are_not_searched(look):
    noise = np.random.default_rng(0).bytes(300_000)

    def plant(folder):
        GRAY.save(folder / "a.jpg")
        data = (folder / "a.jpg").read_bytes()
        (folder / "a.jpg").write_bytes(data[:-2] + b" Jane " + noise.replace(b"\xff", b"") + b"\xff\xd9")
        (folder / "b.bin").write_bytes(b"\0 Jane \0" + noise)

    assert look(plant, PatientName="Qwertz^Jane")[0] == []


def test_what_was_not_searched_for_is_reported(look, tmp_path):
    (tmp_path / "raw").mkdir()
    mammogram(tmp_path / "raw" / "two.dcm", PIXELS, syntax=DeflatedExplicitVRLittleEndian)
    _, left_out = look(lambda folder: None, PatientID="A12", OperatorsName="source")
    assert left_out[0] == "too short to look for, under 4 bytes: 4"  # raw, one, two, A12
    assert left_out[1] == "not looked for, because this program's own text contains them: 1"
    assert left_out[2] == "DICOM files whose header was not read, because they are deflated or broken: 1"


def test_files_that_could_not_be_searched_are_reported_and_end_nothing(look, monkeypatch):
    monkeypatch.setattr(text_extraction, "MOST_BYTES", 1000)

    def plant(folder):
        os.symlink("nowhere", folder / "link")
        (folder / "broken.zip").write_bytes(b"PK\3\4 broken")
        (folder / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0\0\x04ab\xff")
        (folder / "large.gz").write_bytes(gzip.compress(PATIENT_ID.encode() + b" " * 10_000))

    examples, left_out = look(plant)
    assert examples == ["large.gz: holds PatientID"]
    assert left_out[-1] == "files that could not be searched, or not to their end: 4 (broken.zip, cut.jpg, large.gz, link)"


def test_a_clean_set_of_sources_with_awkward_names_has_no_finding(tmp_path, monkeypatch, capsys):
    regions = {}
    for number in range(1, 7):
        folder = tmp_path / "malignant" / "images" / f"p{number}"
        folder.mkdir(parents=True)
        for kind, image_type in (("DM", "LOW_ENERGY"), ("CM", "SUBTRACTION")):
            mammogram(
                folder / f"image{number}{kind}.dcm",
                Download.pixels(f"{number}{kind}").astype(np.uint16) * 16,
                **{"PatientID": f"{number}000", "PatientName": f"Qwertz{number}^Source", "StationName": "MAMMO"},
                **{"InstitutionName": "National Cancer Institute", "SeriesDescription": "L CC", "StudyID": "1000"},
                **{"StudyDescription": "Contrast enhanced mammography", "ImageType": ["DERIVED", "PRIMARY", "X", image_type]},
                **{"SOPInstanceUID": f"2.25.77{number}1234{'DC'.index(kind[0])}", "FrameOfReferenceUID": f"2.25.88{number}1234"},
            )
            name = f"image{number}{kind}.dcm"
            regions[name] = {"filename": name, "size": 1, "regions": [{"shape_attributes": circle(20, 30, 5 + number)}]}
    (tmp_path / "via.json").write_text(json.dumps(regions))
    recipe = Path(small_recipe(tmp_path / "small.toml"))
    recipe.write_text(f'{recipe.read_text()}\n[layout]\nunlisted_class = "malignant"\n')
    monkeypatch.setenv("CESM_SITE_KEY", "0123456789abcdef0123")
    monkeypatch.chdir(tmp_path)
    command = "dataset --raw malignant --annotations via.json --out set --recipe small.toml --workers 1"
    assert main(command.split()) == 0
    capsys.readouterr()
    assert main(["audit", "set", "--privacy", "malignant"]) == 0, capsys.readouterr().out
    printed = capsys.readouterr().err
    assert "audit: searched set for " in printed
    assert "not looked for, because this program's own text contains them: " in printed
