"""The worker's half of a run: a split becomes a shard, or is found to be one already.

    make_shards(plan, columns, splits)                 an Outcome for each, as it is in place
    begin_shards, finish_shards                        the same as two tasks, the second of which holds a GPU

A failure comes back as an outcome, so that the other splits go on. Small shards are put in place many at a time.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any

import pyarrow as pa

import curate.checksum as checksum
from curate.apply import KINDS, process
from curate.corpus import DROPPED, QUARANTINE, Split, read_split
from curate.document import Batch
from curate.parquet import read_receipt
from curate.progress import Failure, Meter, Spent
from curate.recipe import Plan, Schemas, step_names
from curate.stage import stage_name
from curate.storage import info
from curate.tally import Tally
from curate.writer import ShardWriter

AT_ONCE, AT_ONCE_BYTES, AT_ONCE_S = 64, 2**23, 0.5  # shards put in place together: 64 take as long as two one by one

OnStart = Callable[[Split, Meter], None]


@dataclass(frozen=True)
class Outcome:
    """What became of one split: its tally, or its failure; and what it took, which is for the log alone."""

    tally: Tally | None
    failure: Failure | None = None
    resumed: bool = False
    spent: Spent | None = None
    bytes_out: int = 0  # of its files


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
    tally = Tally.of_steps(step_names(plan))
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


def begin_shards(plan: Plan, step: int, splits: Iterable[Split]) -> Iterator["Begun"]:
    """Read splits and pass them through the first `step` stages; hold what comes of it, in memory."""
    for split in splits:
        meter = _meter(plan)
        done = _found(plan, split)
        if done is not None:
            yield Begun(split, done, meter.spent())
            continue
        tally = Tally.of_steps(step_names(plan))
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
            yield from process(plan.stages, piece, tally, kind, meter, start=step)


def _place(written: Sequence["Written"]) -> list[Outcome]:
    if len(written) <= 1:
        return [one.place() for one in written]
    with ThreadPoolExecutor(len(written)) as pool:
        return list(pool.map(Written.place, written))


def _found(plan: Plan, split: Split) -> Outcome | None:
    """Return the outcome of a finished split, or of the attempt to look; None if it is still to do."""
    try:
        done = receipt_of(plan, split)
    except Exception as error:  # noqa: BLE001  whatever failed, the run goes on and RunError reports it
        return Outcome(None, Failure.of(error))
    return None if done is None else Outcome(Tally.from_json(done["tally"]), resumed=True)


def receipt_of(plan: Plan, split: Split) -> dict[str, Any] | None:
    """Return the receipt of a finished split; None if it is still to do.

    Raises:
        ValueError: the shard there is of other stages, or of another input.
    """
    path = f"{plan.out}/{split.name}.parquet"
    if info(path) is None:
        return None
    found = read_receipt(path) or {}
    made, wanted = found.get("recipe"), plan.recipe()
    if (made, found.get("split")) != (wanted, split.identity()):
        checksum.require_intact(path)
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
        yield from process(plan.stages, batch, tally, where, meter, stop=stop)
        rows += batch.num_rows


def _conform(batch: Batch, schema: pa.Schema) -> Batch:
    """Select and cast to a schema; columns that a row left too early to get are null."""
    have = set(batch.schema.names)
    arrays = [batch[f.name].cast(f.type) if f.name in have else pa.nulls(batch.num_rows, f.type) for f in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
