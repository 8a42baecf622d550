"""The files below RAW, and what they are called in all that is written: their paths, or with a site key keyed names."""

from functools import cached_property
from pathlib import Path

from pipeline.contract import IMAGE_SUFFIXES
from pipeline.dataset.folder import DatasetFolder
from pipeline.files import InputError
from pipeline.privacy.site_key import VARIABLE, SiteKey
from pipeline.sources import find_files


class SourceFiles:
    """The source files of one data set.

    Args:
      raw: the folder that they lie below.
      key: of the site; None where paths may be seen.
    """

    def __init__(self, raw: Path, key: SiteKey | None = None):
        self.raw, self.key = raw, key

    @property
    def origin(self) -> str:
        """What stands for RAW itself in the folder's state."""
        path = str(self.raw.resolve())
        return self.key.token("raw", path) if self.key else path

    def name(self, relative: str) -> str:
        """What a file is called in tables, the column `source` among them; `relative` is its path below RAW, with `/`."""
        return self.key.path(relative) if self.key else relative

    def path(self, name: str) -> Path:
        """The file of such a name; one that is gone is not there at the path that is returned."""
        return self._by_name.get(name, self.raw / name) if self.key else self.raw / name

    @cached_property
    def _by_name(self) -> dict[str, Path]:
        found = find_files(self.raw, IMAGE_SUFFIXES, dicom=True)
        return {self.name(path.relative_to(self.raw).as_posix()): path for path in found}


def open_sources(folder: DatasetFolder, raw: Path | None, key: SiteKey | None) -> SourceFiles:
    """The source files of an indexed data set.

    A folder made with a site key keeps neither the key nor where the sources lie, so both have to be given again.

    Raises:
      InputError: they are missing, or others than the folder was made with.
    """
    state = folder.read_state(folder.index_state)
    if not state.get("keyed"):
        return SourceFiles(Path(state.get("raw", "")))
    if raw is None or key is None:
        missing = "--raw RAW" if key else f"the site key ({VARIABLE} or --site-key FILE)"
        raise InputError(
            f"{folder.root}: was made with a site key and keeps neither it nor where the sources lie; give {missing}"
        )
    sources = SourceFiles(raw, key)
    if sources.origin != state.get("raw"):
        raise InputError(
            f"{folder.root}: was made from another RAW than {raw}, or with another site key; give those of its index"
        )
    return sources
