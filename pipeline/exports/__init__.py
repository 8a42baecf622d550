"""Exports: a complete data set in the formats that other programs read; its own files do not change.

A format is a module that declares a `FORMAT` (name, options, function that writes it) and a line in `exporting.FORMATS`.
"""

from pipeline.exports.exporting import FORMATS, MARK, Exported, export
from pipeline.exports.format import ExportFormat, Option

__all__ = ["FORMATS", "MARK", "ExportFormat", "Exported", "Option", "export"]
