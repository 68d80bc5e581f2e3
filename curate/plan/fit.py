"""From a sample of pieces to the whole, with intervals: ratio estimators and a bootstrap over the pieces.

    whole = Whole.of(piece_bytes, None, total_bytes, None, num_pieces=500)
    rows = whole.total(rows_of_each_piece)          # (1 + DRAWS,): the estimate, then its bootstrap draws
    interval(rows, whole.num)                       # Estimate(value=..., low=..., high=...)

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

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LEVEL = 0.9  # of the intervals
UPPER = (1 + LEVEL) / 2  # the share of chances below an interval's end
DRAWS = 400
MOST_LOG = 3.0  # of the logarithm of how many times more: twenty
ROUNDING = 1e-6  # of a number that is known exactly, after some products
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
        return self.low * (1 - ROUNDING) <= real <= self.high * (1 + ROUNDING)


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


def interval(values: Floats, num: int, *, share: float = 0.0) -> Estimate:
    """Return the estimate with the 90 % interval of its draws.

    Args:
        values: (1 + DRAWS,) the estimate and its draws.
        num: pieces it is from.
        share: of the whole that was seen; at 1 nothing is left to chance.
    """
    from scipy.stats import norm, t

    value = float(values[0])
    if share >= 1:
        return Estimate.exactly(value)
    if num < 2:
        return Estimate(value, value / UNKNOWN, value * UNKNOWN)
    wider = float(t.ppf(UPPER, num - 1) / norm.ppf(UPPER))
    draws = values[1:][np.isfinite(values[1:])]
    lower, upper = np.quantile(draws, [1 - UPPER, UPPER]) if len(draws) else (value, value)
    low, high = value - wider * max(value - lower, 0.0), value + wider * max(upper - value, 0.0)
    if value > 0 and len(draws):  # few rich pieces are rather missed than met: the upper end is as of a log-normal mean
        high = max(high, value * float(np.exp(min(t.ppf(UPPER, num - 1) * draws.std() / value, MOST_LOG))))
    return Estimate(value, max(low, 0.0), high)


def count_interval(values: Floats, num: int, *, share: float, seen: float, among: float) -> Estimate:
    """Return the interval of a count: at least as wide as a Poisson count's, or about as a binomial's.

    Args:
        seen: how many the sample had, `among` so many of which each might have been one.
    """
    from scipy.stats import chi2

    found = interval(values, num, share=share)
    if share >= 1:
        return found
    least = float(chi2.ppf(1 - UPPER, 2 * seen)) / 2 if seen else 0.0  # Garwood 1936
    most = float(chi2.ppf(UPPER, 2 * seen + 2)) / 2
    each = found.value / seen if seen else 1 / share
    left = float(np.sqrt((1 - share) * (1 - min(seen / among, 1.0) if among else 1.0)))
    low, high = found.value - left * (found.value - least * each), found.value + left * (most * each - found.value)
    return Estimate(found.value, max(min(found.low, low), 0.0), max(found.high, high))
