"""Who is compared with whom: documents that share a band, an exact text or a URL, found by sorting ranges of keys.

    scatter_block   a block's keys, cut by range of key                       -> entries/KIND/BLOCK
    join_range      one range of all blocks and of the index, sorted          -> buckets/KIND/RANGE
    link_range      pairs (document, better survivor of one of its buckets)   -> pairs/ROUND/RANGE

An entry is a key and a rank, 12 bytes; a bucket is what has one key. A band's number is added into its keys, so that
all bands share one space of keys, whose ranges are sorted one by one within the memory of a task.

Linking goes in rounds around `cluster.settle`. In a round a document is linked with the 1 (4, 16, 64, 64, ...) best
survivors of each of its buckets, as far as survivors are known by then: first with the best only, which settles most
documents at one comparison each, a template's million pages too. Rounds go on until they link nothing new. Then every
document has been compared with the 64 best survivors of each of its buckets that are better than itself, or than the
survivor that it left for. What this misses: a copy of a survivor that is not among the best 64 of any bucket the two
share. So a crowded band (a menu that 100,000 different pages share) is worth no band: at J = 0.8, 13 bands find 0.908
of the pairs where 14 find 0.924; `benchmarks/dedup_scale.py` measures what it costs a corpus.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numba import njit
from numpy.typing import NDArray

from curate.dedup.layout import Layout
from curate.dedup.shuffle import (
    column,
    cut,
    exists,
    fixed,
    gather,
    load,
    opened,
    read_part,
    read_rows,
    scatter,
    scatter_pieces,
)
from curate.dedup.words import GAMMA

NEAR, EXACT, URL_KIND = "near", "exact", "url"
SHIFT = np.uint64(32)
LOW = np.uint64(2**32 - 1)
INDEX_RANGES = 16  # files of one kind in one layer of the index, by the highest bits of the key
PAIRS_AT_ONCE = (
    2**20
)  # some 75 MB with what sorting takes; all documents of a range may share one band, and be linked with 64 each
GROUPS_AT_ONCE = 64  # row groups of 4096 entries


def kinds(layout: Layout) -> tuple[str, ...]:
    """Return the kinds of keys that make documents meet."""
    return (EXACT, URL_KIND, NEAR) if layout.by_url else (EXACT, NEAR)


def scatter_block(layout: Layout, unit: int) -> None:
    """Write a block's entries of each kind, cut by range of key."""
    if exists(layout.path(f"entries/{NEAR}", unit)):
        return
    block = layout.blocks[unit]
    names = ["num_shingles", "exact", "bands", *(["url"] if layout.by_url else [])]
    signed = pa.concat_tables([read_rows(file, names) for file in block.files])
    ranks = np.asarray(layout.ranks()[block.start : block.stop])
    for kind in kinds(layout):  # the last one marks the block as done
        table = entries(signed, ranks, kind)
        which = layout.range_of(column(table, "key"))
        order = np.argsort(which, kind="stable")
        ordered = table.take(pa.array(order)).combine_chunks()
        parts = [_batch(ordered.slice(s.start, s.stop - s.start)) for s in cut(which[order], layout.num_ranges)]
        scatter(layout.path(f"entries/{kind}", unit), parts)


def entries(signed: pa.Table, ranks: NDArray[np.uint32], kind: str) -> pa.Table:
    """Return the keys of one kind with the ranks of their documents; a document may have several, or none."""
    if kind == NEAR:
        bands = fixed(signed["bands"], signed.schema.field("bands").type.byte_width // 8)
        wordy = signed["num_shingles"].to_numpy() > 0
        keys = bands[wordy] + GAMMA * np.arange(1, bands.shape[1] + 1, dtype=np.uint64)
        return pa.table({"key": keys.T.ravel(), "rank": np.tile(ranks[wordy], bands.shape[1])})
    hashes = fixed(signed[kind], 2)
    known = hashes.any(axis=1)
    return pa.table({"key": hashes[known, 0].copy(), "low": hashes[known, 1].copy(), "rank": ranks[known]})


def join_range(layout: Layout, unit: tuple[str, int]) -> int:
    """Sort one range of one kind's keys; write the buckets of two or more documents. Return their documents."""
    kind, part = unit
    path = layout.path(f"buckets/{kind}", part)
    if exists(path):
        return len(read_part(path, 0))
    found = gather(layout.paths(f"entries/{kind}", len(layout.new_blocks)), part)
    key, ranks = column(found, "key"), column(found, "rank")
    low = column(found, "low") if kind != NEAR else None
    if layout.layers and len(key):
        old = _old(layout, kind, part, np.sort(key))
        key, ranks = np.concatenate([key, column(old, "key")]), np.concatenate([ranks, column(old, "rank")])
        low = None if low is None else np.concatenate([low, column(old, "low")])
    buckets, members = _buckets(key, low, ranks)
    scatter(path, [pa.record_batch({"bucket": buckets, "rank": members})])
    return len(members)


def _buckets(
    key: NDArray[np.uint64], low: NDArray[np.uint64] | None, ranks: NDArray[np.uint32]
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Return (bucket, rank) of the documents that share a key, ascending; other documents are left out."""
    order = np.argsort(key)
    ordered = key[order]
    same = ordered[1:] == ordered[:-1]
    shared = np.zeros(len(key), dtype=bool)
    shared[1:] |= same
    shared[:-1] |= same
    order, ordered = order[shared], ordered[shared]
    if low is None:
        ranks, second = ranks[order], np.zeros(len(order), dtype=np.uint64)
    else:
        ranks, second = ranks[order], low[order]
    by = np.lexsort((ranks, second, ordered)) if low is not None else np.lexsort((ranks, ordered))
    ordered, second, ranks = ordered[by], second[by], ranks[by]
    starts = np.ones(len(by), dtype=np.uint32)
    starts[1:] = (ordered[1:] != ordered[:-1]) | (second[1:] != second[:-1])
    return np.cumsum(starts, dtype=np.uint32), ranks


def _old(layout: Layout, kind: str, part: int, wanted: NDArray[np.uint64]) -> pa.Table:
    """Return the index's entries that have one of the wanted keys, which ascend; deleted documents have none."""
    low, high = wanted[0], wanted[-1]
    found = [
        pa.table({"key": wanted[:0], **({} if kind == NEAR else {"low": wanted[:0]}), "rank": np.zeros(0, np.uint32)})
    ]
    width = 2**64 // layout.num_ranges
    for layer in layout.layers:
        for path in entry_files(layer, kind, part * width, (part + 1) * width - 1):
            with opened(path) as file:
                groups = [g for g in range(file.num_row_groups) if _overlaps(file, g, low, high)]
                for first in range(0, len(groups), GROUPS_AT_ONCE):
                    table = file.read_row_groups(groups[first : first + GROUPS_AT_ONCE])
                    keys = column(table, "key")
                    known = wanted[np.minimum(np.searchsorted(wanted, keys), len(wanted) - 1)] == keys
                    known &= ~np.isin(column(table, "rank"), layout.deleted)
                    found.append(table.filter(pa.array(known)))
    return pa.concat_tables(found)


def entry_files(layer: str, kind: str, low: int, high: int) -> list[str]:
    """Return the files of a layer of the index that hold keys from `low` to `high`."""
    width = 2**64 // INDEX_RANGES
    return [f"{layer}/{kind}/{part:03d}.parquet" for part in range(low // width, high // width + 1)]


def _overlaps(file: pq.ParquetFile, group: int, low: np.uint64, high: np.uint64) -> bool:
    statistics = file.metadata.row_group(group).column(0).statistics
    return statistics is None or not (statistics.max < low or statistics.min > high)


def link_range(layout: Layout, turn: int, unit: tuple[str, int]) -> tuple[int, bool]:
    """Write the pairs that a round compares (near) or joins at once (exact, url).

    Returns: how many, and whether some bucket has more survivors than this round looks at.
    """
    kind, part = unit
    path = layout.path(f"pairs/{turn:02d}/{kind}", part)
    source = read_part(layout.path(f"buckets/{kind}", part), 0)
    survivor = load(f"{layout.work}/survivor-{turn:02d}.bin")
    most = layout.most_of(turn) if kind == NEAR else 1
    pieces = link(column(source, "bucket"), column(source, "rank"), survivor, layout.num_old, most)
    if exists(path):
        return _count(pieces)
    linked = []

    def cut_pieces() -> Iterator[list[pa.RecordBatch]]:
        for pairs, more in pieces:
            linked.append((len(pairs), more))
            yield _cut_pairs(layout, kind, pairs)

    scatter_pieces(path, cut_pieces())
    return sum(count for count, _ in linked), any(more for _, more in linked)


def _count(pieces: Iterator[tuple[NDArray[np.uint64], bool]]) -> tuple[int, bool]:
    counts = [(len(pairs), more) for pairs, more in pieces]
    return sum(count for count, _ in counts), any(more for _, more in counts)


def _cut_pairs(layout: Layout, kind: str, pairs: NDArray[np.uint64]) -> list[pa.RecordBatch]:
    """Cut pairs by the block of the worse document (near), or by its strip (exact, url)."""
    worse = (pairs >> SHIFT).astype(np.uint32)
    if kind == NEAR:
        which, parts = layout.block_of(layout.rows()[worse]), len(layout.new_blocks)
    else:
        which, parts = layout.strip_of(worse), layout.num_strips
    order = np.argsort(which, kind="stable")
    columns = {"pair": pairs[order]}
    if kind != NEAR:
        columns["similarity"] = np.full(len(pairs), 1 if kind == EXACT else np.nan, dtype=np.float32)
    batch = pa.record_batch(columns)
    return [batch.slice(s.start, s.stop - s.start) for s in cut(which[order], parts)]


def link(
    buckets: NDArray[np.uint32],
    ranks: NDArray[np.uint32],
    survivor: NDArray[np.uint32],
    first_new: int,
    most: int,
    pairs_at_once: int = PAIRS_AT_ONCE,
) -> Iterator[tuple[NDArray[np.uint64], bool]]:
    """Pair each new document with the `most` best survivors of its bucket better than itself, or than its survivor.

    Buckets, and the ranks within each, ascend. Yields, piece by piece: pairs (worse << 32 | better), ascending and
    different within the piece, and whether some bucket has had more survivors than `most`.
    """
    step = max(1, pairs_at_once // most)
    pairs = np.empty(min(step, len(ranks)) * most, dtype=np.uint64)
    best = np.empty(most, dtype=np.uint32)
    count = 0
    for first in range(0, max(len(ranks), 1), step):
        stop = min(first + step, len(ranks))
        found, count, more = _link(buckets, ranks, first, stop, survivor, first_new, best, count, pairs)
        yield np.unique(pairs[:found]), bool(more)


@njit(cache=True, nogil=True)
def _link(
    buckets: NDArray[np.uint32],
    ranks: NDArray[np.uint32],
    first: int,
    stop: int,
    survivor: NDArray[np.uint32],
    first_new: int,
    best: NDArray[np.uint32],
    count: int,
    pairs: NDArray[np.uint64],
) -> tuple[int, int, bool]:
    """Link the entries first:stop; `best[:count]` are the survivors of the bucket so far, best first."""
    found, more = 0, False
    for i in range(first, stop):
        if i == 0 or buckets[i] != buckets[i - 1]:
            count = 0
        document = ranks[i]
        limit = survivor[document]
        if document >= first_new:
            for j in range(count):
                if best[j] >= limit:
                    break
                pairs[found] = (np.uint64(document) << SHIFT) | np.uint64(best[j])
                found += 1
        if limit == document:
            if count < len(best):
                best[count] = document
                count += 1
            else:
                more = True
    return found, count, more


def _batch(table: pa.Table) -> pa.RecordBatch:
    return table.to_batches()[0] if len(table) else pa.RecordBatch.from_pylist([], table.schema)
