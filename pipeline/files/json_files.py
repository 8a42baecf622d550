"""JSON that this program or anybody else wrote: limits, and the types of its values, are checked before it is used."""

import json
import re
from collections.abc import Hashable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import pydantic

from pipeline.files.below import shorten
from pipeline.files.program import InputError
from pipeline.files.reading import read_regular

MOST_BYTES = 256 * 2**20  # the annotations of a whole collection have some ten million
MOST_DEPTH = 100  # our own files and annotations nest some ten levels

Shape = TypeVar("Shape")


def read_json(path: Path, shape: type[Shape], remedy: str) -> Shape:
    """Reads a JSON file.

    Args:
      path: of the file.
      shape: the type of its content, such as `dict[str, Any]` or a dataclass.
      remedy: what to do where it cannot be read.

    Raises:
      InputError: the file is missing or too large, is not JSON in UTF-8, or its values are not of `shape`.
    """
    try:
        data = read_regular(path, MOST_BYTES)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); {remedy}") from error
    return parse_json(data, shape, str(path), remedy)


def read_object(path: Path, shape: type | None = None) -> dict[str, Any]:
    """Reads a JSON object that can be made again; empty where the file is missing or broken, or its values are not of `shape`."""
    try:
        content = read_json(path, dict[str, Any], "")
        if shape:
            check_json(content, shape, str(path), "")
    except InputError:
        return {}
    return content


def parse_json(data: bytes | str, shape: type[Shape], origin: str, remedy: str) -> Shape:
    """Reads JSON from memory; arguments, result and errors as for `read_json`.

    Example:
      >>> parse_json('{"epoch": "two"}', dict[str, int], "state.json", "train again")
      Traceback (most recent call last):
      pipeline.files.program.InputError: state.json: epoch is 'two', which should be a valid integer; train again
    """
    try:
        content = json.loads(data)
    except RecursionError as error:
        raise InputError(f"{origin}: nests more than {MOST_DEPTH} levels; {remedy}") from error
    except ValueError as error:  # not JSON, not UTF-8, or a number of thousands of digits
        raise InputError(f"{origin}: is not valid JSON ({error}); {remedy}") from error
    if _may_be_deep(data) and _is_deep(content):
        raise InputError(f"{origin}: nests more than {MOST_DEPTH} levels; {remedy}")
    return check_json(content, shape, origin, remedy)


def check_json(content: Any, shape: type[Shape], origin: str, remedy: str) -> Shape:
    """Returns parsed JSON as `shape`; keys that a dataclass does not have are ignored. Errors as for `read_json`."""
    try:
        return _adapter(cast(Hashable, shape)).validate_python(content)
    except pydantic.ValidationError as error:
        raise InputError(f"{origin}: {_fault(error)}; {remedy}") from error


@cache
def _adapter(shape: Any) -> pydantic.TypeAdapter:
    return pydantic.TypeAdapter(shape)


def _may_be_deep(data: bytes | str) -> bool:
    """Whether a text has enough brackets to nest so deep. Regions are thousands of short texts, each of which has few."""
    if isinstance(data, bytes):
        data = data.decode(json.detect_encoding(data), "surrogatepass")
    return data.count("[") + data.count("{") > MOST_DEPTH


def _is_deep(content: Any) -> bool:
    level = [content]
    for _ in range(MOST_DEPTH + 1):
        level = [value for value in level if isinstance(value, dict | list)]
        if not level:
            return False
        level = [value for outer in level for value in (outer.values() if isinstance(outer, dict) else outer)]
    return True


def _fault(error: pydantic.ValidationError) -> str:
    fault = error.errors()[0]
    key = ".".join(map(str, fault["loc"]))
    message = re.sub(r"^Input ", "", fault["msg"].removeprefix("Value error, "))
    if fault["type"] in ("missing", "missing_argument"):
        return f"has no {key}"
    return f"{key or 'the content'} is {shorten(fault['input'])}, which {message}"
