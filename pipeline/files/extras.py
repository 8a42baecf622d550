"""Packages that an installation may lack: code that needs one checks for it here before it begins."""

import importlib.util

from pipeline.files.program import InputError


def require(module: str, purpose: str, extra: str = "", *, package: str = "", otherwise: str = "") -> None:
    """Checks that a package is installed, before any work begins that needs it. Imports nothing.

    Args:
      module: its name in `import`.
      purpose: what it is needed for, such as `to read DICOM segmentations`.
      extra: the extra of this distribution that installs the package; empty for one that every installation should have.
      package: its name in `pip install`, where that is not the module's.
      otherwise: what to do instead, such as `, or choose --shape polygon`.

    Raises:
      InputError: it is not installed; the message holds the command that installs it.
    """
    if not is_installed(module):
        raise InputError(
            f"{package or module}, which is needed {purpose}, is not installed; run `{install_command(extra)}`{otherwise}"
        )


def is_installed(module: str) -> bool:
    """Whether a module can be found; it is not imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def install_command(extra: str = "") -> str:
    """Returns the command that installs this distribution with one of its extras, from any folder.

    Example:
      >>> install_command("dicom")
      "pip install 'cesm-segmentation[dicom]'"
    """
    return f"pip install 'cesm-segmentation[{extra}]'" if extra else "pip install cesm-segmentation"
