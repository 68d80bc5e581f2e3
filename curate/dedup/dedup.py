"""Remove exact and near-duplicates from a corpus and keep the best copy of each.

    report = dedup(Corpus("scored"), "unique", settings=MinHash(bands=14, rows=8, threshold=0.8))

    unique/NAME.parquet            the rows that stay, with minhash_cluster_size (1 where nothing left for them)
    unique/dropped/NAME.parquet    the rows that left: dropped_by (dedup.exact, dedup.url or dedup.near), dedup.survivor
                                   (its id), dedup.similarity and dedup.band (the first band they share)

Four phases: sign every document (band keys and hashes, to `unique/_work`), decide (`curate.dedup.decide`: rank, join,
link, verify, settle), hold the decision against the limits, write. All is work on splits, blocks and ranges, but for
one pass in this process that takes 21 bytes a document; `curate.dedup.plan` says beforehand what the whole takes. Each
file appears whole, so a killed run goes on where it stopped, and with the same survivors, because they depend on the
set of documents alone. A limit exceeded stops before anything is written, and what was signed serves the next try. A
corpus small enough to be held in memory leaves no scratch files: it is signed and decided again.

Two of the same into one folder at once end with the same bytes: the one that finds its scratch deleted finds the result
of the other. Of two with other settings, or another input, one is told and ends.

With `index`, the corpus is held against every corpus added before it, of which nothing changes (older documents win),
and is then added itself; see `curate.dedup.index`.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import curate.checksum as checksum
from curate.cluster import on_ray
from curate.corpus import Corpus, Split, refuse_own_input, shard_name
from curate.dedup.decide import Decided, Each, decide
from curate.dedup.evidence import answer_block, conclude_block, losses, name_block
from curate.dedup.guard import Limits
from curate.dedup.index import Index, check_writable, open_index, read_sets
from curate.dedup.layer import add_layer, new_layer
from curate.dedup.layout import Block, Layout, Sets
from curate.dedup.minhash import FINEWEB, MinHash
from curate.dedup.passes import SCORE, Job, digest, let_go, read_shingles, sign_split, write_split
from curate.dedup.plan import MEMORY, Plan, held_bytes, plan
from curate.dedup.refuse import TooMuchRemovedError, refuse
from curate.dedup.report import DedupReport, report_of
from curate.dedup.shuffle import WORK, exists, forget
from curate.document import ID, TEXT, URL
from curate.parquet import read_receipt
from curate.progress import Progress, RunLog
from curate.storage import is_remote
from curate.units import each as map_each
from curate.writer import sweep

__all__ = ["DedupReport", "TooMuchRemovedError", "dedup"]

HELD_SHARE = 0.25  # of the memory; what takes less, with its signatures and decisions, is held in this process


def dedup(
    corpus: Corpus,
    out: str,
    *,
    settings: MinHash = FINEWEB,
    threshold: float | None = None,
    key: str | None = SCORE,
    by_url: bool = False,
    memory: int = MEMORY,
    max_source_loss: float = Limits.max_source_loss,
    max_cluster: int = Limits.max_cluster,
    allow: Sequence[str] = (),
    ray: str | None = None,
    workers: int | None = None,
    keep_text: bool = False,
    index: str | None = None,
    on_plan: Callable[[Plan], None] | None = None,
) -> DedupReport:
    """Write to `out` the documents of `corpus` that are no copy of a better one.

    Args:
        threshold: similarity of shingle sets from which two documents are copies; that of `settings` by default. At 0.8
            FineWeb's bands find 92 % of the pairs and verification rejects what they find below; FineWeb itself has no
            threshold, and its bands find half of the pairs at 0.7.
        key: column that ranks copies, higher is better; ties go to the longer text, then to the smaller id. "score" may
            be absent (then length ranks); None ranks by length.
        by_url: of the documents of one URL, too, only the best stays.
        memory: bytes that one task may use; the work is cut accordingly, and an impossible bound is refused.
        max_source_loss: share of its documents that a source (repository, site, dump, the whole corpus) of at least
            100 may lose without being asked.
        max_cluster: different texts that one survivor may replace without being asked.
        allow: names of sources, and ids of survivors, that may exceed these limits.
        ray: "none", "local", "auto" or an address; see `curate.cluster.map_units`.
        workers: splits at a time.
        keep_text: keep the text of dropped documents as well.
        index: folder of earlier corpora's kept documents, or of a new index: `corpus` is held against them, older ones
            win, and is then added. A corpus that is in it already is not added again.
        on_plan: is told the plan before work starts.

    Raises:
        ValueError: a column is missing, `out` holds another run's shards, `memory` cannot hold the documents, or the
            index has other settings or this corpus already.
        TooMuchRemovedError: a limit is exceeded.
    """
    settings = settings if threshold is None else replace(settings, threshold=threshold)
    job = _job(corpus, str(out).rstrip("/"), settings, key, by_url, keep_text)
    against = Index("", (), ()) if index is None else open_index(index, settings, by_url)
    added = _added(job, against)
    job = added or replace(job, index=against.state)
    if _finished(job) and (added or index is None):
        _forget_work(job)
        return report_of(job)
    if index is not None:
        check_writable(against.path)
    start = time.monotonic()
    held = held_bytes(sum(s.num_rows or 0 for s in job.splits), sum(s.num_bytes for s in job.splits), job.settings)
    job = replace(job, hold=not on_ray(ray) and held < HELD_SHARE * memory)
    planned = _plan(job, memory, workers, against.num_docs, indexed=index is not None)
    if on_plan is not None:
        on_plan(planned)
    log = RunLog(job.out, "dedup")
    num_bytes = sum(split.num_bytes for split in job.splits)
    log.start(recipe=job.recipe(), splits=len(job.splits), bytes=num_bytes, ray=ray, workers=workers)
    each = partial(_each, job.out, log, ray=ray, workers=workers)
    try:
        with log:
            each("signing", partial(sign_split, job), job.splits)
            layout = _layout(job, planned, against)
            layer = None if index is None else new_layer(job, layout, against)
            decided = decide(layout, each, against.rows(layout.num_new))
            lost = _conclude(job, layout, each)
            refuse(job, layout, lost, Limits(max_source_loss, max_cluster=max_cluster, allow=tuple(allow)))
            each("writing", partial(write_split, job, _whole(decided)), job.splits)
            if layer is not None:
                add_layer(layout, against, layer, by_url, each)
    except (OSError, ValueError):
        if (done := _done_meanwhile(job, against, indexed=index is not None)) is None:
            raise
        _forget_work(done)
        return report_of(done)
    finally:
        let_go()
        forget()
    _forget_work(job)
    return report_of(job, plan=planned, seconds=time.monotonic() - start, peak_bytes=_peak_bytes())


def _job(corpus: Corpus, out: str, settings: MinHash, key: str | None, by_url: bool, keep_text: bool) -> Job:
    names = corpus.schema.names
    refuse_own_input(corpus.path, out, (shard_name(file, corpus.root) for file in corpus.files))
    wanted = [TEXT, ID, *([] if key in (None, SCORE) else [key]), *([URL] if by_url else [])]
    missing = [name for name in wanted if name not in names]
    if missing:
        raise ValueError(f"{corpus.path} has no column {missing[0]!r} to deduplicate by; it has {', '.join(names)}")
    key = key if key in names else None
    _check_types(corpus, key)
    return Job(corpus, out, settings, key, keep_text, tuple(corpus.splits()), by_url=by_url)


def _check_types(corpus: Corpus, key: str | None) -> None:
    """Refuse a column that cannot be what it is used for."""
    kind = corpus.schema.field(TEXT).type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise ValueError(f"the column {TEXT!r} of {corpus.path} is of type {kind}; write texts as strings")
    kind = pa.float64() if key is None else corpus.schema.field(key).type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        raise ValueError(
            f"the column {key!r} of {corpus.path}, which ranks copies, is of type {kind}; write it as numbers, or "
            "rank by another column or by length (key=None)"
        )


def _plan(job: Job, memory: int, workers: int | None, num_indexed: int, *, indexed: bool) -> Plan:
    return plan(
        sum(split.num_rows or 0 for split in job.splits),
        settings=job.settings,
        memory=memory,
        workers=workers or 1,
        text_bytes=sum(split.num_bytes for split in job.splits),
        num_indexed=num_indexed,
        indexed=indexed,
        hold=job.hold,
    )


def _added(job: Job, index: Index) -> Job | None:
    """Return the job as it was when this corpus was added to the index and written to this folder, if it was."""
    for layer in index.layers:
        before = replace(job, index=layer["before"])
        if layer["input"] == job.input and _receipt(job) == before.recipe():
            return before
    return None


def _done_meanwhile(job: Job, before: Index, *, indexed: bool) -> Job | None:
    """Return the job if another run of it has ended while this one worked, and has deleted the scratch of both.

    Raises:
        ValueError: `out` holds shards of other settings.
    """
    if not indexed:
        return job if _finished(job) else None
    added = _added(job, open_index(before.path, job.settings, job.by_url))
    return added if added is not None and _finished(added) else None


def _receipt(job: Job) -> Any:
    """Return the recipe of one shard of `out`, None if there is none."""
    path = f"{job.out}/{job.splits[0].name}.parquet" if job.splits else ""
    return (read_receipt(path) or {}).get("recipe") if path and exists(path) else None


def _layout(job: Job, planned: Plan, index: Index) -> Layout:
    """Cut the work; the folder of the deciding phases is named after all that shapes their files."""
    blocks = tuple(blocks_of(_signed_files(job), [split.num_rows or 0 for split in job.splits], planned.block_docs))
    cuts = (planned.num_ranges, planned.num_strips, planned.block_docs)
    settings = job.settings
    shape = digest([settings.threshold, settings.similarity, job.by_url, cuts, job.index])
    return Layout(
        work=f"{job.work}/decide-{shape}",
        settings=settings,
        threshold=settings.threshold,
        by_url=job.by_url,
        blocks=(*blocks, *index.blocks(planned.num_docs)),
        num_new=planned.num_docs,
        num_old=planned.num_indexed,
        num_ranges=planned.num_ranges,
        num_strips=planned.num_strips,
        sets=partial(_sets, job),
        layers=index.folders(),
        deleted=index.deleted,
        keep=job.hold,
    )


def _signed_files(job: Job) -> list[str]:
    return [f"{job.signed}/{split.name}.parquet" for split in job.splits]


def blocks_of(files: Sequence[str], num_rows: Sequence[int], block_docs: int) -> Iterator[Block]:
    """Put consecutive signed files together, up to `block_docs` documents or a single larger file."""
    first = start = count = 0
    for i, rows in enumerate(num_rows):
        if i > first and count + rows > block_docs:
            yield Block(tuple(files[first:i]), tuple(num_rows[first:i]), start)
            first, start, count = i, start + count, 0
        count += rows
    yield Block(tuple(files[first:]), tuple(num_rows[first:]), start)


def _sets(job: Job, block: Block, rows: NDArray[np.int64]) -> Iterator[Sets]:
    """Read the shingle sets of some rows of a block, split by split."""
    if block.old:
        yield from read_sets(block.files[0], rows)
        return
    splits = dict(zip(_signed_files(job), job.splits, strict=True))
    first = 0
    for file, size in zip(block.files, block.num_rows, strict=True):
        inside = rows[np.searchsorted(rows, first) : np.searchsorted(rows, first + size)]
        if len(inside):
            yield inside, *read_shingles(job, (splits[file], inside - first))
        first += size


def _conclude(job: Job, layout: Layout, each: Each) -> pa.Table:
    """Write what becomes of each row; return documents and losses by source."""
    each("naming", partial(name_block, layout), layout.new_blocks)
    each("naming", partial(answer_block, layout), range(len(layout.blocks)))
    names, first = [split.name for split in job.splits], 0
    units = []
    for unit in layout.new_blocks:
        count = len(layout.blocks[unit].files)
        units.append((names[first : first + count], unit))
        first += count
    return losses(each("deciding", partial(_conclude_block, layout, job.decided), units))


def _conclude_block(layout: Layout, folder: str, unit: tuple[list[str], int]) -> pa.Table:
    return conclude_block(layout, unit[0], folder, unit[1])


def _whole(decided: Decided) -> dict[str, int]:
    return {
        "num_compared": decided.num_compared,
        "num_rejected": decided.num_rejected,
        "largest_cluster": decided.largest_cluster,
    }


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
        asked = job.recipe()
        if made != asked:
            checksum.require_intact(f"{job.out}/{name}.parquet")
        if made is not None and made | {"index": job.index} == asked and made != asked:
            raise ValueError(
                f"{job.out}/{name}.parquet was held against another state of the index: a corpus was added to it, or "
                "documents were deleted from it, meanwhile. Delete this output folder and run again, or choose another"
            )
        if made != asked:
            raise ValueError(
                f"{job.out}/{name}.parquet was made with other settings or from another input; choose another output "
                f"folder, or delete that one.\n  there: {made}\n  asked: {asked}"
            )
    return set(there) == {split.name for split in job.splits}


def _each(
    out: str,
    log: RunLog,
    title: str,
    work: Callable[[Any], Any],
    units: Sequence[Any],
    *,
    ray: str | None,
    workers: int | None,
) -> list[Any]:
    """Map over units with progress; return their results in order."""
    sizes = [(unit.num_bytes, unit.num_rows or 0) if isinstance(unit, Split) else (1, 0) for unit in units]
    names = [unit.name if isinstance(unit, Split) else f"{title} {number}" for number, unit in enumerate(units)]
    in_bytes, total = any(isinstance(unit, Split) for unit in units), sum(size for size, _ in sizes)
    try:
        with Progress(f"{out}, {title}", total, len(units), log=log, phase=title, in_bytes=in_bytes) as progress:
            return map_each(work, units, progress, names=names, sizes=sizes, ray=ray, workers=workers)
    except OSError as error:
        told = OSError(
            f"{out}: {title} stopped ({error}). Mend that (free space, permissions, a missing file) and run the same "
            "again: it goes on from the files that are whole"
        )
        told.__dict__ |= error.__dict__  # the units that failed
        raise told from error


def _peak_bytes() -> int:
    """Return the most memory that this process has used."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _forget_work(job: Job) -> None:
    """Delete the scratch; what another run writes there meanwhile is that one's to delete."""
    fs, work = fsspec.core.url_to_fs(f"{job.out}/{WORK}")
    if not is_remote(fs):
        shutil.rmtree(work, ignore_errors=True)
    elif fs.exists(work):
        with suppress(FileNotFoundError):
            fs.rm(work, recursive=True)
    sweep(job.out)
