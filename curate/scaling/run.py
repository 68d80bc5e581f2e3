"""`curate scaling`: sweep, fit, tell.

scaling("tokens/edu", out="scaling", held_out="tokens/held", models=["0.3m", "1m", "2m"], budgets=["10x", "20x", "40x"])
scaling(out="scaling", rows="theirs.csv", predict=["135m:600B"])
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from curate.scaling.amounts import said, target
from curate.scaling.analyse import Analysis, analyse
from curate.scaling.identify import design_problem
from curate.scaling.objective import DELTA
from curate.scaling.rows import Count, Rows, read_table, rows_of
from curate.scaling.tell import UNITS, terminal


def scaling(
    tokens: Mapping[str, float] | str | None = None,
    *,
    out: str | Path,
    rows: str | None = None,
    held_out: str | None = None,
    models: Sequence[str] = (),
    budgets: Sequence[str] = (),
    seeds: int = 1,
    predict: Sequence[str] = (),
    measure: str = "loss",
    count: Count = "all",
    delta: float = DELTA,
    resamples: int = 1000,
    seed: int = 0,
    dry_run: bool = False,
    sweep: Mapping[str, Any] | None = None,
    machine: Mapping[str, Any] | None = None,
    ray: str | None = None,
    workers: int | None = None,
    num_gpus: float = 0,
) -> Analysis | None:
    """Train a sweep, or read one, fit the law and write what it says into `out`; None for a dry run.

    Args:
        tokens: token folders to train on, with weights; or give `rows`.
        rows: a table of runs to fit, in place of a sweep.
        sweep, machine: settings of `Recipe` and `Machine` in `curate.scaling.line`.

    Raises:
        ValueError: the runs do not identify the law. What they say is in `out` nonetheless, if it could be fitted.
    """
    targets = [target(one) for one in predict]
    if resamples < 2 or delta <= 0:
        raise ValueError(f"{resamples} resamples and a delta of {delta:g}; it takes 2 or more, and one above 0")
    if rows is None and measure not in UNITS:
        raise ValueError(f"a sweep measures {' and '.join(UNITS)}, not {measure!r}")
    if rows is None and tokens is None:
        raise ValueError("nothing to fit: give token folders to sweep on, or --from a table of runs")
    if rows is not None and tokens is not None:
        raise ValueError(
            f"--from {rows} trains nothing, so {', '.join(tokens)} would not be read; leave one of them out"
        )
    if rows is not None:
        table, name = read_table(rows), rows
    else:
        if held_out is None or not models or not budgets:
            raise ValueError(
                "a sweep needs --held-out (tokens that are not trained on), --models such as 0.3m,1m,2m, and "
                "--budgets such as 5x,10x,20x,40x (tokens a parameter) or 2M,8M,32M (tokens)"
            )
        from curate.scaling.line import Machine
        from curate.scaling.sweep import Sweep

        assert tokens is not None
        planned = Sweep(tokens, held_out, models=models, budgets=budgets, seeds=seeds, **dict(sweep or {}))
        settings = Machine(**dict(machine or {}))
        tell_cost(planned, settings, workers or 1)
        refuse_what_cannot_be_fitted(planned, Path(out), count)
        if dry_run:
            return None
        table = planned.run(out, machine=settings, ray=ray, workers=workers, num_gpus=num_gpus)
        name = f"{Path(out) / 'results.parquet'}"
    kind: dict[str, Any] = {"measure": measure, "count": count, "delta": delta, "resamples": resamples, "seed": seed}
    analysis = analyse(table, targets=targets, said=name, **kind)
    files = analysis.write(out)
    print(terminal(analysis))
    print(f"written: {', '.join(f'{file}' for file in files)}")
    if analysis.fit.problems:
        raise ValueError(f"{name} does not identify the law: {analysis.fit.problems[0]}")
    return analysis


def tell_cost(planned: Any, machine: Any, workers: int) -> None:
    """Print what a sweep trains, what it costs, and what as many runs of their own would."""
    from curate.scaling.cost import Cost, flops

    cost = Cost.of(planned, machine)
    for line, seconds in zip(cost.lines, cost.seconds, strict=True):
        budgets = ", ".join(said(point.steps * line.recipe.batch_tokens) for point in line.points)
        print(
            f"{line.name:<12} {said(line.num_parameters):>7} parameters  {line.size.num_layers} x "
            f"{line.size.hidden_size}  lr {line.lr:.2g}  warm-up {line.warmup}  {budgets} tokens  "
            f"{flops(line):.2g} FLOPs  {seconds / 3600:.2g} h"
        )
    decays = sum(len(line.points) for line in cost.lines)
    print(
        f"the sweep, stable runs: {len(cost.lines)}, decays: {decays}, takes {cost.flops:.3g} FLOPs, about "
        f"{cost.hours(workers):.2g} h with {workers} at a time on this machine; runs of their own would take "
        f"{cost.flops_apart:.3g} FLOPs: {cost.saving:.0%} saved"
    )
    if planned.epochs > 1:
        print(
            f"the longest run reads some tokens {planned.epochs:.1f} times; the law is of fresh tokens: tokenize more, "
            "or take smaller budgets"
        )


def refuse_what_cannot_be_fitted(planned: Any, out: Path, count: Count) -> None:
    """Raise ValueError, before anything is paid for, where these runs and those in `out` could not fix the law."""
    from curate.scaling.family import num_parameters
    from curate.scaling.line import RESULTS

    pairs = {
        (num_parameters(line.size, line.vocab_size, embeddings=count == "all"), point.steps * line.recipe.batch_tokens)
        for line in planned.lines
        for point in line.points
    }
    if (out / RESULTS).exists():
        there = rows_of(read_table(out / RESULTS), count=count)
        pairs |= set(zip(there.num_parameters.tolist(), there.num_tokens.tolist(), strict=True))
    n, d = np.array(sorted(pairs), dtype=np.float64).T
    problem = design_problem(Rows(n, d, np.ones(len(n)), ("",) * len(n)))
    if problem:
        raise ValueError(f"nothing was trained: {problem}")
