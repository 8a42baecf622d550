"""Phantoms of other collections, laid out as those are downloaded: file names, tables, masks and tags, with tiny pictures."""

import csv
import plistlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from inputs import Download, mammogram

SIZE = (24, 32)  # width and height
BOX = (6, 9, 14, 21)  # left, top, right and bottom of the lesion in every picture; the last two lie outside of it
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def lesion(size=SIZE) -> np.ndarray:
    """(height, width) bool: the pixels of the box."""
    mask = np.zeros(size[::-1], bool)
    left, top, right, bottom = BOX
    mask[top:bottom, left:right] = True
    return mask


def breast(name: str, size=SIZE) -> np.ndarray:
    """(height, width) uint16: a picture of its own for every name."""
    return Download.pixels(name, size).astype(np.uint16) * 16


def write_table(path: Path, rows: Sequence[Mapping[str, object]], delimiter: str = ",") -> None:
    """Writes rows as CSV."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def write_dicom(path: Path, pixels: np.ndarray, **tags) -> None:
    """Writes a mammogram without the tags that CDD-CESM's images have."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bits = {"BitsAllocated": 16, "BitsStored": 16, "HighBit": 15}
    absent = dict.fromkeys(("ImageType", "ImageLaterality", "ViewPosition", "PatientID"))
    mammogram(path, pixels.astype(np.uint16), **(bits | absent | tags))


def cbis_ddsm(root: Path) -> Path:
    """Masses and calcifications of six patients; patient 1 has both in one breast, and its mask and crop change places."""
    tables: dict[str, list[dict]] = {}
    for patient in range(1, 7):
        for kind in ("Mass", "Calc") if patient == 1 else ("Mass" if patient % 2 else "Calc",):
            _add_case(root, tables, kind, "Test" if patient == 6 else "Training", patient)
    for part in ("Mass-Training", "Mass-Test", "Calc-Training", "Calc-Test"):
        kind, split = part.lower().replace("training", "train").split("-")
        if part in tables:
            write_table(root / f"{kind}_case_description_{split}_set.csv", tables[part])
    return root


def _add_case(root: Path, tables: dict[str, list[dict]], kind: str, split: str, patient: int) -> None:
    name = f"{kind}-{split}_P_{patient:05}_LEFT_CC"
    film = {"SOPClassUID": SECONDARY_CAPTURE, "PresentationIntentType": None, "PatientID": name}
    series = root / "CBIS-DDSM" / name / "07-20-2016-DDSM-74994" / "1.000000-full mammogram images-24515"
    write_dicom(
        series / "1-1.dcm", breast(f"patient {patient}") * 16, **film, SOPInstanceUID=f"2.25.{patient}{len(kind + split)}"
    )
    masks = root / "CBIS-DDSM" / f"{name}_1" / "07-21-2016-DDSM-16486" / "1.000000-ROI mask images-18984"
    crop_first = kind == "Mass"
    write_dicom(masks / f"1-{2 if crop_first else 1}.dcm", lesion() * 255, **film)
    write_dicom(masks / f"1-{1 if crop_first else 2}.dcm", breast("crop", (9, 13)) * 16, **film)
    paths = {
        "image file path": f"{name}/1.3.6.1.4.1.9590.100.1.2.4/1.3.6.1.4.1.9590.100.1.2.3/000000.dcm",
        "cropped image file path": f"{name}_1/1.3.6.1.4.1.9590.100.1.2.1/1.3.6.1.4.1.9590.100.1.2.2/000000.dcm\n",
        "ROI mask file path": f"{name}_1/1.3.6.1.4.1.9590.100.1.2.1/1.3.6.1.4.1.9590.100.1.2.2/000001.dcm\n",
    }
    density, shape = ("breast_density", "mass shape") if kind == "Mass" else ("breast density", "calc type")
    row = {"patient_id": f"P_{patient:05}", density: 3, "left or right breast": "LEFT", "image view": "CC"}
    row |= {"abnormality id": 1, "abnormality type": "mass" if kind == "Mass" else "calcification", shape: f"{kind} of a shape"}
    row |= {"assessment": 4, "pathology": "MALIGNANT" if kind == "Calc" else "BENIGN_WITHOUT_CALLBACK", "subtlety": 4}
    tables.setdefault(f"{kind}-{split}", []).append(row | paths)


def inbreast(root: Path) -> Path:
    """Both breasts of six patients; the right ones are of BI-RADS 1, without XML, and the last left one has a point only."""
    rows = []
    (root / "AllXML").mkdir(parents=True)
    for patient in range(1, 7):
        for number, (side, view) in enumerate((("L", "ML"), ("R", "CC"))):
            image = 20586900 + 2 * patient + number
            path = root / "AllDICOMs" / f"{image}_{patient}c613a14b80a859{patient}_MG_{side}_{view}_ANON.dcm"
            write_dicom(path, breast(f"{image}"), PatientID="removed", ImageLaterality=side, SOPInstanceUID=f"2.25.{image}")
            described = {"Patient ID": "removed", "Patient age": "removed", "Laterality": side, "View": view.replace("ML", "MLO")}
            birads = "4a" if side == "L" else "1"
            rows.append(described | {"Acquisition date": 200801, "File Name": image, "ACR": "4 ", "Bi-Rads": birads})
            if side == "L":
                (root / "AllXML" / f"{image}.xml").write_bytes(_osirix(patient < 6))
    write_table(root / "INbreast.csv", rows, ";")
    return root


def _osirix(has_mass: bool) -> bytes:
    left, top, right, bottom = BOX
    corners = [(left, top), (right - 1, top), (right - 1, bottom - 1), (left, bottom - 1)]
    points = [f"({x:.6f}, {y:.6f})" for x, y in corners]
    regions = [{"Name": "Calcification", "NumberOfPoints": 1, "Point_px": ["(2.5, 2.5)"], "Type": 19}]
    regions += [{"Name": "Mass", "NumberOfPoints": 4, "Point_px": points, "Type": 15}] if has_mass else []
    return plistlib.dumps({"Images": [{"ImageIndex": 0, "NumberOfROIs": len(regions), "ROIs": regions}]})


def vindr_mammo(root: Path) -> Path:
    """Six exams of two views; the first five have a mass, the first of them also a thickened skin, the sixth nothing."""
    findings, breasts = [], []
    for exam in range(6):
        study = f"{exam:x}bcd" * 8
        for number, view in enumerate(("CC", "MLO")):
            image = f"{exam:x}e{number}f" * 8
            write_dicom(root / "images" / study / f"{image}.dicom", breast(image), SOPInstanceUID=f"2.25.9{exam}{number}")
            birads = "BI-RADS 4" if exam < 5 else "BI-RADS 1"
            known = {"study_id": study, "series_id": f"2.25.8{exam}{number}", "image_id": image, "laterality": "L"}
            known |= {"view_position": view, "height": SIZE[1], "width": SIZE[0], "breast_birads": birads}
            breasts.append(known | {"breast_density": "DENSITY C", "split": "training"})
            boxes = {"['Mass']": BOX} if exam < 5 else {"['No Finding']": ("", "", "", "")}
            boxes |= {"['Skin Thickening']": (1, 1, 20, 4)} if exam == 0 else {}
            for categories, box in boxes.items():
                row = known | {"breast_density": "DENSITY C", "finding_categories": categories}
                row |= {"finding_birads": birads if exam < 5 else ""} | dict(
                    zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
                )
                findings.append(row | {"split": "training"})
    write_table(root / "finding_annotations.csv", findings)
    write_table(root / "breast-level_annotations.csv", breasts)
    return root


def dmid(root: Path, views: Sequence[str] = ()) -> Path:
    """Six images with masks; a table of views if any are given."""
    for folder in ("TIFF Images", "ROI Masks"):
        (root / folder).mkdir(parents=True)
    for number in range(1, 7):
        cv2.imwrite(str(root / "TIFF Images" / f"IMG{number:03}.tif"), (breast(f"{number}") // 16).astype(np.uint8))
        cv2.imwrite(str(root / "ROI Masks" / f"IMG{number:03}.tif"), lesion().astype(np.uint8) * 255)
    if views:
        names = [f"IMG{number:03}" for number in range(1, 7)]
        rows = [{"Image": name, "View": view, "Class": "B"} for name, view in zip(names, views, strict=True)]
        write_table(root / "Metadata.csv", rows)
    return root
