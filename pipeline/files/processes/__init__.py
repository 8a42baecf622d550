"""Work over many files through the standard `concurrent.futures.Executor` interface, in order and bounded in memory.

Any executor will do; there is a pool of processes on this machine, and `pipeline.cluster` has another. A process that dies, of
a decoder's fault or because the system is out of memory, costs the item that it died on and nothing else.
"""

from pipeline.files.processes.executors import Inline, Pool, Workers
from pipeline.files.processes.mapping import in_batches, in_groups, in_order, sync_all
from pipeline.files.processes.starting import start_server, use_one_thread

__all__ = [
    "Inline",
    "Pool",
    "Workers",
    "in_batches",
    "in_groups",
    "in_order",
    "start_server",
    "sync_all",
    "use_one_thread",
]
