"""The stages: index, split, masks, variants; audit, stats, report.

Each can be run alone, and again at no cost where everything is done.

They know no command line arguments and print nothing. A stage raises InputError where the stage before it is missing.
"""

from pipeline.stages.indexing import find_sources, index
from pipeline.stages.outcome import Outcome
from pipeline.stages.planning import Plan, plan
from pipeline.stages.reviewing import audit, report, stats
from pipeline.stages.samples import masks, variants
from pipeline.stages.splitting import split

__all__ = ["Outcome", "Plan", "audit", "find_sources", "index", "masks", "plan", "report", "split", "stats", "variants"]
