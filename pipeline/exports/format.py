"""What a format declares of itself: its name, its options, and what writes it."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.dataset.folder import DatasetFolder

Options = Mapping[str, Any]
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Option:
    """An option of one format.

    Attributes:
      name: an argument of the format's `write`; on the command line it has `-` for `_`.
      help: one line, in small letters.
      default: what applies where it is not given.
      argument: what else argparse's `add_argument` takes: `type`, `choices`, `metavar`.
    """

    name: str
    help: str
    default: Any = None
    argument: Mapping[str, Any] = field(default_factory=dict)

    @property
    def flag(self) -> str:
        """How it is given on the command line."""
        return f"--{self.name.replace('_', '-')}"

    def add(self, parser: argparse.ArgumentParser, export_format: str) -> None:
        """Adds it to a command that serves all formats; None stands for "not given"."""
        default = "" if self.default is None else f" (default: {self.default})"
        parser.add_argument(self.flag, help=f"{export_format}: {self.help}{default}", **self.argument)


def identify_by_options(folder: DatasetFolder, options: Options) -> dict[str, Any]:
    """What decides the bytes of a format that is made of the manifest, the samples and the options alone."""
    return {"options": dict(options)}


@dataclass(frozen=True)
class ExportFormat:
    """One format.

    Attributes:
      name: of the format, and of its folder unless `folder_name` gives another.
      write: given the data set, the rows of its manifest, a new folder and each option by its name, writes the files and
        returns lines to print about them; raises InputError.
      options: what can be chosen.
      identify: what decides the bytes in addition to the manifest, as JSON has it; raises InputError where options do not
        fit each other.
      folder_name: of the folder in `exports/`, by the options.
    """

    name: str
    write: Callable[..., list[str]]
    options: tuple[Option, ...] = ()
    identify: Callable[[DatasetFolder, Options], dict[str, Any]] = identify_by_options
    folder_name: Callable[[Options], str] | None = None

    def default_folder(self, options: Options) -> str:
        """Name of the folder in `exports/` that is written to where no other is given."""
        return self.folder_name(options) if self.folder_name else self.name
