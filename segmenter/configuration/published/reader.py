"""Reads a `train_eval_infer.config` of the published project as it is. Nothing in it is evaluated.

`dialect` parses the text, `keys` and `networks` list what each key becomes, and `settling` settles those that depend on one
another. All faults are reported together, with section, key and line.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.files import InputError, read_regular
from segmenter.configuration.published.dialect import Entry
from segmenter.configuration.published.settling import settle
from segmenter.configuration.published.translation import Translation
from segmenter.configuration.schema import Configuration

_SPLITS = {"train": "train", "eval": "valid", "valid": "valid", "test": "test"}  # published section: folder of the data set


@dataclass(frozen=True)
class PublishedConfiguration:
    """A published file with our names.

    Attributes:
      configuration: its settings.
      notes: one line per key that has no effect here, or has another name or value; each begins with `[section] key`.
      unread: names of the keys that nothing reads, there or here, as `[section] key`.
      warnings: malformed or misspelt keys and values in sections that are not used, and unknown sections.
      data_folder: the folder above `train/images` of [train] image_datapath, if it exists.
    """

    configuration: Configuration
    notes: tuple[str, ...]
    unread: tuple[str, ...]
    warnings: tuple[str, ...]
    data_folder: Path | None


def read_published(path: Path, settings: Mapping[str, Any] | None = None) -> PublishedConfiguration:
    """Reads and translates a file of the published project.

    Args:
      settings: values of our keys that replace the file's, nested by section.

    Raises:
      InputError: it cannot be read, or a section that is used has malformed or misspelt keys or values; lists all of them.
    """
    try:
        text = read_regular(path).decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: cannot be read as UTF-8 ({error}); save it as UTF-8") from error
    translation = Translation()
    translation.read(text)
    paths = [entry for (_, key), entry in translation.given.items() if key in ("image_datapath", "mask_datapath")]
    settle(translation)
    translation.translate()
    translation.replace_settings(settings or {})
    configuration = translation.validate()
    if configuration is None or translation.faults:
        raise InputError(f"{path}: " + "; ".join(translation.faults))
    data_folder, warnings = find_data(paths, path.parent)
    return PublishedConfiguration(
        configuration, tuple(translation.notes), tuple(translation.unread), (*translation.warnings, *warnings), data_folder
    )


def find_data(entries: list[Entry], file_folder: Path) -> tuple[Path | None, list[str]]:
    """Finds the data set folder that paths name, relative to the file's folder or to the working folder.

    Returns:
      The folder, if it exists, and a warning per path that is not used.
    """
    warnings: list[str] = []
    roots: dict[Path, Entry] = {}
    for entry in entries:
        path = Path(str(entry.value).replace("\\", "/"))
        expected = _SPLITS[entry.section], "images" if entry.key == "image_datapath" else "masks"
        if path.parts[-2:] != expected:
            warnings.append(f"line {entry.line}: {entry} is not used; pairs are read from DATASET/{'/'.join(expected)}")
        else:
            roots.setdefault(path.parents[1], entry)
    for entry in list(roots.values())[1:]:
        warnings.append(f"line {entry.line}: {entry} names another folder than {next(iter(roots))}, which is used")
    named = [root for root, entry in roots.items() if (entry.section, entry.key) == ("train", "image_datapath")]
    folders = (folder / root for root in named for folder in (file_folder, Path()))
    return next((folder for folder in folders if (folder / "train/images").is_dir()), None), warnings
