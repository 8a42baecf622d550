"""Replaces the names of images in annotation files, so that none appears in the output under a site key."""

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass, field, replace

from pipeline.annotations import UNLISTED, Annotations, DrawnRegion, TableRow
from pipeline.contract import REASONS, ImageName, parse_image
from pipeline.privacy.site_key import SiteKey


@dataclass
class KeyedAnnotations:
    """Annotations by names that may appear in the output.

    Attributes:
      annotations: by image_id for images that are there, by keyed token for others.
      names: by token, the image that the original name describes, with the token as its image_id.
      originals: by token, the name in the annotation file; only for the file of --write-map.
    """

    annotations: Annotations
    names: dict[str, ImageName] = field(default_factory=dict)
    originals: dict[str, str] = field(default_factory=dict)


def key_names(annotations: Annotations, known: Container[str], key: SiteKey) -> KeyedAnnotations:
    """Replaces every name of an image that is not there, and the locations of all rows and regions.

    Args:
      annotations: by image_id; by the name in the annotation file for images that are not there.
      known: the image_ids that are there.
      key: of the site.
    """
    keyed = KeyedAnnotations(replace(annotations, rows={}, regions={}, file_sizes=annotations.file_sizes))

    def shown(name: str) -> str:
        if name in known:
            return name
        token = key.token("annotation", name)[:20]
        keyed.originals[token] = name
        keyed.names[token] = replace(parse_image(name), image_id=token)
        return token

    keyed.annotations.rows.update({shown(name): _key_row(row, shown(name)) for name, row in annotations.rows.items()})
    keyed.annotations.regions.update({shown(name): _key_regions(drawn) for name, drawn in annotations.regions.items()})
    return keyed


def _key_row(row: TableRow, shown: str) -> TableRow:
    number = re.search(r"row \d+$", row.where)
    where = row.where if row.where == UNLISTED else f"the table's {number[0] if number else 'row'}"
    return replace(row, written=shown, where=where)


def _key_regions(drawn: Sequence[DrawnRegion]) -> list[DrawnRegion]:
    return [replace(region, where=f"region {number} of the image") for number, region in enumerate(drawn, 1)]


def safe_message(reason: str, message: str) -> str:
    """The message of a reject; a fixed one if it might quote an annotation file."""
    return REASONS[reason].quiet or message
