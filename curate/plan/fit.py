"""From a sample of pieces to the whole, with intervals: ratio estimators and a bootstrap over the pieces.

    whole = Whole.of(piece_bytes, None, total_bytes, None, num_pieces=500)
    rows = whole.total(rows_of_each_piece)          # (1 + DRAWS,): the estimate, then its bootstrap draws
    print(interval(rows, whole.num))                # Estimate(value=..., low=..., high=...)

A total is the whole's bytes times what a byte of the sample has (the ratio estimator, Cochran 1977, chapter 6); where
the source knows its rows, times the whole's rows instead if that explains the pieces better. Every quantity is carried
as its estimate and `DRAWS` bootstrap draws, so that sums, products and the time of a schedule have intervals too. The
draws are Rao and Wu's (1988): m - 1 of m pieces with replacement, scaled so that their variance is that of a sample
without replacement. Quantiles are widened by Student's t over the normal, for few pieces know their spread badly; and
counts are never surer than a Poisson count of what was seen.

An interval covers what is drawn by chance, which documents are in the sample, at 90 %. It does not cover another
machine, another load on this one, or a store that is slower tomorrow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LEVEL = 0.9  # of the intervals
DRAWS = 400
UNKNOWN = 2.0  # one piece has no spread to see: its interval is from half to twice


@dataclass(frozen=True)
class Estimate:
    """A predicted number with its 90 % interval."""

    value: float
    low: float
    high: float

    @classmethod
    def exactly(cls, value: float) -> "Estimate":
        return cls(value, value, value)

    def __contains__(self, real: float) -> bool:
        return self.low <= real <= self.high

    def to_json(self) -> list[float]:
        return [self.value, self.low, self.high]

    @classmethod
    def from_json(cls, numbers: Sequence[float]) -> "Estimate":
        return cls(*numbers)


@dataclass(frozen=True, eq=False)
class Whole:
    """What the pieces are a sample of.

    Attributes:
        sizes: (covariates, m) of each piece: bytes, and rows where they are known.
        totals: (covariates,) of the whole.
        num_pieces: in the whole, of which m were drawn.
    """

    sizes: Floats
    totals: Floats
    num_pieces: int
    seed: int = 0

    @classmethod
    def of(
        cls,
        piece_bytes: Sequence[int],
        piece_rows: Sequence[int] | None,
        total_bytes: int,
        total_rows: int | None,
        *,
        num_pieces: int,
        seed: int = 0,
    ) -> "Whole":
        known = piece_rows is not None and total_rows
        sizes = [piece_bytes, piece_rows] if known else [piece_bytes]
        totals = [total_bytes, total_rows] if known else [total_bytes]
        return cls(np.array(sizes, np.float64), np.array(totals, np.float64), num_pieces, seed)

    @property
    def num(self) -> int:
        """Pieces in the sample."""
        return int(self.sizes.shape[1])

    @property
    def is_all(self) -> bool:
        return self.num >= self.num_pieces

    @cached_property
    def weights(self) -> Floats:
        """(1 + DRAWS, m): ones, then the weights of each bootstrap draw."""
        m = self.num
        if m < 2:
            return np.ones((1 + DRAWS, m))
        spread = np.sqrt(max(0.0, 1 - m / self.num_pieces))
        counts = np.random.default_rng(self.seed).multinomial(m - 1, np.full(m, 1 / m), size=DRAWS)
        return np.vstack([np.ones(m), 1 - spread + spread * m / (m - 1) * counts])

    def total(self, values: npt.ArrayLike) -> Floats:
        """Return (1 + DRAWS,) the whole's sum of what the (m,) pieces have."""
        y = np.asarray(values, dtype=np.float64)
        if not y.any():
            return np.zeros(1 + DRAWS)
        chosen = min(range(len(self.totals)), key=lambda k: self._scatter(y, self.sizes[k]))
        at_most = self.weights @ self.sizes[chosen]
        return np.asarray(self.totals[chosen] * (self.weights @ y) / np.where(at_most > 0, at_most, np.nan))

    def _scatter(self, y: Floats, x: Floats) -> float:
        """Return how badly y is a multiple of x, as a share of y."""
        return float(np.sqrt(np.mean((y - x * y.sum() / max(x.sum(), 1e-12)) ** 2)) / max(y.mean(), 1e-12))


def interval(
    values: Floats, num: int, *, share: float = 0.0, seen: float | None = None, among: float = 0.0
) -> Estimate:
    """Return the estimate with the 90 % interval of its draws.

    Args:
        values: (1 + DRAWS,) the estimate and its draws.
        num: pieces it is from.
        share: of the whole that was seen; at 1 nothing is left to chance.
        seen: for a count, how many the sample had: the interval is at least as wide as a Poisson count's, or,
            `among` so many of which each might have been one, about as a binomial's.
    """
    from scipy.stats import chi2, norm, t

    value = float(values[0])
    if share >= 1:
        return Estimate.exactly(value)
    if num < 2:
        low, high = value / UNKNOWN, value * UNKNOWN
    else:
        tail = (1 - LEVEL) / 2
        wider = float(t.ppf(1 - tail, num - 1) / norm.ppf(1 - tail))
        draws = values[1:][np.isfinite(values[1:])]
        lower, upper = np.quantile(draws, [tail, 1 - tail]) if len(draws) else (value, value)
        low, high = value - wider * max(value - lower, 0.0), value + wider * max(upper - value, 0.0)
    if seen is not None:
        tail = (1 - LEVEL) / 2
        least = float(chi2.ppf(tail, 2 * seen)) / 2 if seen else 0.0
        most = float(chi2.ppf(1 - tail, 2 * seen + 2)) / 2
        each = value / seen if seen else 1 / max(share, 1e-9)
        left = np.sqrt((1 - share) * (1 - min(seen / among, 1.0) if among else 1.0))
        low = min(low, value - left * (value - least * each))
        high = max(high, value + left * (most * each - value))
    return Estimate(value, max(low, 0.0), high)


def spread(units: Any) -> Floats:
    """Return a number as an estimate with no spread, to add to others."""
    return np.full(1 + DRAWS, float(units))
