"""Exact similarity of candidate pairs, on the sets of their shingles' 64-bit hashes.

    jaccard       |A and B| / |A or B|
    containment   |A and B| / |A|          A the document that would leave: how much of it the other one has

Both come of one merge of two sorted arrays. MinHash only proposes: at 14 x 8 a pair of similarity 0.6 is proposed one
time in five. What is removed is decided here. "Exact" is up to two different shingles of one pair having the same
64-bit hash (1e-14 for documents of 500 words).
"""

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from curate.dedup.shingles import Unit, shingles


def shingle_sets(texts: pa.Array, size: int, unit: Unit = "words") -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Return the distinct shingles of each text in ascending order: offsets (N + 1,), hashes (offsets[-1],) uint64."""
    offsets, hashes = shingles(texts, size, unit)
    for start, stop in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        hashes[start:stop].sort()
    distinct = np.empty(len(offsets), dtype=np.int64)
    total = _compact(offsets, hashes, distinct)
    return distinct, hashes[:total].copy()


def taken(
    offsets: NDArray[np.int64], hashes: NDArray[np.uint64], places: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Return some of the sets, in the order of `places`: offsets (M + 1,), hashes. Twice as fast as Arrow's `take`."""
    starts, stops = offsets[places], offsets[places + 1]
    ends = np.concatenate([[0], np.cumsum(stops - starts)])
    chosen = np.empty(int(ends[-1]), dtype=np.uint64)
    _copy(starts, stops, hashes, chosen)
    return ends, chosen


@njit(cache=True, nogil=True)
def similarity(hashes: NDArray[np.uint64], a: int, a_end: int, b: int, b_end: int, containment: bool) -> float:
    """Return that of the ascending hashes[a:a_end] (would leave) and hashes[b:b_end]; 0 where nothing is there."""
    both = shared(hashes, a, a_end, b, b_end)
    of = a_end - a if containment else a_end - a + b_end - b - both
    return both / of if of else 0.0


@njit(cache=True, nogil=True)
def shared(hashes: NDArray[np.uint64], a: int, a_end: int, b: int, b_end: int) -> int:
    """Return how many values hashes[a:a_end] and hashes[b:b_end], each ascending, have in common."""
    count = 0
    while a < a_end and b < b_end:
        x, y = hashes[a], hashes[b]
        count += x == y
        a += x <= y
        b += y <= x
    return count


@njit(cache=True, nogil=True)
def _copy(
    starts: NDArray[np.int64], stops: NDArray[np.int64], hashes: NDArray[np.uint64], chosen: NDArray[np.uint64]
) -> None:
    n = 0
    for row in range(len(starts)):
        for i in range(starts[row], stops[row]):
            chosen[n] = hashes[i]
            n += 1


@njit(cache=True, nogil=True)
def _compact(offsets: NDArray[np.int64], hashes: NDArray[np.uint64], distinct: NDArray[np.int64]) -> int:
    n = 0
    distinct[0] = 0
    for row in range(len(offsets) - 1):
        for i in range(offsets[row], offsets[row + 1]):
            if i == offsets[row] or hashes[i] != hashes[i - 1]:
                hashes[n] = hashes[i]
                n += 1
        distinct[row + 1] = n
    return n
