"""Pass a batch through stages: what is marked leaves, what crashes a stage goes alone, the rest goes on.

    for kind, piece in process(stages, batch, tally, "shard a, rows 0-512", meter): ...      "dropped", "kept"

A record that no stage can work on must not stop the million beside it, and a machine that fails must not be taken for
a bad record: a crash halves the batch until the rows that crash stand alone, but what MACHINE_FAULTS names is raised.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from curate.document import DROPPED_BY, ID, QUARANTINED, Batch, text_bytes, with_columns
from curate.progress import Meter
from curate.stage import Stage, stage_name
from curate.tally import Tally

KINDS = ("kept", "dropped", "quarantine")
MACHINE_FAULTS = (MemoryError, OSError, ImportError)  # never a record's fault


def process(
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
        return checked(stage, batch)
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


def checked(stage: Stage, batch: Batch) -> Batch:
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
            good.append(checked(stage, part))
        except MACHINE_FAULTS:
            raise
        except Exception as cause:  # noqa: BLE001  as in `apply`
            more_good, more_bad = _bisect(stage, part, cause)
            good += more_good
            bad += more_bad
    return good, bad


def _valid(batch: Batch, column: str) -> pa.Array:
    if column not in batch.schema.names:
        return pa.repeat(pa.scalar(False), batch.num_rows)
    return pc.is_valid(batch[column])
