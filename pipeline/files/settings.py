"""Settings files: TOML that is read strictly through a schema and written with every default filled in."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar, get_args

import pydantic
import tomli_w
from pydantic.fields import FieldInfo

from pipeline.files.program import InputError


class Settings(pydantic.BaseModel):
    """A table of a settings file: unknown keys are errors, and nothing changes after reading."""

    # Keys such as `model_name` are fine: nothing here adds methods that begin with `model_`.
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


Schema = TypeVar("Schema", bound=pydantic.BaseModel)


def load_toml(path: Path, schema: type[Schema]) -> Schema:
    """Reads a TOML file strictly.

    Raises:
      InputError: the file is missing, it is not TOML, or `schema` does not take its keys and values; all faults together,
        each with its section and key, the value found and what was expected.
    """
    try:
        with path.open("rb") as file:
            return schema.model_validate(tomllib.load(file))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is not valid TOML: {error}") from error
    except pydantic.ValidationError as error:
        raise InputError(f"{path}: " + "; ".join(_fault(schema, fault) for fault in error.errors())) from error


def _fault(schema: type[pydantic.BaseModel], fault: Mapping) -> str:
    sections, key, table = _locate(schema, [str(part) for part in fault["loc"]])
    name = f"[{'.'.join(sections)}] {key}" if sections else key
    if fault["type"] == "extra_forbidden":
        return f"{name}: unknown key; expected one of {', '.join(table.model_fields) if table else 'none'}"
    if fault["type"] == "missing":
        return f"{name}: is missing"
    message = fault["msg"].removeprefix("Value error, ")
    return f"{name}: {message} (found {fault['input']!r})" if name else message


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
