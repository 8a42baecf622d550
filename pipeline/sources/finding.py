"""Finds the files of a folder tree by suffix or by DICOM's mark."""

import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from pipeline.contract import DATASET_MARK, IMAGE_SUFFIXES, UNREAD_SUFFIXES
from pipeline.sources.contents import has_dicom_mark

# A folder that holds one of these, or a DATASET_MARK, was written by this program: a phantom, or a data set.
PHANTOM_MARK = "PHANTOM.txt"
UNFINISHED_PHANTOM_MARK = ".phantom-part"


def find_files(
    root: Path,
    suffixes: Collection[str],
    *,
    dicom: bool = False,
    follow_links: bool = False,
    passed_over: list[str] | None = None,
    link_remedy: str = "--follow-links would look into it",
) -> list[Path]:
    """Finds files below a folder by suffix (any case), sorted; skips hidden folders, phantoms and data sets below it.

    A name with a fitting suffix is found whatever is behind it: what is no regular file is refused when it is read.

    Args:
      root: the folder, which itself may be a phantom.
      suffixes: in lower case, with the dot.
      dicom: find DICOM files too, by their mark and whatever their name, except for the index of a medium, DICOMDIR.
      follow_links: look into folders that are links, too, each folder once.
      passed_over: is added a line for each folder that cannot be listed, or is a link and not looked into.
      link_remedy: what such a line advises for a link.
    """
    notes = [] if passed_over is None else passed_over
    found = []
    for path in _walk(root, notes, follow_links=follow_links, link_remedy=link_remedy):
        if path.suffix.lower() in suffixes or (dicom and has_dicom_mark(path)):
            found.append(path)
        elif dicom and path.is_symlink() and not path.exists():
            notes.append(f"{path}: is a link to a file that is not there; fetch it (`git annex get`, `datalad get`)")
    return sorted(found)


def leaves(root: Path, path: Path) -> bool:
    """Whether a file below a folder is a link that ends outside of it."""
    return path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))


def count_unread_images(paths: Iterable[Path], suffixes: Collection[str] = UNREAD_SUFFIXES) -> dict[str, int]:
    """Counts files of image formats that are not read, by suffix.

    Example:
      >>> count_unread_images([Path("a.bmp"), Path("b.nii.gz"), Path("c.BMP"), Path("d.txt")])
      {'.bmp': 2, '.nii.gz': 1}
    """
    endings = [path.name.lower() for path in paths]
    found = Counter(next((suffix for suffix in suffixes if name.endswith(suffix)), "") for name in endings)
    return {suffix: found[suffix] for suffix in sorted(found) if suffix}


def find_unread_images(root: Path) -> dict[str, int]:
    """Counts the images below a folder that are not read, by suffix, in the folders that `find_files` searches."""
    return count_unread_images(_walk(root))


def describe_unread_images(counts: Mapping[str, int]) -> str:
    """Describes the counts of `find_unread_images` as text; empty if there are none.

    Example:
      >>> describe_unread_images({".bmp": 12})
      '12 files not read: .bmp 12; convert them to PNG, TIFF, JPEG or DICOM if they are needed'
    """
    if not counts:
        return ""
    listed = ", ".join(f"{suffix} {count}" for suffix, count in counts.items())
    return f"{sum(counts.values())} files not read: {listed}; convert them to PNG, TIFF, JPEG or DICOM if they are needed"


def stem_of(path: Path) -> str:
    """A file's name without the suffix of an image; names of DICOM files are often numbers with points."""
    return path.stem if path.suffix.lower() in IMAGE_SUFFIXES else path.name


def _walk(root: Path, notes: list[str] | None = None, *, follow_links: bool = False, link_remedy: str = "") -> Iterator[Path]:
    notes = [] if notes is None else notes

    def note(error: OSError) -> None:
        notes.append(f"{error.filename}: cannot be listed ({error.strerror}); change its permissions")

    seen = {os.path.realpath(root)}
    for folder, folders, names in os.walk(root, onerror=note, followlinks=follow_links):
        if {PHANTOM_MARK, UNFINISHED_PHANTOM_MARK, DATASET_MARK} & set(names) and Path(folder) != root:
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in [name for name in folders if os.path.islink(os.path.join(folder, name))]:
            target = os.path.realpath(os.path.join(folder, name))
            if follow_links and target not in seen and not any(above.startswith(target + os.sep) for above in seen):
                seen.add(target)
                continue
            folders.remove(name)
            reason = "was looked into already" if follow_links else link_remedy
            notes.append(f"{os.path.join(folder, name)}: is a link to a folder; {reason}")
        yield from (Path(folder, name) for name in names if not name.startswith((".", "~$")))
