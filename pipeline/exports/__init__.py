"""Exports: a complete data set in the formats that other programs read. Its own files are only read.

Each format is a module with a function `write`; here is what they share: which options go with which format, the folder,
and the mark that tells what is there already.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.dataset.folder import DatasetFolder
from pipeline.dataset.manifest import read_manifest
from pipeline.exports import coco, hf, nnunet, tfrecord, via
from pipeline.files import InputError, remove_tree, write_text

MARK = "export.json"
_SCHEMA = 1  # of the mark and of what the formats write: another number makes an export be written again
_WRITERS: dict[str, Callable[..., list[str]]] = {
    "coco": coco.write,
    "hf": hf.write,
    "nnunet": nnunet.write,
    "tfrecord": tfrecord.write,
    "via": via.write,
}
FORMATS = tuple(_WRITERS)
OPTIONS: dict[str, dict[str, Any]] = {  # of each format, with what holds where they are not given
    "coco": {"shape": "rle"},
    "hf": {},
    "nnunet": {"dataset_id": 501},
    "tfrecord": {"records": 512},
    "via": {"predictions": None, "images": None},
}


@dataclass(frozen=True)
class Exported:
    """What an export did.

    Attributes:
      output: the folder.
      changed: False where everything was done already.
      told: what is there, in words.
    """

    output: Path
    changed: bool
    told: tuple[str, ...]


def export(folder: DatasetFolder, form: str, output: Path | None, given: Mapping[str, Any]) -> Exported:
    """Writes a complete data set in another format; what is there already is not written again.

    Args:
      folder: the data set.
      form: one of `FORMATS`.
      output: where to write; None means `exports/` and the format in the data set's folder.
      given: options, by name.

    Raises:
      InputError: the data set is not complete, an option is of another format, or the output folder holds other files.
    """
    folder.need(folder.manifest, "variants")
    if unknown := [name for name in given if name not in OPTIONS[form]]:
        owner = next(other for other in FORMATS if unknown[0] in OPTIONS[other])
        raise InputError(f"--{unknown[0].replace('_', '-')}: goes with --format {owner}, and this is {form}; leave it out")
    options = OPTIONS[form] | dict(given)
    output = (output or folder.root / "exports" / _default_name(form, options)).absolute()
    identity, mark = _identity(folder, form, options), _read_mark(output)
    if mark.get("identity") == identity and all((output / path).is_file() for path in mark["files"]):
        return Exported(output, False, tuple(mark["told"]))
    _check_free(output, mark)
    rows = read_manifest(folder.manifest)
    with _building(output) as beside:
        told = _WRITERS[form](folder, rows, beside, **options)
        files = sorted(path.relative_to(beside).as_posix() for path in beside.rglob("*") if path.is_file())
        mark = {"identity": identity, "told": told, "files": files}
        write_text(beside / MARK, json.dumps(mark, indent=1) + "\n", durable=True)
    return Exported(output, True, tuple(told))


def _default_name(form: str, options: Mapping[str, Any]) -> str:
    # Truth and predictions stay beside each other.
    return "via-predictions" if options.get("predictions") else form


def _identity(folder: DatasetFolder, form: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """What decides an export's bytes, as JSON has it; paths are replaced by what is there."""
    identity = {"schema": _SCHEMA, "format": form, "manifest_sha256": folder.digest(), "options": dict(options)}
    if form == "via":
        identity["options"] = {"truth": not options["predictions"]}
        identity["made_from"] = via.made_from(folder, **options)
    return identity


def _read_mark(output: Path) -> dict[str, Any]:
    """The mark of an earlier export; empty where there is none."""
    try:
        mark = json.loads((output / MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return mark if isinstance(mark, dict) and {"identity", "told", "files"} <= mark.keys() else {}


def _check_free(output: Path, mark: Mapping[str, Any]) -> None:
    """Raises an InputError where files would be lost that no export wrote."""
    if output.exists() and not output.is_dir():
        raise InputError(f"{output}: is a file; --output wants a folder")
    there = (path.relative_to(output).as_posix() for path in output.rglob("*") if not path.is_dir())
    if foreign := sorted(set(there) - {MARK, *mark.get("files", ())}):
        words = f"holds {foreign[0]}, which this export did not write" if mark else "is not empty and no export of this program"
        raise InputError(f"{output}: {words}; move it away, or choose another folder with --output")


@contextmanager
def _building(output: Path) -> Iterator[Path]:
    """Gives a folder beside `output` to write to, and puts it in its place when the block ends well."""
    beside = output.with_name(f".{output.name}.part")
    remove_tree(beside)
    beside.mkdir(parents=True)
    try:
        yield beside
    except BaseException:
        remove_tree(beside)
        raise
    remove_tree(output)
    beside.replace(output)
