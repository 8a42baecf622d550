"""What every table of a configuration has in common."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

# TOML knows lists only; the settings are frozen, so lists are kept as tuples, lists within lists too.
_listed = BeforeValidator(lambda value: as_tuples(value))
Pair = Annotated[tuple[int, int], _listed]
Range = Annotated[tuple[float, float], _listed]
Integers = Annotated[tuple[int, ...], _listed]
Numbers = Annotated[tuple[float, ...], _listed]
Points = Annotated[tuple[tuple[float, float], ...], _listed]
Words = Annotated[tuple[str, ...], _listed]
Colors = Annotated[tuple[tuple[int, int, int], ...], _listed]


def as_tuples(value: Any) -> Any:
    """Lists as tuples, to any depth; anything else as it is."""
    return tuple(as_tuples(item) for item in value) if isinstance(value, list) else value


class Section(BaseModel):
    """A table of a configuration: unknown keys are errors, values keep their type, nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, protected_namespaces=())
