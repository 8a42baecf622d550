"""Croissant 1.1: the data set as it is, with croissant.json, which describes its files, columns and splits to other programs.

Source: "Croissant Format Specification", version 1.1, docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html.
"""

import json
import re
import shutil
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from pipeline.contract import COLUMNS, PARTNER_FOLDER, SPLITS, Column
from pipeline.dataset.description import PHANTOM, read_description
from pipeline.dataset.folder import DatasetFolder, partner_path
from pipeline.exports.format import Options, Rows
from pipeline.exports.linking import link
from pipeline.files import InputError, progress, sha256, write_text

_TYPES = {str: "sc:Text", int: "sc:Integer", float: "sc:Float"}
_SPLITS = {"train": "cr:TrainingSplit", "valid": "cr:ValidationSplit", "test": "cr:TestSplit"}
_ENCODINGS = {".jpg": "image/jpeg", ".png": "image/png", ".csv": "text/csv", ".json": "application/json"}
_ENCODINGS |= {".toml": "application/toml", ".md": "text/markdown"}
_KEYWORDS = ["mammography", "breast", "lesion", "segmentation"]
# Terms of Croissant that its documents use without a prefix.
_SHORT = [
    "arrayShape",
    "citeAs",
    "column",
    "containedIn",
    "equivalentProperty",
    "extract",
    "field",
    "fileObject",
    "fileProperty",
    "fileSet",
    "format",
    "includes",
    "isArray",
    "isLiveDataset",
    "jsonPath",
    "key",
    "md5",
    "parentField",
    "path",
    "recordSet",
    "references",
    "regex",
    "repeated",
    "replace",
    "samplingRate",
    "separator",
    "source",
    "subField",
    "transform",
]
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "name": {"@container": "@language"},
    "description": {"@container": "@language"},
    "data": {"@id": "cr:data", "@type": "@json"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    **{name: f"cr:{name}" for name in _SHORT},
}


def write(
    folder: DatasetFolder,
    rows: Rows,
    out: Path,
    *,
    url: str | None = None,
    creator: str | None = None,
    published: str | None = None,
) -> list[str]:
    """Links the data set's files in their own layout, and writes croissant.json next to them.

    Args:
      folder: the data set.
      rows: of its manifest.
      out: the folder to write to.
      url: the web page of the data set.
      creator: who made it, separated by semicolons.
      published: the day on which it is published, as YYYY-MM-DD.

    Returns:
      What was written, as lines to print.

    Raises:
      InputError: a file is missing, or `published` is not a date.
    """
    _check_date(published)
    files = _find_files(folder)
    for path in files:
        shutil.copyfile(path, out / path.name)
    kinds = {kind: sorted({Path(row[kind]).suffix for row in rows}) for kind in ("image", "mask")}
    recipe = folder.load_recipe()
    for row in progress(rows, len(rows), "export", "samples"):
        for kind in ("image", "mask"):
            link(folder.root / row[kind], out / row[kind])
        partner = partner_path(row["split"], row["sample"], recipe)
        if (folder.root / partner).is_file():
            link(folder.root / partner, out / partner)
            kinds["partner"] = [Path(partner).suffix]
    metadata = _metadata(read_description(folder.description), folder.digest())
    publication = _publication(url, creator, published)
    metadata |= {key: value for key, value in publication.items() if value}
    metadata["distribution"] = [_file(path) for path in files] + [_file_set(kind, kinds[kind]) for kind in kinds]
    metadata["recordSet"] = [_splits(), _samples(), *(_pictures(kind) for kind in kinds)]
    write_text(out / "croissant.json", json.dumps(metadata, indent=1, ensure_ascii=False) + "\n")
    return [f"{len(rows)} samples, described by croissant.json", *_describe_missing(publication)]


def identify(folder: DatasetFolder, options: Options) -> dict[str, Any]:
    """Identifies an export by its options and by the files that are copied; the manifest alone does not determine them."""
    return {"options": dict(options), "files": {path.name: sha256(path) for path in _find_files(folder)}}


def _find_files(folder: DatasetFolder) -> list[Path]:
    """Lists what is copied in addition to the samples."""
    files = (folder.manifest, folder.description, folder.recipe, folder.card, folder.partners)
    return [path for path in files if path.is_file()]


def _check_date(text: str | None) -> None:
    try:
        valid = not text or bool(re.fullmatch(r"\d{4}-\d\d-\d\d", text) and date.fromisoformat(text))
    except ValueError:
        valid = False
    if not valid:
        raise InputError(f"--published {text}: is not a date; expected one like 2026-01-31")


def _metadata(description: Mapping[str, Any], digest: str) -> dict[str, Any]:
    text = " ".join([PHANTOM if description["phantom"] else "", description["title"], description["differs"]]).strip()
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": description["name"],
        "description": text,
        "version": f"{description['schema']}.0.0+{digest[:12]}",
        "license": description["licence"],
        "keywords": _KEYWORDS,
        "isLiveDataset": False,
        **({"citeAs": "\n".join(description["citations"])} if description["citations"] else {}),
    }


def _publication(url: str | None, creator: str | None, published: str | None) -> dict[str, Any]:
    """Returns who publishes the data set, where and when; what is not given is empty."""
    names = [name.strip() for name in (creator or "").split(";") if name.strip()]
    creators = [{"@type": "sc:Person", "name": name} for name in names]
    return {"url": url or "", "creator": creators, "datePublished": published or ""}


def _describe_missing(publication: Mapping[str, Any]) -> list[str]:
    options = dict(zip(publication, ("--url", "--creator", "--published"), strict=True))
    missing = [option for key, option in options.items() if not publication[key]]
    return [f"Croissant requires more before you publish it: {', '.join(missing)}"] if missing else []


def _encoding(suffix: str) -> str:
    """Returns the MIME type of a suffix."""
    return _ENCODINGS[suffix.lower().replace("jpeg", "jpg")]


def _file(path: Path) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": path.name,
        "name": path.name,
        "contentUrl": path.name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": _encoding(path.suffix),
        "sha256": sha256(path),
    }


def _file_set(kind: str, suffixes: list[str]) -> dict[str, Any]:
    folder = PARTNER_FOLDER if kind == "partner" else f"{kind}s"
    includes = [f"{split}/{folder}/*{suffix}" for split in SPLITS for suffix in suffixes]
    encodings = [_encoding(suffix) for suffix in suffixes]
    return {
        "@type": "cr:FileSet",
        "@id": f"{kind}-files",
        "name": f"{kind}-files",
        "description": f"The {kind}s of all splits; the manifest has the SHA-256 of each image and mask.",
        "encodingFormat": encodings[0] if len(encodings) == 1 else encodings,
        "includes": includes,
    }


def _splits() -> dict[str, Any]:
    """Describes the splits; Croissant knows by the URL which is which."""
    fields = [_field("splits", "name", "sc:Text"), _field("splits", "url", "sc:URL")]
    urls = {split: url.replace("cr:", _CONTEXT["cr"]) for split, url in _SPLITS.items()}
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": fields,
        "data": [{"splits/name": split, "splits/url": urls[split]} for split in SPLITS],
    }


def _samples() -> dict[str, Any]:
    """Describes the manifest: one record per sample, one field per column."""
    return {
        "@type": "cr:RecordSet",
        "@id": "samples",
        "name": "samples",
        "description": "One record per sample, by the columns of manifest.csv. An empty cell means unknown.",
        "key": {"@id": "samples/sample"},
        "field": [_column(column) for column in COLUMNS],
    }


def _column(column: Column) -> dict[str, Any]:
    source = {"fileObject": {"@id": "manifest.csv"}, "extract": {"column": column.name}}
    field = _field("samples", column.name, _TYPES[column.type], source=source)
    if column.name in ("image", "mask"):
        field["references"] = {"field": {"@id": f"{column.name}s/path"}}
    if column.name == "split":
        field |= {"dataType": ["sc:Text", "cr:Split"], "references": {"field": {"@id": "splits/name"}}}
    return field


def _pictures(kind: str) -> dict[str, Any]:
    """Describes the pictures of a kind: their paths, as in the manifest, and pixels."""
    record_set, files = f"{kind}s", {"@id": f"{kind}-files"}
    path = {"fileSet": files, "extract": {"fileProperty": "fullpath"}}
    content = {"fileSet": files, "extract": {"fileProperty": "content"}}
    return {
        "@type": "cr:RecordSet",
        "@id": record_set,
        "name": record_set,
        "key": {"@id": f"{record_set}/path"},
        "field": [
            _field(record_set, "path", "sc:Text", source=path),
            _field(record_set, "content", "sc:ImageObject", source=content),
        ],
    }


def _field(record_set: str, name: str, data_type: str, **more: Any) -> dict[str, Any]:
    return {"@type": "cr:Field", "@id": f"{record_set}/{name}", "name": name, "dataType": data_type, **more}
