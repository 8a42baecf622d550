"""The executors of stages and audits: processes of this machine, or of a cluster."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.files import processes
from pipeline.files.processes import Inline, Pool, Workers, in_batches, in_groups, in_order, sync_all

__all__ = ["Inline", "Workers", "in_batches", "in_groups", "in_order", "open_executor", "start_server", "sync_all"]

_MODULES = ["pipeline.dataset.samples", "pipeline.indexing.inspect"]  # what runs in workers


def start_server() -> None:
    """Lets the processes of `open_executor` load what they need while this one goes on."""
    processes.start_server(_MODULES)


def open_executor(workers: int, scheduler: str = "", folders: Sequence[Path] = ()) -> Workers:
    """Opens an executor.

    Args:
      workers: the number of processes on this machine.
      scheduler: of a Dask cluster that does the work instead: its address, or its file.
      folders: what is read from and written to; all workers of a cluster must see them.

    Raises:
      InputError: the cluster cannot be used.
    """
    if scheduler:
        from pipeline.cluster import open_cluster

        return open_cluster(scheduler, folders)
    return Pool(workers, _MODULES)
