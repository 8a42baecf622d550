"""Finds and reads annotation files, in any format that `FORMATS` lists, and folders of masks."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pipeline.annotations.coco import COCO
from pipeline.annotations.contents import Annotations, add_regions
from pipeline.annotations.format import AnnotationFile, AnnotationFormat
from pipeline.annotations.joining import keep_lesions
from pipeline.annotations.listed import read_listed
from pipeline.annotations.masks import add_masks, find_masks, is_mask
from pipeline.annotations.osirix import OSIRIX
from pipeline.annotations.provenance import Statement, collect_provenance
from pipeline.annotations.seg import SEG
from pipeline.annotations.table import CDD_CESM_TABLE
from pipeline.annotations.via import VIA_CSV, VIA_JSON
from pipeline.files import TABLE_SUFFIXES, InputError, UnfitFile, open_regular
from pipeline.recipe import CDD_CESM, Layout
from pipeline.sources import find_files

# A file belongs to the first format that accepts it. Masks are read together, by `masks`, and so are the tables of another
# collection, by `listed`.
FORMATS: list[AnnotationFormat] = [SEG, COCO, VIA_JSON, VIA_CSV, OSIRIX, CDD_CESM_TABLE]


def find_annotations(root: Path, layout: Layout = CDD_CESM) -> list[Path]:
    """Finds the files below a folder that may hold annotations (or the one file given), sorted.

    Raises:
      InputError: there is no such folder or file.
    """
    if root.is_file():
        return [root]
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; ANNOTATIONS names the folder with the annotation files")
    suffixes = frozenset().union(*(file_format.suffixes for file_format in FORMATS))
    checks = [file_format.is_dicom for file_format in FORMATS if file_format.is_dicom]
    dicom = [path for path in find_files(root, set(), dicom=True) if any(check(path) for check in checks)]
    return sorted([*find_files(root, suffixes), *dicom, *find_masks(root, layout)])


def read_annotations(
    paths: Sequence[Path], root: Path, layout: Layout = CDD_CESM, statement: Statement | None = None
) -> Annotations:
    """Reads every file that holds an annotation table or regions and skips the others.

    What is not a file, such as a link to nothing, is skipped too, and noted.

    Several files may hold the same rows or regions, which then count once.

    Args:
      paths: the files that `find_annotations` returned.
      root: the folder where they were found, or the one file.
      layout: of the recipe.
      statement: by whom and when regions were drawn, where their files do not state it.

    Raises:
      InputError: a file lacks a column or is broken, two files contradict each other, or the statement is the files' own.
    """
    annotations = Annotations()
    masks = [path for path in paths if is_mask(path, root, layout)]
    tables: list[AnnotationFile] = []
    drawn: list[AnnotationFile] = []
    for file in (AnnotationFile(path) for path in sorted({*paths} - {*masks})):
        if not file.path.is_file():
            annotations.passed_over[file.path] = _describe_odd(file.path)
        elif file_format := next((each for each in FORMATS if each.add(annotations, file, layout)), None):
            annotations.files.append(file.path)
            drawn += [file] if file_format.has_regions else []
            _note_header(annotations, file)
        elif file.suffix in TABLE_SUFFIXES:
            tables.append(file)
    read_listed(annotations, tables, layout)
    for file in tables:
        if file.path in annotations.files:
            _note_header(annotations, file)
    add_regions(annotations, "a table", ((key, None, boxes) for key, boxes in annotations.boxes.items()))
    add_masks(annotations, masks, root, layout)
    drawn += [file for file in tables if annotations.boxes and file.path in annotations.files]
    drawn += [AnnotationFile(path) for path in sorted(masks)]
    annotations.stated = [asdict(entry) for entry in collect_provenance(drawn, statement or Statement())]
    keep_lesions(annotations, layout)
    return annotations


def _note_header(annotations: Annotations, file: AnnotationFile) -> None:
    if file.header_below:
        annotations.headers_below[file.path] = file.header_below


def _describe_odd(path: Path) -> str:
    """What a path is that is no regular file."""
    try:
        open_regular(path).close()
    except UnfitFile as error:
        return error.reason.removeprefix("is ")
    except OSError as error:
        return f"a file that cannot be read ({error.strerror})"
    return "a file that was not there a moment ago"
