"""The phantom as a download: the same bytes each time, the troubles of the real data, and pictures worth learning from."""

import csv
import hashlib
import json
import re
from pathlib import Path

import cv2
import numpy as np
import openpyxl
import pytest

from pipeline import stages
from pipeline.audit import audit
from pipeline.dataset.folder import DatasetFolder
from pipeline.files import InputError, read_csv
from pipeline.geometry import VARIANTS, square_image
from pipeline.phantom import cases, download, write_phantom
from pipeline.recipe import load_recipe
from pipeline.sources import PHANTOM_MARK, UNFINISHED_PHANTOM_MARK, read_header, read_image
from pipeline.workers import Inline, open_executor

PATIENTS = 6


@pytest.fixture(scope="module")
def phantom(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("phantom") / "jpeg"
    write_phantom(out, PATIENTS)
    return out


@pytest.fixture(scope="module")
def dicom(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("phantom") / "dicom"
    write_phantom(out, PATIENTS, dicom="plain")
    return out


@pytest.fixture(scope="module")
def pictures(phantom) -> dict[str, np.ndarray]:
    """Images by name without suffix."""
    return {path.stem: read_image(path) for path in sorted(phantom.rglob("*.jpg"))}


@pytest.fixture(scope="module")
def table(phantom) -> list[dict[str, str]]:
    with (phantom / download.TABLE_FILE).open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def regions(phantom) -> dict[str, list[dict]]:
    """Shapes by image name without suffix."""
    by_name: dict[str, list[dict]] = {}
    with (phantom / download.REGIONS_FILE).open(newline="") as file:
        for row in csv.DictReader(file):
            shape = json.loads(row["region_shape_attributes"])
            by_name.setdefault(row["#filename"].removesuffix(".jpg"), []).append(shape)
    return by_name


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def cleaned(row: dict[str, str]) -> str:
    return row["Image_name"].strip().replace("CESM", "CM")


def drawn(shapes: list[dict], height: int, width: int, margin: int = 0) -> np.ndarray:
    """(height + 2 margin, width + 2 margin) bool: the areas of shapes, lines closed and points left out."""
    mask = np.zeros((height + 2 * margin, width + 2 * margin), np.uint8)
    for shape in shapes:
        if shape["name"] in ("polygon", "polyline"):
            points = np.stack([shape["all_points_x"], shape["all_points_y"]], axis=-1) + margin
            cv2.fillPoly(mask, [points.astype(np.int32)], 255)
        elif shape["name"] != "point":
            axes = (shape["r"], shape["r"]) if shape["name"] == "circle" else (shape["rx"], shape["ry"])
            cv2.ellipse(mask, (shape["cx"] + margin, shape["cy"] + margin), axes, 0, 0, 360, 255, -1)
    return mask > 0


def psnr(image: np.ndarray, other: np.ndarray) -> float:
    return 10 * np.log10(255**2 / np.mean((image.astype(float) - other) ** 2))


def test_same_seed_gives_same_bytes_with_processes(phantom, tmp_path):
    with open_executor(2) as executor:
        write_phantom(tmp_path / "again", PATIENTS, executor=executor)
    assert hashes(tmp_path / "again") == hashes(phantom)


def test_another_seed_gives_other_images(phantom, tmp_path, monkeypatch):
    monkeypatch.setattr(
        download,
        "paint_pair",
        lambda scene, draw: {
            kind: np.full((height, width), draw.integers(256), np.float32) for kind, (width, height) in scene.sizes.items()
        },
    )
    write_phantom(tmp_path / "other", PATIENTS, seed=1)
    assert (tmp_path / "other" / download.REGIONS_FILE).read_text() != (phantom / download.REGIONS_FILE).read_text()


def test_mark_describes_the_phantom(phantom):
    text = (phantom / PHANTOM_MARK).read_text()
    assert "synthetic" in text
    assert "prove nothing clinical" in text
    assert "--patients 6 --seed 0\nversion: 1\n" in text
    assert not (phantom / UNFINISHED_PHANTOM_MARK).exists()


def test_the_mark_of_an_unfinished_phantom_is_removed_from_a_complete_one(phantom):
    (phantom / UNFINISHED_PHANTOM_MARK).write_text((phantom / PHANTOM_MARK).read_text())  # a power cut between the two
    assert not write_phantom(phantom, PATIENTS).made
    assert not (phantom / UNFINISHED_PHANTOM_MARK).exists()


def test_all_troubles_occur(phantom, pictures, table, regions):
    rows = {cleaned(row): row for row in table}
    names = [row["Image_name"] for row in table]
    labels = {name: row["Pathology Classification/ Follow up"] for name, row in rows.items()}
    assert "P3_L_CM_CC " in names
    assert labels["P3_L_CM_CC"] == "Malignant"
    assert regions["P3_L_CM_CC"]
    assert {"P4_L_DM_MLO_2", "P4_L_CM_MLO_2", "P6_L_DM_MLO2", "P6_L_CM_MLO2"} <= pictures.keys() & rows.keys()
    assert any("$" in row["BIRADS"] for row in table)
    assert any(row["Findings"] != row["Findings"].strip() for row in table)
    assert any(x < 0 for shapes in regions.values() for shape in shapes for x in shape.get("all_points_x", ()))
    assert {name for name in regions if name not in pictures} == {"P5_L_CM_MLO"}
    assert {name for name in pictures if name not in rows} == {"P6_L_CM_CC"}
    assert {name for name in pictures if labels.get(name) == "Malignant" and name not in regions} == {"P5_L_DM_CC"}
    assert regions["P5_L_CM_CC"]
    assert {name for name in regions if labels[name] == "Normal"} == {"P4_R_DM_CC"}
    assert {name for name in rows if "_DM_" in name and labels[name] != labels.get(name.replace("_DM_", "_CM_"))} == {
        "P2_L_DM_MLO",
        "P6_L_DM_CC",
    }
    strays = [path.name for path in phantom.rglob("*") if path.name.startswith(("desktop", "~$"))]
    assert sorted(strays) == ["desktop.ini", "desktop.ini", "~$P4.docx"]


def test_all_shapes_occur_and_lines_and_points_are_never_alone(regions):
    assert {shape["name"] for shapes in regions.values() for shape in shapes} == {
        "polygon",
        "ellipse",
        "circle",
        "polyline",
        "point",
    }
    for name, shapes in regions.items():
        assert {shape["name"] for shape in shapes} & {"polygon", "ellipse", "circle"}, name


@pytest.mark.parametrize("patients", [6, 7, 10, 60])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_half_of_the_patients_are_malignant_with_regions(patients, seed):
    usable = {
        exposure.patient.number
        for exposure in cases.exposures(patients, seed)
        for kind in cases.KINDS
        if exposure.label(kind) == cases.MALIGNANT
        and exposure.forms
        and not {cases.NO_FILE, cases.NO_ROW, cases.NO_REGION} & set(exposure.troubles(kind))
    }
    assert len(usable) >= max(3, patients / 2)


def test_patients_do_not_depend_on_their_number():
    few = list(cases.exposures(6, 5))
    assert list(cases.exposures(20, 5))[: len(few)] == few


def test_regions_fit_their_images(pictures, regions):
    for name in pictures.keys() & regions.keys():
        height, width = pictures[name].shape
        for shape in regions[name]:
            if shape["name"] != "point":
                whole = drawn([shape], height, width, margin=200)
                inside = whole[200:-200, 200:-200]
                assert inside.sum() > whole.sum() / 2, (name, shape)


def test_lesions_are_brighter_than_around_them(pictures, regions):
    for name in pictures.keys() & regions.keys() - {"P4_R_DM_CC"}:  # which has a region around nothing
        image = pictures[name]
        lesion = drawn(regions[name], *image.shape)
        near = cv2.dilate(lesion.astype(np.uint8), np.ones((61, 61))).astype(bool) & ~lesion & (image > 20)
        assert image[lesion].mean() > image[near].mean() + (20 if "_CM_" in name else 5), name


def test_pair_shows_one_breast_but_not_the_same_pixels(pictures):
    low, subtracted = pictures["P1_L_DM_MLO"], pictures["P1_L_CM_MLO"]
    height, width = np.minimum(low.shape, subtracted.shape)
    breasts = [image[:height, :width] > 12 for image in (low, subtracted)]
    overlap = (breasts[0] & breasts[1]).sum() / (breasts[0] | breasts[1]).sum()
    assert 0.93 < overlap < 1
    assert len({pictures[f"P{n}_L_{kind}_CC"].shape for n in (1, 2, 3) for kind in ("DM", "CM")}) > 3


def test_images_are_distinct_under_every_rotation_and_flip(pictures):
    small = np.stack([square_image(image, 64) for image in pictures.values()]).astype(np.float32)
    turned = {
        (name, mirror): np.stack([VARIANTS[name](square.T if mirror else square) for square in small])
        for name in ("original", "rotated_90", "rotated_180", "rotated_270")
        for mirror in (False, True)
    }
    for other in turned.values():
        apart = np.sqrt(((small[:, None] - other[None]) ** 2).mean(axis=(2, 3)))
        np.fill_diagonal(apart, 255)
        assert apart.min() > 5


def test_dicom_shows_the_jpeg_pictures(dicom, pictures):
    paths = sorted(dicom.rglob("*.dcm"))
    assert [path.stem for path in paths] == list(pictures)
    for path in paths:
        image, jpeg = read_image(path), pictures[path.stem]
        assert psnr(image, jpeg) > 40, path.name
        assert psnr(square_image(image, 512), square_image(jpeg, 512)) > 45, path.name
        tags = read_header(path).tags
        patient, side, kind, view = re.fullmatch(r"(P\d+)_([LR])_(DM|CM)_(CC|MLO)_?2?", path.stem).groups()
        assert (tags.patient_id, tags.side, tags.kind, tags.view) == (patient, side, kind, view)


def test_dicom_has_an_inverted_image_and_shared_frames(dicom):
    import pydicom

    headers = {path.stem: pydicom.dcmread(path, stop_before_pixels=True) for path in dicom.rglob("*.dcm")}
    assert [name for name, header in headers.items() if header.PhotometricInterpretation == "MONOCHROME1"] == ["P1_L_CM_CC"]
    assert len({header.SOPInstanceUID for header in headers.values()}) == len(headers)
    assert headers["P4_L_DM_MLO"].FrameOfReferenceUID == headers["P4_L_CM_MLO"].FrameOfReferenceUID
    assert headers["P4_L_DM_MLO"].FrameOfReferenceUID != headers["P4_L_DM_MLO_2"].FrameOfReferenceUID


def test_dicom_has_the_same_regions_and_table(dicom, phantom, regions):
    assert (dicom / download.TABLE_FILE).read_bytes() == (phantom / download.TABLE_FILE).read_bytes()
    size = re.compile(r"(\.jpg),\d+,")
    assert size.sub(r"\1,", (dicom / download.REGIONS_FILE).read_text()) == size.sub(
        r"\1,", (phantom / download.REGIONS_FILE).read_text()
    )


def test_annotation_files_have_the_real_format(phantom, table):
    lines = (phantom / download.REGIONS_FILE).read_text().splitlines()
    assert lines[0] == ("#filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes")
    name, size, rest = lines[1].split(",", 2)
    assert rest.startswith('{},3,0,"{""name"":""polygon"",""all_points_x"":[')
    assert int(size) == (phantom / download.FOLDERS["CM"] / name).stat().st_size
    assert (phantom / download.TABLE_FILE).read_text().startswith('"Image_name","Patient_ID","Side","Type","Age",')
    assert {row["Type"] for row in table} == {"DM", "CESM"}
    assert {row["Breast density (ACR)"] for row in table if row["Type"] == "CESM"} == {"_"}


def test_workbook_has_the_rows_of_the_table(phantom, table):
    workbook = openpyxl.load_workbook(phantom / download.WORKBOOK_FILE)
    header, *rows = workbook["all"].iter_rows(values_only=True)
    assert [dict(zip(header, map(str, row), strict=True)) for row in rows] == table
    assert len(workbook.sheetnames) == 4
    for sheet in workbook.worksheets[1:]:
        first, *others = sheet.iter_rows(values_only=True)
        assert first != header
        assert others
        assert all(len(row) == len(first) and None not in row for row in others)


def test_a_complete_phantom_is_not_written_again(phantom, monkeypatch):
    monkeypatch.setattr(download, "paint_pair", None)
    before = hashes(phantom)
    again = write_phantom(phantom, PATIENTS)
    assert not again.made
    assert str(again).endswith("was there already")
    assert hashes(phantom) == before


def test_counts_match_the_files(phantom, pictures, table):
    counts = write_phantom(phantom, PATIENTS)
    assert counts.images == len(pictures)
    assert counts.malignant + counts.benign + counts.normal == len(table)
    assert counts.malignant_with_regions == counts.malignant - 2


@pytest.mark.parametrize("medium", ["phantom", "dicom"])
def test_its_partners_lie_on_their_images_and_the_audit_takes_them_for_no_leak(medium, tmp_path, request):
    folder = DatasetFolder(tmp_path)
    recipe = load_recipe("v2-pairs", {"image": {"size_px": 128}})
    stages.index(folder, recipe, request.getfixturevalue(medium), None, Inline())
    stages.split(folder)
    counts = stages.variants(folder, Inline(), fused=True).summary["partners"]
    assert (counts["registered"], counts["faults"]) == (len(folder.read_images()) - 1, {})
    partners = {row["image_id"]: row for row in read_csv(folder.partners)}
    assert partners.pop("P5_L_DM_MLO")["status"] == "missing", "the phantom lacks its file"
    assert min(float(row["agreement"]) for row in partners.values()) > 0.9
    assert audit(folder.root, executor=Inline()) == []


class Unplugged(Inline):
    """Stops after five views, like a power cut."""

    views = 0

    def submit(self, fn, /, *args, **kwargs):
        self.views += 1
        if self.views > 5:
            raise KeyboardInterrupt
        return super().submit(fn, *args, **kwargs)


def test_goes_on_after_an_interruption(phantom, tmp_path):
    out = tmp_path / "phantom"
    with pytest.raises(KeyboardInterrupt):
        write_phantom(out, PATIENTS, executor=Unplugged())
    assert not (out / PHANTOM_MARK).exists()
    first = next(out.rglob("P1_L_DM_CC.jpg"))
    written = first.stat().st_mtime_ns
    assert write_phantom(out, PATIENTS).made
    assert first.stat().st_mtime_ns == written
    assert hashes(out) == hashes(phantom)


@pytest.mark.parametrize(("patients", "seed", "dicom"), [(7, 0, ""), (6, 1, ""), (6, 0, "plain"), (6, 0, "varied")])
def test_refuses_a_folder_with_another_phantom(phantom, patients, seed, dicom):
    with pytest.raises(InputError, match=r"holds another phantom .*--patients 6 --seed 0, .* remove that folder"):
        write_phantom(phantom, patients, seed, dicom)


def test_refuses_a_folder_of_the_users(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="exists already and is not a phantom"):
        write_phantom(tmp_path, PATIENTS)
    assert hashes(tmp_path).keys() == {"thesis.txt"}


@pytest.mark.parametrize(("patients", "seed"), [(5, 0), (0, 0), (6, -1)])
def test_refuses_impossible_settings(tmp_path, patients, seed):
    with pytest.raises(InputError, match="at least 6 patients"):
        write_phantom(tmp_path / "out", patients, seed)
    assert not (tmp_path / "out").exists()
