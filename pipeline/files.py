"""What both halves need once for files and programs: atomic writing, strict TOML, progress, exit status.

Knows no image, no recipe and no model.
"""

import contextlib
import csv
import hashlib
import io
import os
import shutil
import sys
import time
import tomllib
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar, get_args

import pydantic
import tomli_w
from pydantic.fields import FieldInfo

Item = TypeVar("Item")
Schema = TypeVar("Schema", bound=pydantic.BaseModel)

# A bitmap with many runs is longer than the 128 KiB that the reader takes for a cell; the writer has no limit.
csv.field_size_limit(2**31 - 1)

DONE, FINDINGS, BAD_INPUT, INTERNAL, INTERRUPTED = 0, 1, 2, 3, 130


class InputError(Exception):
    """The user's files or arguments are not usable; the words say what was found, where, and what to do."""


def run_program(program: Callable[[], int | None]) -> int:
    """Runs a program's body and turns what it raises into the exit status of DESIGN: 0, 1, 2, 3 or 130.

    An `InputError` prints as one line. Anything else is a fault of ours and prints with its trace.
    """
    try:
        return program() or DONE
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output went away (`| head`); Python would complain again while closing stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception:
        traceback.print_exc()
        print("internal error: this is a fault of the program, not of your data; please report the lines above", file=sys.stderr)
        return INTERNAL


@contextlib.contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Gives a path beside `path` to write to, and renames it to `path` when the block ends well.

    The name keeps its suffix, because writers choose a format by it. With `durable` the bytes are on the disk before
    the rename, so that a power cut leaves the old file or the new one.
    """
    beside = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    if not os.path.isdir(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield beside
        if durable:
            _to_disk(beside)
        os.replace(beside, path)
        if durable:
            _to_disk(path.parent)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _to_disk(path: Path) -> None:
    """Waits until a file, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: str, data: bytes) -> os.stat_result:
    """Writes a whole file into a folder that exists, or nothing; with as few calls as that takes, for many small files.

    Returns:
      The new file's status.
    """
    folder, name = os.path.split(path)
    beside = os.path.join(folder, f".{name}.{os.getpid()}.part")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        with open(descriptor, "wb", buffering=0) as file:
            file.write(data)
            status = os.fstat(descriptor)
        os.replace(beside, path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
    return status


def write_text(path: Path, text: str, *, durable: bool = False) -> None:
    """Writes a whole UTF-8 text with `\\n` line ends, or nothing; a file that holds it already is left alone."""
    data = text.encode()
    if path.is_file() and path.read_bytes() == data:
        return
    with replacing(path, durable=durable) as beside:
        beside.write_bytes(data)


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """Rows as CSV with a header, in the order given; None becomes an empty cell."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Writes rows as a whole CSV file, or nothing."""
    write_text(path, csv_text(columns, rows))


def read_csv(path: Path, columns: Sequence[str] = ()) -> list[dict[str, str]]:
    """Reads a CSV with a header; the rows are dictionaries of strings.

    Raises:
      InputError: it is no UTF-8 text, or one of `columns` is missing.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
            found = reader.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as CSV ({error})") from error
    if missing := [column for column in columns if column not in found]:
        raise InputError(f"{path}: has the columns {', '.join(found) or 'none'}; wanted {', '.join(missing)} too")
    return rows


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove_tree(path: Path) -> None:
    """Removes a file or a folder with all in it; one that is not there is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def load_toml(path: Path, schema: type[Schema]) -> Schema:
    """Reads a TOML file strictly.

    Raises:
      InputError: no such file, no TOML, or keys and values that `schema` does not take; all faults at once, each with
        its place, the value found and what was wanted.
    """
    try:
        with path.open("rb") as file:
            return schema.model_validate(tomllib.load(file))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is no valid TOML: {error}") from error
    except pydantic.ValidationError as error:
        raise InputError(f"{path}: " + "; ".join(_fault(schema, fault) for fault in error.errors())) from error


def _fault(schema: type[pydantic.BaseModel], fault: Mapping) -> str:
    sections, key, at = _locate(schema, [str(part) for part in fault["loc"]])
    place = f"[{'.'.join(sections)}] {key}" if sections else key
    if fault["type"] == "extra_forbidden":
        return f"{place}: unknown key; known here are {', '.join(at.model_fields) if at else 'none'}"
    if fault["type"] == "missing":
        return f"{place}: is missing"
    words = fault["msg"].removeprefix("Value error, ")
    return f"{place}: {words} (found {fault['input']!r})" if place else words


def _locate(schema: type[pydantic.BaseModel], parts: Sequence[str]) -> tuple[list[str], str, type[pydantic.BaseModel] | None]:
    """The sections and the key of a fault, and the schema that the key is looked up in, if it is a table's."""
    sections: list[str] = []
    inner: type[pydantic.BaseModel] | None = schema
    remaining = list(parts)
    while len(remaining) > 1:
        section = remaining.pop(0)
        sections.append(section)
        known = inner.model_fields.get(section) if inner else None
        if known and known.discriminator and len(remaining) > 1:
            inner = _member(known, remaining.pop(0))  # pydantic puts the chosen member's tag between section and key
        else:
            annotation = known.annotation if known else None
            inner = annotation if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel) else None
    return sections, remaining[0] if remaining else "", inner


def _member(field: FieldInfo, tag: str) -> type[pydantic.BaseModel]:
    """The member of a discriminated union whose discriminating field has the tag as its value."""
    members = get_args(field.annotation)
    return next(member for member in members if tag in get_args(member.model_fields[field.discriminator].annotation))


def dump_toml(settings: pydantic.BaseModel, *, header: str = "") -> str:
    """Settings as TOML with every default filled in; `header` goes before, as comment lines."""
    comments = "".join(f"# {line}".rstrip() + "\n" for line in header.splitlines())
    return comments + tomli_w.dumps(settings.model_dump(mode="json", exclude_none=True))


def progress(items: Iterable[Item], total: int, label: str, unit: str = "images") -> Iterator[Item]:
    """Passes items on while telling how far the work is: a bar on a terminal, else a plain line every ten seconds."""
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(items, total=total, desc=label, unit=f" {unit}", dynamic_ncols=True)
        return
    told = time.monotonic()
    count = 0
    for count, item in enumerate(items, 1):
        yield item
        if time.monotonic() - told >= 10:
            told = time.monotonic()
            print(f"{label}: {count} of {total} {unit}", file=sys.stderr, flush=True)
    print(f"{label}: {count} of {total} {unit}, done", file=sys.stderr, flush=True)
