"""Writes a phantom in the layout of the TCIA download: folders, images, annotation files and stray files.

A folder with PHANTOM_MARK (`pipeline.sources`) is complete. One that is being written has another mark, so that an interrupted
phantom continues where it stopped and no folder of the user's is ever written to.
"""

import functools
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from pipeline.files import LOCK, InputError, locked, progress, write_buffered, write_text
from pipeline.phantom import cases
from pipeline.phantom.anatomy import Scene, make_scene
from pipeline.phantom.cases import KINDS, Exposure
from pipeline.phantom.compression import require_encoders
from pipeline.phantom.mammogram import mammogram_bytes, raw_bytes
from pipeline.phantom.media import directory_bytes, report_bytes
from pipeline.phantom.outlines import Shape, outline_lesions
from pipeline.phantom.pixels import paint_pair
from pipeline.phantom.tables import describe, regions_csv, table_csv, workbook_bytes
from pipeline.phantom.vendors import PLAIN, Vendor, vendor_of
from pipeline.sources import PHANTOM_MARK, UNFINISHED_PHANTOM_MARK
from pipeline.workers import Inline, in_order

REGIONS_FILE = "Radiology_hand_drawn_segmentations_v2.csv"
TABLE_FILE = "Radiology-manual-annotations.csv"
WORKBOOK_FILE = "Radiology manual annotations.xlsx"
IMAGES = Path("PKG - CDD-CESM", "CDD-CESM")
FOLDERS = {"DM": IMAGES / "Low energy images of CDD-CESM", "CM": IMAGES / "Subtracted images of CDD-CESM"}
MEDIA = IMAGES / "CD"  # exchange media of vendors that write them
JPEG, DICOM, VARIED = "", "plain", "varied"  # formats of the images

_VERSIONS = {JPEG: 1, DICOM: 2, VARIED: 1}  # of the phantom's bytes; to be raised with any change of them
_STRAY = {
    FOLDERS["DM"] / "desktop.ini": b"[ViewState]\r\nMode=\r\nVid=\r\nFolderType=Pictures\r\n",
    FOLDERS["CM"] / "desktop.ini": b"[ViewState]\r\nMode=\r\nVid=\r\nFolderType=Pictures\r\n",
    Path("Medical reports for cases", "~$P4.docx"): b"\x07Phantom".ljust(162, b"\0"),
}
# Purposes of an exposure's random generators; the second line is for each of its images.
_GEOMETRY, _PIXELS = 0, 1
_HAND, _TEXT = {"DM": 2, "CM": 3}, {"DM": 4, "CM": 5}


@dataclass(frozen=True)
class Phantom:
    """The contents of a phantom.

    `made` is False if it was there already. `images` counts files; the three classes count images with a row in the table,
    by its label; `malignant_with_regions` counts images that `v2` can use, by label, regions, row and file.
    """

    patients: int
    images: int
    regions: int
    malignant: int
    benign: int
    normal: int
    malignant_with_regions: int
    made: bool

    def __str__(self) -> str:
        return (
            f"{self.patients} patients, {self.images} images; {self.malignant} malignant "
            f"({self.malignant_with_regions} usable with regions), {self.benign} benign, {self.normal} normal; "
            f"{self.regions} regions{'' if self.made else '; was there already'}"
        )


@dataclass(frozen=True)
class _Image:
    exposure: Exposure
    kind: str
    shapes: list[Shape]

    @property
    def troubles(self) -> tuple[str, ...]:
        return self.exposure.troubles(self.kind)


def write_phantom(out: Path, patients: int = 60, seed: int = 0, dicom: str = JPEG, executor: Executor | None = None) -> Phantom:
    """Writes a synthetic look-alike of CDD-CESM; it proves nothing clinical.

    Args:
      out: a folder that is empty, does not exist yet, or holds an interrupted or complete phantom of the same settings.
      patients: at least 6, so that every trouble of the real data occurs.
      seed: the same seed gives the same bytes on one machine, whatever the executor.
      dicom: writes DICOM mammograms instead of JPEG: `plain` ones of one vendor, uncompressed, or `varied` ones of all
        vendors in `pipeline.phantom.vendors`, with other DICOM files among them; the annotation files name `.jpg` in
        either case, as real ones do.
      executor: writes the images; by default this process does.

    Raises:
      InputError: too few patients, `out` holds something else, or an encoder is not installed.
    """
    if patients < cases.LEAST_PATIENTS or seed < 0:
        raise InputError(
            f"{patients} patients with seed {seed}: a phantom needs at least {cases.LEAST_PATIENTS} "
            "patients, which have the real data's troubles, and a seed of 0 or more"
        )
    about = _about(patients, seed, dicom)
    exposures = list(cases.exposures(patients, seed))
    if dicom == VARIED:
        require_encoders(vendor_of(exposure.patient.number).syntax for exposure in exposures)
    images = [_Image(exposure, kind, _shapes(exposure, kind, seed)) for exposure in exposures for kind in KINDS]
    with locked(out, "pipeline phantom"):
        made = _write_all(out, about, images, exposures, seed, dicom, executor or Inline())
    return _count(patients, images, made)


def _write_all(
    out: Path, about: str, images: list[_Image], exposures: list[Exposure], seed: int, dicom: str, executor: Executor
) -> bool:
    """Writes the files of a phantom; returns False if it is there already."""
    made = _begin(out, about)
    if made:
        work = functools.partial(_write_pair, out=out.absolute(), seed=seed, dicom=dicom)  # a worker may run elsewhere
        sizes: dict[str, int] = {}
        for pair in progress(in_order(executor, work, exposures), len(exposures), "phantom", "views"):
            sizes |= pair
        _write_annotations(out, images, sizes, seed)
        for path, data in _STRAY.items():
            _write(out / path, data)
        if dicom == VARIED:
            _write(out / MEDIA / "DICOMDIR", directory_bytes(out / MEDIA, seed))
            _write(out / FOLDERS["CM"] / "P1_report.dcm", report_bytes(exposures[0], seed))
        write_text(out / PHANTOM_MARK, about)
        (out / UNFINISHED_PHANTOM_MARK).unlink()
    return made


def _about(patients: int, seed: int, dicom: str) -> str:
    """The mark's text, by which a phantom of the same settings is recognised; it names all settings."""
    options = {JPEG: "", DICOM: " --dicom", VARIED: " --dicom varied"}
    command = f"pipeline phantom OUT --patients {patients} --seed {seed}{options[dicom]}"
    return (
        f"A phantom: synthetic images and annotations in the layout of the CDD-CESM download.\n"
        f"No patient and no X-ray is behind them. They show that programs work, and prove nothing clinical.\n\n"
        f"command: {command}\nversion: {_VERSIONS[dicom]}\n"
    )


def _begin(out: Path, about: str) -> bool:
    """Marks the folder as one that is being written; returns False if the phantom is there already.

    Raises:
      InputError: the folder holds another phantom, or anything that is not a phantom.
    """
    for mark in (out / PHANTOM_MARK, out / UNFINISHED_PHANTOM_MARK):
        if mark.is_file():
            if (text := mark.read_text(encoding="utf-8")) != about:
                raise InputError(
                    f"{out}: holds another phantom ({_settings(text)}; expected {_settings(about)}); "
                    "remove that folder, or give another one"
                )
            if mark.name == PHANTOM_MARK:  # the other may be left of a run that ended between the two
                (out / UNFINISHED_PHANTOM_MARK).unlink(missing_ok=True)
            return mark.name == UNFINISHED_PHANTOM_MARK
    if out.exists() and (not out.is_dir() or any(path.name != LOCK for path in out.iterdir())):
        raise InputError(f"{out}: exists already and is not a phantom; give a folder that is empty or does not exist")
    write_text(out / UNFINISHED_PHANTOM_MARK, about)
    return True


def _settings(about: str) -> str:
    return ", ".join(line for line in about.splitlines() if line.startswith(("command:", "version:"))) or "unknown"


def _scene(exposure: Exposure, seed: int) -> Scene:
    return make_scene(
        exposure.view,
        exposure.forms,
        exposure.breast_chance(seed),
        exposure.chance(seed, _GEOMETRY),
        past_border=cases.PAST_BORDER in exposure.troubles("DM"),
    )


def _shapes(exposure: Exposure, kind: str, seed: int) -> list[Shape]:
    """The regions of one image, as the annotation program writes them; from geometry alone, without painting."""
    troubles = exposure.troubles(kind)
    if cases.NO_REGION in troubles or cases.LABEL_DIFFERS in troubles:
        return []
    if cases.NORMAL_WITH_REGION in troubles:
        return [{"name": "circle", "cx": 300, "cy": 520, "r": 41}]
    return outline_lesions(
        _scene(exposure, seed),
        kind,
        exposure.side,
        exposure.chance(seed, _HAND[kind]),
        polyline=cases.POLYLINE in troubles,
        point=cases.POINT in troubles,
    )


def _write_pair(exposure: Exposure, out: Path, seed: int, dicom: str) -> dict[str, int]:
    """Writes the two images of one exposure, unless they exist; returns their sizes in bytes by cleaned name."""
    vendor = vendor_of(exposure.patient.number) if dicom == VARIED else PLAIN if dicom else None
    paths = {kind: out / _place(exposure, kind, vendor) for kind in KINDS}
    if all(path.is_file() for path in paths.values()):
        return {exposure.name(kind): path.stat().st_size for kind, path in paths.items()}
    sizes = {}
    for kind, gray in paint_pair(_scene(exposure, seed), exposure.chance(seed, _PIXELS)).items():
        if exposure.side == "R":
            gray = gray[:, ::-1]
        if vendor and vendor.keeps_raw and (kind, exposure.view) == ("DM", "CC"):
            _write(paths[kind].with_name(f"{exposure.name(kind)}_raw.dcm"), raw_bytes(gray, exposure, seed, vendor))
        inverted = cases.INVERTED in exposure.troubles(kind)
        data = mammogram_bytes(gray, exposure, kind, seed, vendor, inverted=inverted) if vendor else _jpeg(gray)
        sizes[exposure.name(kind)] = len(data)
        if cases.NO_FILE not in exposure.troubles(kind):
            _write(paths[kind], data)
    return sizes


def _place(exposure: Exposure, kind: str, vendor: Vendor | None) -> Path:
    """The path of an image in the phantom."""
    if vendor and vendor.media:
        view = 4 * cases.SIDES.index(exposure.side) + 2 * cases.VIEWS.index(exposure.view) + KINDS.index(kind)
        return MEDIA / "IMAGES" / f"IM{8 * (exposure.patient.number - 1) + view + 1:06d}"
    return FOLDERS[kind] / f"{exposure.name(kind)}{vendor.ending if vendor else '.jpg'}"


def _write(path: Path, data: bytes) -> None:
    write_buffered(path, lambda file: file.write(data))


def _jpeg(gray: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", np.rint(gray).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def _write_annotations(out: Path, images: list[_Image], sizes: dict[str, int], seed: int) -> None:
    rows = [
        describe(image.exposure, image.kind, image.exposure.chance(seed, _TEXT[image.kind]))
        for image in images
        if cases.NO_ROW not in image.troubles
    ]
    write_text(out / TABLE_FILE, table_csv(rows))
    _write(out / WORKBOOK_FILE, workbook_bytes(rows))
    by_name = sorted((image.exposure.patient.number, image.exposure.name(image.kind), image.shapes) for image in images)
    write_text(out / REGIONS_FILE, regions_csv((f"{name}.jpg", sizes[name], shapes) for _, name, shapes in by_name))


def _count(patients: int, images: list[_Image], made: bool) -> Phantom:
    files = [image for image in images if cases.NO_FILE not in image.troubles]
    labels = [image.exposure.label(image.kind) for image in images if cases.NO_ROW not in image.troubles]
    usable = [image for image in files if image.shapes and image.exposure.label(image.kind) == cases.MALIGNANT]
    return Phantom(
        patients,
        len(files),
        sum(len(image.shapes) for image in images),
        labels.count(cases.MALIGNANT),
        labels.count(cases.BENIGN),
        labels.count(cases.NORMAL),
        len(usable),
        made,
    )
