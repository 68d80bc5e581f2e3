"""The noise ceiling: how well any classifier can agree with a teacher that does not always agree with itself.

    found = ceiling(repeats, cut=3)     # (repeats, documents) grades of one teacher, asked again with other seeds
    print(found.f1)                     # at least 0.921 (0.880 to 0.956), at most 0.958 (0.936 to 0.977)

Let p be a document's chance of a grade at or above the cut. No classifier agrees with one such grade for more than
E max(p, 1 - p) of documents, and no set S it could pick has an F1 above 2 E[p; S] / (E p + P(S)). Two repeats do not
show p, but they show m = E p and E p^2, and these alone bound both, whatever the distribution of p:

* accuracy: with A = E[p^2 + (1 - p)^2], the share on which two repeats agree, the best is at least A and at most
  (1 + sqrt(2 A - 1)) / 2. This is Cover and Hart's (1967) inequality between the nearest neighbour's and Bayes' error.
* F1: a twin of the teacher (one repeat held against another) has F1 = E p^2 / E p, so the best is at least that. At
  most: let S hold a share s of documents. Its mean of p is at most m + sqrt(v (1 - s) / s) where v = E p^2 - m^2, since
  the variance between S and the rest cannot exceed the whole; it is at most 1 and at most m / s. So F1 <= max over s
  of 2 s min(1, m / s, m + sqrt(v (1 - s) / s)) / (m + s). Some teacher with two values of p meets it.

E p^2 is estimated without bias by k (k - 1) / (R (R - 1)) for k of R repeats at or above the cut. Intervals are
percentiles of a bootstrap over documents. The agreement that is left is the classifier's to win: one that reaches the
lower end is already as good as asking the teacher twice.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from curate.document import int_score
from curate.teacher.agreement import RESAMPLES, Interval, percentiles

Floats = npt.NDArray[np.float64]
SHARES = np.linspace(0.001, 1.0, 1000)  # of documents in S


@dataclass(frozen=True)
class Range:
    """The best possible value lies between two estimates, each with its 95 % interval."""

    at_least: Interval
    at_most: Interval

    def __str__(self) -> str:
        return f"at least {self.at_least}, at most {self.at_most}"


@dataclass(frozen=True)
class Ceiling:
    """What the best possible classifier reaches against one grade of this teacher."""

    num_documents: int
    num_repeats: int
    cut: int
    accuracy: Range
    f1: Range


def ceiling(repeats: npt.ArrayLike, *, cut: int = 3, seed: int = 0) -> Ceiling:
    """Bound the accuracy and F1 at `cut` of the best classifier.

    Args:
        repeats: (repeats, documents) grades, rounded as `int_score` does.

    Raises:
        ValueError: fewer than two repeats or two documents, or a missing grade.
    """
    grades = np.asarray(repeats, dtype=np.float64)
    if grades.ndim != 2 or min(grades.shape) < 2:
        raise ValueError(f"a ceiling needs (2 or more repeats, 2 or more documents); got {grades.shape}")
    if np.isnan(grades).any():
        raise ValueError("a grade is missing (NaN); leave such documents out")
    marked = np.stack([int_score(row) >= cut for row in grades])
    found = bounds(marked.sum(axis=0), len(marked))
    rng = np.random.default_rng(seed)
    draws = (rng.integers(marked.shape[1], size=marked.shape[1]) for _ in range(RESAMPLES))
    counts = marked.sum(axis=0)
    drawn = np.array([bounds(counts[rows], len(marked)) for rows in draws])  # (RESAMPLES, 4)
    ends = [Interval(value, *percentiles(column)) for value, column in zip(found, drawn.T, strict=True)]
    return Ceiling(
        num_documents=marked.shape[1],
        num_repeats=len(marked),
        cut=cut,
        accuracy=Range(ends[0], ends[1]),
        f1=Range(ends[2], ends[3]),
    )


def bounds(counts: npt.NDArray[np.int64], num_repeats: int) -> tuple[float, float, float, float]:
    """Return (least, most) of the best accuracy, then of the best F1; F1 is NaN if nothing is marked.

    Args:
        counts: (documents,) how many of `num_repeats` grades were at or above the cut.
    """
    k, r = counts.astype(np.float64), float(num_repeats)
    m, m2 = float(np.mean(k / r)), float(np.mean(k * (k - 1) / (r * (r - 1))))
    agreeing = 1.0 - 2.0 * (m - m2)
    most = (1.0 + np.sqrt(max(0.0, 2.0 * agreeing - 1.0))) / 2.0
    least = max(agreeing, m, 1.0 - m)  # or always say the commoner side
    return least, float(max(most, least)), *f1_bounds(m, m2)


def f1_bounds(m: float, m2: float) -> tuple[float, float]:
    """Return the least and most that the best F1 can be, given E p and E p^2."""
    if m <= 0:
        return float("nan"), float("nan")
    variance = max(0.0, m2 - m * m)
    inside = np.minimum(m + np.sqrt(variance * (1.0 - SHARES) / SHARES), np.minimum(1.0, m / SHARES))
    most = float(np.max(2.0 * SHARES * inside / (m + SHARES)))
    least = max(m2 / m, 2.0 * m / (1.0 + m))  # a twin of the teacher, or marking everything
    return least, max(most, least)
