"""A step's totals for the whole, as estimates with their bootstrap draws, from what its sample did and took."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from curate.corpus import Split
from curate.plan.draw import Drawn
from curate.plan.fit import Floats, Whole
from curate.plan.measure import RANGE, Step, Unit
from curate.writer import GROUP_ROWS

COUNTS = ("rows_in", "rows_out", "quarantined", "text_in", "text_out", "tokens")
COSTS = ("evidence", "seconds", "cpu_seconds")  # of which a split that holds nothing has some
MOST_TINY = 0.5  # a tiny piece of half a piece tells nothing of an empty one
GROUPED = "documents are put together from many splits, so the whole has fewer and larger ones than this"
ADDED = (*COUNTS, *COSTS, "disk", "around", "start_seconds")


@dataclass(frozen=True, eq=False)
class Numbers:
    """One step of the whole.

    Attributes:
        values: name -> (1 + DRAWS,) the estimate, then its draws.
        seen: counts in the sample.
        bare: name -> what a split costs that holds nothing.
        rates: (m,) seconds for a byte of input, of each piece.
        notes: what a reader should know.
    """

    step: Step
    values: dict[str, Floats]
    seen: dict[str, float]
    bare: dict[str, float]
    rates: Floats
    notes: tuple[str, ...] = ()


def numbers_of(step: Step, drawn: Drawn, whole: Whole, tiny_share: float) -> Numbers:
    """Extrapolate one step's totals by what its pieces had.

    Args:
        tiny_share: what a tiny piece holds of what others do.
    """
    pieces, tiny = by_piece(step, drawn.pieces), by_piece(step, drawn.tiny)
    values = {what: whole.total([getattr(unit, what) for unit in pieces]) for what in COUNTS}
    cpu_share = min(step.total("cpu_seconds") / max(step.total("seconds"), 1e-9), 1.0)
    start = {"seconds": 1.0, "cpu_seconds": cpu_share}  # of the seconds that loading took
    costs = {what: [_without(unit, what, start) for unit in pieces] for what in COSTS}
    tinies = {what: [_without(unit, what, start) for unit in tiny] for what in COSTS}
    bare = {what: bare_of(costs[what], tinies[what], tiny_share) for what in COSTS}
    above = {what: [max(cost - bare[what], 0.0) for cost in costs[what]] for what in COSTS}
    values |= {what: whole.total(above[what]) + bare[what] * len(drawn.splits) for what in COSTS}
    values["rows_out"] = values["rows_out"] + step.loose_rows / drawn.share
    values["disk"] = whole.total([unit.disk - unit.around for unit in pieces]) + step.loose / drawn.share + step.fixed
    values["disk"] = values["disk"] + _around(pieces, values["rows_in"], len(drawn.splits))
    if step.phases and step.verb != "dedup":  # work on all documents at once, taken to grow with them
        values["together"] = np.full(len(values["disk"]), sum(step.phases.values()) / drawn.share)
        values["cpu_seconds"] = values["cpu_seconds"] + values["together"]
    seen = {what: float(sum(getattr(unit, what) for unit in pieces)) for what in COUNTS}
    notes = (GROUPED,) if step.loose else ()
    return Numbers(step, values, seen, bare, np.array(above["seconds"]) / np.maximum(whole.sizes[0], 1), notes)


def tiny_share(step: Step, drawn: Drawn) -> float:
    """Return what a tiny piece holds of what others do, in documents of the first step."""
    pieces, tiny = by_piece(step, drawn.pieces), by_piece(step, drawn.tiny)
    rows = float(np.mean([unit.rows_in for unit in pieces])) if pieces else 0.0
    return float(np.mean([unit.rows_in for unit in tiny])) / rows if tiny and rows else 0.0


def bare_of(costs: Sequence[float], tinies: Sequence[float], tiny_share: float) -> float:
    """Return what a split costs that holds nothing: where the line through pieces and tiny ones begins."""
    if not tinies or tiny_share > MOST_TINY:
        return 0.0
    tiny = float(np.median(tinies))
    return max(tiny - (float(np.mean(costs)) - tiny) * tiny_share / (1 - tiny_share), 0.0)


def _around(pieces: Sequence[Unit], rows: Floats, num_splits: int) -> Floats:
    """Return the bytes around the rows in all files: for each split, and again for each further row group."""
    each = float(np.mean([unit.around for unit in pieces]))
    group = max(GROUP_ROWS, float(np.mean([unit.rows_in for unit in pieces])))
    return np.asarray(each * num_splits * np.maximum(rows / num_splits / group, 1.0))


def by_piece(step: Step, splits: Sequence[Split]) -> list[Unit]:
    """Return one unit for each split of the sample; a later step may have cut one in several."""
    numbers = {split.name: at for at, split in enumerate(splits)}
    units = [Unit() for _ in splits]
    for name, unit in step.units.items():
        at = piece_of(name, numbers)
        if at is not None:
            for what in ADDED:
                setattr(units[at], what, getattr(units[at], what) + getattr(unit, what))
    return units


def piece_of(name: str, pieces: Mapping[str, int]) -> int | None:
    """Return the number of the piece that a split of a later step came from."""
    return pieces.get(name, pieces.get(RANGE.sub("", name)))


def _without(unit: Unit, what: str, start: Mapping[str, float]) -> float:
    return float(getattr(unit, what) - start.get(what, 0.0) * unit.start_seconds)
