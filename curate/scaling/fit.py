"""Fit L(N, D) to runs: approach 3 of Hoffmann et al. 2022, with intervals by bootstrap.

    found = fit(read_rows("results.parquet"))
    found.law, found.intervals()["alpha"], found.predict(135e6, 600e9)

The sum over runs of Huber_delta(log L_i - log(E + A / N_i^alpha + B / D_i^beta)), delta = 1e-3, is minimised by L-BFGS
in log A, log B, log E, alpha and beta, over the published grid of 4,500 starts: the best log A and log B for each of
its 125 other coordinates are descended from, which on Chinchilla's runs ends where all of them do. The objective is
divided by delta^2 and its gradient is exact: in the published units it is so small that a default tolerance stops
early, which is how the original intervals came to be implausibly tight (Besiroglu et al. 2024; their data are fitted by
benchmarks/scaling_law.py). Intervals are percentiles over resampled runs, see `curate.scaling.bootstrap`.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from curate.scaling.bootstrap import resample
from curate.scaling.identify import design_problem, fit_problems, loss_problem
from curate.scaling.law import NAMES, Floats, Law, Optimum, losses
from curate.scaling.objective import DELTA, Objective, descend, descend_many
from curate.scaling.rows import Rows

# Hoffmann et al. 2022, appendix D.3
GRID = {
    "a": np.arange(0.0, 30.0, 5.0),
    "b": np.arange(0.0, 30.0, 5.0),
    "e": np.arange(-1.0, 1.5, 0.5),
    "alpha": np.arange(0.0, 2.5, 0.5),
    "beta": np.arange(0.0, 2.5, 0.5),
}
MOST_POLISHED = 5
RESAMPLES = 1000
MOST_LOG, MOST_EXPONENT = 300.0, 10.0  # no overflow for 10^12 parameters or tokens


@dataclass(frozen=True)
class Interval:
    """A value and the ends of its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Fit:
    """A law, how well it fits, and how far it is known."""

    law: Law
    rows: Rows
    objective: float  # sum of the Huber losses, in the published units
    resampled: Floats  # (S, 5): E, A, B, alpha, beta of each resample
    problems: tuple[str, ...]  # why the law is not identified; none if it is
    seed: int

    @property
    def residuals(self) -> Floats:
        """log of measured over fitted loss, (R,); about the relative error."""
        return np.log(self.rows.loss / self.law(self.rows.num_parameters, self.rows.num_tokens))

    @property
    def rmse(self) -> float:
        """Root of the mean squared residual, as a share of the loss."""
        return float(np.sqrt(np.mean(self.residuals**2)))

    @property
    def r_squared(self) -> float:
        """Share of the variance of log loss that the law explains."""
        spread = np.log(self.rows.loss) - np.log(self.rows.loss).mean()
        return float(1 - np.sum(self.residuals**2) / np.sum(spread**2))

    @cached_property
    def standard_errors(self) -> dict[str, float]:
        return dict(zip(NAMES, self.resampled.std(axis=0, ddof=1).tolist(), strict=True))

    def intervals(self, level: float = 0.95) -> dict[str, Interval]:
        """Return each constant with its percentile interval."""
        return {name: _interval(value, column, level) for name, value, column in self._columns()}

    def _columns(self) -> list[tuple[str, float, Floats]]:
        return [(name, float(getattr(self.law, name)), self.resampled[:, i]) for i, name in enumerate(NAMES)]

    def predict(self, num_parameters: float, num_tokens: float, level: float = 0.95) -> Interval:
        """Return the loss of a run: the law's, its interval with the scatter of runs around the law added.

        Raises:
            ValueError: the runs do not identify the law, so that it says nothing beyond them.
        """
        if self.problems:
            raise ValueError(f"no prediction: {self.problems[0]}")
        value = self.law(num_parameters, num_tokens)
        return _interval(value, self.losses_of_runs(num_parameters, num_tokens), level)

    def losses_of_runs(self, num_parameters: float, num_tokens: float) -> Floats:
        """Return what resampled laws say of a run, each with the scatter of a run drawn at random, (S,)."""
        expected = losses(self.resampled, num_parameters, num_tokens)
        draw = np.random.default_rng([self.seed, 1]).choice(self.spread, size=len(expected))
        scattered: Floats = expected * np.exp(draw)
        return scattered

    @property
    def spread(self) -> Floats:
        """Residuals, widened for the five constants that were fitted to them, (R,)."""
        return self.residuals * float(np.sqrt(len(self.rows) / (len(self.rows) - len(NAMES))))

    def band(
        self, num_parameters: Floats | float, num_tokens: Floats | float, level: float = 0.95
    ) -> tuple[Floats, Floats]:
        """Return the interval of the law itself at many points, (P,) each."""
        ends = np.percentile(losses(self.resampled, num_parameters, num_tokens), _percents(level), axis=0)
        return ends[0], ends[1]

    def optimum(self, flops: float, level: float = 0.95) -> tuple[Optimum, dict[str, Interval]]:
        """Return the best model for C = 6 N D, and intervals of its `num_parameters`, `num_tokens`, `ratio`, `loss`."""
        best = self.law.optimum(flops)
        others = [Law(*row).optimum(flops) for row in self.resampled.tolist()]
        named = {
            "num_parameters": (best.num_parameters, [o.num_parameters for o in others]),
            "num_tokens": (best.num_tokens, [o.num_tokens for o in others]),
            "tokens_per_parameter": (best.tokens_per_parameter, [o.tokens_per_parameter for o in others]),
            "loss": (best.loss, [o.loss for o in others]),
        }
        return best, {name: _interval(value, np.array(column), level) for name, (value, column) in named.items()}


def fit(rows: Rows, *, delta: float = DELTA, resamples: int = RESAMPLES, seed: int = 0) -> Fit:
    """Fit the law to runs.

    Args:
        delta: where the Huber loss of a log residual turns from squared to absolute.
        resamples: fits to resampled runs, for the intervals.
        seed: of the resampling.

    Raises:
        ValueError: the runs cannot identify five constants, whatever their losses.
    """
    problem = design_problem(rows) or loss_problem(rows)
    if problem:
        raise ValueError(problem)
    objective = Objective.of(rows, delta)
    x, least = best_of(objective, starts(objective))
    drawn = resample(objective, x, rows, resamples=resamples, seed=seed)
    law, laws = Law(*constants(x[None])[0].tolist()), constants(drawn)
    return Fit(law, rows, least * delta**2, laws, fit_problems(rows, law, laws), seed)


def constants(x: Floats) -> Floats:
    """Return E, A, B, alpha, beta of log A, log B, log E, alpha, beta, (S, 5).

    A constant that runs away is stopped far outside of any law, where it is told as a problem.
    """
    logs, exponents = np.clip(x[:, [2, 0, 1]], -MOST_LOG, MOST_LOG), np.clip(x[:, 3:], -MOST_EXPONENT, MOST_EXPONENT)
    return np.concatenate([np.exp(logs), exponents], axis=1)


def starts(objective: Objective) -> Floats:
    """Return the best log A and log B of the published grid for each of its log E, alpha and beta, (125, 5)."""
    found = []
    for e, alpha, beta in product(GRID["e"], GRID["alpha"], GRID["beta"]):
        cell = np.array([(a, b, e, alpha, beta) for a, b in product(GRID["a"], GRID["b"])])  # (36, 5)
        found.append(cell[np.argmin(objective.values(cell))])
    return np.array(found)


def best_of(objective: Objective, begins: Floats) -> tuple[Floats, float]:
    """Descend from every start, from the best ends by L-BFGS, and return the lowest, (5,), and its objective."""
    near = descend_many(objective, np.ones((len(begins), len(objective.log_loss))), begins)
    order = np.argsort(objective.values(near), kind="stable")
    ends = [descend(objective, near[i]) for i in order[:MOST_POLISHED]]
    return min(ends, key=lambda end: end[1])


def _interval(value: float, column: Floats, level: float) -> Interval:
    low, high = np.percentile(column, _percents(level))
    return Interval(value, float(low), float(high))


def _percents(level: float) -> tuple[float, float]:
    return 50 * (1 - level), 50 * (1 + level)
