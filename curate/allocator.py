"""Let the C library keep the memory that one batch frees for the next one.

glibc gives the end of its heap back to the system as soon as 64 MB of it are free, and blocks of more than 128 KB at
first each time. What computes by the batch, an encoder or a trainer, frees more than that with every batch and wants it
again in the next: each page comes back through a fault, and zeroed. `benchmarks/page_faults.py` tells what it costs.
"""

import ctypes
import os
import platform
from functools import cache

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
MOST_FREE = 2**30  # bytes at the heap's end that are kept: what a task may hold, see `curate.cluster.TASK_MEMORY`
LEAST_MAPPED = 32 * 2**20  # bytes of a block that the system is asked for: the most that glibc allows


@cache
def keep_freed_memory() -> bool:
    """Set this process's allocator so, and tell whether that was done.

    Not where the C library is another one, or where the environment says how memory is to be kept (`mallopt(3)`).
    """
    said = any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ)
    if said or platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    # both, for setting one ends the growth of the other
    return bool(mallopt(M_MMAP_THRESHOLD, LEAST_MAPPED) and mallopt(M_TRIM_THRESHOLD, MOST_FREE))
