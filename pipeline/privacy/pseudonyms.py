"""Takes the names that annotation files have for images out of all that is written under a site key."""

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass, field, replace

from pipeline.annotations import UNLISTED, Annotations, DrawnRegion, TableRow
from pipeline.contract import REASONS, ImageName, parse_image
from pipeline.privacy.site_key import SiteKey


@dataclass
class Hidden:
    """Annotations by names that may be written.

    Attributes:
      annotations: of images that are there by image_id, of others by keyed tokens.
      names: what a token stands for, as far as its form tells: for deciding, with the token as image_id.
      originals: by token, the name in the annotation file; only for the way back.
    """

    annotations: Annotations
    names: dict[str, ImageName] = field(default_factory=dict)
    originals: dict[str, str] = field(default_factory=dict)


def hide_names(annotations: Annotations, known: Container[str], key: SiteKey) -> Hidden:
    """Replaces every name of an image that is not there, and the places where rows and regions stood.

    Args:
      annotations: by image_id; names of images that are not there as their files spell them.
      known: the image_ids that are there.
      key: of the site.
    """
    hidden = Hidden(replace(annotations, rows={}, regions={}, file_sizes=annotations.file_sizes))

    def shown(name: str) -> str:
        if name in known:
            return name
        token = key.token("annotation", name)[:20]
        hidden.originals[token] = name
        hidden.names[token] = replace(parse_image(name), image_id=token)
        return token

    hidden.annotations.rows.update({shown(name): _hide_row(row, shown(name)) for name, row in annotations.rows.items()})
    hidden.annotations.regions.update({shown(name): _hide_regions(drawn) for name, drawn in annotations.regions.items()})
    return hidden


def _hide_row(row: TableRow, shown: str) -> TableRow:
    number = re.search(r"row \d+$", row.where)
    where = row.where if row.where == UNLISTED else f"the table's {number[0] if number else 'row'}"
    return replace(row, written=shown, where=where)


def _hide_regions(drawn: Sequence[DrawnRegion]) -> list[DrawnRegion]:
    return [replace(region, where=f"region {number} of the image") for number, region in enumerate(drawn, 1)]


def hide_words(reason: str, words: str) -> str:
    """The words of a reject; fixed ones where they might quote what an annotation file says."""
    return REASONS[reason].quiet or words
