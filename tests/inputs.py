"""Small inputs that tests make for themselves: digit pictures, and a download of a few tiny images."""

import csv
import json
import warnings
from pathlib import Path

import cv2
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

REGIONS = "Radiology_hand_drawn_segmentations_v2.csv"
TABLE = "Radiology-manual-annotations.csv"


def picture(text: str) -> np.ndarray:
    """A mask from rows of `.` and `#`, separated by spaces: (rows, columns) uint8 of 0 and 1."""
    return np.array([[character == "#" for character in row] for row in text.split()], np.uint8)


def polygon(*points: tuple[float, float], name: str = "polygon") -> dict:
    """VIA shape attributes of an outline."""
    return {"name": name, "all_points_x": [x for x, _ in points], "all_points_y": [y for _, y in points]}


def circle(cx: float, cy: float, r: float) -> dict:
    """VIA shape attributes of a circle."""
    return {"name": "circle", "cx": cx, "cy": cy, "r": r}


def bitmap(width: int, height: int, counts: object, x: float = 0, y: float = 0) -> dict:
    """Attributes of a bitmap."""
    return {"name": "bitmap", "x": x, "y": y, "width": width, "height": height, "counts": counts}


class Download:
    """A tiny look-alike of the CDD-CESM download that a test fills image by image and can then damage."""

    def __init__(self, root: Path):
        self.root = root
        self.rows: list[dict] = []
        self.shapes: list[tuple[str, object, int]] = []
        root.mkdir(parents=True, exist_ok=True)

    def add(
        self,
        name: str,
        shapes=None,
        label: str = "Malignant",
        size=(40, 60),
        file: bool = True,
        row: bool = True,
        written: str | None = None,
    ) -> Path:
        """Adds an image with pixels of its own, with regions and a table row; returns the image's path."""
        width, height = size
        kind = name.split("_")[2]
        path = self.root / ("Low energy images" if kind == "DM" else "Subtracted images") / f"{name}.jpg"
        path.parent.mkdir(exist_ok=True)
        if file:
            cv2.imwrite(str(path), self.pixels(name, size), [cv2.IMWRITE_JPEG_QUALITY, 95])
        if row:
            patient, side, _, view = name.split("_")[:4]
            self.rows.append(
                {
                    "Image_name": written or name,
                    "Patient_ID": patient[1:],
                    "Side": side,
                    "Type": "CESM" if kind == "CM" else "DM",
                    "Age": "50",
                    "Breast density (ACR)": "C" if kind == "DM" else "_",
                    "BIRADS": "5$2",
                    "Findings": "Mass ",
                    "View": view,
                    "Tags": "mass",
                    "Machine": "1",
                    "Pathology Classification/ Follow up": label,
                }
            )
        for shape in [circle(width / 2, height / 2, 8)] if shapes is None else shapes:
            self.shapes.append((f"{name}.jpg", shape, path.stat().st_size if file else 1000))
        return path

    @staticmethod
    def pixels(name: str, size=(40, 60)) -> np.ndarray:
        """The image's pixels, (height, width) uint8: smooth, and different for each name."""
        rng = np.random.default_rng(sum(ord(character) * 31**index for index, character in enumerate(name)) % 2**32)
        return cv2.resize(rng.integers(0, 256, (6, 4), dtype=np.uint8), size, interpolation=cv2.INTER_CUBIC)

    def write(self) -> "Download":
        """Writes the annotation files."""
        with (self.root / TABLE).open("w", newline="") as file:
            writer = csv.DictWriter(file, list(self.rows[0]) if self.rows else ["Image_name"], quoting=csv.QUOTE_ALL)
            writer.writeheader()
            writer.writerows(self.rows)
        with (self.root / REGIONS).open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(
                [
                    "#filename",
                    "file_size",
                    "file_attributes",
                    "region_count",
                    "region_id",
                    "region_shape_attributes",
                    "region_attributes",
                ]
            )
            for number, (name, shape, size) in enumerate(self.shapes):
                cell = shape if isinstance(shape, str) else json.dumps(shape)
                writer.writerow([name, size, "{}", 1, number, cell, "{}"])
        return self


def small_download(root: Path, patients: int = 6) -> Download:
    """Malignant DM and CM of one view for each patient; enough for every split."""
    download = Download(root)
    for patient in range(1, patients + 1):
        for kind in ("DM", "CM"):
            download.add(f"P{patient}_L_{kind}_CC", [circle(15 + patient, 30, 6 + patient)])
    return download.write()


def mammogram(path: Path, pixels: np.ndarray, syntax: str = ExplicitVRLittleEndian, **tags) -> Path:
    """Writes a For Presentation mammogram of 12 stored bits; a tag of None is left out."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    values = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.2",
        "SOPInstanceUID": "2.25.1",
        "Modality": "MG",
        "PatientID": "P7",
        "PresentationIntentType": "FOR PRESENTATION",
        "ImageType": ["DERIVED", "PRIMARY", "POST_CONTRAST", "SUBTRACTION"],
        "ImageLaterality": "L",
        "ViewPosition": "CC",
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "ImagerPixelSpacing": [0.1, 0.1],
        "PixelData": pixels.astype("<i2" if pixels.min() < 0 else "<u2").tobytes(),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns about the faulty values that tests write on purpose
        for keyword, value in (values | tags).items():
            if value is not None:
                setattr(dataset, keyword, value)
        pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    return path


SMALL_RECIPE = """
schema_version = 1
name = "{name}"
title = "a small set for tests"
differs = "It is small."
[source]
with_regions = {with_regions}
without_regions = {without_regions}
[image]
size_px = 32
[mask]
values = "{values}"
[variants]
names = {variants}
[split]
seed = {seed}
fractions = {{ train = 0.5, valid = 0.25, test = 0.25 }}
folds = 3
"""


def small_recipe(
    path: Path,
    name="small",
    variants=("original", "rotated_90", "mirrored"),
    seed=1,
    values="binary",
    with_regions=("malignant",),
    without_regions=(),
) -> str:
    """Writes a recipe file for 32 px squares; returns its path as a command line argument."""
    path.write_text(
        SMALL_RECIPE.format(
            name=name,
            variants=list(variants),
            seed=seed,
            values=values,
            with_regions=list(with_regions),
            without_regions=list(without_regions),
        )
    )
    return str(path)
