"""A plan as a short table for people."""

from collections.abc import Callable

from curate.amounts import count, digits, duration, size
from curate.columns import aligned
from curate.plan.fit import Estimate
from curate.plan.result import Part, Plan, StepPlan, Teaching

Unit = Callable[[float], str]

MOST_PARTS = 4  # of a step are shown, those that take most
LEAST_SHARE = 0.02
WORDS = (0, -1)  # columns that are no numbers


def table(plan: Plan) -> str:
    """Return the plan in lines: the sample, each step, the totals, what to know."""
    lines = [
        f"plan of: curate {' '.join(plan.command)}",
        f"rehearsed on {plan.share:.1%} of {size(plan.input_bytes)}: {plan.num_pieces} of {plan.of_pieces} pieces, "
        f"drawn from everywhere (seed {plan.seed}), in {duration(plan.rehearsal_seconds)}; intervals are 90 %",
        "",
    ]
    if plan.steps:
        wall = f"wall, {plan.workers} at a time"
        head = ("step", "documents in", "documents out", "text out", "disk", "worker time", wall)
        lines += [*aligned([head, *((plan.label(step), *_step(step)) for step in plan.steps)], WORDS), ""]
        lines += [f"{plan.label(step)}: {told}" for step in plan.steps if (told := _parts(step))]
    lines += _totals(plan)
    lines += [f"note: {plan.label(step)}: {note}" for step in plan.steps for note in step.notes]
    return "\n".join([*lines, *(f"note: {note}" for note in plan.notes)])


def _step(step: StepPlan) -> tuple[str, ...]:
    out = f"{whole(step.tokens)} tokens" if step.tokens.value else about(step.text_out, size)
    rows = about(step.rows_in, count), about(step.rows_out, count)
    return (*rows, out, *(about(one, f) for one, f in _costs(step)))


def _costs(step: StepPlan) -> list[tuple[Estimate, Unit]]:
    return [(step.disk, size), (step.seconds, duration), (step.wall, duration)]


def _parts(step: StepPlan) -> str:
    """Tell what a MB and a row cost in the parts that take most, and what those that drop leave."""
    shown = sorted(step.parts, key=lambda part: -part.share)[:MOST_PARTS]
    told = [_part(part) for part in step.parts if part in shown and part.share >= LEAST_SHARE]
    rest = [f"a split that holds nothing {step.split_seconds * 1000:.0f} ms"] if step.split_seconds else []
    rest += [f"a new process {duration(step.start_seconds)}"] if step.start_seconds else []
    return "; ".join([*([", ".join(told)] if told else []), *rest])


def _part(part: Part) -> str:
    per_mb = f", {part.seconds_per_mb:.3g} s a MB" if part.seconds_per_mb else ""
    each = f", {part.seconds_per_row * 1000:.3g} ms a document" if part.seconds_per_row else ""
    left = "" if part.rows_left is None or part.rows_left > 0.9999 else f", leaves {part.rows_left:.0%}"
    return f"{part.name} {part.share:.0%} of the time{per_mb}{each}{left}"


def _totals(plan: Plan) -> list[str]:
    floor = sum(step.longest for step in plan.steps)
    start = plan.before_seconds + plan.between_seconds
    rows = []
    if plan.steps:
        rows = [
            ("wall time", f"{about(plan.wall, duration)} with {plan.workers} at a time; never less than "
             f"{duration(floor + start)}, the longest splits and the start"),
            ("processors", f"{about(plan.cpu_hours, hours)}"),
            ("memory of a task", f"{size(plan.peak_bytes.value)} measured, up to {size(plan.peak_bytes.high)}"),
            ("disk", f"{about(plan.disk, size)} of output"),
        ]  # fmt: skip
        rows[1:1] = [("other workers", _others(plan))]
    if plan.gpu_hours.value:
        rows.append(("GPUs", about(plan.gpu_hours, hours)))
    if plan.scratch.value:
        rows.append(("scratch on disk", f"{size(plan.scratch.value)} at a time, deleted at the end"))
    if plan.teaching is not None:
        rows += _teaching(plan.teaching)
    if plan.money is not None:
        rows.append(("money for machines", about(plan.money, money)))
    return aligned(rows, WORDS)


def _others(plan: Plan) -> str:
    """Return wall times for other numbers of workers, as long as more of them help."""
    once = plan.wall.value - sum(step.wall.value for step in plan.steps)
    told, before = [], 0.0
    for workers in sorted({n for step in plan.steps for n in step.walls}):
        wall = once + sum(step.walls[workers] for step in plan.steps)
        if not before or wall < 0.98 * before:
            told.append(f"{workers}: {duration(wall)}")
            before = wall
    return ", ".join(told)


def _teaching(taught: Teaching) -> list[tuple[str, str]]:
    rows = [
        ("teacher", f"{count(taught.documents)} documents, {whole(taught.prompt_tokens)} tokens in, "
         f"{whole(taught.completion_tokens)} out"),
    ]  # fmt: skip
    if taught.money is not None:
        rows.append(("money for the teacher", about(taught.money, money)))
    if taught.seconds is not None:
        rows.append(("time by its limits", f"{about(taught.seconds, duration)} at least"))
    return rows + [("", note) for note in taught.notes]


def about(estimate: Estimate, unit: Unit) -> str:
    """Return a number with its interval: 12.1 GB (11.8-12.4)."""
    value, low, high = (unit(number) for number in (estimate.value, estimate.low, estimate.high))
    if low == high:
        return value
    units = {text.partition(" ")[2] for text in (value, low, high)}
    if len(units) == 1:
        low, high = low.partition(" ")[0], high.partition(" ")[0]
    return f"{value} ({low}-{high})"


def whole(estimate: Estimate) -> str:
    return about(estimate, count)


def hours(number: float) -> str:
    return f"{digits(number)} hours" if number >= 0.1 else f"{number * 60:.2g} minutes"


def money(number: float) -> str:
    return f"{number:,.2f}" if number >= 1 else f"{number:.2g}"
