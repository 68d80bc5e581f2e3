"""What a stratified sample says about the corpus it was drawn from, with the design's own interval.

    found = mean(scores >= 3, strata=table["stratum"], sizes=sizes)
    print(found)                        # 0.093 (0.081 to 0.105)

The mean of a stratified random sample is sum_h W_h ybar_h with W_h = N_h / N, which is the estimator of Horvitz and
Thompson (1952) divided by the known N, and equal to Hájek's (1971) with weights N_h / n_h. Its variance is
sum_h W_h^2 (1 - n_h / N_h) s_h^2 / n_h (Cochran 1977, section 5.4); the interval is normal, so it wants some dozens
of documents. A stratum with one graded document lends no variance of its own: the largest of the others is taken, and
of a stratum with none nothing is known, so the mean is of the strata that were met and `covered` says their share.
A proportion that is 0 or 1 in every stratum has no spread to see; its interval comes from Clopper and Pearson (1934)
as if the sample were simple.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Z = 1.959964  # 97.5 % of a normal distribution is below


@dataclass(frozen=True)
class Estimate:
    """A mean over the corpus, its 95 % interval, and the share of the corpus whose strata were met."""

    value: float
    low: float
    high: float
    covered: float = 1.0

    def __str__(self) -> str:
        rest = "" if self.covered > 0.9995 else f", of {self.covered:.1%} of the corpus"
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f}){rest}"


def total(values: npt.ArrayLike, weights: npt.ArrayLike) -> float:
    """Return Horvitz and Thompson's estimate of the sum over the corpus: weights are inverse chances to be drawn."""
    return float(np.dot(np.asarray(values, dtype=np.float64), np.asarray(weights, dtype=np.float64)))


def mean(values: npt.ArrayLike, *, strata: Sequence[str], sizes: Mapping[str, int]) -> Estimate:
    """Estimate the mean over the corpus from the (N,) values of sampled documents.

    Args:
        strata: (N,) the stratum of each.
        sizes: documents of the corpus in each stratum.

    Raises:
        ValueError: no value, or a stratum without a size.
    """
    y, names = np.asarray(values, dtype=np.float64), np.asarray(strata)
    if not len(y) or len(y) != len(names):
        raise ValueError(f"{len(y)} values of documents in {len(names)} strata give no mean")
    met, codes = np.unique(names, return_inverse=True)
    unknown = [str(name) for name in met if str(name) not in sizes]
    if unknown:
        raise ValueError(f"stratum {unknown[0]!r} has no size; there are {list(sizes)[:10]}")
    n = np.bincount(codes).astype(np.float64)
    size = np.array([sizes[str(name)] for name in met], dtype=np.float64)
    share = size / size.sum()
    level = np.bincount(codes, y) / n
    squares = np.bincount(codes, (y - level[codes]) ** 2)
    spread = np.where(n > 1, squares / np.maximum(n - 1, 1), np.nan)
    spread = np.where(np.isnan(spread), np.nanmax(spread) if (n > 1).any() else 0.25, spread)
    value = float(np.dot(share, level))
    error = float(np.sqrt(np.sum(share**2 * np.maximum(0.0, 1 - n / size) * spread / n)))
    covered = float(size.sum() / sum(sizes.values()))
    if error == 0.0 and (n < size).any() and set(np.unique(y)) <= {0.0, 1.0}:
        low, high = exact_interval(round(value * len(y)), len(y))
        return Estimate(value, min(low, value), max(high, value), covered)
    return Estimate(value, value - Z * error, value + Z * error, covered)


def exact_interval(successes: int, n: int) -> tuple[float, float]:
    """Return Clopper and Pearson's 95 % interval of a proportion."""
    from scipy.stats import beta

    low = float(beta.ppf(0.025, successes, n - successes + 1)) if successes else 0.0
    high = float(beta.ppf(0.975, successes + 1, n - successes)) if successes < n else 1.0
    return low, high
