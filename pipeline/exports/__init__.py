"""Exports: a complete data set in the formats that other programs read; its own files do not change.

A format is a module with a function that writes it, and an entry in `formats`: its name, its options and that function.
"""

from typing import TYPE_CHECKING

from pipeline.lazy import lazy_names

if TYPE_CHECKING:
    from pipeline.exports.exporting import MARK, Exported, export
    from pipeline.exports.format import ExportFormat, Option
    from pipeline.exports.formats import FORMATS, formats_with

__all__ = ["FORMATS", "MARK", "ExportFormat", "Exported", "Option", "export", "formats_with"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "pipeline.exports.exporting": ["MARK", "Exported", "export"],
        "pipeline.exports.format": ["ExportFormat", "Option"],
        "pipeline.exports.formats": ["FORMATS", "formats_with"],
    },
)
