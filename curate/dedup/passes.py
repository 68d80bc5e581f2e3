"""The three passes over one split of the corpus that workers make: sign, read shingles, write.

    sign            text -> band keys, exact hash and what ranks it, to OUT/_work/ID/signed/NAME.parquet
    read_shingles   the candidates' texts again -> their shingle sets, back to the deciding process
    write           rows + the decided rows -> OUT/NAME.parquet and OUT/dropped/NAME.parquet

A pass that finds its file there is done, so running again goes on where a killed run stopped. ID is a digest of the
settings and the input, so that neither meets the other's scratch files.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.corpus import DROPPED, Corpus, Split
from curate.dedup.exact import exact_hashes
from curate.dedup.guard import source_column, sources
from curate.dedup.minhash import MinHash, band_keys, signatures
from curate.dedup.shuffle import HELD, WORK, exists, read_rows, write_rows
from curate.dedup.url import url_hashes
from curate.dedup.verify import shingle_sets
from curate.document import DROPPED_BY, ID, TEXT, URL, Batch, text_bytes, with_columns
from curate.parquet import read_receipt
from curate.tally import Tally
from curate.writer import ShardWriter

FORMAT = 3  # of receipts and shards; raised when the same settings would give other bytes
SCORE = "score"
CLUSTER_SIZE = "minhash_cluster_size"  # FineWeb2's name

DECISION = pa.schema(
    [
        (DROPPED_BY, pa.list_(pa.string())),  # null: the document stays
        ("dedup.survivor", pa.string()),
        ("dedup.similarity", pa.float32()),
        ("dedup.band", pa.int32()),
        (CLUSTER_SIZE, pa.int64()),
    ]
)


@dataclass(frozen=True)
class Job:
    """All that one unit of work needs, and what makes the result what it is."""

    corpus: Corpus
    out: str
    settings: MinHash
    key: str | None
    keep_text: bool
    splits: tuple[Split, ...]
    by_url: bool = False
    index: str = ""  # the state of the index it is probed against
    hold: bool = False  # read a small corpus once, and hold its batches and all scratch in this process

    @property
    def step(self) -> str:
        by = f", by_url={self.by_url}" if self.by_url else ""
        return f"dedup({self.settings!r}, key={self.key!r}{by})"

    @property
    def input(self) -> str:
        """What tells this input from another one."""
        return digest([split.identity() for split in self.splits])

    def recipe(self) -> dict[str, Any]:
        """Every shard's rows depend on the whole input, so its identity is part of the recipe."""
        return {
            "format": FORMAT,
            "stages": [self.step],
            "keep_text": self.keep_text,
            "input": self.input,
            "index": self.index,
        }

    @property
    def work(self) -> str:
        """The scratch folder; another threshold finds what was signed."""
        signs = (FORMAT, self.settings.signing(), self.key, self.by_url, self.input)
        return f"{HELD if self.hold else ''}{self.out}/{WORK}/{digest(signs)}"

    @property
    def signed(self) -> str:
        """The folder of signatures."""
        return f"{self.work}/signed"

    @property
    def decided(self) -> str:
        """The folder of decisions."""
        return f"{self.work}/decided-{digest(self.recipe())}"

    @property
    def ranked_by(self) -> tuple[str, ...]:
        return (*([] if self.key is None else [self.key]), "length", "id")


def read_batches(job: Job, split: Split, columns: list[str]) -> Iterable[Batch]:
    """Return the batches of a split; those of a corpus that is held are read from the file but once."""
    if not job.hold:
        return job.corpus.read(split, columns)
    return (batch.select(columns) for batch in _held(job.corpus, split))


@cache
def _held(corpus: Corpus, split: Split) -> list[Batch]:
    return list(corpus.read(split))


def let_go() -> None:
    """Forget the batches that were held."""
    _held.cache_clear()


def sign_split(job: Job, split: Split) -> None:
    """Write what deciding needs to know of each document: 8 bytes a band and about 100 more."""
    if exists(f"{job.signed}/{split.name}.parquet"):
        return
    columns = [TEXT, ID, *filter(None, (job.key, source_column(job.corpus.schema.names)))]
    columns += [URL] if job.by_url else []
    batches = read_batches(job, split, list(dict.fromkeys(columns)))
    write_rows(job.signed, split.name, sign_schema(job), (_sign(batch, job, split) for batch in batches))


def sign_schema(job: Job) -> pa.Schema:
    """Return the columns of a signed split; `url` only where URLs decide too."""
    hashes = [("exact", pa.binary(16)), ("bands", pa.binary(8 * job.settings.bands))]
    hashes += [("url", pa.binary(16))] if job.by_url else []
    known = [(ID, pa.string()), ("source", pa.string()), (SCORE, pa.float64()), ("length", pa.int64())]
    return pa.schema([*known, ("num_shingles", pa.int64()), *hashes])


def _sign(batch: Batch, job: Job, split: Split) -> Batch:
    if batch[ID].null_count:
        raise ValueError(f"{split.path} ({split.name}) has rows without {ID!r}; give every document an id first")
    minima, counts = signatures(batch[TEXT], job.settings)
    hashes = [exact_hashes(batch[TEXT]), band_keys(minima, job.settings)]
    hashes += [url_hashes(batch[URL])] if job.by_url else []
    arrays = [
        pc.cast(batch[ID], pa.string()),
        sources(batch),
        pa.nulls(batch.num_rows, pa.float64()) if job.key is None else pc.cast(batch[job.key], pa.float64()),
        pc.cast(pc.fill_null(pc.binary_length(batch[TEXT]), 0), pa.int64()),
        pa.array(counts),
        *(
            pa.FixedSizeBinaryArray.from_buffers(pa.binary(8 * h.shape[1]), len(h), [None, pa.py_buffer(h)])
            for h in hashes
        ),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=sign_schema(job))


def read_shingles(job: Job, unit: tuple[Split, NDArray[np.int64]]) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Return the sizes of the shingle sets of some rows of a split (ascending), and the sets one after the other."""
    split, rows = unit
    sizes, hashes, first = [], [], 0
    for batch in read_batches(job, split, [TEXT]):
        inside = rows[np.searchsorted(rows, first) : np.searchsorted(rows, first + batch.num_rows)] - first
        if len(inside):
            texts = batch[TEXT].take(pa.array(inside))
            offsets, distinct = shingle_sets(texts, job.settings.shingle_words, job.settings.shingles)
            sizes.append(np.diff(offsets))
            hashes.append(distinct)
        first += batch.num_rows
    return np.concatenate(sizes), np.concatenate(hashes)


def write_split(job: Job, whole: dict[str, int], split: Split) -> None:
    """Write the rows that stay, and as evidence those that leave; the kept shard comes last, with the receipt.

    Raises:
        ValueError: another run, of other settings or another input, writes into the folder as well.
    """
    path = f"{job.out}/{split.name}.parquet"
    if exists(path):
        if (read_receipt(path) or {}).get("recipe") != job.recipe():
            raise ValueError(
                f"{path} was written meanwhile by another run of other settings or input; let one run at a time write "
                "into a folder, and this one into another"
            )
        return
    decided = read_rows(f"{job.decided}/{split.name}.parquet", DECISION.names).combine_chunks()
    tally, first = Tally.of_steps(["input", job.step]), 0
    with (
        ShardWriter(job.out, split.name, _schemas(job)[0]) as kept,
        ShardWriter(f"{job.out}/{DROPPED}", split.name, _schemas(job)[1]) as dropped,
    ):
        for batch in read_batches(job, split, job.corpus.schema.names):
            part = decided.slice(first, batch.num_rows)
            first += batch.num_rows
            joined = with_columns(batch, {name: part[name].combine_chunks() for name in part.column_names})
            tally.pass_step(0, batch.num_rows, text_bytes(batch))
            leaves = pc.is_valid(joined[DROPPED_BY])
            if pc.any(leaves).as_py():
                leaving = joined.select(dropped.schema.names).filter(leaves)
                tally.drop(leaving[DROPPED_BY].to_pylist())
                dropped.write(leaving)
                joined = joined.filter(pc.invert(leaves))
            tally.pass_step(1, joined.num_rows, text_bytes(joined))
            kept.write(joined.select(kept.schema.names))
        receipt = {"recipe": job.recipe(), "split": split.identity(), "tally": tally.to_json(), "dedup": whole}
        if dropped.num_rows:
            dropped.commit(receipt, once=True)
        kept.commit(receipt, once=True)


def _schemas(job: Job) -> tuple[pa.Schema, pa.Schema]:
    """Return the columns of kept rows and of dropped rows."""
    known = dict(zip(job.corpus.schema.names, job.corpus.schema.types, strict=True))
    marks = dict(zip(DECISION.names, DECISION.types, strict=True))
    size = {CLUSTER_SIZE: marks.pop(CLUSTER_SIZE)}
    heavy = () if job.keep_text else (TEXT,)
    kept = {name: kind for name, kind in (known | size).items() if name not in marks}
    dropped = {name: kind for name, kind in (known | marks).items() if name not in (*heavy, CLUSTER_SIZE)}
    return pa.schema(list(kept.items())), pa.schema(list(dropped.items()))


def digest(value: Any) -> str:
    return blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=8).hexdigest()
