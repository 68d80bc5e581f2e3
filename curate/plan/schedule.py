"""How long N workers take for splits of given seconds: the longest first, each to whoever is free.

    makespan([9.0, 2.0, 2.0, 2.0], 2)     9.0: the longest split is the floor, however many workers there are

That is the order in which `curate.run` hands them out (Graham 1969: at most 4/3 of the best possible order).
"""

import heapq
from collections.abc import Iterable


def makespan(seconds: Iterable[float], workers: int) -> float:
    """Return when the last split ends."""
    if workers < 1:
        raise ValueError(f"{workers} workers do no work; say 1 or more")
    free = [0.0] * workers
    for split in sorted(seconds, reverse=True):
        heapq.heapreplace(free, free[0] + split)
    return max(free)
