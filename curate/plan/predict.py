"""What the whole run will take, from a rehearsal on a sample of its input.

Of each step that is work by split, three things are told apart: what a new process pays (loading models and compiled
kernels), what a split pays however little it holds (from pieces of some rows), and what a byte or a row of the input
pays (the rest, by the ratio estimators of `curate.plan.fit`). Deduplication has numbers of its own
(`curate.plan.whole_dedup`), and what comes after it is less by as much.

A step waits for the one before it. Its splits go to the workers largest first, each as fast for its bytes as some piece
of the sample was, so that stragglers and the longest split count (`curate.plan.schedule`).
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from curate.plan.draw import Drawn
from curate.plan.fit import DRAWS, Estimate, Floats, Whole, count_interval, interval
from curate.plan.measure import Step
from curate.plan.numbers import Numbers, numbers_of, tiny_share
from curate.plan.result import Part, StepPlan
from curate.plan.schedule import makespan
from curate.plan.whole_dedup import deduplicated, stays

SCHEDULES = 16  # orders of quick and slow splits that the wall time is the mean of
MOST_SPLITS = 20_000  # of such an order; more are told by their sum and the longest


def predict(steps: Sequence[Step], folder: str, drawn: Drawn, whole: Whole, workers: Sequence[int]) -> list[StepPlan]:
    """Return what each step will take.

    Args:
        steps: of the rehearsal in `folder`, in order.
        workers: the number that is planned for, first, and others to tell the wall time for.
    """
    factor, found = np.ones(1 + DRAWS), []
    share = tiny_share(steps[0], drawn) if steps else 0.0
    for step in steps:
        numbers = numbers_of(step, drawn, whole, share)
        numbers = replace(numbers, values={name: value * factor for name, value in numbers.values.items()})
        if step.verb == "dedup":
            less = stays(f"{folder}/{step.name}".rstrip("/"), drawn, whole.seed)
            numbers = deduplicated(numbers, less)
            factor = factor * less
        found.append(_conclude(numbers, drawn, whole, workers))
    return found


def _conclude(numbers: Numbers, drawn: Drawn, whole: Whole, workers: Sequence[int]) -> StepPlan:
    step, values = numbers.step, numbers.values
    share = 1.0 if whole.is_all else drawn.share

    def told(what: str) -> Estimate:
        if step.verb == "dedup" or what not in ("rows_out", "quarantined"):
            return interval(values[what], whole.num, share=share)
        seen, among = numbers.seen[what], numbers.seen["rows_in"]
        return count_interval(values[what], whole.num, share=share, seen=seen, among=among)

    rows_out = told("rows_out")
    together = values.get("together", np.zeros(1 + DRAWS))
    walls = {number: _walls(numbers, drawn, number) for number in workers}
    longest = float(walls[workers[0]][1])
    return StepPlan(
        name=step.name,
        verb=step.verb,
        rows_in=told("rows_in"),
        rows_out=rows_out,
        quarantined=told("quarantined"),
        text_out=_at_least_as_wide(told("text_out"), rows_out),
        tokens=_at_least_as_wide(told("tokens"), rows_out),
        disk=_at_most(interval(values["disk"], whole.num, share=share), step.loose),
        seconds=interval(values["seconds"] + together, whole.num),
        cpu_seconds=interval(values["cpu_seconds"], whole.num),
        wall=interval(walls[workers[0]][0] + together / workers[0], whole.num),
        walls={number: float(wall[0] + together[0] / number) for number, (wall, _) in walls.items()},
        longest=longest,
        split_seconds=numbers.bare["seconds"],
        start_seconds=max((unit.start_seconds for unit in step.units.values()), default=0.0),
        gpus=step.num_gpus,
        peak_bytes=step.peak_bytes,
        parts=_parts(step),
        notes=numbers.notes,
    )


def _at_most(one: Estimate, loose: int) -> Estimate:
    """Widen an interval down to what the sample has, where documents are put together from many splits."""
    return Estimate(one.value, min(one.low, loose), one.high) if loose else one


def _at_least_as_wide(one: Estimate, other: Estimate) -> Estimate:
    """Widen an interval to the relative width of another: bytes are no surer than the documents that have them."""
    if not other.value:
        return one
    low, high = one.value * other.low / other.value, one.value * other.high / other.value
    return Estimate(one.value, min(one.low, low), max(one.high, high))


def _walls(numbers: Numbers, drawn: Drawn, workers: int) -> tuple[Floats, float]:
    """Return the (1 + DRAWS,) seconds until the last split ends, and those of the longest split."""
    total = numbers.values["seconds"]
    sizes = np.array([split.num_bytes for split in drawn.splits], dtype=np.float64)
    rates = numbers.rates if numbers.rates.any() else np.ones(1)
    usual = np.full(len(sizes), numbers.bare["seconds"]) + sizes * max(float(rates.mean()), 1e-15)
    scale = float(total[0]) / usual.sum()
    longest = float(usual.max() * scale)
    if workers == 1:
        return total, longest
    if len(sizes) > MOST_SPLITS:
        return np.maximum(total / workers, longest), longest
    random = np.random.default_rng(0)
    spans, most = [], []
    for _ in range(SCHEDULES):
        seconds = numbers.bare["seconds"] + sizes * random.choice(rates, len(sizes))
        seconds *= float(total[0]) / max(seconds.sum(), 1e-15)
        spans.append(makespan(seconds.tolist(), workers))
        most.append(float(seconds.max()))
    late = np.concatenate([[np.mean(spans)], np.resize(spans, DRAWS)])
    return np.asarray(late * total / max(float(total[0]), 1e-15)), float(np.mean(most))


def _parts(step: Step) -> tuple[Part, ...]:
    """Return what each part of the work by split took of the sample, and what it left."""
    names = list(dict.fromkeys(name for unit in step.units.values() for name in unit.parts))
    everything = sum(part.seconds for unit in step.units.values() for part in unit.parts.values())
    stages = [name for name in names if name not in ("reading", "writing")]
    parts = []
    for name in names:
        found = [unit.parts[name] for unit in step.units.values() if name in unit.parts]
        seconds, size, rows = (sum(getattr(part, what) for part in found) for what in ("seconds", "num_bytes", "rows"))
        at = stages.index(name) + 1 if name in stages else 0
        lefts = [unit.left for unit in step.units.values() if len(unit.left) == len(stages) + 1]
        came = sum(left[0][1] for left in lefts)
        rows_left = sum(left[at][1] for left in lefts) / came if at and came else None
        per_mb = seconds / size * 1e6 if size else 0.0
        parts.append(Part(name, seconds / max(everything, 1e-9), per_mb, seconds / rows if rows else 0.0, rows_left))
    return tuple(parts)
