"""Add a corpus to the index: write its layer file by file, then make it count with one replaced file.

    new_layer       what the layer will be called, and a refusal where the corpus is in the index already
    add_layer       documents with their shingle sets, keys by range, what left for whom; then `index.parquet`

A run killed before the last act leaves the old index and files that nothing names; running it again finds those whole
and goes on. A run that is never finished leaves its folder; any that `index.parquet` does not list may be deleted.
"""

from functools import partial
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa

from curate.dedup.candidates import INDEX_RANGES, NEAR, kinds
from curate.dedup.decide import Each
from curate.dedup.index import Index, commit
from curate.dedup.layout import Layout
from curate.dedup.passes import Job, digest
from curate.dedup.shuffle import column, exists, gather, load, read_rows, save
from curate.document import ID
from curate.writer import ShardWriter, sweep

KEYS_AT_ONCE = 2**16


def new_layer(job: Job, layout: Layout, index: Index) -> dict[str, Any]:
    """Describe the layer that this corpus will be.

    Its name is made of all that shapes its files, so that what a killed run left there is used by the same run only.

    Raises:
        ValueError: it is in the index already.
    """
    content = content_of(layout)
    for layer in index.layers:
        if layer["content"] == content:
            raise ValueError(
                f"this corpus is in the index {index.path} already, as {layer['layer']}; its result was written when "
                "it was added. To deduplicate it again, use another index"
            )
    known = {"input": job.input, "content": content, "before": index.state, "num_rows": layout.num_new}
    cut = [layout.blocks[unit].num_rows for unit in layout.new_blocks]
    made = digest([job.input, content, job.step, index.state, cut])
    return {"layer": f"{len(index.layers):04d}-{made}", "first_rank": index.num_docs, **known}


def add_layer(layout: Layout, index: Index, layer: dict[str, Any], by_url: bool, each: Each) -> None:
    """Write this corpus's layer of the index, and make it count."""
    folder = f"{index.path}/{layer['layer']}"
    num_kept = number_kept(layout)
    each("indexing", partial(add_documents, layout, folder), layout.new_blocks)
    each("indexing", partial(add_keys, layout, folder), key_units(layout))
    commit(index, layout.settings, by_url, layer | {"num_kept": num_kept})
    sweep(folder)


def content_of(layout: Layout) -> str:
    """Return a digest of all ids and texts of a corpus, from its signed files."""
    ids, texts = blake2b(digest_size=16), blake2b(digest_size=16)
    for unit in layout.new_blocks:
        for file in layout.blocks[unit].files:
            for batch in read_rows(file, [ID, "exact"]).to_batches():
                ids.update("".join(f"{name}\0" for name in batch[ID].to_pylist()).encode())
                texts.update(b"".join(batch["exact"].to_pylist()))
    return blake2b(ids.digest() + texts.digest(), digest_size=16).hexdigest()


def number_kept(layout: Layout) -> int:
    """Write the index's rank of each document that stays; return how many of the new ones do."""
    path = f"{layout.work}/numbers.bin"
    survivor = load(f"{layout.work}/survivor.bin")
    stays = survivor == np.arange(layout.total)
    if not exists(path):
        numbers = np.arange(layout.total, dtype=np.uint32)
        numbers[layout.num_old :] = layout.num_old + np.cumsum(stays[layout.num_old :], dtype=np.uint32) - 1
        save(path, numbers)
    return int(stays[layout.num_old :].sum())


def add_documents(layout: Layout, folder: str, unit: int) -> None:
    """Write a block's kept documents with their shingle sets, and what became of the others."""
    name, block = f"{unit:05d}", layout.blocks[unit]
    if exists(f"{folder}/left/{name}.parquet"):
        return
    own = np.asarray(layout.ranks()[block.start : block.stop])
    survivor, numbers = load(f"{layout.work}/survivor.bin")[own], load(f"{layout.work}/numbers.bin")
    stays = survivor == own
    names = [ID, "exact", "bands", *(["url"] if layout.by_url else [])]
    signed = pa.concat_tables([read_rows(file, names) for file in block.files])
    schema = pa.schema(
        [("rank", pa.uint32()), *signed.schema.remove_metadata(), ("shingles", pa.large_list(pa.uint64()))]
    )
    with ShardWriter(f"{folder}/documents", name, schema) as writer:
        for rows, sizes, hashes in layout.sets(block, np.flatnonzero(stays)):
            known = signed.take(pa.array(rows)).combine_chunks()
            sets = pa.LargeListArray.from_arrays(np.concatenate([[0], np.cumsum(sizes)]), hashes)
            table = pa.table([pa.array(numbers[own[rows]]), *known.columns, sets], schema=schema)
            for batch in table.combine_chunks().to_batches():
                writer.write(batch)
        writer.commit({})
    left = pa.record_batch(
        {ID: signed[ID].filter(pa.array(~stays)).combine_chunks(), "rank": numbers[survivor[~stays]]}
    )
    with ShardWriter(f"{folder}/left", name, left.schema) as writer:
        writer.write(left)
        writer.commit({})


def add_keys(layout: Layout, folder: str, unit: tuple[str, int]) -> None:
    """Write one kind's keys of one range of the index, ascending."""
    kind, part = unit
    name = f"{part:03d}"
    if exists(f"{folder}/{kind}/{name}.parquet"):
        return
    first, stop = part * layout.num_ranges // INDEX_RANGES, (part + 1) * layout.num_ranges // INDEX_RANGES
    schema = pa.schema([("key", pa.uint64()), *([] if kind == NEAR else [("low", pa.uint64())]), ("rank", pa.uint32())])
    with ShardWriter(f"{folder}/{kind}", name, schema) as writer:
        for number in range(first, max(stop, first + 1)):  # they ascend, and a task has room for one
            batch = _kept_keys(layout, kind, part, number)
            for start in range(0, len(batch), KEYS_AT_ONCE):
                writer.write(batch.slice(start, KEYS_AT_ONCE))
        writer.commit({})


def _kept_keys(layout: Layout, kind: str, part: int, number: int) -> pa.RecordBatch:
    """Return what one range of the run has of one range of the index, ascending."""
    found = gather(layout.paths(f"entries/{kind}", len(layout.new_blocks)), number)
    key, ranks = column(found, "key"), column(found, "rank")
    shift = np.uint64(64 - (INDEX_RANGES.bit_length() - 1))
    mine = (key >> shift == part) & (load(f"{layout.work}/survivor.bin")[ranks] == ranks)
    numbers = load(f"{layout.work}/numbers.bin")[ranks[mine]]
    columns = {"key": key[mine], **({} if kind == NEAR else {"low": column(found, "low")[mine]}), "rank": numbers}
    order = np.lexsort((columns["rank"], columns["key"]))
    return pa.record_batch({name: values[order] for name, values in columns.items()})


def key_units(layout: Layout) -> list[tuple[str, int]]:
    return [(kind, part) for kind in kinds(layout) for part in range(INDEX_RANGES)]
