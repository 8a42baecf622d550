"""Reads configurations: those that come with the program, TOML files, and files of the published project."""

import sys
from pathlib import Path

from pipeline.files import InputError, load_toml
from segmenter.configuration.published.reader import read_published
from segmenter.configuration.schema import Configuration

CONFIGS = Path(__file__).parents[1] / "configs"


def is_published(name_or_path: str) -> bool:
    """Whether a name is the path of a file in the published project's dialect."""
    return Path(name_or_path).suffix in (".config", ".ini", ".conf")


def load_configuration(name_or_path: str) -> Configuration:
    """Reads `segmenter/configs/NAME.toml`, or the file at a path that ends in `.toml`.

    A path that ends in `.config`, `.ini` or `.conf` is a file of the published project; the number of its keys without
    effect is printed to stderr.

    Raises:
      InputError: no such configuration, or one with unknown keys or values.
    """
    if is_published(name_or_path):
        return _load_published(Path(name_or_path))
    if name_or_path.endswith(".toml"):
        return load_toml(Path(name_or_path), Configuration)
    path = CONFIGS / f"{name_or_path}.toml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in CONFIGS.glob("*.toml")))
        raise InputError(
            f"--config {name_or_path}: is no known configuration; known are {known}, or give the path of a .toml or .config file"
        )
    return load_toml(path, Configuration)


def _load_published(path: Path) -> Configuration:
    published = read_published(path)
    for message in published.warnings:
        print(f"warning: {path}: {message}", file=sys.stderr)
    print(
        f"{path}: {len(published.notes)} keys have no effect here or another name or value; "
        f"see `cesm-segmenter convert-config {path}`",
        file=sys.stderr,
    )
    return published.configuration
