"""The stage index: which source images there are, and which of them the recipe takes."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pipeline.annotations import (
    Annotations,
    Statement,
    describe_unread,
    find_annotations,
    find_image_names,
    find_others,
    read_annotations,
)
from pipeline.contract import IMAGE_SUFFIXES, SCHEMA, find_reason
from pipeline.dataset.folder import DatasetFolder, digest_of
from pipeline.files import MOST_TITLES, InputError, stamp_of, write_csv
from pipeline.indexing.find import SourceFiles
from pipeline.indexing.match import Index, build_index
from pipeline.indexing.tables import COLUMNS, PARTNER_COLUMNS, REGION_COLUMNS, write_map
from pipeline.privacy.site_key import SiteKey
from pipeline.recipe import Layout, Recipe
from pipeline.sources import PHANTOM_MARK, UNFINISHED_PHANTOM_MARK, describe_unread_images, find_files, find_unread_images
from pipeline.stages.locking import under_lock
from pipeline.stages.outcome import Outcome


def find_sources(raw: Path, *, follow_links: bool = False, passed_over: list[str] | None = None) -> list[Path]:
    """Lists the image files below RAW; arguments as of `find_files`.

    Raises:
      InputError: there is no such folder, or no image in it.
    """
    if not raw.is_dir():
        raise InputError(f"{raw}: no such folder; RAW names the folder with the CDD-CESM download")
    if (raw / UNFINISHED_PHANTOM_MARK).exists() and not (raw / PHANTOM_MARK).exists():
        raise InputError(f"{raw}: holds a phantom that was interrupted; run the phantom command again to complete it")
    files = find_files(raw, IMAGE_SUFFIXES, dicom=True, follow_links=follow_links, passed_over=passed_over)
    if not files:
        if phantoms := sorted(raw.glob(f"*/{PHANTOM_MARK}")):
            phantom = phantoms[0].parent
            raise InputError(
                f"RAW={raw} holds no images; a phantom is there: give RAW={phantom}, as in `make train RAW={phantom}`"
            )
        others = describe_unread(find_others(raw), [], [raw], {})
        unread = describe_unread_images(find_unread_images(raw)) or (
            f"found, not used: {replace(others[0], first='')}" if others else ""
        )
        raise InputError(
            f"{raw}: holds no image ({', '.join(sorted(IMAGE_SUFFIXES))}, or DICOM of any name); RAW names the folder with the "
            "CDD-CESM download, and `make phantom` makes a synthetic one" + (f"; {unread}" if unread else "")
        )
    return files


@under_lock
def index(
    folder: DatasetFolder,
    recipe: Recipe,
    raw: Path,
    annotations_path: Path | None,
    executor: Executor,
    key: SiteKey | None = None,
    map_file: Path | None = None,
    *,
    follow_links: bool = False,
    statement: Statement | None = None,
) -> Outcome:
    """Finds images and annotation files, joins and checks them, and writes index.csv, regions.csv and rejects.csv.

    Args:
      folder: the folder to write to.
      recipe: which images to keep, and how to read them.
      raw: the folder with the images.
      annotations_path: the folder with the annotation files, or one such file; None means `raw`.
      executor: reads the files.
      key: of the site; with it all sources get keyed names.
      follow_links: look into folders that are links, and read files that are links out of RAW.
      map_file: a file outside the data set's folder for the map from keyed names to those of the sources.
      statement: by whom and when regions were drawn, where annotation files do not state it; without one, the one of the
        earlier index of the same annotation files.
    """
    if map_file:
        _check_map(map_file, folder, key)
    earlier = folder.read_state(folder.index_state)
    survey = Survey(recipe, raw, annotations_path or raw, key, earlier, follow_links=follow_links, statement=statement)
    folder.claim(recipe, survey.sources.origin, keyed=key is not None)
    if not map_file and survey.is_indexed(folder):
        return Outcome(False, folder.read_state(folder.index_state)["summary"])
    result = survey.build(folder, executor, map_file)
    changed = write_csv(folder.regions, REGION_COLUMNS, result.regions)
    folder.write_rejects(result.rejects)
    if recipe.partner.use:
        changed |= write_csv(folder.partner_index, PARTNER_COLUMNS, (partner.row for partner in result.partners))
    changed |= write_csv(folder.index, COLUMNS, (image.to_row() for image in result.images))
    state = {
        "seen": survey.digest,
        "raw": survey.sources.origin,
        "keyed": key is not None,
        "phantom": (raw / PHANTOM_MARK).exists(),
        "summary": result.summary,
        "times": result.times,
        "follow_links": follow_links,
        "annotations": survey.annotations_digest,
        "statement": asdict(survey.statement),
    }
    changed |= folder.write_state(folder.index_state, state)
    if map_file:
        write_map(map_file, result.way_back)
    return Outcome(changed, result.summary)


class Survey:
    """Which files an index is made from, before any of them is read.

    Args:
      recipe: which images to keep, and how to read them.
      raw: the folder with the images.
      annotations_path: the folder with the annotation files, or one such file.
      key: of the site.
      earlier: the state of the earlier index.
      follow_links, statement: as for the stage index.

    Raises:
      InputError: no images, no annotation files, or a statement under a site key.
    """

    def __init__(
        self,
        recipe: Recipe,
        raw: Path,
        annotations_path: Path,
        key: SiteKey | None,
        earlier: Mapping[str, Any],
        *,
        follow_links: bool = False,
        statement: Statement | None = None,
    ):
        if statement and key:
            raise InputError("--annotator, --annotated: a site key keeps all names out of the data set; leave them out")
        self.recipe, self.annotations_path = recipe, annotations_path
        self.sources = SourceFiles(raw, key, follow_links=follow_links)
        self.passed_over: list[str] = []
        files = find_sources(raw, follow_links=follow_links, passed_over=self.passed_over)
        self.annotation_files = find_annotations(annotations_path, recipe.layout)
        # Masks and DICOM segmentations look like images by their suffix.
        taken = set(map(os.path.abspath, self.annotation_files))
        others = sorted({*find_others(annotations_path, raw), *find_others(raw)})
        self.others = [path for path in others if path.suffix.lower() not in IMAGE_SUFFIXES or os.path.abspath(path) not in taken]
        self.files = [path for path in files if os.path.abspath(path) not in taken]
        stamps = [[str(path), *stamp_of(path)] for path in self.annotation_files]
        self.annotations_digest = digest_of(*stamps)
        is_same = earlier.get("annotations") == self.annotations_digest
        self.statement = statement or Statement(**(earlier.get("statement", {}) if is_same else {}))
        self.digest = digest_of(
            SCHEMA,
            self.sources.origin,
            recipe.pixels,
            follow_links,
            *([asdict(self.statement)] if self.statement != Statement() else []),
            *stamps,
            *([str(path), *stamp_of(path)] for path in self.files),
            *([str(path), path.lstat().st_size, path.lstat().st_mtime_ns] for path in self.others),
        )

    def is_indexed(self, folder: DatasetFolder) -> bool:
        """Whether the folder has the index of exactly these files, and none of them is worth another try."""
        indexed = folder.read_state(folder.index_state).get("seen") == self.digest
        return (
            indexed
            and all(path.exists() for path in (folder.index, folder.regions, folder.rejects))
            and not any(find_reason(reject.reason).passing for reject in folder.read_rejects())
            and not (self.recipe.partner.use and self._lacks_partners(folder))
        )

    def _lacks_partners(self, folder: DatasetFolder) -> bool:
        """Whether the table of partners is missing, or has one that is worth another try."""
        partners = folder.read_partner_sources()
        return not partners or any(find_reason(partner.fault).passing for partner in partners.values())

    def build(self, folder: DatasetFolder, executor: Executor, map_file: Path | None = None) -> Index:
        """Reads the files and joins them; images that the folder's earlier index has are not read again.

        Writes nothing but a message with names, where there is a site key and a file for its map.

        Raises:
          InputError: there is no annotation table, or no file of regions.
        """
        with self._names_withheld(map_file):
            annotations = read_annotations(self.annotation_files, self.annotations_path, self.recipe.layout, self.statement)
        found, roots = [*self.annotation_files, *self.others], [self.annotations_path, self.sources.raw]
        annotations.unread = describe_unread(found, [*annotations.files, *annotations.crops], roots, annotations.passed_over)
        if self.recipe.layout.unlisted_class == "normal":
            annotations.unread_names = find_image_names({*found} - {*annotations.files, *annotations.crops})
        if self.sources.key:
            annotations.unread = [replace(files, first="") for files in annotations.unread]
        if missing := _missing(annotations, self.recipe.layout):
            unread = f"; found, not used: {annotations.unread[0]}" if annotations.unread else ""
            if annotations.regions and "table" in missing:
                unread += "; for images of your own, unlisted_class in a recipe's [layout] stands in for it (docs/annotations.md)"
            raise InputError(
                f"{self.annotations_path}: holds no {missing}; ANNOTATIONS names the folder with the annotation files, which "
                f"are separate downloads{unread}"
            )
        earlier = folder.read_images() if folder.index.exists() else []
        times = folder.read_state(folder.index_state).get("times", {})
        with self._names_withheld(map_file):
            known = list(folder.read_partner_sources().values())
            result = build_index(self.sources, self.files, annotations, self.recipe, earlier, times, executor, known)
        result.summary["annotators"] = [] if self.sources.key else annotations.stated
        result.summary["unread_images"] = find_unread_images(self.sources.raw)
        result.summary["not_looked_into"] = self._describe_passed_over()
        result.summary["headers_below"] = self._describe_headers(annotations)
        return result

    @contextlib.contextmanager
    def _names_withheld(self, map_file: Path | None) -> Iterator[None]:
        """Under a site key, keeps the message of an error from the terminal, since it quotes names, and writes it to the map."""
        try:
            yield
        except InputError as error:
            if not self.sources.key:
                raise
            if map_file:
                write_map(map_file, {"error": str(error)})
            where = f"{map_file} has it" if map_file else "index --write-map FILE writes it to a file outside of the data set"
            raise InputError(
                f"{self.annotations_path}: an annotation file or a source cannot be used; the message names it, and is not shown "
                f"under a site key: {where}"
            ) from None

    def _describe_headers(self, annotations: Annotations) -> list[str]:
        """Which rows above headers were not read; under a site key without the names of files."""
        return [
            f"{'a table' if self.sources.key else path.name}: its header is row {row}; what is above it was skipped"
            for path, row in annotations.headers_below.items()
        ]

    def _describe_passed_over(self) -> list[str]:
        """What was not looked into; under a site key only how much, because the lines have paths."""
        if not self.sources.key:
            return self.passed_over
        count = len(self.passed_over)
        return [f"{count} links or folders below RAW cannot be read, or were not followed"] if count else []


def _check_map(file: Path, folder: DatasetFolder, key: SiteKey | None) -> None:
    if key is None:
        raise InputError(f"--write-map {file}: there is no site key, so all names are the sources' own")
    if file.resolve().is_relative_to(folder.root.resolve()):
        raise InputError(f"--write-map {file}: lies in the data set's folder, which may be passed on; write it elsewhere")


def _missing(annotations: Annotations, layout: Layout) -> str:
    """Names what an index needs and the annotation files lack; empty where they lack nothing."""
    if not annotations.rows and layout.unlisted_class is None:
        image, image_class = "Image_name", "Pathology Classification"
        if layout.table.columns:
            image, image_class = (" or ".join(layout.table.spellings(name)) for name in ("image", "class"))
        return f"annotation table (CSV or xlsx with {image} and {image_class} in one of the first {MOST_TITLES} rows)"
    if not annotations.regions and not annotations.regions_by_uid:
        return "file of drawn regions (VIA CSV or JSON, COCO JSON, OsiriX XML, DICOM SEG, or boxes or masks by [layout])"
    return ""
