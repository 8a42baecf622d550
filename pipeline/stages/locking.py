"""Stages write under the lock of the data set's folder."""

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec

from pipeline.dataset.folder import DatasetFolder
from pipeline.stages.outcome import Outcome

Rest = ParamSpec("Rest")
Stage = Callable[Concatenate[DatasetFolder, Rest], Outcome]


def under_lock(stage: Stage[Rest]) -> Stage[Rest]:
    """Makes a stage hold the lock of its folder; of one process that has it already it only uses it."""

    @functools.wraps(stage)
    def run(folder: DatasetFolder, *args: Rest.args, **kwargs: Rest.kwargs) -> Outcome:
        with folder.locked(stage.__name__):
            return stage(folder, *args, **kwargs)

    return run
