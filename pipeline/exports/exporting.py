"""Writes an export: its folder, its options, and the mark by which a finished export is recognised."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.dataset.folder import DatasetFolder
from pipeline.exports.format import ExportFormat, Options
from pipeline.exports.formats import FORMATS, formats_with
from pipeline.files import LOCK, InputError, clear_folder, locked, path_below, read_object, remove_tree, sha256, sync, write_text

MARK = "export.json"
_SCHEMA = 2  # of the mark and of what the formats write: with another number exports are written again


@dataclass(frozen=True)
class _Mark:
    identity: dict[str, Any]
    told: list[str]
    files: list[str]


@dataclass(frozen=True)
class Exported:
    """What an export did.

    Attributes:
      output: the folder.
      changed: False where everything was done already.
      lines: what the folder holds, as lines to print.
    """

    output: Path
    changed: bool
    lines: tuple[str, ...]


def export(folder: DatasetFolder, name: str, output: Path | None, given: Options) -> Exported:
    """Writes a complete data set in another format, unless the folder holds this export already.

    Args:
      folder: the data set.
      name: of the format, one of `FORMATS`.
      output: where to write; None means `exports/` and the format in the data set's folder.
      given: options, by name.

    Raises:
      InputError: the data set is not complete, an option belongs to another format, or the output folder holds other files.
    """
    folder.need(folder.manifest, "variants")
    export_format = FORMATS[name]
    options = _complete_options(export_format, given)
    output = (output or folder.root / "exports" / export_format.default_folder(options)).absolute()
    identity = {
        "schema": _SCHEMA,
        "format": name,
        "manifest_sha256": folder.digest(),
        **export_format.identify(folder, options),
        **({"partners_sha256": sha256(folder.partners)} if folder.load_recipe().partner.use else {}),
    }
    mark = _read_mark(output)
    if mark.get("identity") == identity and all(path_below(output, path, str(output / MARK)).is_file() for path in mark["files"]):
        return Exported(output, False, tuple(mark["told"]))
    _check_free(output, mark)
    rows = folder.read_manifest()
    with _building(output) as temporary:
        lines = export_format.write(folder, rows, temporary, **options)
        if folder.load_recipe().partner.use and not export_format.takes_partners:
            lines.append("the images' partners are left out; nnunet takes them as a second channel")
        paths = [path for path in temporary.rglob("*") if path.is_file() and path.name != LOCK]
        files = sorted(path.relative_to(temporary).as_posix() for path in paths)
        mark = {"identity": identity, "told": lines, "files": files}
        sync()
        write_text(temporary / MARK, json.dumps(mark, indent=1) + "\n")
    return Exported(output, True, tuple(lines))


def _complete_options(export_format: ExportFormat, given: Options) -> dict[str, Any]:
    """Fills in the defaults of options; raises InputError for an option of another format."""
    options = {option.name: option.default for option in export_format.options}
    for name in given.keys() - options.keys():
        flag, owners = f"--{name.replace('_', '-')}", " or ".join(formats_with(name))
        raise InputError(f"{flag}: goes with --format {owners}, and this is {export_format.name}; leave it out")
    return options | dict(given)


def _read_mark(output: Path) -> dict[str, Any]:
    """Reads the mark of an earlier export; empty where there is none."""
    return read_object(output / MARK, _Mark)


def _check_free(output: Path, mark: Mapping[str, Any]) -> None:
    """Raises an InputError where files that no export wrote would be lost."""
    if output.exists() and not output.is_dir():
        raise InputError(f"{output}: is a file; --output expects a folder")
    paths = (path.relative_to(output).as_posix() for path in output.rglob("*") if not path.is_dir())
    if foreign := sorted(set(paths) - {MARK, *mark.get("files", ())}):
        reason = (
            f"holds {foreign[0]}, which this export did not write" if mark else "is not empty and not an export of this program"
        )
        raise InputError(f"{output}: {reason}; move it away, or choose another folder with --output")


@contextmanager
def _building(output: Path) -> Iterator[Path]:
    """Gives a folder next to `output` to write to, and renames it to `output` when the block ends without an error."""
    temporary = output.with_name(f".{output.name}.part")
    temporary.mkdir(parents=True, exist_ok=True)
    try:
        with locked(temporary, "pipeline export"):
            clear_folder(temporary)
            temporary.mkdir(exist_ok=True)
            yield temporary
    except BaseException:
        if not (temporary / LOCK).exists():  # else another process is writing there
            remove_tree(temporary)
        raise
    remove_tree(output)
    temporary.replace(output)
