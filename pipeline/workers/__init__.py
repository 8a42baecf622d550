"""Work over many images through the standard `concurrent.futures.Executor` interface, bounded in memory.

Any executor will do; there are a pool of processes on this machine and `pipeline.cluster`. A process that dies, of a decoder's
fault or because the system is out of memory, costs the item that it died on and nothing else.
"""

from pipeline.workers.executors import Inline, Workers, all_cores, open_executor
from pipeline.workers.mapping import in_batches, in_groups, in_order, sync_all
from pipeline.workers.processes import start_server, use_one_thread

__all__ = [
    "Inline",
    "Workers",
    "all_cores",
    "in_batches",
    "in_groups",
    "in_order",
    "open_executor",
    "start_server",
    "sync_all",
    "use_one_thread",
]
