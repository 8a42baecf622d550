"""What all sections of a configuration have in common."""

from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict

from pipeline.files import Settings

# TOML has lists only; the settings are frozen, so lists become tuples, nested lists too.
_listed = BeforeValidator(lambda value: as_tuples(value))
Pair = Annotated[tuple[int, int], _listed]
Range = Annotated[tuple[float, float], _listed]
Integers = Annotated[tuple[int, ...], _listed]
Numbers = Annotated[tuple[float, ...], _listed]
Points = Annotated[tuple[tuple[float, float], ...], _listed]
Names = Annotated[tuple[str, ...], _listed]
Colors = Annotated[tuple[tuple[int, int, int], ...], _listed]


def as_tuples(value: Any) -> Any:
    """Converts lists to tuples, to any depth; returns anything else unchanged."""
    return tuple(as_tuples(item) for item in value) if isinstance(value, list) else value


class Section(Settings):
    """A section of a configuration; values keep their type, so that text is not read as a number."""

    model_config = ConfigDict(strict=True)
