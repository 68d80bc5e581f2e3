"""Who stays: stars around the best copies, never chains.

    A ~ B ~ C, A not ~ C, ranked A, B, C     ->  A stays, B leaves for A, C stays

Documents are taken in rank order: score descending where there is one, then length descending, then id. One leaves if
and only if it is a copy of one that stays, and it names the best-ranked such. So each removed row is a neighbour of its
survivor (connected components promise only a path), and the result depends on the set of documents, not on shards,
order or workers.

The edges are the verified pairs. Sorted by (worse, better) they are decided in one pass, because all that the better
document's fate depends on came before: 8 bytes a document, and the edges of one strip of ranks at a time.

Rounds of linking and settling end where linking finds nothing new: then no two documents that stay and share a bucket
are copies of each other, and what is settled over the known edges is what would be settled over all.
"""

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from curate.dedup.candidates import EXACT, LOW, NEAR, SHIFT, kinds
from curate.dedup.layout import Layout
from curate.dedup.shuffle import column, gather, read_part

Settled = tuple[NDArray[np.uint32], NDArray[np.float32]]


def settle(layout: Layout, turns: int, compared: Sequence[int]) -> Settled:
    """Decide by the edges of all rounds before `turns`, of which `compared` verified pairs.

    Returns: survivor (total,) uint32, of each rank the rank that it left for, itself where it stays; and similarity
    (total,) float32, NaN where it was not measured.
    """
    survivor = np.arange(layout.total, dtype=np.uint32)
    similarity = np.full(layout.total, np.nan, dtype=np.float32)
    paths = [path for turn in range(turns) for path in _edge_files(layout, turn, compared)]
    for strip in range(layout.num_strips if paths else 0):
        edges = gather(paths, strip)
        pairs, found = column(edges, "pair"), column(edges, "similarity")
        order = np.lexsort((-found, pairs))  # of one pair found in two ways the measured one
        settle_edges(pairs[order], found[order], survivor, similarity)
    return survivor, similarity


def _edge_files(layout: Layout, turn: int, compared: Sequence[int]) -> list[str]:
    joined = [path for kind in kinds(layout) if kind != NEAR for path in _pairs(layout, turn, kind)]
    return joined + (layout.paths(f"edges/{turn:02d}", len(layout.new_blocks)) if turn in compared else [])


def _pairs(layout: Layout, turn: int, kind: str) -> list[str]:
    return layout.paths(f"pairs/{turn:02d}/{kind}", layout.num_ranges)


@njit(cache=True, nogil=True)
def settle_edges(
    pairs: NDArray[np.uint64],
    found: NDArray[np.float32],
    survivor: NDArray[np.uint32],
    similarity: NDArray[np.float32],
) -> None:
    """Go on deciding with edges (worse << 32 | better), ascending, whose better documents are decided."""
    for i in range(len(pairs)):
        worse, better = pairs[i] >> SHIFT, pairs[i] & LOW
        if survivor[worse] == worse and survivor[better] == better:
            survivor[worse] = better
            similarity[worse] = found[i]


def cluster_sizes(survivor: NDArray[np.uint32], counted: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """Return (N,) uint32: the counted documents of each survivor's star; 0 for documents that left."""
    sizes = np.zeros(len(survivor), dtype=np.uint32)
    _count(survivor, counted, sizes)
    return sizes


@njit(cache=True, nogil=True)
def _count(survivor: NDArray[np.uint32], counted: NDArray[np.bool_], sizes: NDArray[np.uint32]) -> None:
    for i in range(len(survivor)):
        sizes[survivor[i]] += counted[i]


def copies(layout: Layout) -> NDArray[np.bool_]:
    """Return (total,) whether a better-ranked document has exactly this text."""
    found = np.zeros(layout.total, dtype=bool)
    for path in layout.paths(f"buckets/{EXACT}", layout.num_ranges):
        table = read_part(path, 0)
        buckets, ranks = column(table, "bucket"), column(table, "rank")
        found[ranks[1:][buckets[1:] == buckets[:-1]]] = True
    return found
