"""From rows to what a person reads: the law, its check, predictions, and three files.

analysis = analyse(table, "scaling", targets=[(135e6, 600e9)])
print(analysis.markdown())

OUT/fit.json       every number, for programs            OUT/scaling.md    the same for people
OUT/scaling.html   with pictures, one file without network
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from curate.scaling.check import Check, largest_held_out
from curate.scaling.exact import BestShape, best_shape
from curate.scaling.fit import RESAMPLES, Fit, Interval, fit
from curate.scaling.law import Optimum, losses
from curate.scaling.objective import DELTA
from curate.scaling.rows import Count, rows_of
from curate.strict_json import dumps

FRONTIER, POINTS = 30.0, 60  # times the dearest run, how far the frontier is drawn; and at how many budgets
AHEAD = (1.0, 10.0, 100.0)  # times the dearest run, the budgets whose best use is told


@dataclass(frozen=True)
class Target:
    """A run to predict; no loss where the law is not identified."""

    num_parameters: float
    num_tokens: float
    loss: Interval | None
    beyond: float  # how many times the largest size or budget of the runs, whichever is more


@dataclass(frozen=True)
class Best:
    """The best use of a budget by C = 6 N D, with intervals; where the runs are ours, the best shape, exactly."""

    optimum: Optimum
    intervals: dict[str, Interval]
    shape: BestShape | None


@dataclass(frozen=True)
class Analysis:
    """A fit and what follows from it."""

    fit: Fit
    check: Check
    targets: tuple[Target, ...]
    best: tuple[Best, ...]
    notes: tuple[str, ...]  # what a reader should know of the runs

    def as_json(self) -> dict[str, Any]:
        found, rows = self.fit, self.fit.rows
        return {
            "law": asdict(found.law),
            "intervals": {name: asdict(interval) for name, interval in found.intervals().items()},
            "standard_errors": found.standard_errors,
            "identified": not found.problems,
            "problems": list(found.problems),
            "objective": found.objective,
            "rmse": found.rmse,
            "r_squared": found.r_squared,
            "measure": rows.measure,
            "parameters_counted": rows.count,
            "num_runs": len(rows),
            "num_stable_phases": len(set(rows.runs)),
            "resamples": len(found.resampled),
            "seed": found.seed,
            "residuals": [
                {"num_parameters": n, "num_tokens": d, "measured": loss, "residual": residual}
                for n, d, loss, residual in zip(
                    rows.num_parameters.tolist(),
                    rows.num_tokens.tolist(),
                    rows.loss.tolist(),
                    found.residuals.tolist(),
                    strict=True,
                )
            ],
            "largest_held_out": {
                "reason": self.check.reason,
                "runs": [{**asdict(row), "error": row.error, "inside": row.inside} for row in self.check.foretold],
            },
            "predictions": [asdict(target) for target in self.targets],
            "optima": [asdict(best) for best in self.best],
            "frontier": self.frontier(),
            "notes": list(self.notes),
        }

    def frontier(self) -> list[dict[str, float]]:
        """Return the least loss that the law gives budgets, with its 95 % band; none where it is not identified.

        They go from the cheapest run to FRONTIER times the dearest, or to the farthest target.
        """
        found, rows = self.fit, self.fit.rows
        if found.problems:
            return []
        spent = 6 * rows.num_parameters * rows.num_tokens
        last = max([float(spent.max()) * FRONTIER, *(6 * t.num_parameters * t.num_tokens for t in self.targets)])
        best = [found.law.optimum(budget) for budget in np.geomspace(float(spent.min()), last, POINTS).tolist()]
        at = np.array([(one.num_parameters, one.num_tokens) for one in best])
        low, high = np.percentile(losses(found.resampled, at[:, 0], at[:, 1]), (2.5, 97.5), axis=0).tolist()
        return [
            {"flops": one.flops, "loss": one.loss, "low": below, "high": above}
            for one, below, above in zip(best, low, high, strict=True)
        ]

    def write(self, out: str | Path) -> list[Path]:
        """Write the three files and return their paths."""
        from curate.scaling.page import page
        from curate.scaling.tell import markdown

        folder = Path(out)
        folder.mkdir(parents=True, exist_ok=True)
        texts = {
            "fit.json": dumps(self.as_json()) + "\n",
            "scaling.md": markdown(self),
            "scaling.html": page(self),
        }
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        return [folder / name for name in texts]


def analyse(
    table: pa.Table,
    *,
    targets: Sequence[tuple[float, float]] = (),
    measure: str = "loss",
    count: Count = "all",
    delta: float = DELTA,
    resamples: int = RESAMPLES,
    seed: int = 0,
    said: str = "the table",
) -> Analysis:
    """Fit the law to a table of runs, check it and use it.

    Args:
        targets: (parameters, tokens) to predict; parameters as `count` counts them.
        measure: the column that is predicted.
        count: which parameters N are.

    Raises:
        ValueError: the table has no such columns, or its runs could not identify the law whatever their losses.
    """
    rows = rows_of(table, measure=measure, count=count, said=said)
    found = fit(rows, delta=delta, resamples=resamples, seed=seed)
    check = largest_held_out(rows, delta=delta, resamples=resamples, seed=seed)
    dearest = float((6 * rows.num_parameters * rows.num_tokens).max())
    budgets = sorted({*(dearest * times for times in AHEAD), *(6 * n * d for n, d in targets)})
    ours = _ours(table)
    best = [_best(found, flops, ours, count) for flops in budgets] if not found.problems else []
    return Analysis(found, check, tuple(_target(found, *t) for t in targets), tuple(best), tuple(_notes(table, found)))


def _target(found: Fit, num_parameters: float, num_tokens: float) -> Target:
    rows = found.rows
    beyond = max(num_parameters / rows.num_parameters.max(), num_tokens / rows.num_tokens.max())
    loss = None if found.problems else found.predict(num_parameters, num_tokens)
    return Target(num_parameters, num_tokens, loss, float(beyond))


def _best(found: Fit, flops: float, ours: tuple[int, int] | None, count: Count) -> Best:
    best, intervals = found.optimum(flops)
    shape = None if ours is None else best_shape(found.law, flops, vocab_size=ours[0], seq_len=ours[1], count=count)
    return Best(best, intervals, shape)


def _ours(table: pa.Table) -> tuple[int, int] | None:
    """Return vocabulary and window where all runs are of our sweep and share them."""
    if not {"vocab_size", "seq_len"} <= set(table.column_names):
        return None
    pairs = set(zip(table["vocab_size"].to_pylist(), table["seq_len"].to_pylist(), strict=True))
    return next(iter(pairs)) if len(pairs) == 1 else None


def _notes(table: pa.Table, found: Fit) -> list[str]:
    """Return what weakens the evidence."""
    notes = []
    rows = found.rows
    phases, sizes = len(set(rows.runs)), len(set(rows.num_parameters.tolist()))
    if phases < len(rows):
        seeds = f"{phases / sizes:.3g} stable phases a size"
        notes.append(
            f"Decays from one stable phase share its weights and data and err together ({seeds}); whole phases are "
            "resampled, then their runs."
        )
    if "epochs" in table.column_names and max(table["epochs"].to_pylist()) > 1:
        most = max(table["epochs"].to_pylist())
        notes.append(
            f"The longest run reads some tokens {most:.1f} times; the law is of fresh tokens, and repeated ones teach "
            "less (Muennighoff et al. 2023)."
        )
    return notes
