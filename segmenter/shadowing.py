"""Recognises another `pipeline` in front of the one that belongs to this package, and reports how to get past it.

`python -m` and notebooks put their folder in front of the search path, so a file pipeline.py in it, or another
distribution's package, is found first. Nothing of that one is run, and nothing else is imported here.
"""

import importlib.util
import itertools
import sys
from pathlib import Path

_BAD_INPUT = 2  # as in pipeline.files, which cannot be imported here


def require_own_pipeline() -> None:
    """Checks that `import pipeline` finds the package next to this one.

    Raises:
      ImportError: it finds another one.
      SystemExit: the same, in the program cesm-segmenter, with status 2 after the message.
    """
    own = Path(__file__).parents[1] / "pipeline" / "__init__.py"
    found = _find_pipeline()
    if found and own.is_file() and own.samefile(found):
        return
    message = (
        f"{found or 'nothing'} is found as the package pipeline, and segmenter needs {own.parent}; rename the file or folder "
        "that is in the way, run from another folder, or leave the current folder out of the search path with `python -P`"
    )
    if _is_program():
        print(f"error: {message}", file=sys.stderr)
        raise SystemExit(_BAD_INPUT)
    raise ImportError(message)


def _find_pipeline() -> str | None:
    """The file that `import pipeline` gives, or has given."""
    try:
        spec = importlib.util.find_spec("pipeline")
    except ValueError:  # it is imported, and does not say from where
        return None
    return spec.origin if spec else None


def _is_program() -> bool:
    """Whether this process is `cesm-segmenter` or `python -m segmenter`, and not a program that imports the package."""
    started = sys.orig_argv[1:]
    by_module = any(pair == ("-m", "segmenter") for pair in itertools.pairwise(started))
    return by_module or Path(sys.argv[0]).stem == "cesm-segmenter"
