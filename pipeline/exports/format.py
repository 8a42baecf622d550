"""What a format declares: its name, its options, and the function that writes it."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.dataset.folder import DatasetFolder

Options = Mapping[str, Any]
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Option:
    """An option of one format.

    Attributes:
      name: an argument of the format's `write`; on the command line it has `-` for `_`.
      help: one line, in lowercase.
      default: its value where it is not given.
      argument: further arguments of argparse's `add_argument`: `type`, `choices`, `metavar`.
    """

    name: str
    help: str
    default: Any = None
    argument: Mapping[str, Any] = field(default_factory=dict)

    @property
    def flag(self) -> str:
        """Its spelling on the command line."""
        return f"--{self.name.replace('_', '-')}"

    def add(self, parser: argparse.ArgumentParser, formats: str) -> None:
        """Adds it to a command that serves all formats; None stands for "not given"."""
        default = "" if self.default is None else f" (default: {self.default})"
        parser.add_argument(self.flag, help=f"{formats}: {self.help}{default}", **self.argument)


def identify_by_options(folder: "DatasetFolder", options: Options) -> dict[str, Any]:
    """Identifies exports of a format whose bytes depend on the manifest, the samples and the options alone."""
    return {"options": dict(options)}


@dataclass(frozen=True)
class ExportFormat:
    """One format.

    Attributes:
      name: of the format, and of its folder unless `folder_name` gives another.
      write: takes the data set, the rows of its manifest, a new folder and each option by its name; writes the files and
        returns lines to print about them; raises InputError.
      options: that a user can choose.
      identify: returns what determines the bytes in addition to the manifest, as JSON values; raises InputError where
        options contradict each other.
      folder_name: returns the name of the folder in `exports/` for the options.
      takes_partners: whether the partners of images are written, too.
    """

    name: str
    write: Callable[..., list[str]]
    options: tuple[Option, ...] = ()
    identify: Callable[["DatasetFolder", Options], dict[str, Any]] = identify_by_options
    folder_name: Callable[[Options], str] | None = None
    takes_partners: bool = False

    def default_folder(self, options: Options) -> str:
        """Returns the name of the folder in `exports/` for a user who gives no other."""
        return self.folder_name(options) if self.folder_name else self.name
