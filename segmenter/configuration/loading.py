"""Reads configurations: those that come with the program, TOML files, and files of the published project."""

import sys
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from pipeline.files import InputError, load_toml, suggest
from segmenter.configuration.published.reader import read_published
from segmenter.configuration.schema import Configuration

CONFIGS = Path(__file__).parents[1] / "configs"
RENAMED = {"full": "classes"}  # it was taken for the full training


def is_published(name_or_path: str) -> bool:
    """Whether a name is the path of a file in the published project's dialect."""
    return Path(name_or_path).suffix in (".config", ".ini", ".conf")


def load_configuration(name_or_path: str | PathLike[str], settings: Mapping[str, Any] | None = None) -> Configuration:
    """Reads `segmenter/configs/NAME.toml`, or the file at a path that ends in `.toml`.

    A path that ends in `.config`, `.ini` or `.conf` is a file of the published project; its keys that nothing reads, and the
    number of those that are ignored or changed, are printed to stderr.

    Args:
      name_or_path: of the configuration.
      settings: values that replace the file's, nested as its tables are; by our names, also for a published file.

    Raises:
      InputError: no such configuration, or one with unknown keys or values.

    Example:
      >>> configuration = load_configuration("quick", {"train": {"epochs": 2}, "model": {"model": "AttentionUNet"}})
      >>> configuration.train.epochs, configuration.model.model, configuration.model.base_filters
      (2, 'AttentionUNet', 8)
    """
    if is_published(str(name_or_path)):
        return _load_published(Path(name_or_path), settings)
    path = Path(name_or_path)
    if path.suffix == ".toml":
        return load_toml(path, Configuration, settings)
    path = CONFIGS / f"{name_or_path}.toml"
    if not path.is_file():
        raise InputError(f"--config {name_or_path}: {_explain_unknown(str(name_or_path))}")
    return load_toml(path, Configuration, settings)


def _explain_unknown(name: str) -> str:
    if name in RENAMED:
        return f"{name} is called {RENAMED[name]} now; give {RENAMED[name]} instead"
    known = sorted(file.stem for file in CONFIGS.glob("*.toml"))
    hint = suggest(name, known)
    return f"is not a known configuration; expected one of {', '.join(known)}, or the path of a .toml or .config file{hint}"


def _load_published(path: Path, settings: Mapping[str, Any] | None) -> Configuration:
    published = read_published(path, settings)
    for message in published.warnings:
        print(f"warning: {path}: {message}", file=sys.stderr)
    if published.unread:
        print(f"{path}: nothing reads {', '.join(published.unread)}, there or here", file=sys.stderr)
    print(
        f"{path}: {len(published.notes) - len(published.unread)} keys are ignored here or read with another name or value; "
        f"see `cesm-segmenter convert-config {path}`",
        file=sys.stderr,
    )
    return published.configuration
