"""Finds names that are spelled almost as another one, so that a message can ask whether they are meant; joins nothing."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from urllib.parse import unquote

from pipeline.contract import IMAGE_SUFFIXES, clean_name
from pipeline.indexing.names import SourceFile

_SUFFIX = re.compile(rf"(?:{'|'.join(re.escape(suffix) for suffix in sorted(IMAGE_SUFFIXES))})$")
# What file managers add to the names of copies, in some languages: `Copy of`, `- Copy (2)`, `copy 2`, `(1)`.
_COPY = re.compile(
    r"^(?:copy of|kopie von|copie de|copia de) |[ _-]+(?:copy|kopie|copie|copia|cópia)\b[ _]*\d*(?= |$|\()|[ _]*\(\d+\)(?= |$)"
)
_BETWEEN = re.compile(r"[\W_]+")
_LONGEST = 255  # of a file's name


def fold_name(name: str) -> str:
    """A name without what people and programs change in it: case, separators, leading zeros, marks of copies, suffixes, `%20`.

    Example:
      >>> {fold_name(name) for name in ("P1_L_DM_CC", "Copy of p1-l-dm-cc.JPG.jpg", "P01%20L DM CC - Copy (2)")}
      {'p1 l dm cc'}
    """
    text = unicodedata.normalize("NFKC", unquote(name)).casefold().strip()
    before = ""
    while text != before:
        before, text = text, _COPY.sub(" ", _SUFFIX.sub("", text)).strip()
    return re.sub(r"(?<![0-9])0+(?=[0-9])", "", _BETWEEN.sub(" ", text).strip())


def find_within(name: str, known: Collection[str]) -> str:
    """The longest of known names, all folded, whose words are in a name, to which programs add words; empty if none is.

    Label Studio writes `1a2b3c4d-P1_L_DM_CC`, Roboflow `P1_L_DM_CC_jpg.rf.0a1b`, 3D Slicer `P1_L_DM_CC.seg.nrrd`. A number alone
    is not an addition, since it distinguishes images, and is not found within another name.

    Example:
      >>> [find_within(name, {"p1 l dm cc"}) for name in ("1a2b-P1_L_DM_CC.PNG", "P1_L_DM_CC_0000", "P1_L_DM_CC_2", "P1_L")]
      ['p1 l dm cc', 'p1 l dm cc', '', '']
    """
    words = fold_name(name[-_LONGEST:]).split()
    for count in range(len(words), 0, -1):
        for first in range(len(words) - count + 1):
            part, added = " ".join(words[first : first + count]), words[:first] + words[first + count :]
            is_another = len(added) == 1 and added[0].isdecimal() and int(added[0]) > 0
            if part in known and not is_another and (not added or not part.replace(" ", "").isdecimal()):
                return part
    return ""


def find_images_within(names: Iterable[str], ids: Mapping[str, Set[str]]) -> set[str]:
    """The image_ids that names mean with words that programs add; `ids` has the image_ids by the spellings of their names."""
    folded: dict[str, set[str]] = defaultdict(set)
    for spelling, image_ids in ids.items():
        folded[fold_name(spelling)] |= image_ids
    return {image_id for name in names for image_id in folded.get(find_within(name, folded), ())}


class SimilarNames:
    """Names that look alike though they are not equal: those of files, and those of annotations whose file is missing.

    Args:
      files: those of each image, by image_id.
      names: all image_ids, those of annotations without a file among them.
    """

    def __init__(self, files: Mapping[str, Sequence[SourceFile]], names: Collection[str]):
        self._shown = {image_id: group[0].shown for image_id, group in files.items()}
        self._images: dict[str, list[str]] = defaultdict(list)
        for image_id, group in files.items():
            for key in {fold_name(name) for name in (image_id, *(clean_name(file.relative) for file in group))}:
                self._images[key].append(image_id)
        self._annotated: dict[str, str] = {}
        for name in sorted(set(names) - files.keys()):
            for image_id in self._images.get(find_within(name, self._images), ()):
                self._annotated.setdefault(image_id, name)

    def hint(self, image_id: str) -> str:
        """A question for the message of a reject: whether a file, or an annotation, of a similar name is meant; or empty."""
        if image_id in self._shown:
            other = self._annotated.get(image_id)
            return f"an annotation file names {other!r}: did it mean this image? Correct one of the names" if other else ""
        images = self._images.get(find_within(image_id, self._images))
        return f"did you mean {self._shown[images[0]]}? Correct one of the names" if images else ""
