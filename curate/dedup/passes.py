"""The three passes over one split of the corpus that workers make: sign, read shingles, write.

    sign            text -> band keys, exact hash and what ranks it, to OUT/_work/ID/signed/NAME.parquet
    read_shingles   the candidates' texts again -> their shingle sets, back to the deciding process
    write           rows + OUT/_work/ID/decided/NAME.parquet -> OUT/NAME.parquet and OUT/dropped/NAME.parquet

A pass that finds its file there is done, so running again goes on where a killed run stopped. ID is a digest of the
settings and the input, so that neither meets the other's scratch files.
"""

import json
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.corpus import DROPPED, Corpus, ShardWriter, Split
from curate.dedup.exact import exact_hashes
from curate.dedup.guard import source_column, sources
from curate.dedup.minhash import MinHash, band_keys, signatures
from curate.dedup.verify import shingle_sets
from curate.document import DROPPED_BY, ID, TEXT, Batch, text_bytes, with_columns
from curate.tally import Tally

FORMAT = 1  # of receipts and shards; raised when the same settings would give other bytes
SCORE = "score"
CLUSTER_SIZE = "minhash_cluster_size"  # FineWeb2's name
WORK = "_work"

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
    threshold: float
    key: str | None
    keep_text: bool
    splits: tuple[Split, ...]

    @property
    def step(self) -> str:
        return f"dedup({self.settings!r}, threshold={self.threshold}, key={self.key!r})"

    def recipe(self) -> dict[str, Any]:
        """Every shard's rows depend on the whole input, so its identity is part of the recipe."""
        inputs = _digest([split.identity() for split in self.splits])
        return {"format": FORMAT, "stages": [self.step], "keep_text": self.keep_text, "input": inputs}

    @property
    def work(self) -> str:
        """The scratch folder; another threshold finds what was signed."""
        signs = (FORMAT, repr(self.settings), self.key, [split.identity() for split in self.splits])
        return f"{self.out}/{WORK}/{_digest(signs)}"

    @property
    def ranked_by(self) -> tuple[str, ...]:
        return (*([] if self.key is None else [self.key]), "length", "id")


def sign_split(job: Job, split: Split) -> None:
    """Write what deciding needs to know of each document: 8 bytes a band and about 100 more."""
    if _exists(f"{job.work}/signed/{split.name}.parquet"):
        return
    columns = [TEXT, ID, *filter(None, (job.key, source_column(job.corpus.schema.names)))]
    with ShardWriter(f"{job.work}/signed", split.name, _sign_schema(job.settings)) as writer:
        for batch in job.corpus.read(split, list(dict.fromkeys(columns))):
            writer.write(_sign(batch, job, split))
        writer.commit({})


def _sign_schema(settings: MinHash) -> pa.Schema:
    hashes = [("exact", pa.binary(16)), ("bands", pa.binary(8 * settings.bands))]
    known = [(ID, pa.string()), ("source", pa.string()), (SCORE, pa.float64()), ("length", pa.int64())]
    return pa.schema([*known, ("num_shingles", pa.int64()), *hashes])


def _sign(batch: Batch, job: Job, split: Split) -> Batch:
    if batch[ID].null_count:
        raise ValueError(f"{split.path} ({split.name}) has rows without {ID!r}; give every document an id first")
    minima, counts = signatures(batch[TEXT], job.settings)
    keys, exact = band_keys(minima, job.settings), exact_hashes(batch[TEXT])
    arrays = [
        pc.cast(batch[ID], pa.string()),
        sources(batch),
        pa.nulls(batch.num_rows, pa.float64()) if job.key is None else pc.cast(batch[job.key], pa.float64()),
        pc.cast(pc.fill_null(pc.binary_length(batch[TEXT]), 0), pa.int64()),
        pa.array(counts),
        *(
            pa.FixedSizeBinaryArray.from_buffers(pa.binary(8 * h.shape[1]), len(h), [None, pa.py_buffer(h)])
            for h in (exact, keys)
        ),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=_sign_schema(job.settings))


def read_shingles(job: Job, unit: tuple[Split, NDArray[np.int64]]) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Return the sizes of the shingle sets of some rows of a split (ascending), and the sets one after the other."""
    split, rows = unit
    sizes, hashes, first = [], [], 0
    for batch in job.corpus.read(split, [TEXT]):
        inside = rows[np.searchsorted(rows, first) : np.searchsorted(rows, first + batch.num_rows)] - first
        if len(inside):
            offsets, distinct = shingle_sets(batch[TEXT].take(pa.array(inside)), job.settings.shingle_words)
            sizes.append(np.diff(offsets))
            hashes.append(distinct)
        first += batch.num_rows
    return np.concatenate(sizes), np.concatenate(hashes)


def write_split(job: Job, whole: dict[str, int], split: Split) -> None:
    """Write the rows that stay, and as evidence those that leave; the kept shard comes last, with the receipt."""
    if _exists(f"{job.out}/{split.name}.parquet"):
        return
    decided = Corpus(f"{job.work}/decided/{split.name}.parquet").table().combine_chunks()
    tally, first = Tally.of_steps(["input", job.step]), 0
    with (
        ShardWriter(job.out, split.name, _schemas(job)[0]) as kept,
        ShardWriter(f"{job.out}/{DROPPED}", split.name, _schemas(job)[1]) as dropped,
    ):
        for batch in job.corpus.read(split):
            part = decided.slice(first, batch.num_rows)
            first += batch.num_rows
            joined = with_columns(batch, {name: part[name].combine_chunks() for name in part.column_names})
            stays = pc.is_null(joined[DROPPED_BY])
            staying, leaving = joined.filter(stays), joined.filter(pc.invert(stays))
            tally.pass_step(0, batch.num_rows, text_bytes(batch))
            tally.pass_step(1, staying.num_rows, text_bytes(staying))
            tally.drop(leaving[DROPPED_BY].to_pylist())
            kept.write(staying.select(kept.schema.names))
            dropped.write(leaving.select(dropped.schema.names))
        receipt = {"recipe": job.recipe(), "split": split.identity(), "tally": tally.to_json(), "dedup": whole}
        if dropped.num_rows:
            dropped.commit(receipt)
        kept.commit(receipt)


def _schemas(job: Job) -> tuple[pa.Schema, pa.Schema]:
    """Return the columns of kept rows and of dropped rows."""
    known = dict(zip(job.corpus.schema.names, job.corpus.schema.types, strict=True))
    marks = dict(zip(DECISION.names, DECISION.types, strict=True))
    size = {CLUSTER_SIZE: marks.pop(CLUSTER_SIZE)}
    heavy = () if job.keep_text else (TEXT,)
    kept = {name: kind for name, kind in (known | size).items() if name not in marks}
    dropped = {name: kind for name, kind in (known | marks).items() if name not in (*heavy, CLUSTER_SIZE)}
    return pa.schema(list(kept.items())), pa.schema(list(dropped.items()))


def _exists(path: str) -> bool:
    fs, name = fsspec.core.url_to_fs(path)
    return bool(fs.exists(name))


def _digest(value: Any) -> str:
    return blake2b(json.dumps(value, sort_keys=True).encode(), digest_size=8).hexdigest()
