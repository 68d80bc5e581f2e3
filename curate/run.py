"""Run stages over a source into a corpus: the one loop, the same in this process and on Ray.

    tally = run((Extract(), Measure((quality,)), Keep(RULES)), Warc("crawl/"), "clean")

Each split of the source becomes one shard of the same name. Three files may come of it:

    clean/NAME.parquet              what every stage let pass, with every measured signal
    clean/dropped/NAME.parquet      id, url, dropped_by and every signal of what broke a rule (text with keep_text)
    clean/quarantine/NAME.parquet   id and reason of records that could not be read or crashed a stage

The kept shard is written last and carries the receipt: stages, split, tally, version, and for the ledger each rule
with its bounds and source, and the stage that first gave each column. To resume is to skip the splits
whose shard is there. Kill a run anywhere, start it again with any number of workers, and the same bytes come out.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, pairwise
from typing import Any

import curate.cluster as cluster
from curate.corpus import QUARANTINE, Corpus, Source, Split, limited, refuse_own_input, shard_name
from curate.progress import Failure, Meter, Progress, RunLog
from curate.recipe import Plan, first_on_gpu, schemas, step_names
from curate.shards import Outcome, begin_shards, find_shards, finish_shards, make_shards, receipt_of
from curate.stage import Stage
from curate.tally import Tally
from curate.writer import sweep

POISON_SHARE, POISON_ROWS = 0.01, 10  # more records in quarantine than both is a fault of the run, not of records
WHERE_MEMORY_ENDS = "If memory ran out, give --workers fewer at a time, or nodes with more, and run again"


class RunError(RuntimeError):
    """Something failed; what could be done is done, and running again does only the rest.

    Attributes:
        tally: counts of the splits that are done.
        failures: split name -> what failed, where, with the traceback.
        log: file in which this run is told.
    """

    def __init__(
        self, message: str, tally: Tally, failures: Mapping[str, Failure] | None = None, log: str = ""
    ) -> None:
        super().__init__(message)
        self.tally = tally
        self.failures = dict(failures or {})
        self.log = log


def run(
    stages: Sequence[Stage],
    source: Source,
    out: str,
    *,
    ray: str | None = None,
    workers: int | None = None,
    num_gpus: float = 0,
    limit: int | None = None,
    allow_empty: bool = False,
    keep_text: bool = False,
) -> Tally:
    """Pass every document of `source` through `stages` and write what is kept to `out`.

    Args:
        ray: "none", "local", "auto" or an address; see `curate.cluster.map_units`.
        workers: splits at a time.
        num_gpus: GPUs each split holds from its first stage that shows `on_gpu`; reading and the stages before are
            work for a CPU, which goes ahead. Held for the whole of a split if no stage shows it.
        limit: stop after about this many input rows (exact for Parquet; see `curate.corpus.limited`).
        allow_empty: do not treat zero kept rows as an error.
        keep_text: keep the text of dropped documents beside their signals.

    Raises:
        RunError: splits failed, or too many records are in quarantine, or nothing was kept. All that could be
            done is done; run again after mending the cause.
        ValueError: `out` holds another run's shards, or is the input or inside of it.
    """
    plan = Plan(tuple(stages), source, str(out).rstrip("/"), keep_text)
    splits = limited(source.splits(), limit)
    columns = schemas(plan)  # a missing column or unnamed stage shows here, before any work
    if any(split.path.endswith(".parquet") for split in splits) and (path := getattr(source, "path", None)) is not None:
        refuse_own_input(path, plan.out, (split.name for split in splits))
    there = _shards_there(plan, splits)
    splits.sort(key=lambda split: (-split.num_bytes, split.name))  # largest first: no long tail at the end
    log, num_bytes = RunLog(plan.out, "run"), sum(map(_bytes_to_read, splits))
    log.start(recipe=plan.recipe(), splits=len(splits), bytes=num_bytes, ray=ray, workers=workers, num_gpus=num_gpus)
    here = not cluster.on_ray(ray)
    counters = None if here else cluster.dashboard(plan.out)
    with Progress(plan.out, num_bytes, len(splits), log=log, dashboard=counters) as progress:
        on_start = partial(_began, progress) if here else None
        engine: dict[str, Any] = {"ray": ray, "workers": workers, "progress": progress}
        old, new = ([split for split in splits if (split.name in there) is done] for done in (True, False))
        found = _outcomes(partial(find_shards, plan, columns, on_start=on_start), old, **engine)
        work: dict[str, Any] = {"work": partial(make_shards, plan, columns, on_start=on_start)}
        step = first_on_gpu(plan.stages)
        if num_gpus and step is not None and not here:
            work = {"work": partial(finish_shards, plan, columns, step), "before": partial(begin_shards, plan, step)}
        made = _outcomes(splits=new, **work, **engine, num_gpus=num_gpus)
        return _conclude(plan, len(splits), chain(found, made), allow_empty, log.path)


def _outcomes(
    work: Callable[[Iterable[Split]], Iterator[Outcome]], splits: Sequence[Split], *, progress: Progress, **engine: Any
) -> Iterator[tuple[Split, Outcome]]:
    """Yield what becomes of each split, as it comes, and tell it; of those lost with their worker, too."""
    try:
        for index, outcome in cluster.map_groups(
            work, splits, on_submit=lambda index: progress.submitted(splits[index].name), **engine
        ):
            _tell(progress, splits[index], outcome)
            yield splits[index], outcome
    except cluster.LostUnits as error:
        for index, reason in error.lost.items():
            lost = Outcome(None, Failure(f"its worker was lost again and again ({reason}). {WHERE_MEMORY_ENDS}"))
            _tell(progress, splits[index], lost)
            yield splits[index], lost


def _began(progress: Progress, split: Split, meter: Meter) -> None:
    """Show a split that is in hand in this process."""
    rows = split.num_rows if split.limit is None else min(split.limit, split.num_rows or split.limit)
    progress.began(split.name, meter, _bytes_to_read(split), rows)


def _tell(progress: Progress, split: Split, outcome: Outcome) -> None:
    """Show and log what became of a split."""
    num_bytes, tally = _bytes_to_read(split), outcome.tally
    if outcome.failure is not None:
        progress.failed(num_bytes, split.name, outcome.failure, outcome.spent)
        return
    assert tally is not None
    rows = {"in": tally.rows_in, "kept": tally.rows_out, "dropped": tally.num_dropped}
    told: dict[str, Any] = {"name": split.name, "rows": rows | {"quarantined": tally.num_quarantined}}
    told |= {"text_bytes": [tally.steps[0][2], tally.steps[-1][2]]}
    if outcome.resumed:
        progress.resumed(num_bytes, **told)
    else:
        progress.split(num_bytes, tally.rows_in, spent=outcome.spent, bytes_out=outcome.bytes_out, **told)


def _bytes_to_read(split: Split) -> int:
    """Return the bytes of a split, or of the part of it that its limit lets through."""
    if split.limit is None or not split.num_rows:
        return split.num_bytes
    return split.num_bytes * min(split.limit, split.num_rows) // split.num_rows


def _conclude(
    plan: Plan, num_splits: int, outcomes: Iterable[tuple[Split, Outcome]], allow_empty: bool, log: str
) -> Tally:
    """Add up the tallies as they come, so that a hundred thousand splits need the memory of one."""
    total = Tally.of_steps(step_names(plan))
    failures: dict[str, Failure] = {}
    for split, outcome in outcomes:
        if outcome.failure is not None:
            failures[split.name] = outcome.failure
        if outcome.tally is not None:
            total.add(outcome.tally)
    total.sort()
    if failures:
        failures = dict(sorted(failures.items()))
        names = ", ".join(list(failures)[:5]) + (", ..." if len(failures) > 5 else "")
        name, first = next(iter(failures.items()))
        message = f"{len(failures)} of {num_splits} splits failed ({names}); the rest are done. "
        raise RunError(f"{message}The first: {name}: {first.error}", total, failures, log)
    sweep(plan.out)
    if total.num_quarantined > max(POISON_ROWS, POISON_SHARE * total.rows_in):
        worst = "; ".join(f"{n:,} x {reason}" for reason, n in total.quarantined.most_common(3))
        where = f"{plan.out}/{QUARANTINE}"
        raise RunError(
            f"{total.num_quarantined:,} of {total.rows_in:,} records are in {where}: {worst}", total, log=log
        )
    if not total.rows_out and not allow_empty:
        steps = "; ".join(f"{name}: {rows:,}" for name, rows, _ in total.steps)
        raise RunError(f"no document was kept in {plan.out} ({steps}); allow it with --allow-empty", total, log=log)
    return total


def _shards_there(plan: Plan, splits: Sequence[Split]) -> set[str]:
    """Return the names of the shards in `out`, from one listing of it.

    Raises:
        ValueError: there is nothing to read, or `out` holds a shard that this input and these stages would not make.
    """
    by_name = {split.name: split for split in splits}
    if not by_name:
        raise ValueError("the input has no documents to read")
    if len(by_name) < len(splits):
        name = next(a for a, b in pairwise(sorted(split.name for split in splits)) if a == b)
        raise ValueError(f"two inputs would write the same shard {name}; give them different names")
    try:
        there = {shard_name(file, plan.out) for file in Corpus(plan.out).files}
    except FileNotFoundError:
        return set()
    foreign = there - by_name.keys()
    if foreign:
        raise ValueError(
            f"{plan.out} holds {len(foreign)} shards that this input does not make, the first {min(foreign)}; "
            "choose another output folder, or delete that one"
        )
    receipt_of(plan, by_name[min(there)])  # the workers look at the others
    return there
