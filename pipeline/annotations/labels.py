"""What the texts of tables, and of annotators' attributes, stand for."""

from collections.abc import Mapping

from pipeline.contract import LESION_CLASSES
from pipeline.files import plain_header
from pipeline.recipe import Layout

# Attributes of regions by which people state a class, the most telling first; they may have any other name too.
_LABELS = ("class", "pathology", "label", "type")
_YES = frozenset({"true", "yes", "y", "on", "1", "1.0", "x"})


def read_class(text: str, layout: Layout) -> str:
    """The class that a text stands for, by the layout's `classes` in any case; the text in lower case if it is not among them."""
    classes = {theirs.lower(): ours for theirs, ours in layout.table.classes.items()}
    return classes.get(text.strip().lower(), text.strip().lower())


def find_label(attributes: object, layout: Layout) -> str:
    """The label of a region: the text among its attributes that stands for a class, else that of an attribute that should.

    An attribute may also be called like a class and be chosen, as in `{"malignant": "yes"}`.

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
    texts = [(name, text.strip()) for name, value in by_rank for text in (*_texts(value), *([name] if _says_yes(value) else []))]
    classes = [text for _, text in texts if read_class(text, layout) in LESION_CLASSES]
    likely = [text for name, text in texts if _rank(name) < len(_LABELS)]
    return next(iter([*classes, *likely]), "")


def find_label_or_image_class(attributes: object, of_image: object, layout: Layout) -> str:
    """The label of a region; without a class of its own, the class that the attributes of its whole image state.

    Args:
      attributes: of the region, as for `find_label`.
      of_image: of the image.
      layout: of the recipe; where it selects lesions by their labels, a label stays as it is.
    """
    label = find_label(attributes, layout)
    image_class = find_label(of_image, layout)
    is_class = read_class(image_class, layout) in LESION_CLASSES and read_class(label, layout) not in LESION_CLASSES
    return image_class if is_class and (not label or layout.lesions is None) else label


def _rank(name: str) -> int:
    plain = plain_header(name)
    return _LABELS.index(plain) if plain in _LABELS else len(_LABELS)


def _texts(value: object) -> list[str]:
    """The texts of an attribute's value; that of checkboxes maps each option to whether it is chosen."""
    if isinstance(value, Mapping):
        return [option for option, is_chosen in value.items() if _says_yes(is_chosen)]
    return [value] if isinstance(value, str) else []


def _says_yes(value: object) -> bool:
    """Whether an option is chosen; VIA writes true, and other programs and people 1, "true", "yes" or "x"."""
    return str(value).strip().casefold() in _YES
