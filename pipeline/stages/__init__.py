"""The stages: index, split, masks, variants; audit, stats, report.

Each can be run alone, and again at no cost where everything is done.

They know no command line arguments and print nothing. A stage is loaded when it is first used, because what the others stand on
takes time to load. A stage raises InputError where the stage before it is missing.
"""

from typing import TYPE_CHECKING

from pipeline.lazy import lazy_names

if TYPE_CHECKING:
    from pipeline.stages.indexing import find_sources, index
    from pipeline.stages.outcome import Outcome
    from pipeline.stages.planning import Plan, plan
    from pipeline.stages.reviewing import audit, report, review, stats
    from pipeline.stages.samples import masks, variants
    from pipeline.stages.splitting import split

__all__ = ["Outcome", "Plan", "audit", "find_sources", "index", "masks", "plan", "report", "review", "split", "stats", "variants"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "pipeline.stages.indexing": ["find_sources", "index"],
        "pipeline.stages.outcome": ["Outcome"],
        "pipeline.stages.planning": ["Plan", "plan"],
        "pipeline.stages.reviewing": ["audit", "report", "review", "stats"],
        "pipeline.stages.samples": ["masks", "variants"],
        "pipeline.stages.splitting": ["split"],
    },
)
