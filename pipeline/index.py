"""Joins image files, annotation table and drawn regions; keeps what a recipe can use and says why the rest is dropped."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

from pipeline.annotations import (
    UNLISTED,
    Annotations,
    DrawnRegion,
    TableRow,
    check_reference,
    class_unlisted,
    rename_images,
)
from pipeline.dicom.options import DicomOptions
from pipeline.files import InputError, progress, read_csv, write_csv
from pipeline.hiding import Hidden, hide_names, hide_words
from pipeline.identity import Identified, SourceFile, identify, uids_of
from pipeline.layout import image_key
from pipeline.names import ImageName, clean_name, parse_image
from pipeline.privacy import SiteKey
from pipeline.raster import coverage
from pipeline.recipe import CLASSES, Layout, Recipe
from pipeline.regions import RegionError, essential_attributes, parse_region
from pipeline.source_files import SourceFiles
from pipeline.sources import DEFAULT_DICOM, Header, SourceError, has_dicom_mark, read_bytes, read_header
from pipeline.workers import in_order

# Reasons that are the recipe's own choice; all the others are faults of the data, which --strict does not accept.
LEFT_OUT = {
    "class-not-wanted": "the recipe takes other classes",
    "no-region": "of a lesion class, but nobody drew its lesion: an empty mask would be a false label",
    "normal-with-region": "normal, but with a drawn region",
    "strict-join": "lost as the published set lost it: the table's name has stray spaces",
}


_NAME_WANTED = "names no patient; wanted a name like P12_L_CM_MLO, or DICOM tags that say so"
_PATH_WANTED = (
    "has a path without a match of [layout] image, or with a side, view or kind that is none of L, R, CC, MLO, DM, CM; "
    "correct the expression, or add the word to sides, views or kinds"
)


@dataclass(frozen=True)
class Reject:
    """A source image that is dropped: why, where that was seen, and in words."""

    image: str
    reason: str
    where: str
    words: str


@dataclass(frozen=True)
class SourceImage:
    """A source image that is kept; the fields are the columns of index.csv.

    `lesion_share` is the regions' area over the letterboxed square's, `spacing_mm` that of the source; `source` is
    relative to RAW. An empty string or None is unknown.
    """

    image_id: str
    patient: str
    side: str
    view: str
    kind: str
    image_class: str
    density: str
    birads: str
    findings: str
    machine: str
    regions: int
    lesion_share: float
    width: int
    height: int
    spacing_mm: float | None
    source: str
    source_size: int
    source_sha256: str

    @classmethod
    def from_row(cls, row: Mapping[str, str]) -> "SourceImage":
        """Reads a row of index.csv."""
        convert: dict[str, Callable[[str], object]] = {
            "regions": int,
            "lesion_share": float,
            "width": int,
            "height": int,
            "source_size": int,
            "spacing_mm": lambda text: float(text) if text else None,
        }
        return cls(**{field.name: convert.get(field.name, str)(row[field.name]) for field in fields(cls)})  # type: ignore[arg-type]


COLUMNS = tuple(field.name for field in fields(SourceImage))
REGION_COLUMNS = ("image_id", "region", "shape", "attributes", "area_px", "inside", "where")
MAP_COLUMNS = ("name", "original")
REJECT_COLUMNS = tuple(field.name for field in fields(Reject))


@dataclass
class Index:
    """What the index stage found.

    Attributes:
      images: what is kept, sorted by image_id.
      regions: rows of regions.csv for them.
      rejects: what is dropped; kept and dropped together are all images that any file names.
      summary: counts for the printed table and the data set card.
      times: by `source`, the file's time of change in nanoseconds; not in index.csv, which says the same for a copy.
      way_back: under a site key, what each name in the tables stands for: paths below RAW, and names in annotation files.
    """

    images: list[SourceImage]
    regions: list[dict]
    rejects: list[Reject]
    summary: dict
    times: dict[str, int]
    way_back: dict[str, str]


# A source image that is kept, its rows of regions.csv, and its file's time of change.
_Kept = tuple[SourceImage, list[dict], int]


@dataclass(frozen=True)
class _Wanted:
    """An image that the recipe takes, with its table row and regions."""

    name: ImageName
    row: TableRow
    drawn: Sequence[DrawnRegion]


_Job = tuple[_Wanted, list[SourceFile]]


def build_index(
    sources: SourceFiles,
    files: Sequence[Path],
    annotations: Annotations,
    recipe: Recipe,
    known: Sequence[SourceImage],
    times: Mapping[str, int],
    executor: Executor,
) -> Index:
    """Indexes the image files of a data set.

    Args:
      sources: how the files are called.
      files: the image files.
      annotations: what the annotation files say.
      recipe: which images are wanted.
      known: images of an earlier index; a file whose size and time of change are the same is not read again.
      times: the earlier index's times of change.
      executor: reads the files.
    """
    found = list(_read_dicom([_stat(path, sources) for path in files], recipe, executor))
    identified = identify(found, recipe.layout, sources.key)
    by_name = identified.groups
    annotations, rejects = _join(annotations, identified, recipe.layout)
    hidden = hide_names(annotations, {name.image_id for name in by_name}, sources.key) if sources.key else Hidden(annotations)
    annotations = hidden.annotations
    rejects += [Reject(one.file.shown, one.reason, one.file.shown, one.words) for one in identified.unnamed]
    names = {
        **{name: parse_image(name) for name in (annotations.rows.keys() | annotations.regions.keys())},
        **hidden.names,
        **{name.image_id: name for name in by_name},
    }
    files_of = {name.image_id: same for name, same in by_name.items()}
    earlier = {(image.source, image.source_size, times.get(image.source)): image for image in known}
    jobs: list[_Job] = []
    for image_id in sorted(names):
        same = files_of.get(image_id, [])
        verdict = _choose(names[image_id], same, annotations, recipe)
        if isinstance(verdict, Reject):
            rejects.append(verdict)
        else:
            jobs.append((verdict, [_recall(file, earlier) for file in same]))
    images: list[SourceImage] = []
    regions: list[dict] = []
    mtimes: dict[str, int] = {}
    for found_out in progress(_examine_all(jobs, executor), len(jobs), "index"):
        if isinstance(found_out, Reject):
            rejects.append(found_out)
        else:
            image, rows, mtime_ns = found_out
            images.append(image)
            regions += rows
            # PACS exports keep a study's date there, so under a key it is not kept; files are read again instead.
            mtimes |= {} if sources.key else {image.source: mtime_ns}
    if sources.key:
        rejects = [_hide_reject(reject, sources.key) for reject in rejects]
    rejects.sort(key=lambda reject: (reject.image, reject.where))
    summary = _summarise(found, annotations, images, rejects) | _count_dicom(found)
    if sources.key:
        summary["annotation_files"] = [f"{len(annotations.files)} annotation files"]
    way_back = {file.shown: file.relative for file in found} | hidden.originals if sources.key else {}
    return Index(images, regions, rejects, summary, mtimes, way_back)


def _stat(path: Path, sources: SourceFiles) -> SourceFile:
    relative, stat = path.relative_to(sources.raw).as_posix(), path.stat()
    shown, fault = sources.name(relative), ("", "")
    if not shown.isprintable() or not _is_text(shown):
        shown = shown.encode("utf-8", "backslashreplace").decode()
        fault = ("file-unreadable", "has a name, or lies in a folder of a name, that is no UTF-8 text; rename it")
    return SourceFile(path, relative, shown, stat.st_size, stat.st_mtime_ns, fault=fault)


def _is_text(name: str) -> bool:
    """Whether a name can be written; Python keeps bytes of a file's name that are no UTF-8 as lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _ids_by_key(identified: Identified, layout: Layout) -> dict[str, set[str]]:
    """The image_ids that a name in an annotation file may mean: by file, and where that tells nothing by what the tags say."""
    by_file: dict[str, set[str]] = defaultdict(set)
    by_tags: dict[str, set[str]] = defaultdict(set)
    for name, files in identified.groups.items():
        for file in files:
            for key in (name.image_id, image_key(file.relative, layout), clean_name(file.relative)):
                by_file[key].add(name.image_id)
            if file.relative in identified.aliases:
                by_tags[identified.aliases[file.relative]].add(name.image_id)
    # Of a view that was taken twice the tags do not tell which one is meant.
    return {key: ids for key, ids in by_tags.items() if len(ids) == 1} | by_file


def _hide_reject(reject: Reject, key: SiteKey) -> Reject:
    if reject.reason != "seg-reference":
        return replace(reject, words=hide_words(reject.reason, reject.words))
    name = f"segmentation {key.token('annotation', reject.image)[:20]}"
    return Reject(name, reject.reason, name, reject.words.replace(reject.image, name))


def _read_dicom(found: Sequence[SourceFile], recipe: Recipe, executor: Executor) -> Iterator[SourceFile]:
    """The same files; of those in DICOM, whose tags are needed to know which image they are, with header or fault."""
    dicom = [file for file in found if file.path.suffix.lower() == ".dcm" or has_dicom_mark(file.path)]
    parts = [dicom[start : start + 16] for start in range(0, len(dicom), 16)]
    work = partial(_read_all, options=recipe.dicom)
    read = {file.relative: file for part in in_order(executor, work, parts) for file in part}
    yield from (read.get(file.relative, file) for file in found)


def _read_all(files: Sequence[SourceFile], options: DicomOptions) -> list[SourceFile]:
    return [_read(file, options) for file in files]


def _join(annotations: Annotations, identified: Identified, layout: Layout) -> tuple[Annotations, list[Reject]]:
    """The annotations by image_id: a file of them names an image by the layout's key, by its file, or by its UID.

    Returns:
      The annotations, and what is wrong with segmentations.
    """
    by_name = identified.groups
    joined = rename_images(annotations, _ids_by_key(identified, layout))
    uids = uids_of(by_name)
    for uid, regions in annotations.regions_by_uid.items():
        if uid not in uids:
            continue
        if drawn := joined.regions.get(image_id := uids[uid][0]):
            raise InputError(f"{image_id}: has regions in {drawn[0].where} and in {regions[0].where}; remove one of them")
        joined.regions[image_id] = regions
    sizes = {uid: size for uid, (_, size) in uids.items()}
    faults = [(reference.where, check_reference(reference, sizes)) for reference in annotations.references]
    class_unlisted(joined, (name.image_id for name in by_name), layout)
    return joined, [Reject(where, "seg-reference", where, f"{where} {words}") for where, words in faults if words]


def _choose(name: ImageName, files: Sequence[SourceFile], annotations: Annotations, recipe: Recipe) -> _Wanted | Reject:
    """Decides by names and labels alone, before any file is read."""
    row = annotations.rows.get(name.image_id)
    drawn = annotations.regions.get(name.image_id, [])
    where = row.where if row else files[0].shown if files else drawn[0].where if drawn else "the annotation file"
    reason = words = ""
    if not name.patient and (files or recipe.layout.image is None):
        reason, words = "unknown-name", _NAME_WANTED if recipe.layout.image is None else _PATH_WANTED
    elif row is None:
        reason, words = "not-in-table", "has no row in the annotation table, so its class is unknown"
    elif (image_class := row.cells["class"].lower()) not in CLASSES:
        reason, words = "unknown-class", f"is classified {row.cells['class']!r}; wanted Malignant, Benign or Normal"
    elif reason := _left_out(image_class, bool(drawn), row, recipe):
        words = LEFT_OUT[reason]
    elif not files:
        reason, words = "file-missing", "is annotated, but there is no such image file; is the download complete?"
    if reason:
        return Reject(name.image_id, reason, where, f"{name.image_id} {words}")
    assert row is not None  # else it was rejected above
    return _Wanted(name, row, drawn)


def _left_out(image_class: str, has_regions: bool, row: TableRow, recipe: Recipe) -> str:
    source = recipe.source
    if image_class not in (*source.with_regions, *source.without_regions):
        return "class-not-wanted"
    if image_class in source.with_regions and not has_regions:
        return "no-region"
    if image_class not in source.with_regions and has_regions:
        return "normal-with-region"
    return "strict-join" if source.join == "strict" and row.written != row.written.strip() else ""


def _recall(file: SourceFile, earlier: Mapping[tuple, SourceImage]) -> SourceFile:
    """The file with what an earlier index found in it, if it has not changed since."""
    image = earlier.get((file.shown, file.size, file.mtime_ns))
    if image is None or file.header or file.fault[0]:  # what is in DICOM has been read
        return file
    return replace(file, sha256=image.source_sha256, header=Header(image.width, image.height, image.spacing_mm))


def _examine_all(jobs: Sequence[_Job], executor: Executor) -> Iterator[_Kept | Reject]:
    # Several images a task: one alone is read faster than it is handed to another process.
    parts = [jobs[start : start + 16] for start in range(0, len(jobs), 16)]
    for part in in_order(executor, _examine, parts):
        yield from part


def _examine(jobs: Sequence[_Job]) -> list[_Kept | Reject]:
    """Reads the files of some images and holds them against their regions; runs in a worker."""
    return [_check(wanted, [file if file.header or file.fault[0] else _read(file) for file in files]) for wanted, files in jobs]


def _read(file: SourceFile, options: DicomOptions = DEFAULT_DICOM) -> SourceFile:
    try:
        data = read_bytes(file.path)
        return replace(file, sha256=hashlib.sha256(data).hexdigest(), header=read_header(file.path, data, options))
    except SourceError as error:
        return replace(file, fault=(error.reason, str(error)))


def _check(wanted: _Wanted, files: Sequence[SourceFile]) -> _Kept | Reject:
    """Holds one image's file against its regions."""
    image_id, file = wanted.name.image_id, files[0]
    sound = [other for other in files if other.header]
    if len({other.sha256 for other in sound}) > 1:
        both = " and ".join(other.shown for other in sound[:2])
        return Reject(image_id, "duplicate-name", both, f"{image_id} is the name of two different files; remove one of them")
    if not sound:
        return Reject(image_id, file.fault[0], file.shown, f"{file.short} {file.fault[1]}")
    file = sound[0]
    header = file.header
    assert header is not None
    regions, share = [], 0.0
    for number, drawn in enumerate(wanted.drawn):
        if words := drawn.misfit(header.width, header.height):
            return Reject(image_id, "annotation-size", drawn.where, f"{words}; is this the image that was annotated?")
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
                f"{header.width} x {header.height} image; is this the image that was annotated?",
            )
        share += row["area_px"] / max(header.width, header.height) ** 2
        regions.append(row)
    name, cells = wanted.name, wanted.row.cells
    details = {column: cells.get(column, "") for column in ("density", "birads", "findings", "machine")}
    image = SourceImage(
        image_id,
        name.patient,
        name.side,
        name.view,
        name.kind,
        cells["class"].lower(),
        **details,
        regions=len(regions),
        lesion_share=round(share, 6),
        width=header.width,
        height=header.height,
        spacing_mm=header.spacing_mm,
        source=file.shown,
        source_size=file.size,
        source_sha256=file.sha256,
    )
    return image, regions, file.mtime_ns


def _measure(image_id: str, number: int, drawn: DrawnRegion, header: Header) -> dict:
    if drawn.fault:
        raise RegionError(drawn.fault)
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


def _summarise(
    found: Sequence[SourceFile], annotations: Annotations, images: Sequence[SourceImage], rejects: Sequence[Reject]
) -> dict:
    compared = [image for image in images if image.image_id in annotations.file_sizes]
    reasons = Counter(reject.reason for reject in rejects)
    return {
        "files": len(found),
        "rows": sum(row.where != UNLISTED for row in annotations.rows.values()),
        "annotated": sum(1 for regions in annotations.regions.values() if regions),
        "regions": sum(map(len, annotations.regions.values())),
        "named": len(images) + len(rejects),
        "kept": len(images),
        "patients": len({image.patient for image in images}),
        "left_out": {reason: count for reason, count in sorted(reasons.items()) if reason in LEFT_OUT},
        "rejected": {reason: count for reason, count in sorted(reasons.items()) if reason not in LEFT_OUT},
        "sizes_compared": len(compared),
        "sizes_differ": sum(image.source_size != annotations.file_sizes[image.image_id] for image in compared),
        "label_pairs_differ": _differing_views(annotations.rows),
        "annotation_files": _first_names(annotations.files),
    }


def _count_dicom(found: Sequence[SourceFile]) -> dict:
    tags = {file.shown: file.header.tags for file in found if file.header and file.header.tags}
    silent = [name for name, told in tags.items() if told.has_text is None]
    return {"dicom": len(tags), "text_unknown": len(silent), "text_unknown_first": silent[:1]}


def _first_names(files: Sequence[Path]) -> list[str]:
    """The files' names; of many, as masks are, the first ones and how many more."""
    names = list(dict.fromkeys(path.name for path in files))
    return names if len(names) <= 6 else [*names[:5], f"{len(names) - 5} more"]


def _differing_views(rows: Mapping[str, TableRow]) -> list[str]:
    """Views whose DM and CM image have different classes, by the DM image's name."""
    return sorted(
        name
        for name, row in rows.items()
        if "_DM_" in name and (other := rows.get(name.replace("_DM_", "_CM_"))) and other.cells["class"] != row.cells["class"]
    )


def write_rejects(path: Path, rejects: Sequence[Reject]) -> None:
    """Writes rejects.csv."""
    write_csv(path, REJECT_COLUMNS, (vars(reject) for reject in sorted(rejects, key=lambda reject: (reject.image, reject.where))))


def read_images(path: Path) -> list[SourceImage]:
    """Reads index.csv.

    Raises:
      InputError: it is not what the index stage wrote.
    """
    try:
        return [SourceImage.from_row(row) for row in read_csv(path, COLUMNS)]
    except ValueError as error:
        raise InputError(f"{path}: is not what the index stage wrote ({error}); delete it and run the stage again") from error


def write_map(file: Path, way_back: Mapping[str, str]) -> None:
    """Writes what the names in the tables stand for, a row a name."""
    write_csv(file, MAP_COLUMNS, ({"name": name, "original": way_back[name]} for name in sorted(way_back)))
