"""What every table of a configuration has in common."""

from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict

from pipeline.files import Settings

# TOML knows lists only; the settings are frozen, so lists are kept as tuples, lists within lists too.
_listed = BeforeValidator(lambda value: as_tuples(value))
Pair = Annotated[tuple[int, int], _listed]
Range = Annotated[tuple[float, float], _listed]
Integers = Annotated[tuple[int, ...], _listed]
Numbers = Annotated[tuple[float, ...], _listed]
Points = Annotated[tuple[tuple[float, float], ...], _listed]
Names = Annotated[tuple[str, ...], _listed]
Colors = Annotated[tuple[tuple[int, int, int], ...], _listed]


def as_tuples(value: Any) -> Any:
    """Lists as tuples, to any depth; anything else as it is."""
    return tuple(as_tuples(item) for item in value) if isinstance(value, list) else value


class Section(Settings):
    """A table of a configuration; values keep their type, so that text is no number."""

    model_config = ConfigDict(strict=True)
