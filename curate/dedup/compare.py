"""Verify a round's candidate pairs: each block is told the shingles of the better documents that its own meet.

    ask_block       the pairs of a block's documents, once each, cut by the block of the better document -> asked/ROUND
    send_block      the shingle sets that other blocks asked this one for                               -> sent/ROUND
    compare_block   this block's documents, read again, against what was sent                           -> edges/ROUND

Only the better document of a pair travels (the head of a cluster, mostly); the worse one is read where it lies. So a
round moves less than the candidates' shingles, and a task holds the sets that one block asks for, no more.
"""

from collections.abc import Iterator
from functools import cache

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from curate.dedup.candidates import LOW, NEAR, SHIFT
from curate.dedup.layout import Layout, Sets
from curate.dedup.shuffle import column, cut, exists, gather, read_part, scatter
from curate.dedup.verify import similarity as similarity_of
from curate.dedup.verify import taken


def ask_block(layout: Layout, turn: int, unit: int) -> int:
    """Write the pairs to compare that no earlier round compared; return how many."""
    path = layout.path(f"asked/{turn:02d}", unit)
    if exists(path):
        return sum(len(read_part(path, part)) for part in range(len(layout.blocks)))
    found = gather(layout.paths(f"pairs/{turn:02d}/{NEAR}", layout.num_ranges), unit)
    pairs = np.unique(column(found, "pair"))
    for before in range(1, turn):
        pairs = pairs[~np.isin(pairs, _asked(layout, before, unit))]
    which = layout.block_of(layout.rows()[pairs & LOW])
    order = np.argsort(which, kind="stable")
    batch = pa.record_batch({"pair": pairs[order]})
    scatter(path, [batch.slice(s.start, s.stop - s.start) for s in cut(which[order], len(layout.blocks))])
    return len(pairs)


def send_block(layout: Layout, turn: int, unit: int) -> None:
    """Write, for each block that asked, the shingle sets of this block's documents."""
    path = layout.path(f"sent/{turn:02d}", unit)
    if exists(path):
        return
    block = layout.blocks[unit]
    asked = [
        np.unique(column(read_part(asking, unit), "pair") & LOW).astype(np.uint32)
        for asking in layout.paths(f"asked/{turn:02d}", len(layout.new_blocks))
    ]
    wanted = np.unique(layout.rows()[np.unique(np.concatenate(asked))]).astype(np.int64)
    pieces = list(read_sets(layout, unit, wanted - block.start)) if len(wanted) else []
    sizes = np.concatenate([np.zeros(0, np.int64), *(piece[1] for piece in pieces)])
    hashes = np.concatenate([np.zeros(0, np.uint64), *(piece[2] for piece in pieces)])
    pieces.clear()
    offsets, parts = np.concatenate([[0], np.cumsum(sizes)]), []
    for ranks in asked:
        sets = taken(offsets, hashes, np.searchsorted(wanted, layout.rows()[ranks]))
        parts.append(pa.record_batch({"rank": ranks, "set": pa.LargeListArray.from_arrays(*sets)}))
    scatter(path, parts)


def compare_block(layout: Layout, turn: int, unit: int) -> tuple[int, int]:
    """Write the edges of a block's documents, cut by strip; return pairs compared, and those below the threshold."""
    path, pairs = layout.path(f"edges/{turn:02d}", unit), _asked(layout, turn, unit)
    if exists(path):
        kept = sum(len(read_part(path, strip)) for strip in range(layout.num_strips))
        return len(pairs), len(pairs) - kept
    block = layout.blocks[unit]
    rows = layout.rows()[(pairs >> SHIFT)].astype(np.int64) - block.start
    order = np.argsort(rows, kind="stable")
    pairs, rows = pairs[order], rows[order]
    similarity, contained = np.zeros(len(pairs)), layout.settings.similarity == "containment"
    if len(pairs):
        sent = gather(layout.paths(f"sent/{turn:02d}", len(layout.blocks)), unit).combine_chunks()
        ranks = column(sent, "rank")
        sets = sent["set"].chunk(0)
        by_rank = np.argsort(ranks)
        better = by_rank[np.searchsorted(ranks, pairs & LOW, sorter=by_rank)]
        offsets, values = sets.offsets.to_numpy(), sets.values.to_numpy()
        for piece_rows, sizes, hashes in read_sets(layout, unit, np.unique(rows)):
            a, b = np.searchsorted(rows, piece_rows[[0, -1]] + [0, 1])
            ends = np.cumsum(sizes) + len(values)
            mine = np.searchsorted(piece_rows, rows[a:b])
            every = np.concatenate([values, hashes])
            theirs = better[a:b]
            starts, stops = offsets[theirs], offsets[theirs + 1]
            _compare(every, (ends - sizes)[mine], ends[mine], starts, stops, contained, similarity[a:b])
    accepted = similarity >= layout.threshold
    pairs, similarity = pairs[accepted], similarity[accepted].astype(np.float32)
    which = layout.strip_of(pairs >> SHIFT)
    order = np.argsort(which, kind="stable")
    batch = pa.record_batch({"pair": pairs[order], "similarity": similarity[order]})
    scatter(path, [batch.slice(s.start, s.stop - s.start) for s in cut(which[order], layout.num_strips)])
    return len(accepted), int((~accepted).sum())


def read_sets(layout: Layout, unit: int, rows: NDArray[np.int64]) -> Iterator[Sets]:
    """Read the shingle sets of some rows of a block; of a small corpus from memory, from the second round on."""
    if not layout.keep:
        yield from layout.sets(layout.blocks[unit], rows)
    elif len(rows):
        known, offsets, hashes = _kept(layout, unit)
        offsets, hashes = taken(offsets, hashes, np.searchsorted(known, rows))
        yield rows, np.diff(offsets), hashes


def forget_sets() -> None:
    """Free what `read_sets` keeps."""
    _kept.cache_clear()


@cache
def _kept(layout: Layout, unit: int) -> Sets:
    """Return the rows of a block that share a bucket, and the offsets and hashes of their sets."""
    buckets = gather(layout.paths(f"buckets/{NEAR}", layout.num_ranges), 0)
    block = layout.blocks[unit]
    rows = np.unique(layout.rows()[column(buckets, "rank")]).astype(np.int64) - block.start
    rows = rows[(rows >= 0) & (rows < block.stop - block.start)]
    pieces = list(layout.sets(block, rows))
    sizes = np.concatenate([np.zeros(1, np.int64), *(piece[1] for piece in pieces)])
    return rows, np.cumsum(sizes), np.concatenate([np.zeros(0, np.uint64), *(piece[2] for piece in pieces)])


def _asked(layout: Layout, turn: int, unit: int) -> NDArray[np.uint64]:
    path = layout.path(f"asked/{turn:02d}", unit)
    return np.concatenate([column(read_part(path, part), "pair") for part in range(len(layout.blocks))])


@njit(cache=True, nogil=True)
def _compare(
    hashes: NDArray[np.uint64],
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    better_starts: NDArray[np.int64],
    better_stops: NDArray[np.int64],
    containment: bool,
    similarity: NDArray[np.float64],
) -> None:
    for i in range(len(starts)):
        similarity[i] = similarity_of(hashes, starts[i], stops[i], better_starts[i], better_stops[i], containment)
