"""Remove exact and near-duplicates from a corpus and keep the best copy of each.

    report = dedup(Corpus("scored"), "unique", settings=MinHash(bands=14, rows=8), threshold=0.8)

    unique/NAME.parquet            the rows that stay, with minhash_cluster_size (1 where nothing left for them)
    unique/dropped/NAME.parquet    the rows that left: dropped_by (dedup.exact or dedup.near), dedup.survivor (its id),
                                   dedup.similarity (exact Jaccard) and dedup.band (the first band they share)

Four phases: sign every document (band keys and hashes, to `unique/_work`), read the candidates' shingles, decide (in
this process), write. All but the deciding is work on splits. Each file appears whole, so a killed run goes on where it
stopped, and with the same survivors, because they depend on the set of documents alone. A limit exceeded stops before
anything is written, and what was signed serves the next try.

Memory is the decide phase's: about 650 bytes a document (measured on 1 and 2 million with ids of 45 characters) and 8
bytes for each distinct shingle of the candidates, the documents that share a band with another one. On disk, signing
takes about 200 bytes a document until the end.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.cluster import map_units
from curate.corpus import Corpus, ShardWriter, Split, read_receipt, sweep
from curate.dedup.cluster import NONE, Stars, first_copies, rank, shared_buckets, stars, with_copies
from curate.dedup.guard import Limits, breaches
from curate.dedup.minhash import FINEWEB, MinHash
from curate.dedup.passes import DECISION, SCORE, WORK, Job, read_shingles, sign_split, write_split
from curate.document import ID, TEXT
from curate.progress import Progress
from curate.tally import Tally

EXACT, NEAR = "dedup.exact", "dedup.near"
EXAMPLE_CHARS = 300

Each = Callable[[str, Callable[[Any], Any], Sequence[Any]], dict[int, Any]]  # title, work, units -> results by index


@dataclass(frozen=True)
class DedupReport:
    """What a run did; `print` it."""

    tally: Tally
    num_compared: int  # candidate pairs whose exact similarity was computed
    num_rejected: int  # of those, below the threshold
    largest_cluster: int  # documents, the survivor included
    ranked_by: tuple[str, ...]

    @property
    def num_rows(self) -> int:
        return self.tally.rows_in

    @property
    def num_kept(self) -> int:
        return self.tally.rows_out

    @property
    def num_exact(self) -> int:
        return self.tally.broken[EXACT]

    @property
    def num_near(self) -> int:
        return self.tally.broken[NEAR]

    def __str__(self) -> str:
        return (
            f"{self.num_rows:,} documents: {self.num_kept:,} stay, {self.num_exact:,} exact and {self.num_near:,} "
            f"near-duplicates leave. The best copy is by {', '.join(self.ranked_by)}; the largest cluster has "
            f"{self.largest_cluster:,}. {self.num_compared:,} pairs were compared, {self.num_rejected:,} too different."
        )


class TooMuchRemovedError(ValueError):
    """The run would remove more than its limits allow; nothing was removed yet."""


def dedup(
    corpus: Corpus,
    out: str,
    *,
    settings: MinHash = FINEWEB,
    threshold: float = 0.8,
    key: str | None = SCORE,
    max_source_loss: float = Limits.max_source_loss,
    max_cluster: int = Limits.max_cluster,
    allow: Sequence[str] = (),
    ray: str | None = None,
    workers: int | None = None,
    keep_text: bool = False,
) -> DedupReport:
    """Write to `out` the documents of `corpus` that are no copy of a better one.

    Args:
        threshold: Jaccard similarity of shingle sets from which two documents are copies. At 0.8 FineWeb's bands find
            92 % of the pairs and verification rejects what they find below; FineWeb itself has no threshold, and
            its bands find half of the pairs at 0.7.
        key: column that ranks copies, higher is better; ties go to the longer text, then to the smaller id. "score" may
            be absent (then length ranks); None ranks by length.
        max_source_loss: share of its documents that a source (repository, site, dump, the whole corpus) of at least
            100 may lose without being asked.
        max_cluster: different texts that one survivor may replace without being asked.
        allow: names of sources, and ids of survivors, that may exceed these limits.
        ray: "none", "local", "auto" or an address; see `curate.cluster.map_units`.
        workers: splits at a time.
        keep_text: keep the text of dropped documents as well.

    Raises:
        ValueError: a column is missing, or `out` holds another run's shards.
        TooMuchRemovedError: a limit is exceeded.
    """
    job = _job(corpus, str(out).rstrip("/"), settings, threshold, key, keep_text)
    if not _finished(job):
        each = partial(_each, job, ray=ray, workers=workers)
        each("signing", partial(sign_split, job), job.splits)
        signed = _signed(job)
        decided, order = _decide(job, signed, each)
        _refuse(job, signed, order, decided, Limits(max_source_loss, max_cluster=max_cluster, allow=tuple(allow)))
        _write_decisions(job, signed, order, decided)
        whole = {"num_compared": decided.num_compared, "num_rejected": decided.num_rejected}
        whole["largest_cluster"] = int(decided.sizes().max(initial=0))
        each("writing", partial(write_split, job, whole), job.splits)
    _forget_work(job)
    return _report(job)


def _job(corpus: Corpus, out: str, settings: MinHash, threshold: float, key: str | None, keep_text: bool) -> Job:
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold={threshold} is not a Jaccard similarity; choose one above 0 and up to 1")
    names = corpus.schema.names
    wanted = [TEXT, ID] if key in (None, SCORE) else [TEXT, ID, key]
    missing = [name for name in wanted if name not in names]
    if missing:
        raise ValueError(f"{corpus.path} has no column {missing[0]!r} to deduplicate by; it has {', '.join(names)}")
    if fsspec.core.url_to_fs(corpus.path)[1].rstrip("/") == fsspec.core.url_to_fs(out)[1].rstrip("/"):
        raise ValueError(f"the output folder {out} is the input; choose another one")
    return Job(corpus, out, settings, threshold, key if key in names else None, keep_text, tuple(corpus.splits()))


def _signed(job: Job) -> pa.Table:
    """Read back all signed splits, in the corpus's order."""
    return pa.concat_tables([Corpus(f"{job.work}/signed/{split.name}.parquet").table() for split in job.splits])


def _decide(job: Job, signed: pa.Table, each: Each) -> tuple[Stars, NDArray[np.int64]]:
    """Return who stays, in rank order, and that order: (N,) rows of the corpus from best to worst."""
    exact = _hashes(signed["exact"], 2)
    order = rank(signed[SCORE], signed["length"], signed[ID], exact)
    first = first_copies(exact[order])
    originals = np.flatnonzero(first == np.arange(len(first)))
    rows = order[originals]
    buckets = np.full((len(rows), job.settings.bands), NONE, dtype=np.int32)
    wordy = signed["num_shingles"].to_numpy()[rows] > 0
    buckets[wordy] = shared_buckets(_hashes(signed["bands"], job.settings.bands)[rows[wordy]])
    candidates = np.flatnonzero((buckets != NONE).any(axis=1))
    starts, stops = (np.zeros(len(rows), dtype=np.int64) for _ in range(2))
    starts[candidates], stops[candidates], hashes = _shingles(job, rows[candidates], each)
    return with_copies(stars(buckets, starts, stops, hashes, job.threshold), first), order


def _shingles(
    job: Job, rows: NDArray[np.int64], each: Each
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint64]]:
    """Read the texts of some rows again: (starts, stops, hashes), the shingle set of row i hashes[start:stop]."""
    bounds = np.cumsum([0, *(split.num_rows for split in job.splits)])
    by_row = np.argsort(rows)
    cuts = np.searchsorted(rows[by_row], bounds)
    parts = [rows[by_row[a:b]] - low for a, b, low in zip(cuts[:-1], cuts[1:], bounds[:-1], strict=True)]
    units = [(split, part) for split, part in zip(job.splits, parts, strict=True) if len(part)]
    found = each("verifying", partial(read_shingles, job), units)
    sizes = np.concatenate([np.zeros(1, dtype=np.int64), *(found[i][0] for i in range(len(units)))]).cumsum()
    starts, stops = np.empty(len(rows), dtype=np.int64), np.empty(len(rows), dtype=np.int64)
    starts[by_row], stops[by_row] = sizes[:-1], sizes[1:]
    return starts, stops, np.concatenate([np.zeros(0, dtype=np.uint64), *(found.pop(i)[1] for i in range(len(units)))])


def _refuse(job: Job, signed: pa.Table, order: NDArray[np.int64], decided: Stars, limits: Limits) -> None:
    """Raise if the decision exceeds a limit."""
    at = pa.array(order)
    found = breaches(decided, signed[ID].take(at), signed["source"].take(at), limits)
    if not found:
        return
    shown = _beginning(job, int(order[found[0].example]))
    names = tuple(dict.fromkeys(breach.name for breach in found))
    raise TooMuchRemovedError(
        f"{found[0].message}{f' ({len(found) - 1} more limits exceeded)' if found[1:] else ''}. "
        f"What most of them are like begins:\n{shown!r}\n"
        f"If they may go, pass allow={names[:5]!r}, or raise max_source_loss ({limits.max_source_loss:g}) or "
        f"max_cluster ({limits.max_cluster:,}). If not, raise threshold ({job.threshold:g}) or take the template's "
        "lines out first. Nothing was removed."
    )


def _beginning(job: Job, row: int) -> str:
    """Return the beginning of one document's text."""
    for split in job.splits:
        if row < (split.num_rows or 0):
            for batch in job.corpus.read(split, [TEXT]):
                if row < batch.num_rows:
                    return (batch[TEXT][row].as_py() or "")[:EXAMPLE_CHARS]
                row -= batch.num_rows
        row -= split.num_rows or 0
    raise AssertionError("a decision about a row that the corpus does not have")


def _write_decisions(job: Job, signed: pa.Table, order: NDArray[np.int64], decided: Stars) -> None:
    """Turn the decision back into the corpus's order and leave each split its part."""
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    stays = (decided.survivor == NONE)[place]
    survivor = order[np.maximum(decided.survivor, 0)][place]
    reasons = pa.array([[EXACT], [NEAR]], pa.list_(pa.string()))
    which = pa.array(np.where(decided.exact()[place], 0, 1), mask=stays)
    table = pa.table(
        [
            reasons.take(which),
            signed[ID].take(pa.array(survivor, mask=stays)),
            pa.array(decided.similarity[place], mask=stays),
            pa.array(decided.band[place], mask=stays),
            pa.array(decided.sizes()[place]),
        ],
        schema=DECISION,
    )
    first = 0
    for split in job.splits:
        part = table.slice(first, split.num_rows).combine_chunks()
        with ShardWriter(f"{job.work}/decided", split.name, DECISION) as writer:
            for batch in part.to_batches():
                writer.write(batch)
            writer.commit({})
        first += split.num_rows or 0


def _finished(job: Job) -> bool:
    """Tell whether every split has its shard.

    Raises:
        ValueError: `out` holds shards of other settings or of another input.
    """
    fs, root = fsspec.core.url_to_fs(job.out)
    if not fs.exists(root):
        return False
    try:
        there = Corpus(job.out).receipts()
    except FileNotFoundError:
        return False
    for name, receipt in there.items():
        made = (receipt or {}).get("recipe")
        if made != job.recipe():
            raise ValueError(
                f"{job.out}/{name}.parquet was made with other settings or from another input; choose another output "
                f"folder, or delete that one.\n  there: {made}\n  asked: {job.recipe()}"
            )
    return set(there) == {split.name for split in job.splits}


def _report(job: Job) -> DedupReport:
    tally, whole = Tally(), {}
    for split in job.splits:
        receipt = read_receipt(f"{job.out}/{split.name}.parquet")
        assert receipt is not None
        tally.add(Tally.from_json(receipt["tally"]))
        whole = receipt["dedup"]
    return DedupReport(tally, **whole, ranked_by=job.ranked_by)


def _each(
    job: Job, title: str, work: Callable[[Any], Any], units: Sequence[Any], *, ray: str | None, workers: int | None
) -> dict[int, Any]:
    """Map over splits, or (split, ...) units, with progress; return the results by index."""
    splits = [unit if isinstance(unit, Split) else unit[0] for unit in units]
    progress = Progress(f"{job.out}, {title}", sum(split.num_bytes for split in splits), len(splits))
    results: dict[int, Any] = {}
    try:
        for index, result in map_units(work, units, ray=ray, workers=workers):
            results[index] = result
            progress.split(splits[index].num_bytes, splits[index].num_rows or 0)
    finally:
        progress.close()
    return results


def _forget_work(job: Job) -> None:
    fs, work = fsspec.core.url_to_fs(f"{job.out}/{WORK}")
    if fs.exists(work):
        fs.rm(work, recursive=True)
    sweep(job.out)


def _hashes(column: pa.ChunkedArray, width: int) -> NDArray[np.uint64]:
    """Return (N, width) uint64 of a column of fixed-size binary."""
    chunks = [
        np.frombuffer(c.buffers()[1], np.uint64)[c.offset * width : (c.offset + len(c)) * width] for c in column.chunks
    ]
    return np.concatenate([np.zeros(0, dtype=np.uint64), *chunks]).reshape(-1, width)
