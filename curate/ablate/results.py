"""What an ablation leaves: every item of every model, every comparison, and one page that says the verdict.

    OUT/items.parquet    arm, seed, measure, task, item, value, weight: all a later question needs
    OUT/curves.parquet   arm, seed, domain, tokens, bits per byte on the way
    OUT/results.parquet  one row a comparison: difference, 95 % interval, verdict, smallest difference found
    OUT/results.json     the same with the design, the arms and the warnings; OUT/results.md for people

The one measure that decides is declared before the run: bits per byte, the mean over the held-out domains. It is
continuous and has by far the least noise of all (DataDecide; Madaan et al. 2024). The others are for looking.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from curate.ablate.measure import BITS_PER_BYTE, LOWER_IS_BETTER, MEASURED
from curate.ablate.power import noise_of, seeds_needed
from curate.ablate.readings import Reading
from curate.ablate.speed import Speedup, tokens_to_equal_loss
from curate.ablate.statistics import EXPLORATORY, Comparison, Measure, analyse
from curate.ablate.training import Outcome, Training
from curate.columns import aligned
from curate.strict_json import dumps

PRIMARY = "bits per byte"
ITEMS = pa.schema([("arm", pa.string()), ("seed", pa.int32()), *MEASURED])
CURVES = pa.schema(
    [
        ("arm", pa.string()),
        ("seed", pa.int32()),
        ("domain", pa.string()),
        ("tokens", pa.int64()),
        ("bits_per_byte", pa.float64()),
    ]
)
Curve = tuple[NDArray[np.float64], NDArray[np.float64]]  # tokens (P,), mean of the domains' bits per byte (P,)


@dataclass(frozen=True)
class Ablation:
    """The verdicts; `print` it."""

    path: Path
    baseline: str
    comparisons: tuple[Comparison, ...]
    speedups: Mapping[str, Speedup]
    readings: tuple[Reading, ...]
    warnings: tuple[str, ...]
    advice: tuple[str, ...]  # seeds that would resolve what is not

    @property
    def verdicts(self) -> dict[str, str]:
        """Return each arm's verdict on the measure that decides."""
        return {one.arm: one.verdict for one in self.comparisons if not one.exploratory}

    def __str__(self) -> str:
        lines = [*headlines(self), "", *aligned(comparison_rows(self.comparisons), (0, 1))]
        if any(one.exploratory for one in self.comparisons):
            lines.append(EXPLORATORY)
        return "\n".join([*lines, *self.advice, *(f"note: {said}" for said in self.warnings)])


def conclude(
    out: Path,
    design: dict[str, Any],
    trainings: Sequence[Training],
    outcomes: Sequence[Outcome],
    readings: Sequence[Reading],
    warnings: Sequence[str],
) -> Ablation:
    """Compare every arm with the baseline and write all of it."""
    baseline = trainings[0].design.baseline
    measures = measures_of(trainings, outcomes)
    comparisons = tuple(analyse(measures, baseline=baseline, primary=PRIMARY))
    curves = {arm: arm_curves(trainings, arm) for arm in dict.fromkeys(one.arm for one in trainings)}
    annealed = trainings[0].design.anneal is not None  # there the rate falls all the way: no plateau to read
    speedups = {} if annealed else speedups_of(curves, baseline)
    diverged = [f"{t} diverged ({o.error})" for t, o in zip(trainings, outcomes, strict=True) if o.diverged]
    advice = tuple(advise(measures[0], comparisons))
    found = Ablation(out, baseline, comparisons, speedups, tuple(readings), (*diverged, *warnings), advice)
    write(found, design, trainings, outcomes)
    return found


def measures_of(trainings: Sequence[Training], outcomes: Sequence[Outcome]) -> list[Measure]:
    """Return the measures, the one that decides first, each with a row of item values for every seed of every arm."""
    tables = {(t.arm, t.seed): o.items for t, o in zip(trainings, outcomes, strict=True) if o.items is not None}
    if not tables:
        raise RuntimeError("every training diverged; try half the learning rate (--lr) in a fresh folder")
    some = next(iter(tables.values()))
    names = list(dict.fromkeys(zip(some["measure"].to_pylist(), some["task"].to_pylist(), strict=True)))
    found = []
    for measure in dict.fromkeys(measure for measure, _ in names):
        tasks = [task for name, task in names if name == measure]
        for task in [None, *tasks] if len(tasks) > 1 else [None]:
            found.append(_measure(measure, task, trainings, tables, some))
    return found


def _measure(
    name: str,
    task: str | None,
    trainings: Sequence[Training],
    tables: Mapping[tuple[str, int], pa.Table],
    some: pa.Table,
) -> Measure:
    """Return one measure over all its tasks, or of one."""
    first = _part(some, name, task)
    values: dict[str, list[NDArray[np.float64]]] = {}
    for training in trainings:
        table = tables.get((training.arm, training.seed))
        part = None if table is None else _part(table, name, task)
        assert part is None or part["item"] == first["item"], f"{training} was measured on other items"
        row = np.full(first.num_rows, np.nan) if part is None else part["value"].to_numpy()
        values.setdefault(training.arm, []).append(row)
    said = PRIMARY if name == BITS_PER_BYTE else name
    tasks = first["task"].to_pylist()
    only = task or (tasks[0] if name != BITS_PER_BYTE and len(set(tasks)) == 1 else None)
    return Measure(
        name=f"{said} {only}" if only else said,
        values={arm: np.stack(rows) for arm, rows in values.items()},
        weights=first["weight"].to_numpy(),
        strata=tasks,
        clusters=first["item"].to_pylist() if name == BITS_PER_BYTE else None,  # a document may be in two domains
        lower_is_better=name in LOWER_IS_BETTER,
    )


def _part(table: pa.Table, measure: str, task: str | None) -> pa.Table:
    chosen = pc.equal(table["measure"], measure)
    return table.filter(chosen if task is None else pc.and_(chosen, pc.equal(table["task"], task)))


def looks(training: Training) -> list[dict[str, float]]:
    """Return what a training measured on the way, one dictionary a look."""
    file = training.out / "evaluations.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [json.loads(line) for line in lines]


def arm_curves(trainings: Sequence[Training], arm: str) -> list[Curve]:
    """Return an arm's curves up to where the learning rate begins to fall, one a seed.

    Within the decay all losses fall at once: read against it, no arm would seem quicker than another.
    """
    found = []
    for training in (one for one in trainings if one.arm == arm):
        plateau = training.design.steps - round(0.2 * training.design.steps)  # where `pretrain` begins to decay
        points = [line for line in looks(training) if line["step"] <= plateau]
        mean = [float(np.mean([line[domain] for domain in training.curves])) for line in points]
        found.append((np.array([float(line["tokens"]) for line in points]), np.array(mean)))
    return found


def speedups_of(curves: Mapping[str, Sequence[Curve]], baseline: str) -> dict[str, Speedup]:
    """Return how many times fewer tokens each arm needs for the loss that the other ends with."""
    if any(len(tokens) < 2 for some in curves.values() for tokens, _ in some):
        return {}
    return {arm: tokens_to_equal_loss(some, curves[baseline]) for arm, some in curves.items() if arm != baseline}


def advise(primary: Measure, comparisons: Sequence[Comparison]) -> list[str]:
    """Say how many seeds the difference that was seen, or half of what can be found, would take."""
    decided = [one for one in comparisons if not one.exploratory and one.detectable > 0]  # NaN of a single seed is not
    said = []
    for one in decided:
        found = one.verdict in ("better", "worse")
        effect = one.detectable / 2 if found or not one.difference else abs(one.difference)
        noise = noise_of(primary)
        needed = seeds_needed(noise, effect, comparisons=len(decided))
        takes = f"takes {needed} seeds" if needed else "takes more held-out documents, whatever the seeds"
        what = "half of that" if found or not one.difference else f"{effect:.4f}, as was seen,"
        said.append(
            f"{one.arm}: this design finds differences of {one.detectable:.4f} bits per byte in 4 of 5 cases; "
            f"{what} {takes}"
        )
    return said


def headlines(found: Ablation) -> list[str]:
    """Return one sentence an arm: the verdict with its interval, and how much quicker it learns."""
    said = []
    for one in found.comparisons:
        if one.exploratory:
            continue
        interval = f"[{one.low:+.4f}, {one.high:+.4f}]" if math.isfinite(one.low) else "no interval"
        why = f" ({one.note})" if one.note else ""
        line = f"{one.arm} against {one.baseline}: {one.verdict}{why}. Bits per byte {one.difference:+.4f} {interval}"
        speed = found.speedups.get(one.arm)
        if speed is not None and math.isfinite(speed.ratio):
            spread = f" [{speed.low:.2f}, {speed.high:.2f}]" if math.isfinite(speed.low) else ""
            line += f"; {speed.ratio:.2f}{spread} times as quick to the same loss"
        said.append(line)
    return said


def comparison_rows(comparisons: Iterable[Comparison]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        ("measure", "arm", "baseline", "value", "difference", "95 % interval", "p", "finds", "verdict")
    ]
    for one in comparisons:
        interval = f"[{one.low:+.4f}, {one.high:+.4f}]" if math.isfinite(one.low) else "-"
        star = "*" if one.exploratory and one.verdict in ("better", "worse") else ""
        numbers = (f"{one.baseline_value:.4f}", f"{one.value:.4f}", f"{one.difference:+.4f}", interval)
        rows.append(
            (one.measure, one.arm, *numbers, _number(one.p_adjusted), _number(one.detectable), one.verdict + star)
        )
    return rows


def _number(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "-"


def write(found: Ablation, design: dict[str, Any], trainings: Sequence[Training], outcomes: Sequence[Outcome]) -> None:
    """Write all files; the page for people last."""
    items = [_labelled(t, o.items) for t, o in zip(trainings, outcomes, strict=True) if o.items is not None]
    pq.write_table(pa.concat_tables(items), found.path / "items.parquet", compression="zstd")
    pq.write_table(_curves(trainings), found.path / "curves.parquet", compression="zstd")
    rows = [asdict(one) for one in found.comparisons]
    pq.write_table(pa.Table.from_pylist(rows), found.path / "results.parquet")
    result = {
        "design": design,
        "baseline": found.baseline,
        "arms": [asdict(one) for one in found.readings],
        "comparisons": rows,
        "tokens_to_equal_loss": [{"arm": arm, **asdict(speed)} for arm, speed in found.speedups.items()],
        "warnings": list(found.warnings),
        "advice": list(found.advice),
    }
    for name, text in (("results.json", dumps(result)), ("results.md", page(found))):
        partial = found.path / f".{name}.tmp"
        partial.write_text(text + "\n", encoding="utf-8")
        partial.replace(found.path / name)


def page(found: Ablation) -> str:
    """Return the result as Markdown."""
    head, *rest = comparison_rows(found.comparisons)
    arms = [("arm", "documents", "tokens", "epochs", "held-out documents taken out", "benchmarks taken out")]
    for one in found.readings:
        counts = (f"{one.documents:,}", f"{one.num_tokens:,}", f"{one.epochs:.2f}", f"{one.held_out:,}")
        arms.append((one.arm, *counts, f"{one.benchmarks:,}"))
    parts = ["# Ablation", *(f"**{line}.**" for line in headlines(found)), _markdown([head, *rest])]
    if any(one.exploratory for one in found.comparisons):
        parts.append(EXPLORATORY)
    parts += ["## Arms", _markdown(arms)]
    if found.advice or found.warnings:
        parts.append("\n".join(f"- {said}" for said in (*found.advice, *found.warnings)))
    return "\n\n".join(parts)


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    head, *rest = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, "|" + "---|" * len(rows[0]), *rest])


def _labelled(training: Training, table: pa.Table) -> pa.Table:
    arm = pa.array([training.arm] * table.num_rows, pa.string())
    seed = pa.array([training.seed] * table.num_rows, pa.int32())
    return pa.Table.from_arrays([arm, seed, *table.columns], schema=ITEMS)


def _curves(trainings: Sequence[Training]) -> pa.Table:
    rows = [
        {"arm": one.arm, "seed": one.seed, "domain": domain, "tokens": line["tokens"], "bits_per_byte": line[domain]}
        for one in trainings
        for line in looks(one)
        for domain in one.curves
    ]
    return pa.Table.from_pylist(rows, CURVES)
