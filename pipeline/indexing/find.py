"""The files below RAW, and the names under which they appear in all output: their paths, or keyed names under a site key."""

from functools import cached_property
from pathlib import Path

from pipeline.contract import IMAGE_SUFFIXES
from pipeline.dataset.folder import DatasetFolder
from pipeline.files import InputError, path_below
from pipeline.privacy.site_key import VARIABLE, SiteKey
from pipeline.sources import find_files


class SourceFiles:
    """The source files of one data set.

    Args:
      raw: the folder that holds them.
      key: of the site; None if paths may appear in the output.
      follow_links: look into folders that are links, and read files that are links out of RAW.
    """

    def __init__(self, raw: Path, key: SiteKey | None = None, *, follow_links: bool = False):
        self.raw, self.key, self.follow_links = raw, key, follow_links

    @property
    def origin(self) -> str:
        """The value that represents RAW itself in the folder's state."""
        path = str(self.raw.resolve())
        return self.key.token("raw", path) if self.key else path

    def name(self, relative: str) -> str:
        """The name of a file in tables, as in the column `source`; `relative` is its path below RAW, with `/`."""
        return self.key.path(relative) if self.key else relative

    def path(self, name: str) -> Path:
        """The path of the file with such a name; nothing exists there if the file is gone.

        Raises:
          InputError: the name leads out of RAW.
        """
        path = path_below(self.raw, name, "the column source", follow_links=True)
        return self._by_name.get(name, path) if self.key else path

    @cached_property
    def _by_name(self) -> dict[str, Path]:
        paths = find_files(self.raw, IMAGE_SUFFIXES, dicom=True, follow_links=self.follow_links)
        return {self.name(path.relative_to(self.raw).as_posix()): path for path in paths}


def find_raw(folder: DatasetFolder, given: Path | None = None) -> Path:
    """The folder that `open_sources` will read from; the data set's own where that is not known, and the stage reports it."""
    state = folder.read_state(folder.index_state)
    return Path((given if state.get("keyed") else state.get("raw")) or folder.root)


def open_sources(folder: DatasetFolder, raw: Path | None, key: SiteKey | None) -> SourceFiles:
    """Returns the source files of an indexed data set.

    A folder made with a site key stores neither the key nor the path of the sources, so both must be given again.

    Raises:
      InputError: they are missing, or differ from those that the folder was made with.
    """
    state = folder.read_state(folder.index_state)
    if "raw" not in state:
        raise InputError(f"{folder.index_state}: is missing or broken; run the index stage again (make index)")
    if not state["keyed"]:
        return SourceFiles(Path(state["raw"]))
    if raw is None or key is None:
        missing = "--raw RAW" if key else f"the site key ({VARIABLE} or --site-key FILE)"
        raise InputError(
            f"{folder.root}: was made with a site key and stores neither the key nor the path of the sources; give {missing}"
        )
    sources = SourceFiles(raw, key, follow_links=bool(state.get("follow_links")))
    if sources.origin != state.get("raw"):
        raise InputError(
            f"{folder.root}: was made from another RAW than {raw}, or with another site key; give those that it was indexed with"
        )
    return sources
