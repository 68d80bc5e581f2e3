"""Turn the decision back into rows: for each removed document its survivor's id, their similarity, and what they share.

    name_block      which survivors a block's removed documents have, cut by the survivor's block   -> named
    answer_block    ids, text hashes, URL hashes and band keys of the survivors asked for           -> answered
    conclude_block  one decision per row                                                          -> decided/SPLIT

Ids travel only for survivors that something left for; no task holds more than its block and what it asked for.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.dedup.layout import Layout
from curate.dedup.passes import DECISION
from curate.dedup.shuffle import column, cut, exists, fixed, gather, load, read_part, read_rows, scatter, write_rows
from curate.document import ID

DROP_EXACT, DROP_URL, DROP_NEAR = "dedup.exact", "dedup.url", "dedup.near"
REASONS = (DROP_EXACT, DROP_URL, DROP_NEAR)
NO_BAND = -1
LOSSES = pa.schema([("source", pa.string()), ("total", pa.int64()), ("lost", pa.int64())])


def name_block(layout: Layout, unit: int) -> None:
    """Ask for the survivors of a block's removed documents."""
    path = layout.path("named", unit)
    if exists(path):
        return
    own, survivor = _survivors(layout, unit)
    named = np.unique(survivor[own != survivor])
    which = layout.block_of(layout.rows()[named])
    order = np.argsort(which, kind="stable")
    batch = pa.record_batch({"rank": named[order]})
    scatter(path, [batch.slice(s.start, s.stop - s.start) for s in cut(which[order], len(layout.blocks))])


def answer_block(layout: Layout, unit: int) -> None:
    """Write, for each block that asked, what is known of this block's documents."""
    path = layout.path("answered", unit)
    if exists(path):
        return
    block = layout.blocks[unit]
    asked = [column(read_part(p, unit), "rank") for p in layout.paths("named", len(layout.new_blocks))]
    wanted = np.unique(np.concatenate(asked))
    rows = layout.rows()[wanted].astype(np.int64) - block.start
    known = _known(layout, unit).take(pa.array(rows)).append_column("rank", pa.array(wanted)).combine_chunks()
    parts = [known.take(pa.array(np.searchsorted(wanted, ranks))).combine_chunks() for ranks in asked]
    scatter(path, [part.to_batches()[0] if len(part) else _empty(known.schema) for part in parts])


def conclude_block(layout: Layout, splits: Sequence[str], folder: str, unit: int) -> pa.Table:
    """Write the decisions of a block's splits; return documents and losses by source."""
    block = layout.blocks[unit]
    own, survivor = _survivors(layout, unit)
    leaves = own != survivor
    if not all(exists(f"{folder}/{split}.parquet") for split in splits):
        _write(_decisions(layout, unit, own, survivor), splits, block.num_rows, folder)
    source = pa.concat_tables([read_rows(file, ["source"]) for file in block.files])["source"]
    counted = pa.table({"source": source, "total": pa.array(np.ones(len(own), np.int64)), "lost": pa.array(leaves * 1)})
    return losses([counted])


def losses(tables: Sequence[pa.Table]) -> pa.Table:
    """Add up documents and losses by source."""
    every = pa.concat_tables([LOSSES.empty_table(), *(table.cast(LOSSES) for table in tables)])
    grouped = every.group_by("source").aggregate([("total", "sum"), ("lost", "sum")])
    return grouped.select(["source", "total_sum", "lost_sum"]).rename_columns(LOSSES.names)


def _decisions(layout: Layout, unit: int, own: NDArray[np.uint32], survivor: NDArray[np.uint32]) -> pa.Table:
    leaves = own != survivor
    answers = gather(layout.paths("answered", len(layout.blocks)), unit)
    answers = answers.take(pc.sort_indices(answers["rank"]))
    places = pa.array(np.searchsorted(column(answers, "rank"), survivor[leaves]))
    theirs = answers.take(places)
    mine = _known(layout, unit).filter(pa.array(leaves))
    reason, band = _reasons(layout, mine, theirs)
    similarity = np.asarray(load(f"{layout.work}/similarity.bin", np.float32)[own[leaves]])
    similarity[reason == 0] = 1.0
    place = np.cumsum(leaves) - 1  # of a leaving row among those that leave
    at = pa.array(place, mask=~leaves)
    marks = pa.array([[name] for name in REASONS], pa.list_(pa.string())).take(pa.array(reason))
    return pa.table(
        [
            marks.take(at),
            theirs[ID].take(at),
            pa.array(similarity, mask=np.isnan(similarity)).take(at),
            pa.array(band).take(at),
            pa.array(load(f"{layout.work}/sizes.bin")[own].astype(np.int64)),
        ],
        schema=DECISION,
    )


def _reasons(layout: Layout, mine: pa.Table, theirs: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return why each row left (an index into REASONS) and the first band it shares with its survivor."""
    exact = (fixed(mine["exact"], 2) == fixed(theirs["exact"], 2)).all(axis=1)
    url = np.zeros(len(mine), dtype=bool)
    if layout.by_url:
        own = fixed(mine["url"], 2)
        url = (own == fixed(theirs["url"], 2)).all(axis=1) & own.any(axis=1)
    reason = np.where(exact, 0, np.where(url, 1, 2))
    width = layout.settings.bands
    shared = fixed(mine["bands"], width) == fixed(theirs["bands"], width)
    band = np.where((reason == 2) & shared.any(axis=1), shared.argmax(axis=1), NO_BAND)
    return reason, band.astype(np.int32)


def _write(table: pa.Table, splits: Sequence[str], sizes: Sequence[int], folder: str) -> None:
    first = 0
    for split, size in zip(splits, sizes, strict=True):
        write_rows(folder, split, DECISION, table.slice(first, size).combine_chunks().to_batches())
        first += size


def _survivors(layout: Layout, unit: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Return the ranks of a block's rows and of their survivors (themselves where they stay)."""
    block = layout.blocks[unit]
    own = np.asarray(layout.ranks()[block.start : block.stop])
    return own, np.asarray(load(f"{layout.work}/survivor.bin")[own])


def _known(layout: Layout, unit: int) -> pa.Table:
    names = [ID, "exact", "bands", *(["url"] if layout.by_url else [])]
    return pa.concat_tables([read_rows(file, names) for file in layout.blocks[unit].files])


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([], schema)
