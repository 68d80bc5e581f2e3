"""Map a function over named units of work: what has no shard of its own is shown, logged and named where it fails.

    with Progress(title, sum(sizes), len(units), log=log, phase="signing") as progress:
        results = each(sign, units, progress, names=names, sizes=sizes, ray=ray)

A unit that fails does not stop the others: what they write is done when the same is run again, and the table of
failures is whole. Then the first failure is raised as it was, and carries all of them for whoever reports it.
"""

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, NamedTuple, TypeVar

from curate.cluster import LostUnits, map_units, on_ray
from curate.progress import Failure, Meter, Progress, Spent, attach

T = TypeVar("T")
R = TypeVar("R")


class Done(NamedTuple):
    """What became of one unit: a result, or the error in its place."""

    result: object
    spent: Spent
    error: Exception | None = None
    failure: Failure | None = None


class Shard(NamedTuple):
    """A unit's result that tells how many rows it has, and whether an earlier run had made it."""

    num_rows: int
    resumed: bool = False


@dataclass(frozen=True)
class Timed(Generic[T, R]):
    """Do one named unit, with its time and its error as values."""

    work: Callable[[T], R]
    on_start: Callable[[str, Meter], None] | None = None

    def __call__(self, unit: tuple[str, T]) -> Done:
        meter = Meter()
        if self.on_start is not None:
            self.on_start(unit[0], meter)
        try:
            return Done(self.work(unit[1]), meter.spent())
        except Exception as error:  # noqa: BLE001  `each` raises it when the other units are done
            return Done(None, meter.spent(), _portable(error), Failure.of(error))


def each(
    work: Callable[[T], R],
    units: Sequence[T],
    progress: Progress,
    *,
    names: Sequence[str],
    sizes: Sequence[tuple[int, int]],
    ray: str | None = None,
    workers: int | None = None,
) -> list[R]:
    """Return the results in the order of the units.

    Args:
        names: of the units, for people.
        sizes: bytes and rows of each.
        ray: "none", "local", "auto" or an address; see `curate.cluster.map_units`.
        workers: units at a time.

    Raises:
        Exception: what the first failed unit raised, with the attribute `failures` (name -> Failure) of all.
        LostUnits: all that failed is lost with its workers.
    """
    began = None if on_ray(ray) else partial(_began, progress, dict(zip(names, sizes, strict=True)))
    submitted = partial(_submitted, progress, names)
    results: dict[int, object] = {}
    failures: dict[int, Failure] = {}
    first: tuple[int, Exception] | None = None
    try:
        for index, done in map_units(
            Timed(work, began), list(zip(names, units, strict=True)), ray=ray, workers=workers, on_submit=submitted
        ):
            if done.error is not None and done.failure is not None:
                failures[index] = done.failure
                first = (index, done.error) if first is None or index < first[0] else first
                progress.failed(sizes[index][0], names[index], done.failure, done.spent)
                continue
            results[index] = done.result
            _tell(progress, names[index], sizes[index], done)
    except LostUnits as error:
        first = first or (-1, error)
        for index, reason in error.lost.items():
            failures[index] = Failure(f"its worker was lost again and again ({reason})")
            progress.failed(sizes[index][0], names[index], failures[index])
    if first is not None:
        named = {names[index]: failure for index, failure in sorted(failures.items())}
        raise attach(first[1], named, progress.log.path if progress.log else "")
    return [results[index] for index in range(len(units))]  # type: ignore[misc]


def _tell(progress: Progress, name: str, size: tuple[int, int], done: Done) -> None:
    num_bytes, num_rows = size
    if isinstance(done.result, Shard):
        num_rows = done.result.num_rows
        if done.result.resumed:
            progress.resumed(num_bytes, name=name, rows={"in": num_rows})
            return
    progress.split(num_bytes, num_rows, name=name, rows={"in": num_rows} if num_rows else {}, spent=done.spent)


def _began(progress: Progress, sizes: dict[str, tuple[int, int]], name: str, meter: Meter) -> None:
    progress.began(name, meter, sizes[name][0], None)


def _submitted(progress: Progress, names: Sequence[str], index: int) -> None:
    progress.submitted(names[index])


def _portable(error: Exception) -> Exception:
    """Return an error that travels between processes: itself where it can."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception as fault:  # noqa: BLE001  any class of errors may say no in its own way
        return RuntimeError(f"{type(error).__name__}: {error} ({fault})")
    return error
