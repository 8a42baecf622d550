"""Reads the tables of another collection by the headers that a recipe names: classes, what identifies an image, and boxes.

A collection may have several tables, and a table one row per finding: the rows of an image are united.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pipeline.annotations.contents import Annotations, DrawnRegion, TableRow
from pipeline.annotations.format import AnnotationFile
from pipeline.annotations.labels import read_class
from pipeline.annotations.table import UNNAMED, read_cell
from pipeline.contract import DETAILS, LESION_CLASSES, WORST_FIRST
from pipeline.drawing.regions import are_fractions, box_attributes
from pipeline.files import InputError, Table, plain_header, read_number
from pipeline.indexing.layout import image_key, read_identity
from pipeline.recipe import CORNER_BOX, IDENTITY, SIZED_BOX, Layout

# Headers, in letters and digits only, of a column whose cells may stand for the patient where nothing else names one.
_EXAMS = ("patient", "patientid", "studyid")


def read_listed(annotations: Annotations, files: Sequence[AnnotationFile], layout: Layout) -> None:
    """Adds the rows and boxes of every file that has all columns of the layout; notes the others as passed over.

    An image gets the worst class of its rows; their other cells are joined by `$`.

    Args:
      annotations: to add to.
      files: CSV files and workbooks in no other format.
      layout: of the recipe.

    Raises:
      InputError: no file has all columns though one lists images, or a row lacks cells or its image.
    """
    if not layout.table.columns:
        return
    required = [name for name in ("image", "class") if name in layout.table.columns]
    fitting, misfits = [], []
    for file in files:
        table = _find_table(file, layout, list(layout.table.columns)) or _find_table(file, layout, required)
        missing = _missing_columns(table, layout) if table else [required[0]]
        if table and not missing:
            fitting.append(table)
        else:
            lacking = " or ".join(repr(name.strip()) for name in layout.table.spellings(missing[0]))
            misfits.append((file, table, f"has no column {lacking}"))
    if not fitting and (close := [(table, fault) for _, table, fault in misfits if table]):
        table, fault = close[0]
        raise InputError(f"{table.path}: {fault}, which [layout.table] names; it has {', '.join(table.header)}")
    for table in fitting:
        _add_rows(annotations, table, layout)
        annotations.files.append(table.path)
    annotations.passed_over |= {file.path: f"a table that {fault}" for file, _, fault in misfits}


def _find_table(file: AnnotationFile, layout: Layout, columns: Sequence[str]) -> Table | None:
    return file.find_table(
        lambda table: all(_column(table, layout, name) is not None for name in columns), layout.table.delimiter
    )


def _column(table: Table, layout: Layout, name: str) -> int | None:
    """The position of a column by the first of its spellings that is there."""
    positions = (table.column(spelling) for spelling in layout.table.spellings(name))
    return next((position for position in positions if position is not None), None)


def _missing_columns(table: Table, layout: Layout) -> list[str]:
    return [name for name in layout.table.columns if _column(table, layout, name) is None]


def _exam_column(table: Table) -> int | None:
    plain = ["".join(character for character in plain_header(name) if character.isalnum()) for name in table.header]
    return next((plain.index(name) for name in _EXAMS if name in plain), None)


def _add_rows(annotations: Annotations, table: Table, layout: Layout) -> None:
    exam = _exam_column(table)
    columns = {name: _column(table, layout, name) for name in layout.table.columns}
    for number, row in table.rows:
        where = f"{table.path.name} row {number}"
        if len(row) != len(table.header):
            raise InputError(f"{table.path}: row {number} has {len(row)} cells; the header has {len(table.header)}")
        cells = {name: read_cell(row[column]) for name, column in columns.items() if column is not None}
        if not cells["image"]:
            if read_class(cells.get("class", ""), layout) in LESION_CLASSES or _read_box(cells, where):
                raise InputError(f"{table.path}: row {number} {UNNAMED}")
            continue
        key = image_key(cells["image"], layout)
        details = {column: cells[column] for column in DETAILS if column in cells}
        details["class"] = read_class(cells.get("class", ""), layout)
        identity = read_identity({part: cells[part] for part in IDENTITY if part in cells}, layout)
        exam_cell = read_cell(row[exam]) if exam is not None else ""
        read = TableRow(cells["image"], details, where, identity=identity, exam=exam_cell)
        annotations.rows[key] = _unite(annotations.rows[key], read) if key in annotations.rows else read
        if region := _read_box(cells, where):
            _add_box(annotations.boxes.setdefault(key, []), region)


def _unite(first: TableRow, second: TableRow) -> TableRow:
    """One row of two; a text that is not a class goes before all classes, so that the index rejects the image and reports it."""
    classes = sorted(
        (first.cells["class"], second.cells["class"]), key=lambda name: WORST_FIRST.index(name) if name in WORST_FIRST else -1
    )
    cells = _join_cells(first.cells, second.cells) | {"class": classes[0] or classes[1]}
    exam = _join_cells({"": first.exam}, {"": second.exam})[""]
    return replace(first, cells=cells, identity=_join_cells(first.identity, second.identity), exam=exam)


def _join_cells(first: Mapping[str, str], second: Mapping[str, str]) -> dict[str, str]:
    joined = {}
    for column in dict.fromkeys((*first, *second)):
        values = [value for cells in (first, second) for value in cells.get(column, "").split("$")]
        joined[column] = "$".join(dict.fromkeys(filter(None, values)))
    return joined


def _read_box(cells: Mapping[str, str], where: str) -> DrawnRegion | None:
    """The box of a row, or its fault; None if the row has no box."""
    names = next((names for names in (CORNER_BOX, SIZED_BOX) if names[0] in cells), None)
    texts = [cells[name] for name in names or ()]
    if not any(text and text.casefold() != "nan" for text in texts):
        return None
    assert names is not None
    label = cells.get("findings", "")
    numbers = [number for text in texts if (number := read_number(text)) is not None]
    if len(numbers) < len(texts):
        return DrawnRegion(None, where, f"box is {', '.join(texts)[:60]}; expected four numbers", label)
    if are_fractions(numbers):
        return DrawnRegion(
            None, where, f"box is {', '.join(texts)[:60]}, which are fractions of the image; expected pixels", label
        )
    first, second, third, fourth = numbers
    width, height = (third - first, fourth - second) if names == CORNER_BOX else (third, fourth)
    if width <= 0 or height <= 0:
        return DrawnRegion(None, where, f"box is {', '.join(texts)[:60]}, which has no area", label)
    return DrawnRegion(box_attributes(first, second, width, height), where, "", label, box_only=True)


def _add_box(boxes: list[DrawnRegion], region: DrawnRegion) -> None:
    """Adds a box that another row, or another table, does not have already."""
    if region.fault or region.attributes not in [box.attributes for box in boxes]:
        boxes.append(region)
