"""Reads the files of source images and checks them against their regions. Most of it runs in workers."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from pipeline.annotations import DrawnRegion, TableRow
from pipeline.contract import CRASHED, DETAILS, DICOM_SUFFIXES, ImageName, SourceError
from pipeline.drawing.raster import coverage, drawable, drawn_area
from pipeline.drawing.regions import RegionError, essential_attributes, parse_region
from pipeline.files import stamp_of
from pipeline.indexing.find import SourceFiles
from pipeline.indexing.names import SourceFile
from pipeline.indexing.tables import Reject, SourceImage
from pipeline.recipe import Recipe
from pipeline.sources import Header, has_dicom_mark, leaves, read_bytes, read_header_and_levels, read_image
from pipeline.workers import in_batches

# A source image that is kept, its rows of regions.csv, its file's modification time in nanoseconds, and its header.
Kept = tuple[SourceImage, list[dict], int, Header]


@dataclass(frozen=True)
class Candidate:
    """An image that the recipe takes, with its table row and its drawn regions."""

    name: ImageName
    row: TableRow
    drawn: Sequence[DrawnRegion]


Job = tuple[Candidate, list[SourceFile]]


def stat_file(path: Path, sources: SourceFiles) -> SourceFile:
    """Describes a file before it is read; one whose name cannot be written, or that is a link out of RAW, has a fault."""
    relative, (size, mtime_ns) = path.relative_to(sources.raw).as_posix(), stamp_of(path)
    shown, fault = sources.name(relative), ("", "")
    if not sources.follow_links and os.path.exists(path) and leaves(sources.raw, path):
        fault = (
            "file-unreadable",
            "is a link that ends outside of RAW; copy the file, or give --follow-links if you trust the links of this folder",
        )
    if not _is_text(shown):
        shown = shown.encode("utf-8", "backslashreplace").decode()
        fault = ("file-unreadable", "has a path that is not valid UTF-8; rename the file or its folder")
    return SourceFile(path.absolute(), relative, shown, size, mtime_ns, fault=fault)


def _is_text(name: str) -> bool:
    """Whether a name can be written; Python keeps bytes of a file name that are not UTF-8 as lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def read_dicom(found: Sequence[SourceFile], recipe: Recipe, executor: Executor) -> Iterator[SourceFile]:
    """Yields the same files; those in DICOM with header or fault, since only their tags identify the image."""
    fit = [file for file in found if not file.fault[0]]
    dicom = [file for file in fit if file.path.suffix.lower() in DICOM_SUFFIXES or has_dicom_mark(file.path)]
    work = partial(_read_all, recipe=recipe)
    read = in_batches(executor, work, dicom, crashed=lambda file: replace(file, fault=CRASHED))
    by_path = {file.relative: file for file in read}
    yield from (by_path.get(file.relative, file) for file in found)


def _read_all(files: Sequence[SourceFile], recipe: Recipe) -> list[SourceFile]:
    return [_read(file, recipe) for file in files]


def recall(file: SourceFile, earlier: Mapping[tuple, SourceImage]) -> SourceFile:
    """The file with the hash and header that an earlier index read, if it has not changed since."""
    image = earlier.get((file.shown, file.size, file.mtime_ns))
    if image is None or file.header or file.fault[0]:  # DICOM files have been read already
        return file
    return replace(file, sha256=image.source_sha256, header=Header(image.width, image.height, image.spacing_mm))


def inspect_all(jobs: Sequence[Job], recipe: Recipe, executor: Executor) -> Iterator[Kept | Reject]:
    """Reads the files of the jobs' images and checks them against their regions, in the order of the jobs."""
    return in_batches(executor, partial(_inspect, recipe=recipe), jobs, crashed=_reject_crashed)


def _reject_crashed(job: Job) -> Reject:
    candidate, (file, *_) = job
    return Reject(candidate.name.image_id, CRASHED[0], file.shown, f"{file.short} {CRASHED[1]}")


def _inspect(jobs: Sequence[Job], recipe: Recipe) -> list[Kept | Reject]:
    """Reads the files of some images and checks them against their regions; runs in a worker."""
    return [_check(candidate, read_files(files, recipe), recipe) for candidate, files in jobs]


def read_files(files: Sequence[SourceFile], recipe: Recipe) -> list[SourceFile]:
    """The same files, each with its header or its fault."""
    return [file if file.header or file.fault[0] else _read(file, recipe) for file in files]


def _read(file: SourceFile, recipe: Recipe) -> SourceFile:
    try:
        data = read_bytes(file.path)
        header = read_header_and_levels(file.path, data, recipe.dicom, recipe.source.bits)
        return replace(file, sha256=hashlib.sha256(data).hexdigest(), header=header)
    except SourceError as error:
        return replace(file, fault=(error.reason, str(error)))


def _check(candidate: Candidate, files: Sequence[SourceFile], recipe: Recipe) -> Kept | Reject:
    """Checks one image's files against each other and against its regions."""
    image_id, file = candidate.name.image_id, files[0]
    readable = [other for other in files if other.header]
    if len({other.sha256 for other in readable}) > 1 and not show_the_same(readable, recipe):
        more = f" and {len(readable) - 2} more" if len(readable) > 2 else ""
        paths = " and ".join(other.shown for other in readable[:2]) + more
        return Reject(image_id, "duplicate-name", paths, f"{image_id} is the name of different files; keep one of them")
    if not readable:
        return Reject(image_id, file.fault[0], file.shown, f"{file.short} {file.fault[1]}")
    file = readable[0]
    header = file.header
    assert header is not None
    regions: list[dict] = []
    for number, drawn in enumerate(candidate.drawn):
        if drawn.fault:
            return Reject(image_id, drawn.reason, drawn.where, f"{drawn.fault}; correct it in the annotation file")
        if misfit := drawn.misfit(header.width, header.height):
            return Reject(
                image_id, "annotation-size", drawn.where, f"{misfit}{_turned(header)}; is this the image that was annotated?"
            )
        try:
            row = _measure(image_id, number, drawn, header)
        except RegionError as error:
            return Reject(image_id, "region-malformed", drawn.where, f"{error}; correct it in the annotation file")
        if row["inside"] < 0.5:
            x0, y0, x1, y1 = parse_region(drawn.attributes).extent
            return Reject(
                image_id,
                "region-outside-image",
                drawn.where,
                f"{row['shape']} from x={x0:g} y={y0:g} to x={x1:g} y={y1:g} lies more than half outside of the "
                f"{header.width} x {header.height} image{_turned(header)}; is this the image that was annotated?",
            )
        regions.append(row)
    name, cells = candidate.name, candidate.row.cells
    details = {column: cells.get(column, "") for column in DETAILS}
    image = SourceImage(
        image_id,
        name.patient,
        name.side,
        name.view,
        name.kind,
        cells["class"].lower(),
        details,
        regions=len(regions),
        lesion_share=_lesion_share(candidate.drawn, regions, header),
        width=header.width,
        height=header.height,
        spacing_mm=header.spacing_mm,
        source=file.shown,
        source_size=file.size,
        source_sha256=file.sha256,
    )
    return image, regions, file.mtime_ns, header


def _turned(header: Header) -> str:
    """States that an image is turned by its EXIF orientation, since regions may have been drawn on the unturned one."""
    if header.orientation == 1:
        return ""
    return f" (its EXIF orientation {header.orientation} turns or mirrors it, as browsers do)"


def show_the_same(files: Sequence[SourceFile], recipe: Recipe) -> bool:
    """Whether files of one name have the same pixels, as a collection has that lists an image in two of its parts."""
    if len({(file.header.width, file.header.height) for file in files if file.header}) > 1:
        return False
    try:
        first, *others = (read_image(file.path, dicom=recipe.dicom, bits=16, stated_bits=recipe.source.bits) for file in files)
    except SourceError:
        return False
    return all(np.array_equal(first, other) for other in others)


def _lesion_share(drawn: Sequence[DrawnRegion], rows: Sequence[Mapping], header: Header) -> float:
    """The area of all regions together, overlaps counted once, divided by that of the letterboxed square."""
    area = sum(row["area_px"] for row in rows)
    if len(rows) > 1:
        regions = drawable((parse_region(region.attributes) for region in drawn), polylines=True)
        area = drawn_area(regions, header.width, header.height)
    return round(area / max(header.width, header.height) ** 2, 6)


def _measure(image_id: str, number: int, drawn: DrawnRegion, header: Header) -> dict:
    region = parse_region(drawn.attributes)
    if region.shape == "point":
        x, y = region.points[0]
        inside = float(-0.5 <= x < header.width - 0.5 and -0.5 <= y < header.height - 0.5)
        area = 0.0
    else:
        covered = coverage(region, header.width, header.height)
        area, inside = covered.area_px, covered.share
    return {
        "image_id": image_id,
        "region": number,
        "shape": region.shape,
        "area_px": round(area, 1),
        "inside": round(inside, 4),
        "attributes": json.dumps(essential_attributes(drawn.attributes), separators=(",", ":")),
        "where": drawn.where,
    }
