"""What the texts of tables, and of annotators' attributes, stand for."""

from collections.abc import Mapping

from pipeline.contract import LESION_CLASSES
from pipeline.files import plain_header
from pipeline.recipe import Layout

# Attributes of regions by which people state a class, the most telling first; they may have any other name too.
_LABELS = ("class", "pathology", "label", "type")


def read_class(text: str, layout: Layout) -> str:
    """The class that a text stands for, by the layout's `classes` in any case; the text in lower case if it is not among them."""
    classes = {theirs.lower(): ours for theirs, ours in layout.table.classes.items()}
    return classes.get(text.strip().lower(), text.strip().lower())


def find_label(attributes: object, layout: Layout) -> str:
    """The label of a region: the text among its attributes that stands for a class, else that of an attribute that should.

    Args:
      attributes: from names to texts, or to options that are chosen or not; anything else has no label.
      layout: of the recipe.

    Example:
      >>> find_label({"type": "mass", "seen as": {"benign": False, "malignant": True}}, Layout())
      'malignant'
    """
    if not isinstance(attributes, Mapping):
        return ""
    by_rank = sorted(attributes.items(), key=lambda item: _rank(item[0]))
    texts = [(name, text.strip()) for name, value in by_rank for text in _texts(value)]
    classes = [text for _, text in texts if read_class(text, layout) in LESION_CLASSES]
    likely = [text for name, text in texts if _rank(name) < len(_LABELS)]
    return next(iter([*classes, *likely]), "")


def _rank(name: str) -> int:
    plain = plain_header(name)
    return _LABELS.index(plain) if plain in _LABELS else len(_LABELS)


def _texts(value: object) -> list[str]:
    """The texts of an attribute's value; that of checkboxes maps each option to whether it is chosen."""
    if isinstance(value, Mapping):
        return [option for option, is_chosen in value.items() if is_chosen]
    return [value] if isinstance(value, str) else []
