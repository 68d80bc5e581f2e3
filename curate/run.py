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

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import chain, islice, pairwise
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

import curate.cluster as cluster
from curate.corpus import (
    DROPPED,
    QUARANTINE,
    Corpus,
    ShardWriter,
    Source,
    Split,
    limited,
    read_receipt,
    read_split,
    shard_name,
    sweep,
)
from curate.document import DROPPED_BY, ID, QUARANTINED, TEXT, URL, Batch, text_bytes, with_columns
from curate.progress import Failure, Meter, Progress, RunLog, Spent
from curate.stage import Rule, Stage, stage_name
from curate.storage import info
from curate.tally import Tally

FORMAT = 3  # of receipts and shards; raised when the same stages would give other bytes
KINDS = ("kept", "dropped", "quarantine")
POISON_SHARE, POISON_ROWS = (
    0.01,
    10,
)  # more quarantined records than both of these is a fault of the run, not of records
AT_ONCE, AT_ONCE_BYTES, AT_ONCE_S = 64, 2**23, 0.5  # shards put in place together: 64 take as long as two one by one
WHERE_MEMORY_ENDS = "If memory ran out, give --workers fewer at a time, or nodes with more, and run again"
MACHINE_FAULTS = (MemoryError, OSError, ImportError)  # never a record's fault

OnStart = Callable[[Split, Meter], None]


class Schemas(NamedTuple):
    """Columns of the rows that stay and of those that leave, and where they come from."""

    kept: pa.Schema
    dropped: pa.Schema
    quarantine: pa.Schema
    since: dict[str, int]  # column -> the step (1 is the first stage) that gave it first; the input's are not here


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


@dataclass(frozen=True)
class Plan:
    """All that one unit of work needs, and what makes its result what it is."""

    stages: tuple[Stage, ...]
    source: Source
    out: str
    keep_text: bool

    def recipe(self) -> dict[str, Any]:
        stages = [stage_name(stage) for stage in self.stages]
        return {"format": FORMAT, "stages": stages, "keep_text": self.keep_text}

    def rules(self) -> list[dict[str, Any]]:
        """Return every rule with the step that holds documents against it: what a stage shows in `rules`."""
        shown = [(step, getattr(stage, "rules", ())) for step, stage in enumerate(self.stages, start=1)]
        return [{"step": step, **asdict(rule)} for step, rules in shown for rule in rules if isinstance(rule, Rule)]


@dataclass(frozen=True)
class Outcome:
    """What became of one split: its tally, or its failure; and what it took, which is for the log alone."""

    tally: Tally | None
    failure: Failure | None = None
    resumed: bool = False
    spent: Spent | None = None
    bytes_out: int = 0  # of its files


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
        ValueError: `out` holds another run's shards.
    """
    plan = Plan(tuple(stages), source, str(out).rstrip("/"), keep_text)
    splits = limited(source.splits(), limit)
    columns = schemas(plan)  # a missing column or unnamed stage shows here, before any work
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
        step = _first_on_gpu(plan.stages)
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
    total = Tally.of_steps(_step_names(plan))
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


def find_shards(
    plan: Plan, columns: Schemas, splits: Iterable[Split], on_start: OnStart | None = None
) -> Iterator[Outcome]:
    """Read the receipts of shards that were there when the run began, many at a time; make what has gone since."""
    waiting = iter(splits)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while some := list(islice(waiting, AT_ONCE)):
            for split, outcome in zip(some, pool.map(partial(_found, plan), some), strict=True):
                yield outcome or next(make_shards(plan, columns, [split], on_start))


def make_shards(
    plan: Plan, columns: Schemas, splits: Iterable[Split], on_start: OnStart | None = None
) -> Iterator[Outcome]:
    """Do splits one by one, or find them done. A failure comes back as an outcome, so that the other splits go on."""
    return _placed(_make_shard(plan, columns, split, on_start) for split in splits)


def _make_shard(plan: Plan, columns: Schemas, split: Split, on_start: OnStart | None) -> "Written":
    meter = _meter(plan)
    done = _found(plan, split)
    if done is not None:
        return Written(split, done, meter)
    if on_start is not None:
        on_start(split, meter)
    tally = Tally.of_steps(_step_names(plan))
    return _write_shard(plan, columns, split, _pieces(plan, split, tally, meter), tally, meter)


def _meter(plan: Plan) -> Meter:
    return Meter([stage_name(stage).split("(")[0] for stage in plan.stages])


def _placed(every: Iterable["Written"]) -> Iterator[Outcome]:
    """Put shards in place, small ones many at a time.

    A disk takes milliseconds to say that a file is safe, and an object store tens of them to take it, and little longer
    for many than for one.
    """
    begun, written = time.monotonic(), list[Written]()
    try:
        for one in every:
            written.append(one)
            size = sum(one.num_bytes for one in written)
            if len(written) == AT_ONCE or size >= AT_ONCE_BYTES or time.monotonic() > begun + AT_ONCE_S:
                yield from _place(written)
                begun, written = time.monotonic(), []
        yield from _place(written)
        written = []
    finally:
        for one in written:
            one.writers.close()


def _first_on_gpu(stages: Sequence[Stage]) -> int | None:
    """Return the number of stages before the first that shows `on_gpu`; None if there is no such stage."""
    return next((step for step, stage in enumerate(stages) if getattr(stage, "on_gpu", False)), None)


def begin_shards(plan: Plan, step: int, splits: Iterable[Split]) -> Iterator["Begun"]:
    """Read splits and pass them through the first `step` stages; hold what comes of it, in memory."""
    for split in splits:
        meter = _meter(plan)
        done = _found(plan, split)
        if done is not None:
            yield Begun(split, done, meter.spent())
            continue
        tally = Tally.of_steps(_step_names(plan))
        try:
            pieces = [
                (kind, pa.Table.from_batches([piece])) for kind, piece in _pieces(plan, split, tally, meter, stop=step)
            ]
            yield Begun(split, Outcome(tally), meter.spent(), pieces)
        except Exception as error:  # noqa: BLE001  as in `_found`
            yield Begun(split, Outcome(None, Failure.of(error, meter.doing), spent=meter.spent()), meter.spent())


def finish_shards(plan: Plan, columns: Schemas, step: int, begun: Iterable["Begun"]) -> Iterator[Outcome]:
    """Pass what `begin_shards` made through the stages that are left, into the very bytes of `make_shards`."""
    return _placed(_finish_shard(plan, columns, step, one) for one in begun)


def _finish_shard(plan: Plan, columns: Schemas, step: int, begun: "Begun") -> "Written":
    meter = _meter(plan)
    meter.include(begun.spent)
    if begun.pieces is None or begun.outcome.tally is None:
        return Written(begun.split, begun.outcome, meter)
    pieces = _pieces_left(plan, begun, begun.outcome.tally, meter, step)
    return _write_shard(plan, columns, begun.split, pieces, begun.outcome.tally, meter)


def _pieces_left(plan: Plan, begun: "Begun", tally: Tally, meter: Meter, step: int) -> Iterator[tuple[str, Batch]]:
    for kind, table in begun.pieces or ():
        (piece,) = table.combine_chunks().to_batches()
        if kind in KINDS:
            yield kind, piece
        else:
            yield from _process(plan.stages, piece, tally, kind, meter, start=step)


def _place(written: Sequence["Written"]) -> list[Outcome]:
    if len(written) <= 1:
        return [one.place() for one in written]
    with ThreadPoolExecutor(len(written)) as pool:
        return list(pool.map(Written.place, written))


def _found(plan: Plan, split: Split) -> Outcome | None:
    """Return the outcome of a finished split, or of the attempt to look; None if it is still to do."""
    try:
        done = _receipt(plan, split)
    except Exception as error:  # noqa: BLE001  whatever failed, the run goes on and RunError reports it
        return Outcome(None, Failure.of(error))
    return None if done is None else Outcome(Tally.from_json(done["tally"]), resumed=True)


def _receipt(plan: Plan, split: Split) -> dict[str, Any] | None:
    """Return the receipt of a finished split; None if it is still to do.

    Raises:
        ValueError: the shard there is of other stages, or of another input.
    """
    path = f"{plan.out}/{split.name}.parquet"
    if info(path) is None:
        return None
    found = read_receipt(path) or {}
    made, wanted = found.get("recipe"), plan.recipe()
    if made != wanted:
        raise ValueError(
            f"{path} was made by other stages; choose another output folder, or delete that one.\n"
            f"  there: {made}\n  asked: {wanted}"
        )
    if found["split"] != split.identity():
        raise ValueError(
            f"{path} was made from another input ({found['split']}, now {split.identity()}); "
            "choose another output folder, or delete that one"
        )
    return found


@dataclass
class Written:
    """A split whose rows are in temporary files, which `place` makes its shard; or one that is done or has failed."""

    split: Split
    outcome: Outcome
    meter: Meter
    num_bytes: int = 0  # of rows written
    receipt: dict[str, Any] = field(default_factory=dict)
    writers: ExitStack = field(default_factory=ExitStack)  # closing it deletes what is not in place
    shards: list[ShardWriter] = field(default_factory=list)  # the kept one last: it says that all are whole

    def place(self) -> Outcome:
        if not self.shards:
            return self.outcome
        try:
            with self.meter.aside(-1), self.writers:
                for shard in self.shards:
                    shard.commit(self.receipt, once=True)
        except Exception as error:  # noqa: BLE001  as in `_found`
            return Outcome(None, Failure.of(error, self.meter.doing), spent=self.meter.spent())
        bytes_out = sum(shard.num_bytes for shard in self.shards)
        return replace(self.outcome, spent=self.meter.spent(), bytes_out=bytes_out)


@dataclass(frozen=True)
class Begun:
    """A split after its first stages: pieces that leave already by kind, those that go on by where they are from."""

    split: Split
    outcome: Outcome
    spent: Spent
    pieces: list[tuple[str, pa.Table]] | None = None  # tables, which Ray sends without what a slice was cut from


def _write_shard(
    plan: Plan, columns: Schemas, split: Split, pieces: Iterator[tuple[str, Batch]], tally: Tally, meter: Meter
) -> Written:
    with ExitStack() as writers:
        try:
            written = _write_pieces(plan, columns, split, pieces, tally, meter, writers)
        except Exception as error:  # noqa: BLE001  as in `_found`
            return Written(split, Outcome(None, Failure.of(error, meter.doing), spent=meter.spent()), meter)
        written.writers = writers.pop_all()
    meter.pause()
    return written


def _write_pieces(
    plan: Plan,
    columns: Schemas,
    split: Split,
    pieces: Iterator[tuple[str, Batch]],
    tally: Tally,
    meter: Meter,
    writers: ExitStack,
) -> Written:
    folders = {"kept": plan.out, "dropped": f"{plan.out}/{DROPPED}", "quarantine": f"{plan.out}/{QUARANTINE}"}
    shards: dict[str, ShardWriter] = {}

    def shard(kind: str) -> ShardWriter:
        if kind not in shards:  # most splits have nothing in quarantine: no file is opened for it
            schema = getattr(columns, kind)
            shards[kind] = writers.enter_context(ShardWriter(folders[kind], split.name, schema))
        return shards[kind]

    size = 0
    for kind, piece in pieces:
        with meter.part(-1, piece.num_rows):
            shard(kind).write(_conform(piece, getattr(columns, kind)))
        size += piece.nbytes
    receipt: dict[str, Any] = {"recipe": plan.recipe(), "split": split.identity(), "tally": tally.to_json()}
    receipt |= {"rules": plan.rules(), "columns": columns.since}
    with meter.part(-1):
        shard("kept")
    in_order = [shards[kind] for kind in reversed(KINDS) if kind in shards]
    return Written(split, Outcome(tally), meter, size, receipt, shards=in_order)


def _pieces(
    plan: Plan, split: Split, tally: Tally, meter: Meter, stop: int | None = None
) -> Iterator[tuple[str, Batch]]:
    """Read a split and yield what leaves and what stays; before stage `stop`, what goes on, under where it is from."""
    rows = 0
    for batch in meter.reading(read_split(plan.source, split)):
        where = f"shard {split.name}, rows {rows}-{rows + batch.num_rows}"
        yield from _process(plan.stages, batch, tally, where, meter, stop=stop)
        rows += batch.num_rows


def _process(
    stages: Sequence[Stage],
    batch: Batch,
    tally: Tally,
    where: str,
    meter: Meter,
    start: int = 0,
    stop: int | None = None,
) -> Iterator[tuple[str, Batch]]:
    """Pass one batch through stages; yield what is marked as it leaves, and the rest at the end."""
    size = text_bytes(batch)
    if not start:
        tally.pass_step(0, batch.num_rows, size)
    for step in range(start, len(stages) + 1 if stop is None else stop):
        marks = (("quarantine", QUARANTINED, tally.quarantine), ("dropped", DROPPED_BY, tally.drop))
        for kind, column, count in marks:
            marked = _valid(batch, column)
            if pc.any(marked).as_py():
                leaving = batch.filter(marked)
                count(leaving[column].to_pylist())
                yield kind, leaving
                batch = batch.filter(pc.invert(marked))
        if step:
            size = text_bytes(batch)
            tally.pass_step(step, batch.num_rows, size)
        if step < len(stages) and batch.num_rows:
            with meter.part(step + 1, batch.num_rows, size or batch.nbytes):
                batch = apply(stages[step], batch, where)
            tally.counted.update(counts(stages[step], batch))
    if batch.num_rows:
        yield "kept" if stop is None else where, batch


def counts(stage: Stage, batch: Batch) -> Counter[str]:
    """Sum up the columns that a stage shows in `counted`: numbers by column, lists of records by their `kind`."""
    found: Counter[str] = Counter()
    for name in getattr(stage, "counted", ()):
        if name not in batch.schema.names:  # the stage failed on every row
            continue
        if pa.types.is_list(batch[name].type):
            kinds = pc.struct_field(pc.list_flatten(batch[name]), "kind").to_pylist()
            found.update(f"{name.partition('.')[0]}.{kind}" for kind in kinds)
        else:
            found[name] += pc.sum(batch[name]).as_py() or 0
    return +found


def apply(stage: Stage, batch: Batch, where: str) -> Batch:
    """Apply a stage; a record that crashes it comes back marked in `quarantined`, without the stage's columns.

    Raises:
        RuntimeError: the stage changed the number of rows, failed on every row of several, or the machine failed.
    """
    try:
        return _checked(stage, batch)
    except MACHINE_FAULTS:
        raise
    except Exception as error:  # any other is a record's, and goes to quarantine with it
        good, bad = _bisect(stage, batch, error)
        if not good and batch.num_rows > 1:
            first = batch[ID][0].as_py() if ID in batch.schema.names else "?"
            raise RuntimeError(f"{where} (first id {first}): {stage_name(stage)} failed: {error}") from error
    done = pa.Table.from_batches(good) if good else None
    table = pa.concat_tables(filter(None, (done, pa.Table.from_batches(bad))), promote_options="default")
    return table.combine_chunks().to_batches()[0]


def _checked(stage: Stage, batch: Batch) -> Batch:
    result = stage(batch)
    if result.num_rows != batch.num_rows:
        raise ValueError(f"a stage keeps every row: {batch.num_rows} rows went in, {result.num_rows} came out")
    return result


def _bisect(stage: Stage, batch: Batch, error: Exception) -> tuple[list[Batch], list[Batch]]:
    """Halve a failing batch until the failing rows stand alone: (results, rows marked with their reason)."""
    if batch.num_rows == 1:
        reason = f"{type(error).__name__} in {stage_name(stage).split('(')[0]}: {error}"
        return [], [with_columns(batch, {QUARANTINED: pa.array([reason])})]
    good: list[Batch] = []
    bad: list[Batch] = []
    half = batch.num_rows // 2
    for part in (batch.slice(0, half), batch.slice(half)):
        try:
            good.append(_checked(stage, part))
        except MACHINE_FAULTS:
            raise
        except Exception as cause:  # noqa: BLE001  as in `apply`
            more_good, more_bad = _bisect(stage, part, cause)
            good += more_good
            bad += more_bad
    return good, bad


def schemas(plan: Plan) -> Schemas:
    """Return the schemas of kept, dropped and quarantined rows, found by passing an empty batch through the stages."""
    batch = pa.RecordBatch.from_pylist([], schema=plan.source.schema)
    seen = dict(zip(batch.schema.names, batch.schema.types, strict=True))
    since: dict[str, int] = {}
    for step, stage in enumerate(plan.stages, start=1):
        try:
            batch = _checked(stage, batch)
        except (KeyError, ValueError) as error:
            name, columns = stage_name(stage), ", ".join(batch.schema.names)
            raise ValueError(f"{name} cannot read this input: {error}. Its columns are: {columns}") from error
        since |= {name: step for name in batch.schema.names if name not in seen}
        seen |= dict(zip(batch.schema.names, batch.schema.types, strict=True))
    marks = {DROPPED_BY: pa.list_(pa.string())}
    heavy = () if plan.keep_text else (TEXT,)
    raw = [name for name, kind in seen.items() if pa.types.is_large_binary(kind) or pa.types.is_binary(kind)]
    kept = {name: seen[name] for name in batch.schema.names if name not in {QUARANTINED, *marks}}
    dropped = {name: kind for name, kind in (seen | marks).items() if name not in (*heavy, *raw, QUARANTINED)}
    known = [name for name in (ID, URL, "file_path", "path", "repo_name") if name in seen]
    quarantine = {name: seen[name] for name in known} | {QUARANTINED: pa.string()}
    kept_schema, dropped_schema, quarantine_schema = (pa.schema(list(c.items())) for c in (kept, dropped, quarantine))
    return Schemas(kept_schema, dropped_schema, quarantine_schema, since)


def _conform(batch: Batch, schema: pa.Schema) -> Batch:
    """Select and cast to a schema; columns that a row left too early to get are null."""
    have = set(batch.schema.names)
    arrays = [batch[f.name].cast(f.type) if f.name in have else pa.nulls(batch.num_rows, f.type) for f in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _valid(batch: Batch, column: str) -> pa.Array:
    if column not in batch.schema.names:
        return pa.repeat(pa.scalar(False), batch.num_rows)
    return pc.is_valid(batch[column])


def _step_names(plan: Plan) -> list[str]:
    return ["input", *(stage_name(stage) for stage in plan.stages)]


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
    _receipt(plan, by_name[min(there)])  # the workers look at the others
    return there
