"""What both halves need for files and programs, behind one name: writing, memory, tables, settings, progress, programs,
optional packages.

Knows no image, no recipe and no model. What stands on pydantic, and what reads tables of others, is loaded when it is first used,
so that `--help` does not wait for it.
"""

from typing import TYPE_CHECKING

from pipeline.files.below import PathsBelow, name_problem, path_below, shorten
from pipeline.files.changes import add_settings
from pipeline.files.command_line import (
    CommandParser,
    add_command,
    add_json,
    make_parser,
    package_version,
    positive,
    print_json,
    run_command,
    suggest,
)
from pipeline.files.extras import install_command, is_installed, require
from pipeline.files.locking import LOCK, clear_folder, locked
from pipeline.files.machine import all_cores, free_memory
from pipeline.files.memory import FileMemory
from pipeline.files.printing import cursor_stream, one_line
from pipeline.files.program import (
    BAD_INPUT,
    DONE,
    FINDINGS,
    INTERNAL,
    INTERRUPTED,
    InputError,
    run_program,
)
from pipeline.files.progress import progress
from pipeline.files.reading import UnfitFile, open_regular, read_regular, stamp_of
from pipeline.files.tables import csv_text, iterate_csv, quote_formula, read_csv, read_header_and_rows, unquote_formula, write_csv
from pipeline.files.warning_filters import without_warnings
from pipeline.files.writing import (
    append,
    remove_parts,
    remove_tree,
    replacing,
    sha256,
    sync,
    write_buffered,
    write_bytes,
    write_text,
)
from pipeline.lazy import lazy_names

if TYPE_CHECKING:
    from pipeline.files.expressions import search_expression
    from pipeline.files.foreign_tables import (
        MOST_TITLES,
        TABLE_SUFFIXES,
        Table,
        decode_text,
        plain_header,
        read_csv_table,
        read_number,
        read_sheets,
        read_table,
    )
    from pipeline.files.json_files import check_json, parse_json, read_json, read_object
    from pipeline.files.settings import Settings, check_settings, dump_toml, json_schema, load_toml, read_toml
    from pipeline.files.zips import refuse_zip_bomb

__all__ = [
    "BAD_INPUT",
    "DONE",
    "FINDINGS",
    "INTERNAL",
    "INTERRUPTED",
    "LOCK",
    "MOST_TITLES",
    "TABLE_SUFFIXES",
    "CommandParser",
    "FileMemory",
    "InputError",
    "PathsBelow",
    "Settings",
    "Table",
    "UnfitFile",
    "add_command",
    "add_json",
    "add_settings",
    "all_cores",
    "append",
    "check_json",
    "check_settings",
    "clear_folder",
    "csv_text",
    "cursor_stream",
    "decode_text",
    "dump_toml",
    "free_memory",
    "install_command",
    "is_installed",
    "iterate_csv",
    "json_schema",
    "load_toml",
    "locked",
    "make_parser",
    "name_problem",
    "one_line",
    "open_regular",
    "package_version",
    "parse_json",
    "path_below",
    "plain_header",
    "positive",
    "print_json",
    "progress",
    "quote_formula",
    "read_csv",
    "read_csv_table",
    "read_header_and_rows",
    "read_json",
    "read_number",
    "read_object",
    "read_regular",
    "read_sheets",
    "read_table",
    "read_toml",
    "refuse_zip_bomb",
    "remove_parts",
    "remove_tree",
    "replacing",
    "require",
    "run_command",
    "run_program",
    "search_expression",
    "sha256",
    "shorten",
    "stamp_of",
    "suggest",
    "sync",
    "unquote_formula",
    "without_warnings",
    "write_buffered",
    "write_bytes",
    "write_csv",
    "write_text",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "pipeline.files.expressions": ["search_expression"],
        "pipeline.files.foreign_tables": [
            "MOST_TITLES",
            "TABLE_SUFFIXES",
            "Table",
            "decode_text",
            "plain_header",
            "read_csv_table",
            "read_number",
            "read_sheets",
            "read_table",
        ],
        "pipeline.files.json_files": ["check_json", "parse_json", "read_json", "read_object"],
        "pipeline.files.settings": ["Settings", "check_settings", "dump_toml", "json_schema", "load_toml", "read_toml"],
        "pipeline.files.zips": ["refuse_zip_bomb"],
    },
)
