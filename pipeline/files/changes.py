"""Settings on the command line, `--set section.key=value`, which take the place of a file's own."""

import argparse
import copy
import tomllib
from typing import Any


def add_settings(parser: argparse.ArgumentParser, file: str) -> None:
    """Adds --set, which fills `settings`: a dictionary nested as the file's tables are, for `load_toml`.

    Args:
      parser: of the command.
      file: what is changed, `recipe` or `configuration`.
    """
    parser.add_argument(
        "--set",
        dest="settings",
        type=read_setting,
        action=_Set,
        default={},
        metavar="SECTION.KEY=VALUE",
        help=f"give a key of the {file} another value, as TOML; may be given several times",
    )


def read_setting(text: str) -> tuple[tuple[str, ...], Any]:
    """Reads `section.key=value`; what is not a TOML literal is a string.

    Returns:
      The sections and the key, outermost first, and the value.

    Raises:
      argparse.ArgumentTypeError: there is no key or no value.

    Example:
      >>> read_setting("image.size_px=256"), read_setting("split.by=sample")
      ((('image', 'size_px'), 256), (('split', 'by'), 'sample'))
    """
    name, equals, literal = text.partition("=")
    keys = tuple(key.strip() for key in name.split("."))
    if not equals or not all(keys):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form SECTION.KEY=VALUE")
    try:
        table = tomllib.loads(f"value = {literal}")
    except (ValueError, RecursionError):  # not TOML, a number of thousands of digits, or too deep
        return keys, literal.strip()
    return keys, table["value"] if len(table) == 1 else literal.strip()  # a line break would begin a second key


class _Set(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None):
        keys, value = values
        settings = copy.deepcopy(getattr(namespace, self.dest))
        table = settings
        for key in keys[:-1]:
            if not isinstance(table.get(key), dict):
                table[key] = {}
            table = table[key]
        table[keys[-1]] = value
        setattr(namespace, self.dest, settings)
