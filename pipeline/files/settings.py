"""Settings files: TOML that is read strictly through a schema and written with every default filled in."""

import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import pydantic
import tomli_w
from pydantic.fields import FieldInfo

from pipeline.files.below import shorten
from pipeline.files.program import InputError
from pipeline.files.reading import open_regular

_MOST_BYTES = 2**20


class Settings(pydantic.BaseModel):
    """A table of a settings file: unknown keys are errors, and nothing changes after reading."""

    # Keys such as `model_name` are fine: nothing here adds methods that begin with `model_`.
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


Schema = TypeVar("Schema", bound=pydantic.BaseModel)


def load_toml(path: Path, schema: type[Schema], changes: Mapping[str, Any] | None = None) -> Schema:
    """Reads a TOML file strictly.

    Args:
      path: of the file.
      schema: what its tables and keys have to be.
      changes: values in place of the file's, nested as its tables are: `{"train": {"epochs": 2}}`.

    Raises:
      InputError: the file is missing, it is not TOML, or `schema` does not take its keys and values; all faults together,
        each with its section and key, the value found and what was expected.
    """
    values = read_toml(path)
    if not changes:
        return check_settings(schema, values, str(path))
    return check_settings(schema, _changed(values, changes), f"{path} with the settings {dict(changes)}")


def read_toml(path: Path) -> dict[str, Any]:
    """Reads the tables of a TOML file, whatever they hold.

    Raises:
      InputError: the file is missing, is larger or nests deeper than any settings file, or is not TOML.
    """
    try:
        with open_regular(path, most=sys.maxsize) as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise InputError(f"{path}: has more than {_MOST_BYTES} bytes; expected a settings file")
        return tomllib.loads(data.decode())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except RecursionError as error:
        raise InputError(f"{path}: nests too deeply; expected a settings file") from error
    except ValueError as error:  # of TOML, of UTF-8, or a number of thousands of digits
        raise InputError(f"{path}: is not valid TOML: {error}") from error


def check_settings(schema: type[Schema], values: Mapping[str, Any], origin: str) -> Schema:
    """Settings of a schema, checked as those of a file are.

    Args:
      schema: what tables and keys have to be.
      values: by key; tables are mappings.
      origin: where they come from, for the error.

    Raises:
      InputError: `schema` does not take them; all faults at once.

    Example:
      >>> class Split(Settings):
      ...     seed: int = 0
      >>> check_settings(Split, {"sed": 1}, "mine.toml")
      Traceback (most recent call last):
      pipeline.files.program.InputError: mine.toml: sed: unknown key; expected one of seed
    """
    try:
        return schema.model_validate(values)
    except pydantic.ValidationError as error:
        raise InputError(f"{origin}: " + "; ".join(_fault(schema, fault) for fault in error.errors())) from error


def _changed(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The values with the changes in their place, table by table."""
    both = {key for key, change in changes.items() if isinstance(change, Mapping) and isinstance(values.get(key), Mapping)}
    return {**values, **changes, **{key: _changed(values[key], changes[key]) for key in both}}


def _fault(schema: type[pydantic.BaseModel], fault: Mapping) -> str:
    sections, key, table = _locate(schema, [str(part) for part in fault["loc"]])
    name = f"[{'.'.join(sections)}] {key}" if sections else key
    if fault["type"] == "extra_forbidden":
        return f"{name}: unknown key; expected one of {', '.join(table.model_fields) if table else 'none'}"
    if fault["type"] == "missing":
        return f"{name}: is missing"
    message = fault["msg"].removeprefix("Value error, ")
    return f"{name}: {message} (found {shorten(fault['input'], 200)})" if name else message


def _locate(schema: type[pydantic.BaseModel], parts: Sequence[str]) -> tuple[list[str], str, type[pydantic.BaseModel] | None]:
    """Returns the sections and the key of a fault, and the schema of the table that the key is in, if there is one."""
    sections: list[str] = []
    inner: type[pydantic.BaseModel] | None = schema
    remaining = list(parts)
    while len(remaining) > 1:
        section = remaining.pop(0)
        sections.append(section)
        field = inner.model_fields.get(section) if inner else None
        if field and field.discriminator and len(remaining) > 1:
            inner = _member(field, remaining.pop(0))  # pydantic puts the chosen member's tag between section and key
        else:
            annotation = field.annotation if field else None
            inner = annotation if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel) else None
    return sections, remaining[0] if remaining else "", inner


def _member(field: FieldInfo, tag: str) -> type[pydantic.BaseModel]:
    """Returns the member of a discriminated union whose discriminating field has the tag as its value."""
    members = get_args(field.annotation)
    return next(member for member in members if tag in get_args(member.model_fields[field.discriminator].annotation))


def dump_toml(settings: pydantic.BaseModel, *, header: str = "") -> str:
    """Returns settings as TOML with every default filled in; `header` goes before, as comment lines."""
    comments = "".join(f"# {line}".rstrip() + "\n" for line in header.splitlines())
    return comments + tomli_w.dumps(settings.model_dump(mode="json", exclude_none=True))


def json_schema(schema: type[pydantic.BaseModel]) -> dict[str, Any]:
    """Describes a settings file as JSON Schema (2020-12), for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | _open_unions(schema.model_json_schema())


def _open_unions(value: Any) -> Any:
    """Lets several members of a union fit: a table may leave out the key that chooses one, and then fits many."""
    if isinstance(value, list):
        return [_open_unions(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    renamed = {"anyOf" if key == "oneOf" else key: inner for key, inner in value.items() if not _is_discriminator(key, inner)}
    return {key: _open_unions(inner) for key, inner in renamed.items()}


def _is_discriminator(key: str, value: Any) -> bool:
    return key == "discriminator" and "propertyName" in value
