"""From best to worst: the rank of every document, by an external sort.

    score descending, then length descending, then id; what has no score is last

Each block is sorted and cut at common bounds (a sample's quantiles); each strip between two bounds is then sorted by
one task. Scores and lengths are compared as 64-bit integers, ids only where both are equal. The ranks are dense
integers, so that all later phases work on 4 bytes a document and the ids stay in their files. Bounds change the cut,
never the order.
"""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.dedup.layout import Block, Layout
from curate.dedup.shuffle import column, exists, fixed, gather, read_part, read_rows, save, scatter
from curate.document import ID

SAMPLED_FILES, SAMPLED_ROWS = 64, 512
RANKED = [ID, "score", "length", "exact"]  # columns of a signed file that rank a document
Bound = tuple[int, int, str]


def keyed(signed: pa.Table) -> pa.Table:
    """Return what a document is ranked by, ascending: score and length as inverted uint64, id, and its text's hash."""
    exact = fixed(signed["exact"], 2)
    length = ~signed["length"].to_numpy().astype(np.uint64)
    columns = {"score": _descending(signed["score"]), "length": length, ID: signed[ID]}
    return pa.table(columns | {"high": exact[:, 0].copy(), "low": exact[:, 1].copy()})


def rank(keys: pa.Table) -> NDArray[np.int64]:
    """Return (N,) int64: rows from best to worst. Equal ids are told apart by their text."""
    score, length = column(keys, "score"), column(keys, "length")
    order = np.lexsort((length, score))
    same = np.zeros(len(order) + 1, dtype=bool)  # as the one before
    same[1:-1] = (score[order[1:]] == score[order[:-1]]) & (length[order[1:]] == length[order[:-1]])
    tied = np.flatnonzero(same[:-1] | same[1:])
    if len(tied):
        rows = order[tied]
        groups = np.cumsum(~same[:-1])[tied]
        table = keys.select([ID, "high", "low"]).take(pa.array(rows)).append_column("group", pa.array(groups))
        by = [(name, "ascending") for name in ("group", ID, "high", "low")]
        order[tied] = rows[pc.sort_indices(table, by).to_numpy()]
    return np.asarray(order)


def bounds(blocks: Sequence[Block], count: int) -> list[Bound]:
    """Return count - 1 bounds that cut the documents into about equal ranges."""
    if count == 1:
        return []
    files = [file for block in blocks for file in block.files]
    sample: list[Bound] = []
    for file in files[:: -(-len(files) // SAMPLED_FILES)]:
        keys = keyed(read_rows(file, RANKED, most=SAMPLED_ROWS))
        sample += [_bound(keys, row) for row in range(len(keys))]
    sample.sort()
    return [sample[len(sample) * i // count] for i in range(1, count)] if sample else [(0, 0, "")] * (count - 1)


def sort_block(layout: Layout, cuts: Sequence[Bound], unit: int) -> None:
    """Write a block's documents in order, cut at the bounds."""
    path = layout.path("sorted", unit)
    if exists(path):
        return
    block = layout.blocks[unit]
    keys = keyed(pa.concat_tables([read_rows(file, RANKED) for file in block.files]))
    order = rank(keys)
    rows = (order + block.start).astype(np.uint32)
    ordered = keys.take(pa.array(order)).append_column("row", pa.array(rows)).combine_chunks()
    places = [bisect_left(range(len(order)), bound, key=lambda i: _bound(ordered, i)) for bound in cuts]
    edges = [0, *places, len(order)]
    parts = [_batch(ordered.slice(a, b - a)) for a, b in pairwise(edges)]
    scatter(path, parts)


def sort_range(layout: Layout, unit: int) -> None:
    """Sort what lies between two bounds, and write its rows from best to worst."""
    path = layout.path("ranked", unit)
    if not exists(path):
        found = gather(layout.paths("sorted", len(layout.new_blocks)), unit)
        rows = column(found, "row")[rank(found)]
        scatter(path, [pa.record_batch({"row": rows})])


def write_ranks(layout: Layout, old_rows: NDArray[np.uint32]) -> None:
    """Join the strips: rows.bin, the row of each rank (old_rows, the index's, first), and ranks.bin, its inverse."""
    if exists(f"{layout.work}/ranks.bin"):
        return
    rows = np.empty(layout.total, dtype=np.uint32)
    rows[: layout.num_old] = old_rows
    at = layout.num_old
    for path in layout.paths("ranked", layout.num_strips):
        part = column(read_part(path, 0), "row")
        rows[at : at + len(part)] = part
        at += len(part)
    assert at == layout.total
    save(f"{layout.work}/rows.bin", rows)
    ranks = np.empty(layout.num_new, dtype=np.uint32)
    ranks[rows[layout.num_old :]] = np.arange(layout.num_old, layout.total, dtype=np.uint32)
    save(f"{layout.work}/ranks.bin", ranks)


def _descending(score: pa.ChunkedArray) -> NDArray[np.uint64]:
    """Return integers that ascend where scores descend; NaN after every number, null after NaN."""
    numbers = pc.fill_null(pc.cast(score, pa.float64()), 0.0).to_numpy() + 0.0  # no -0.0
    bits = numbers.view(np.uint64)
    high = np.uint64(1) << np.uint64(63)
    keys = ~np.where(bits & high, ~bits, bits | high)
    keys[np.isnan(numbers)] = np.uint64(2**64 - 2)
    keys[score.is_null().to_numpy()] = np.uint64(2**64 - 1)
    return np.asarray(keys)


def _bound(keys: pa.Table, row: int) -> Bound:
    return keys["score"][row].as_py(), keys["length"][row].as_py(), keys[ID][row].as_py()


def _batch(table: pa.Table) -> pa.RecordBatch:
    return table.to_batches()[0] if len(table) else pa.RecordBatch.from_pylist([], table.schema)
