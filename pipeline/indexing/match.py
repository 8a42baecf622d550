"""Joins image files, annotation table and drawn regions; keeps what a recipe can use and records why the rest is dropped."""

from collections import Counter, defaultdict
from collections.abc import Container, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pipeline.annotations import (
    UNLISTED,
    Annotations,
    DrawnRegion,
    TableRow,
    check_reference,
    class_by_labels,
    class_unlisted,
    is_like_mask,
    masked_image,
    rename_images,
)
from pipeline.contract import REASONS, WORST_FIRST, ImageName, clean_name, parse_image
from pipeline.files import InputError, progress
from pipeline.indexing.find import SourceFiles
from pipeline.indexing.inspect import Candidate, Job, inspect_all, read_dicom, recall, stat_file
from pipeline.indexing.layout import image_key
from pipeline.indexing.names import Identified, SourceFile, identify, uids_of
from pipeline.indexing.partners import find_partners
from pipeline.indexing.similar import SimilarNames, find_images_within
from pipeline.indexing.tables import PartnerSource, Reject, SourceImage
from pipeline.privacy.pseudonyms import KeyedAnnotations, key_names, safe_message
from pipeline.privacy.site_key import SiteKey
from pipeline.recipe import Layout, Recipe
from pipeline.sources import Header

_FILE_MISSING = "is annotated, but there is no such image file; is the download complete?"
_NAME_EXPECTED = "names no patient; expected a name like P12_L_CM_MLO, or DICOM tags that name the patient"
_PATH_EXPECTED = (
    "has a path that [layout] image does not match, or a side, view or kind other than L, R, CC, MLO, DM, CM; "
    "correct the expression, or add the value to sides, views or kinds"
)
# Rejects that a name which is spelled in two ways may explain.
_BY_NAME = frozenset({"file-missing", "no-region", "not-in-table", "unknown-name"})


@dataclass
class Index:
    """What the index stage found.

    Attributes:
      images: what is kept, sorted by image_id.
      regions: rows of regions.csv for them.
      rejects: what is dropped; kept and dropped images together are all that any file names.
      summary: counts for the printed table and the data set card.
      times: by `source`, the file's modification time in nanoseconds; not in index.csv, which is the same for a copied RAW.
      way_back: under a site key, the original of each name in the tables: paths below RAW, and names in annotation files.
      partners: one per image that is kept, where the recipe uses partners.
    """

    images: list[SourceImage]
    regions: list[dict]
    rejects: list[Reject]
    summary: dict
    times: dict[str, int]
    way_back: dict[str, str]
    partners: list[PartnerSource]


def build_index(
    sources: SourceFiles,
    files: Sequence[Path],
    annotations: Annotations,
    recipe: Recipe,
    known: Sequence[SourceImage],
    times: Mapping[str, int],
    executor: Executor,
    known_partners: Sequence[PartnerSource] = (),
) -> Index:
    """Indexes the image files of a data set.

    Args:
      sources: names the files.
      files: the image files.
      annotations: the contents of the annotation files.
      recipe: selects the images.
      known: images of an earlier index; a file with the same size and modification time is not read again.
      times: the earlier index's modification times.
      executor: reads the files.
      known_partners: of an earlier index.
    """
    source_files = list(read_dicom([stat_file(path, sources) for path in files], recipe, executor))
    identified = identify(source_files, recipe.layout, sources.key, annotations.rows)
    by_name = identified.groups
    annotations, rejects = _join(annotations, identified, recipe.layout)
    keyed = (
        key_names(annotations, {name.image_id for name in by_name}, sources.key) if sources.key else KeyedAnnotations(annotations)
    )
    annotations = keyed.annotations
    rejects += [Reject(unnamed.file.shown, unnamed.reason, unnamed.file.shown, unnamed.message) for unnamed in identified.unnamed]
    names = {
        **{name: parse_image(name) for name in (annotations.rows.keys() | annotations.regions.keys())},
        **keyed.names,
        **{name.image_id: name for name in by_name},
    }
    files_by_id = {name.image_id: group for name, group in by_name.items()}
    earlier = {(image.source, image.source_size, times.get(image.source)): image for image in known}
    similar = SimilarNames(files_by_id, names)
    jobs: list[Job] = []
    for image_id in sorted(names):
        group = files_by_id.get(image_id, [])
        choice = _choose(names[image_id], group, annotations, recipe)
        if isinstance(choice, Candidate) and choice.row.where == UNLISTED and not choice.drawn and similar.hint(image_id):
            message = f"{image_id} has no row in the annotation table, so its class is unknown"
            choice = Reject(image_id, "not-in-table", group[0].shown, message)
        if isinstance(choice, Reject) and choice.reason in _BY_NAME:
            choice = _explained(choice, similar.hint(image_id) or _undrawn(choice, files_by_id, annotations))
        if isinstance(choice, Reject) and choice.reason == "unknown-name" and len(group) > 1:
            rejects += [replace(choice, where=file.shown) for file in group]
        elif isinstance(choice, Reject):
            rejects.append(choice)
        else:
            jobs.append((choice, [recall(file, earlier) for file in group]))
    images: list[SourceImage] = []
    regions: list[dict] = []
    mtimes: dict[str, int] = {}
    special: dict[str, Header] = {}
    for outcome in progress(inspect_all(jobs, recipe, executor), len(jobs), "index"):
        if isinstance(outcome, Reject):
            rejects.append(outcome)
        else:
            image, rows, mtime_ns, header = outcome
            images.append(image)
            regions += rows
            if header.orientation != 1 or header.bits:
                special[image.source] = header
            # PACS exports set it to the study's date, so it is not stored under a key; files are read again instead. So are
            # those whose turns and levels are counted.
            elif not sources.key:
                mtimes[image.source] = mtime_ns
    partners: list[PartnerSource] = []
    if recipe.partner.use:
        partners, read = find_partners(images, by_name, recipe, known_partners, times, executor)
        mtimes |= {} if sources.key else read
    if sources.key:
        rejects = [_key_reject(reject, sources.key) for reject in rejects]
    rejects.sort(key=lambda reject: (reject.image, reject.where))
    summary = _summarise(source_files, annotations, images, rejects) | _count_dicom(source_files) | _count_special(special)
    summary["patients_by_exam"] = identified.exams
    summary["patients_per_image"] = recipe.layout.patients == "per-image"
    summary |= _count_further(by_name)
    if sources.key:
        summary["annotation_files"] = [f"{len(annotations.files)} annotation files"]
        summary["crops_first"] = []
        summary["not_lesions"] = {"": annotations.not_lesions.total()} if annotations.not_lesions else {}
    way_back = {file.shown: file.relative for file in source_files} | keyed.originals if sources.key else {}
    return Index(images, regions, rejects, summary, mtimes, way_back, partners)


def _ids_by_key(identified: Identified, layout: Layout) -> dict[str, set[str]]:
    """The image_ids that a name in an annotation file may mean: by the names of files, else by their tags."""
    by_file: dict[str, set[str]] = defaultdict(set)
    by_tags: dict[str, set[str]] = defaultdict(set)
    for name, files in identified.groups.items():
        for file in files:
            for key in (name.image_id, image_key(file.relative, layout), clean_name(file.relative)):
                by_file[key].add(name.image_id)
            if file.relative in identified.aliases:
                by_tags[identified.aliases[file.relative]].add(name.image_id)
    # If a view was taken twice, the tags do not identify the exposure.
    return {key: ids for key, ids in by_tags.items() if len(ids) == 1} | by_file


def _key_reject(reject: Reject, key: SiteKey) -> Reject:
    if reject.reason != "seg-reference":
        return replace(reject, message=safe_message(reject.reason, reject.message))
    name = f"segmentation {key.token('annotation', reject.image)[:20]}"
    return Reject(name, reject.reason, name, reject.message.replace(reject.image, name))


def _join(annotations: Annotations, identified: Identified, layout: Layout) -> tuple[Annotations, list[Reject]]:
    """Joins annotations to images; an annotation file names an image by the layout's key, by its file, or by its UID.

    Returns:
      The annotations by image_id, and a reject per faulty segmentation.
    """
    by_name = identified.groups
    ids = _ids_by_key(identified, layout)
    joined = rename_images(annotations, ids)
    uids = uids_of(by_name)
    for uid, regions in annotations.regions_by_uid.items():
        if uid not in uids:
            continue
        drawn = joined.regions.get(image_id := uids[uid][0], [])
        if drawn and regions:
            raise InputError(f"{image_id}: has regions in {drawn[0].where} and in {regions[0].where}; remove one of them")
        joined.regions[image_id] = drawn or regions
    sizes = {uid: size for uid, (_, size) in uids.items()}
    faults = [(reference.where, check_reference(reference, sizes)) for reference in annotations.references]
    class_by_labels(joined, layout)
    # An image that a file names which was not read is not normal for want of an annotation.
    unnamed = [file.relative for name, group in by_name.items() if not name.patient for file in group]
    names = annotations.unread_names | {masked_image(path) for path in unnamed if is_like_mask(path)}
    unread = find_images_within(names, ids).union(*(ids.get(image_key(name, layout), ()) for name in names))
    present = [name.image_id for name in by_name]
    if layout.unlisted_class == "normal" and joined.regions and joined.regions.keys().isdisjoint(present):
        unread = {*present}  # all annotations are of other images, or name them in another way
    class_unlisted(joined, (image_id for image_id in present if joined.regions.get(image_id) or image_id not in unread), layout)
    joined.regions = {name: [region for region in drawn if not region.empty] for name, drawn in joined.regions.items()}
    return joined, [Reject(where, "seg-reference", where, f"{where} {fault}") for where, fault in faults if fault]


def _choose(name: ImageName, files: Sequence[SourceFile], annotations: Annotations, recipe: Recipe) -> Candidate | Reject:
    """Keeps or rejects an image by names and labels alone, before any file is read."""
    row = annotations.rows.get(name.image_id)
    drawn = annotations.regions.get(name.image_id, [])
    where = (
        row.where
        if row and row.where != UNLISTED
        else files[0].shown
        if files
        else drawn[0].where
        if drawn
        else "the annotation file"
    )
    reason = message = ""
    is_identified = bool(name.patient or (row and not files and row.identity.get("patient")))
    if not is_identified and (files or recipe.layout.image is None):
        reason, message = "unknown-name", _NAME_EXPECTED if recipe.layout.image is None else _PATH_EXPECTED
    elif row is None and not files and recipe.layout.unlisted_class is not None:  # no table is missing
        reason, message = "file-missing", _FILE_MISSING
    elif row is None:
        reason, message = "not-in-table", "has no row in the annotation table, so its class is unknown"
    elif (image_class := row.cells["class"].lower()) not in WORST_FIRST:
        reason, message = "unknown-class", f"is classified {row.cells['class']!r}; expected Malignant, Benign or Normal"
    elif reason := _left_out(image_class, any(region.has_area for region in drawn), row, recipe):
        message = REASONS[reason].meaning + _why_normal(reason, row, drawn)
    elif not files:
        reason, message = "file-missing", _FILE_MISSING
    elif recipe.mask.boxes == "reject" and (box := next((region for region in drawn if region.box_only), None)):
        reason, where = "box-only", box.where
        message = 'has a lesion with a box and no outline; outline it, or set [mask] boxes = "draw" to take boxes as lesions'
    if reason:
        return Reject(name.image_id, reason, where, f"{name.image_id} {message}")
    assert row is not None  # rejected above otherwise
    return Candidate(name, row, drawn)


def _explained(reject: Reject, hint: str) -> Reject:
    return replace(reject, message=f"{reject.message}; {hint}".replace("?; ", "? Or ")) if hint else reject


def _why_normal(reason: str, row: TableRow, drawn: Sequence[DrawnRegion]) -> str:
    """Why an image that no table lists is normal though it has regions: their labels are not classes; or empty."""
    if reason != "normal-with-region" or row.where != UNLISTED:
        return ""
    label = next((repr(region.label) for region in drawn if region.label), "")
    remedy = f"its label {label} is not a class; translate it" if label else "it has no label; give a table, or labels"
    return f", and without a row in a table; {remedy} in [layout.table] classes, such as {{ lesion = 'malignant' }}"


def _undrawn(reject: Reject, files: Container[str], annotations: Annotations) -> str:
    """What follows from the absence of a region: nobody drew one only if every file was read, and the image is there."""
    if reject.reason == "no-region" and reject.image not in files:
        return "there is no such image file either; is the download complete?"
    if annotations.unread and reject.reason in ("no-region", "not-in-table"):
        return f"it may be in a file that was found and not used: {annotations.unread[0]}"
    if reject.reason == "not-in-table" and annotations.regions and not any(name in files for name in annotations.regions):
        return f"annotation files name other images only, such as {min(annotations.regions)!r}"
    return "nobody drew its lesion" if reject.reason == "no-region" else ""


def _left_out(image_class: str, has_regions: bool, row: TableRow, recipe: Recipe) -> str:
    source = recipe.source
    if image_class not in (*source.with_regions, *source.without_regions):
        return "class-not-wanted"
    if image_class in source.with_regions and not has_regions:
        return "no-region"
    if image_class not in source.with_regions and has_regions:
        return "normal-with-region"
    return "strict-join" if source.join == "strict" and row.written != row.written.strip() else ""


def _summarise(
    files: Sequence[SourceFile], annotations: Annotations, images: Sequence[SourceImage], rejects: Sequence[Reject]
) -> dict:
    compared = [image for image in images if image.image_id in annotations.file_sizes]
    reasons = Counter(reject.reason for reject in rejects)
    return {
        "files": len(files),
        "rows": sum(row.where != UNLISTED for row in annotations.rows.values()),
        "annotated": sum(1 for regions in annotations.regions.values() if regions),
        "regions": sum(map(len, annotations.regions.values())),
        "named": len(images) + len(rejects),
        "kept": len(images),
        "patients": len({image.patient for image in images}),
        "left_out": {reason: count for reason, count in sorted(reasons.items()) if REASONS[reason].left_out},
        "rejected": {reason: count for reason, count in sorted(reasons.items()) if not REASONS[reason].left_out},
        "sizes_compared": len(compared),
        "sizes_differ": sum(image.source_size != annotations.file_sizes[image.image_id] for image in compared),
        "unlisted_normal": [
            image.image_id for image in images if annotations.rows[image.image_id].where == UNLISTED and not image.regions
        ],
        "relabelled": sorted(name for name, row in annotations.rows.items() if row.listed_class),
        "label_pairs_differ": _differing_views(annotations.rows),
        "annotation_files": _first_names(annotations.files),
        "unread": [asdict(files) for files in annotations.unread],
        "crops": len(annotations.crops),
        "crops_first": [path.name for path in annotations.crops[:1]],
        "not_lesions": dict(sorted(annotations.not_lesions.items())),
    }


def _count_special(headers: Mapping[str, Header]) -> dict:
    """Counts the images that EXIF turns, and those of 16 bits by the bits that their levels use."""
    turned = sorted(name for name, header in headers.items() if header.orientation != 1)
    bits = Counter(header.bits for header in headers.values() if header.bits)
    return {
        "turned": len(turned),
        "turned_first": turned[:1],
        "level_bits": {str(number): count for number, count in sorted(bits.items())},
    }


def _count_dicom(files: Sequence[SourceFile]) -> dict:
    tags = {file.shown: file.header.tags for file in files if file.header and file.header.tags}
    silent = [name for name, header_tags in tags.items() if header_tags.has_text is None]
    return {"dicom": len(tags), "text_unknown": len(silent), "text_unknown_first": silent[:1]}


def _count_further(groups: Mapping[ImageName, Sequence[SourceFile]]) -> dict:
    """Counts the files that images have in addition to one; a file whose name names no image has a reject of its own."""
    further = sorted(file.shown for name, files in groups.items() if name.patient for file in files[1:])
    return {"further_files": len(further), "further_files_first": further[:1]}


def _first_names(files: Sequence[Path]) -> list[str]:
    """The files' names; if there are many (masks, for example), the first five and the number of the others."""
    names = list(dict.fromkeys(path.name for path in files))
    return names if len(names) <= 6 else [*names[:5], f"{len(names) - 5} more"]


def _differing_views(rows: Mapping[str, TableRow]) -> list[str]:
    """Views with different classes for the DM and the CM image, by the DM image's name."""
    return sorted(
        name
        for name, row in rows.items()
        if "_DM_" in name and (other := rows.get(name.replace("_DM_", "_CM_"))) and other.cells["class"] != row.cells["class"]
    )
