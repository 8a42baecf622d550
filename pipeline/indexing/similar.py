"""Finds names that are spelled almost as another one, so that a message can ask whether they are meant; joins nothing."""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence

from pipeline.contract import IMAGE_SUFFIXES, clean_name
from pipeline.indexing.names import SourceFile

_SUFFIX = re.compile(rf"(?:{'|'.join(re.escape(suffix) for suffix in sorted(IMAGE_SUFFIXES))})$")
# What file managers add to the names of copies, in some languages: `Copy of`, `- Copy (2)`, `copy 2`, `(1)`.
_COPY = re.compile(
    r"^(?:copy of|kopie von|copie de|copia de) |[ _-]+(?:copy|kopie|copie|copia|cópia)\b[ _]*\d*(?= |$|\()|[ _]*\(\d+\)(?= |$)"
)
_BETWEEN = re.compile(r"[\W_]+")


def fold_name(name: str) -> str:
    """A name without what people and file managers change in it: case, separators, leading zeros, marks of copies, suffixes.

    Example:
      >>> {fold_name(name) for name in ("P1_L_DM_CC", "Copy of p1-l-dm-cc.JPG.jpg", "P01 L DM CC - Copy (2)")}
      {'p1 l dm cc'}
    """
    text = unicodedata.normalize("NFKC", name).casefold().strip()
    before = ""
    while text != before:
        before, text = text, _COPY.sub(" ", _SUFFIX.sub("", text)).strip()
    return re.sub(r"(?<![0-9])0+(?=[0-9])", "", _BETWEEN.sub(" ", text).strip())


class SimilarNames:
    """Names that look alike though they are not equal: those of files, and those of annotations whose file is missing.

    Args:
      files: those of each image, by image_id.
      names: all image_ids, those of annotations without a file among them.
    """

    def __init__(self, files: Mapping[str, Sequence[SourceFile]], names: Collection[str]):
        self._files: dict[str, str] = {}
        for image_id, group in files.items():
            for key in {image_id, *(clean_name(file.relative) for file in group)}:
                self._files.setdefault(fold_name(key), group[0].shown)
        self._has_file = set(files)
        self._annotated = {fold_name(name): name for name in sorted(names, reverse=True) if name not in files}

    def hint(self, image_id: str) -> str:
        """A question for the message of a reject: whether a file, or an annotation, of a similar name is meant; or empty."""
        folded = fold_name(image_id)
        if image_id in self._has_file:
            other = self._annotated.get(folded)
            return f"an annotation file names {other!r}: did it mean this image? Correct one of the names" if other else ""
        file = self._files.get(folded)
        return f"did you mean {file}? Correct one of the names" if file else ""
