"""The phantom's annotation files, with the columns, quoting and cell formats of CDD-CESM's. Text and bytes, no files."""

import csv
import datetime
import io
import json
import re
import zipfile
from collections.abc import Iterable, Sequence

import numpy as np
import openpyxl

from pipeline.phantom.cases import BENIGN, MALIGNANT, SPACE_IN_TABLE, TWO_BIRADS, Exposure
from pipeline.phantom.outlines import Shape

Row = tuple[str | int, ...]

COLUMNS = (
    "Image_name",
    "Patient_ID",
    "Side",
    "Type",
    "Age",
    "Breast density (ACR)",
    "BIRADS",
    "Findings",
    "View",
    "Tags",
    "Machine",
    "Pathology Classification/ Follow up",
)
REGION_COLUMNS = (
    "#filename",
    "file_size",
    "file_attributes",
    "region_count",
    "region_id",
    "region_shape_attributes",
    "region_attributes",
)
_MASS_COLUMNS = (
    *COLUMNS[:7],
    "Abnormality type",
    "Single/Multiple",
    "Mass density/enhancement pattern",
    "Mass shape",
    "Mass margin",
    "Findings",
    "View",
    "Machine",
    COLUMNS[-1],
)
_CALCIFICATION_COLUMNS = (*COLUMNS[:5], "ACR", *COLUMNS[6:9], *COLUMNS[10:])

_SHAPE_AND_MARGIN = {
    "round": ("round", "circumscribed"),
    "oval": ("oval", "circumscribed"),
    "irregular": ("irregular", "indistinct"),
    "spiculated": ("irregular", "spiculated"),
}
_MASS = re.compile(r"(Single|Multiple) (\w+) (dense|enhancing) mass(?:es)?, (\w+) margin")
_TAGS = {MALIGNANT: "malignant mass", BENIGN: "benign mass"}
_CALCIFIED = "Coarse benign calcifications"


def describe(exposure: Exposure, kind: str, draw: np.random.Generator) -> Row:
    """One image's row of the annotation table, in the order of COLUMNS; numbers are numbers, as in the workbook."""
    patient, label = exposure.patient, exposure.label(kind)
    calcified = kind == "DM" and (TWO_BIRADS in exposure.troubles(kind) or (label == BENIGN and draw.random() < 0.2))
    findings, tags = _describe_lesions(exposure, kind, label)
    birads: str | int = int(draw.choice({MALIGNANT: (4, 5, 5, 6), BENIGN: (2, 3)}.get(label, (1,))))
    if calcified:
        findings, tags, birads = f"{findings}${_CALCIFIED}", f"{tags}, calcification", f"{birads}$2"
    stray_space, no_density = draw.random(2) < (0.17, 0.08)
    name = exposure.name(kind) + " " * (SPACE_IN_TABLE in exposure.troubles(kind))
    return (
        name,
        patient.number,
        exposure.side,
        "DM" if kind == "DM" else "CESM",
        patient.age,
        "_" if kind == "CM" or no_density else patient.density,
        birads,
        findings + " " * int(stray_space),
        exposure.view,
        tags,
        patient.machine,
        label,
    )


def _describe_lesions(exposure: Exposure, kind: str, label: str) -> tuple[str, str]:
    if label not in _TAGS or not exposure.forms:
        return ("Normal" if kind == "DM" else "No enhancement of note"), "normal"
    shape, margin = _SHAPE_AND_MARGIN[exposure.forms[0]]
    number, mass = ("Single", "mass") if len(exposure.forms) == 1 else ("Multiple", "masses")
    pattern = "dense" if kind == "DM" else "enhancing"
    return f"{number} {shape} {pattern} {mass}, {margin} margin", f"{_TAGS[label]}, {margin}"


def table_csv(rows: Iterable[Row]) -> str:
    """The annotation table as CSV with all cells quoted, those of the header included."""
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([COLUMNS, *rows])
    return text.getvalue()


def regions_csv(images: Iterable[tuple[str, int, Sequence[Shape]]]) -> str:
    """The regions of (file name, size in bytes, shapes) as VGG Image Annotator 2 exports them, one row per region."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(REGION_COLUMNS)
    for name, size, shapes in images:
        for number, shape in enumerate(shapes):
            writer.writerow([name, size, "{}", len(shapes), number, json.dumps(shape, separators=(",", ":")), "{}"])
    return text.getvalue()


def workbook_bytes(rows: Sequence[Row]) -> bytes:
    """The annotation workbook: sheet `all` is the table, others are subsets by finding with other columns."""
    workbook = openpyxl.Workbook()
    calcified = [row[:9] + row[10:] for row in rows if _CALCIFIED in str(row[7])]
    masses = [_mass(row, match) for row in rows if (match := _MASS.match(str(row[7])))]
    sheets = {
        "all": (COLUMNS, rows),
        "mass_description": (_MASS_COLUMNS, [row for row in masses if row[3] == "DM"]),
        "calcifications": (_CALCIFICATION_COLUMNS, calcified),
        "mass enhancement_description": (_MASS_COLUMNS, [row for row in masses if row[3] == "CESM"]),
    }
    for title, (columns, lines) in sheets.items():
        sheet = workbook.active if title == "all" else workbook.create_sheet()
        sheet.title = title
        for line in (columns, *lines):
            sheet.append(line)
    file = io.BytesIO()
    workbook.save(file)
    return _without_time(file.getvalue())


def _mass(row: Row, match: re.Match[str]) -> Row:
    number, shape, pattern, margin = match.groups()
    return (*row[:7], "Mass", number, pattern.capitalize(), shape.capitalize(), margin.capitalize(), row[7], row[8], *row[10:])


def _without_time(workbook: bytes) -> bytes:
    """The workbook without its creation time, which openpyxl writes into the properties and the archive."""
    fixed = datetime.datetime(2000, 1, 1).isoformat().encode() + b"Z"
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "docProps/core.xml":
                data = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", fixed, data)
            new.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)  # ZipInfo's own date is 1980
    return file.getvalue()
