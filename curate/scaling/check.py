"""What the law would have said of the largest model before it was trained.

    for row in largest_held_out(rows): print(row.measured, row.predicted.low, row.predicted.high)

The law is fitted without the largest size and predicts its runs: an extrapolation whose answer is known, which a good
fit to all runs is not.
"""

from dataclasses import dataclass

from curate.scaling.fit import Fit, Interval, fit
from curate.scaling.identify import APART
from curate.scaling.rows import Rows


@dataclass(frozen=True)
class Foretold:
    """A run of the largest model beside its prediction by the smaller ones."""

    num_parameters: float
    num_tokens: float
    measured: float
    predicted: Interval

    @property
    def error(self) -> float:
        """Predicted over measured, minus one."""
        return self.predicted.value / self.measured - 1

    @property
    def inside(self) -> bool:
        return self.predicted.low <= self.measured <= self.predicted.high


@dataclass(frozen=True)
class Check:
    """A fit without the largest model, and what it says of it; `reason` where there is none."""

    foretold: tuple[Foretold, ...]
    reason: str = ""


def largest_held_out(rows: Rows, *, delta: float, resamples: int, seed: int) -> Check:
    """Fit without the largest size and predict its runs."""
    largest = rows.num_parameters > rows.num_parameters.max() / (1 + APART)
    try:
        found = fit(rows.pick(~largest), delta=delta, resamples=resamples, seed=seed)
        return Check(foretell(found, rows.pick(largest)))
    except ValueError as error:
        return Check((), f"without the largest size there is no law to predict it by: {error}")


def foretell(found: Fit, rows: Rows) -> tuple[Foretold, ...]:
    """Return what a fit says of other runs.

    Raises:
        ValueError: the fit is of runs that do not identify the law.
    """
    places = zip(rows.num_parameters.tolist(), rows.num_tokens.tolist(), rows.loss.tolist(), strict=True)
    return tuple(Foretold(n, d, loss, found.predict(n, d)) for n, d, loss in places)
