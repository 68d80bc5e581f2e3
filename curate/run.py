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

import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
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
from curate.progress import Progress
from curate.stage import Rule, Stage, stage_name
from curate.storage import info
from curate.tally import Tally

FORMAT = 3  # of receipts and shards; raised when the same stages would give other bytes
POISON_SHARE, POISON_ROWS = (
    0.01,
    10,
)  # more quarantined records than both of these is a fault of the run, not of records
MACHINE_FAULTS = (MemoryError, OSError, ImportError)  # never a record's fault


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
        failures: split name -> message in the first line, then the traceback.
    """

    def __init__(self, message: str, tally: Tally, failures: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.tally = tally
        self.failures = dict(failures or {})


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
    """What became of one split: its tally, or the traceback of its failure."""

    tally: Tally | None
    error: str = ""
    resumed: bool = False


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
        num_gpus: GPUs each split holds while it is worked on.
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
    _refuse_foreign_shards(plan, splits)
    splits.sort(key=lambda split: (-split.num_bytes, split.name))  # largest first: no long tail at the end
    progress = Progress(plan.out, sum(s.num_bytes for s in splits), len(splits))
    work = partial(make_shard, plan, columns, on_rows=None if cluster.on_ray(ray) else progress.row)
    outcomes = _outcomes(work, splits, progress, ray=ray, workers=workers, num_gpus=num_gpus)
    return _conclude(plan, outcomes, allow_empty)


def _outcomes(
    work: Callable[[Split], Outcome],
    splits: Sequence[Split],
    progress: Progress,
    *,
    ray: str | None,
    workers: int | None,
    num_gpus: float,
) -> dict[str, Outcome]:
    here = not cluster.on_ray(ray)
    outcomes: dict[str, Outcome] = {}
    try:
        for index, outcome in cluster.map_units(work, splits, ray=ray, workers=workers, num_gpus=num_gpus):
            outcomes[splits[index].name] = outcome
            rows = 0 if here or outcome.tally is None else outcome.tally.rows_in
            progress.split(splits[index].num_bytes, rows)
    except RuntimeError as lost:
        for split in splits:
            outcomes.setdefault(split.name, Outcome(None, f"{lost}"))
    finally:
        progress.close()
    return outcomes


def _conclude(plan: Plan, outcomes: dict[str, Outcome], allow_empty: bool) -> Tally:
    total = Tally.of_steps(_step_names(plan))
    for _, outcome in sorted(outcomes.items()):
        if outcome.tally is not None:
            total.add(outcome.tally)
    failures = {name: outcome.error for name, outcome in sorted(outcomes.items()) if outcome.tally is None}
    if failures:
        names = ", ".join(list(failures)[:5]) + (", ..." if len(failures) > 5 else "")
        first = next(iter(failures.values())).strip().split("\n")[0]
        message = f"{len(failures)} of {len(outcomes)} splits failed ({names}); the rest are done. The first: {first}"
        raise RunError(message, total, failures)
    sweep(plan.out)
    if total.num_quarantined > max(POISON_ROWS, POISON_SHARE * total.rows_in):
        worst = "; ".join(f"{n:,} x {reason}" for reason, n in total.quarantined.most_common(3))
        where = f"{plan.out}/{QUARANTINE}"
        raise RunError(f"{total.num_quarantined:,} of {total.rows_in:,} records are in {where}: {worst}", total)
    if not total.rows_out and not allow_empty:
        steps = "; ".join(f"{name}: {rows:,}" for name, rows, _ in total.steps)
        raise RunError(f"no document was kept in {plan.out} ({steps}); allow it with --allow-empty", total)
    return total


def make_shard(plan: Plan, columns: Schemas, split: Split, on_rows: Callable[[int], None] | None = None) -> Outcome:
    """Do one split, or find it done. Failures come back as text, so that the other splits go on."""
    try:
        done = _receipt(plan, split)
        if done is not None:
            return Outcome(Tally.from_json(done["tally"]), resumed=True)
        return Outcome(_write_shard(plan, columns, split, on_rows))
    except Exception as error:  # noqa: BLE001  whatever failed, the run goes on and RunError reports it
        return Outcome(None, f"{split.name}: {error}\n{traceback.format_exc()}")


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


def _write_shard(plan: Plan, columns: Schemas, split: Split, on_rows: Callable[[int], None] | None) -> Tally:
    kept_schema, dropped_schema, quarantine_schema, since = columns
    tally = Tally.of_steps(_step_names(plan))
    with (
        ShardWriter(plan.out, split.name, kept_schema) as kept,
        ShardWriter(f"{plan.out}/{DROPPED}", split.name, dropped_schema) as dropped,
        ShardWriter(f"{plan.out}/{QUARANTINE}", split.name, quarantine_schema) as quarantine,
    ):
        rows = 0
        for batch in read_split(plan.source, split):
            where = f"shard {split.name}, rows {rows}-{rows + batch.num_rows}"
            for kind, piece in _process(plan.stages, batch, tally, where):
                if kind == "kept":
                    kept.write(_conform(piece, kept_schema))
                elif kind == "dropped":
                    dropped.write(_conform(piece, dropped_schema))
                else:
                    quarantine.write(_conform(piece, quarantine_schema))
            rows += batch.num_rows
            if on_rows is not None:
                on_rows(batch.num_rows)
        receipt: dict[str, Any] = {"recipe": plan.recipe(), "split": split.identity(), "tally": tally.to_json()}
        receipt |= {"rules": plan.rules(), "columns": since}
        for evidence in (quarantine, dropped):  # before the kept shard, which says that all three are whole
            if evidence.num_rows:
                evidence.commit(receipt, once=True)
        kept.commit(receipt, once=True)
    return tally


def _process(stages: Sequence[Stage], batch: Batch, tally: Tally, where: str) -> Iterator[tuple[str, Batch]]:
    """Pass one batch through the stages; yield what is marked as it leaves, and the rest at the end."""
    tally.pass_step(0, batch.num_rows, text_bytes(batch))
    for step in range(len(stages) + 1):
        marks = (("quarantined", QUARANTINED, tally.quarantine), ("dropped", DROPPED_BY, tally.drop))
        for kind, column, count in marks:
            marked = _valid(batch, column)
            if pc.any(marked).as_py():
                leaving = batch.filter(marked)
                count(leaving[column].to_pylist())
                yield kind, leaving
                batch = batch.filter(pc.invert(marked))
        if step:
            tally.pass_step(step, batch.num_rows, text_bytes(batch))
        if step < len(stages) and batch.num_rows:
            batch = apply(stages[step], batch, where)
            tally.counted.update(counts(stages[step], batch))
    if batch.num_rows:
        yield "kept", batch


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


def _refuse_foreign_shards(plan: Plan, splits: Sequence[Split]) -> None:
    """Raise if `out` holds a shard that this input and these stages would not make."""
    names = [split.name for split in splits]
    if not names:
        raise ValueError("the input has no documents to read")
    repeated = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()
    if repeated:
        raise ValueError(f"two inputs would write the same shard {sorted(repeated)[0]}; give them different names")
    try:
        there = [shard_name(file, plan.out) for file in Corpus(plan.out).files]
    except FileNotFoundError:
        return
    foreign = sorted(set(there) - set(names))
    if foreign:
        raise ValueError(
            f"{plan.out} holds {len(foreign)} shards that this input does not make, the first {foreign[0]}; "
            "choose another output folder, or delete that one"
        )
    by_name = {split.name: split for split in splits}
    _receipt(plan, by_name[there[0]])  # the workers look at the others
