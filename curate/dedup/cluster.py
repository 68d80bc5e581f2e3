"""Who stays: stars around the best copies, never chains.

    A ~ B ~ C, A not ~ C, ranked A, B, C     ->  A stays, B leaves for A, C stays

Documents are taken in rank order: score descending where there is one, then length descending, then id. One leaves if
and only if it is a verified near-duplicate of one that stays, and it names the best-ranked such. So each removed row is
a neighbour of its survivor (connected components promise only a path), and the result depends on the set of documents,
not on shards, order or workers.

A document is compared with the survivors of its buckets only: a template's ten thousand copies cost one comparison
each. Where thousands share a bucket and yet differ, the bucket's `MOST_STARS` best-ranked survivors stand for it.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit
from numpy.typing import NDArray

from curate.dedup.verify import jaccard

MOST_STARS = 64  # survivors of one bucket a document is compared with; bounds the work at 64 * bands per document
NONE = -1


@dataclass(frozen=True)
class Stars:
    """What became of N documents; in each array the position is the document.

    survivor: (N,) int64, the document it left for, NONE where it stays.
    similarity: (N,) float32, exact Jaccard to the survivor, 0 where it stays.
    band: (N,) int32, the first band shared with the survivor, NONE for its exact copies and where it stays.
    copy: (N,) bool, whether a better-ranked document has exactly this text.
    """

    survivor: NDArray[np.int64]
    similarity: NDArray[np.float32]
    band: NDArray[np.int32]
    copy: NDArray[np.bool_]
    num_compared: int = 0
    num_rejected: int = 0  # compared and found below the threshold

    def exact(self) -> NDArray[np.bool_]:
        """(N,) which documents left as exact copies of their survivor."""
        return np.asarray((self.survivor != NONE) & (self.band == NONE))

    def sizes(self) -> NDArray[np.int64]:
        """(N,) documents in the star of each survivor, itself included; 0 where it leaves."""
        stays = self.survivor == NONE
        return np.asarray(np.bincount(self.survivor[~stays], minlength=len(stays)) + stays)


def rank(score: pa.Array, length: pa.Array, ids: pa.Array, exact: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return (N,) int64: rows from best to worst. Missing scores come last; equal ids are told apart by their text."""
    columns = {"score": score, "length": length, "id": ids, "high": exact[:, 0], "low": exact[:, 1]}
    directions = ("descending", "descending", "ascending", "ascending", "ascending")
    order = pc.sort_indices(pa.table(columns), list(zip(columns, directions, strict=True)))
    return np.asarray(order.to_numpy(), dtype=np.int64)


def first_copies(exact: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return (N,) int64: for documents in rank order, the first with the same 128-bit hash."""
    order = np.lexsort((exact[:, 1], exact[:, 0]))  # stable: equal hashes stay in rank order
    ordered = exact[order]
    starts = np.ones(len(exact), dtype=bool)
    starts[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    first = np.empty(len(exact), dtype=np.int64)
    first[order] = order[np.maximum.accumulate(np.where(starts, np.arange(len(exact)), 0))]
    return first


def shared_buckets(keys: NDArray[np.uint64]) -> NDArray[np.int32]:
    """Return (N, bands) int32: the bucket of each band key that two or more documents have; NONE for the others."""
    buckets = np.full(keys.shape, NONE, dtype=np.int32)
    first = 0
    for band in range(keys.shape[1]):
        _, inverse, counts = np.unique(keys[:, band], return_inverse=True, return_counts=True)
        shared = counts > 1
        names = np.where(shared, first + np.cumsum(shared) - 1, NONE)
        buckets[:, band] = names[inverse]
        first += int(shared.sum())
    return buckets


def stars(
    buckets: NDArray[np.int32],
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    hashes: NDArray[np.uint64],
    threshold: float,
) -> Stars:
    """Decide for documents in rank order, whose shingle sets are hashes[start:stop]."""
    n = len(buckets)
    survivor = np.full(n, NONE, dtype=np.int64)
    similarity = np.zeros(n, dtype=np.float32)
    band = np.full(n, NONE, dtype=np.int32)
    num_buckets = int(buckets.max(initial=NONE)) + 1
    counts = _stars(buckets, num_buckets, starts, stops, hashes, threshold, MOST_STARS, survivor, similarity, band)
    return Stars(survivor, similarity, band, np.zeros(n, dtype=bool), *counts)


def with_copies(near: Stars, first: NDArray[np.int64]) -> Stars:
    """Return the stars of all documents, given `first_copies` and the stars of the first copies, in their order.

    A copy leaves for its first copy; where that one left, for the same survivor with the same similarity.
    """
    n = len(first)
    originals = np.flatnonzero(first == np.arange(n))
    survivor, similarity, band = np.full(n, NONE), np.zeros(n, dtype=np.float32), np.full(n, NONE, dtype=np.int32)
    survivor[originals] = np.where(near.survivor == NONE, NONE, originals[near.survivor])
    similarity[originals], band[originals] = near.similarity, near.band
    survivor, similarity, band = survivor[first], similarity[first], band[first]
    copy = first != np.arange(n)
    exact = copy & (survivor == NONE)
    survivor[exact], similarity[exact] = first[exact], 1.0
    return Stars(survivor, similarity, band, copy, near.num_compared, near.num_rejected)


@njit(cache=True, nogil=True)
def _stars(
    buckets: NDArray[np.int32],
    num_buckets: int,
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    hashes: NDArray[np.uint64],
    threshold: float,
    most: int,
    survivor: NDArray[np.int64],
    similarity: NDArray[np.float32],
    band: NDArray[np.int32],
) -> tuple[int, int]:
    bands = buckets.shape[1]
    head = np.full(num_buckets, -1, dtype=np.int64)  # of each bucket's list of survivors, best first
    tail = np.full(num_buckets, -1, dtype=np.int64)
    length = np.zeros(num_buckets, dtype=np.int32)
    after = np.full(
        buckets.size, -1, dtype=np.int64
    )  # (N * bands,): the list entry that follows document * bands + band
    met = np.full(len(buckets), -1, dtype=np.int64)  # the last document each survivor was compared with
    compared = rejected = 0
    for document in range(len(buckets)):
        best = -1
        for b in range(bands):
            bucket = buckets[document, b]
            entry = head[bucket] if bucket >= 0 else -1
            while entry >= 0:
                other = entry // bands
                if best >= 0 and other > best:
                    break  # lists are in rank order: nothing better follows
                if met[other] != document:
                    met[other] = document
                    compared += 1
                    found = jaccard(hashes, starts[document], stops[document], starts[other], stops[other])
                    if found >= threshold:
                        best = other
                        similarity[document] = found
                    else:
                        rejected += 1
                entry = after[entry]
        survivor[document] = best
        if best >= 0:
            for b in range(bands - 1, -1, -1):
                if buckets[document, b] >= 0 and buckets[document, b] == buckets[best, b]:
                    band[document] = b
            continue
        for b in range(bands):
            bucket = buckets[document, b]
            if bucket >= 0 and length[bucket] < most:
                entry = document * bands + b
                if head[bucket] < 0:
                    head[bucket] = entry
                else:
                    after[tail[bucket]] = entry
                tail[bucket] = entry
                length[bucket] += 1
    return compared, rejected
