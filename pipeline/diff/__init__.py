"""What differs between two data set folders: samples, images, masks, labels, splits, partners, recipes and annotations."""

from typing import TYPE_CHECKING

from pipeline.lazy import lazy_names

if TYPE_CHECKING:
    from pipeline.diff.changes import CHANGE_COLUMNS, KINDS, Difference, SampleChange
    from pipeline.diff.comparison import compare_sets
    from pipeline.diff.output import check_output, write_difference

__all__ = ["CHANGE_COLUMNS", "KINDS", "Difference", "SampleChange", "check_output", "compare_sets", "write_difference"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "pipeline.diff.changes": ["CHANGE_COLUMNS", "KINDS", "Difference", "SampleChange"],
        "pipeline.diff.comparison": ["compare_sets"],
        "pipeline.diff.output": ["check_output", "write_difference"],
    },
)
