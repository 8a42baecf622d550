"""Writes a configuration of the published project as TOML, with comments on what changed."""

import re
from pathlib import Path

import tomli_w

from segmenter.configuration.published.reader import PublishedConfiguration, read_published


def convert_to_toml(path: Path) -> str:
    """Converts a published file to TOML that `load_configuration` reads as the same configuration.

    The TOML has the keys of the file, and the published project's defaults where they differ from ours.

    Raises:
      InputError: as `read_published`.
    """
    published = read_published(path)
    given = published.configuration.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    comments = _comments_by_section(published)
    blocks = [
        [f"Converted from {path.name} of the published project by `cesm-segmenter convert-config`."],
        [f"warning: {message}" for message in published.warnings],
        *(notes for section, notes in comments.items() if section not in given),
    ]
    header = "\n".join(_comment(line) for block in blocks for line in block)
    tables = [
        "\n".join([*map(_comment, comments.get(section, [])), tomli_w.dumps({section: table})])
        for section, table in given.items()
    ]
    return "\n".join([header + "\n", *tables])


def _comments_by_section(published: PublishedConfiguration) -> dict[str, list[str]]:
    comments: dict[str, list[str]] = {}
    for note in published.notes:
        # The value went to the section that is named last.
        section = re.findall(r"\[([a-z]+)\] \w+ =", note.split(": ")[0])[-1:] or re.findall(r"^\[([a-z]+)\]", note)
        comments.setdefault(section[0], []).append(note)
    return comments


def _comment(line: str) -> str:
    return f"# {line}"
