"""How far to trust grades: two graders, one grader with itself, and at the cut that decides.

    found = agree(first, second)        # grades of the same documents by two graders
    print(found)                        # 300 documents: weighted kappa 0.920 (0.884 to 0.949), ...

Quadratic-weighted kappa (Cohen 1968) is 1 - observed / chance disagreement, where a miss by two grades counts four
times a miss by one; 0 is what independent graders with these habits would reach. Intervals are percentiles of a
bootstrap over documents (Efron 1979). At the cut that decides what is kept (grade 3 or more), the F1 of one grader
held against the other is what a perfect copy of one would score against the other; the ceiling for any classifier,
which may average a grader's noise out, is in `curate.teacher.ceiling`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from curate.corpus import Corpus
from curate.document import ID, int_score

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

CUT = 3  # int_score at or above which FineWeb-Edu keeps a page
RESAMPLES = 2000  # the 2.5 % tails then rest on 50 resamples each


@dataclass(frozen=True)
class Interval:
    """An estimate and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True)
class Agreement:
    """Two gradings of the same documents."""

    num_documents: int
    kappa: Interval  # quadratic-weighted, of rounded grades
    spearman: float
    exact: float  # share of documents with the same rounded grade
    at_cut: float  # share on the same side of `CUT`
    f1: Interval  # at `CUT`, of one grader held against the other; the same both ways round

    def __str__(self) -> str:
        return (
            f"{self.num_documents:,} documents: weighted kappa {self.kappa}, Spearman {self.spearman:.3f}, "
            f"same grade {self.exact:.1%}, same side of {CUT} {self.at_cut:.1%}, F1 at {CUT} {self.f1}"
        )


def agree(first: Sequence[float] | Floats, second: Sequence[float] | Floats, *, seed: int = 0) -> Agreement:
    """Compare two gradings; raw grades are rounded as `int_score` does, except for the rank correlation."""
    a, b = _pair(first, second)
    x, y = int_score(a), int_score(b)
    return Agreement(
        num_documents=len(x),
        kappa=bootstrap(weighted_kappa, x, y, seed=seed),
        spearman=spearman(a, b),
        exact=float(np.mean(x == y)),
        at_cut=float(np.mean((x >= CUT) == (y >= CUT))),
        f1=bootstrap(lambda x, y: f1(x >= CUT, y >= CUT), x, y, seed=seed),
    )


def agree_corpora(first: Corpus, second: Corpus, *, seed: int = 0) -> Agreement:
    """Compare two folders of annotations on the documents that both graded."""
    grades = [_grades(first), _grades(second)]
    ids = sorted(grades[0].keys() & grades[1].keys())
    if len(ids) < 2:
        raise ValueError(f"{first.path} and {second.path} share {len(ids)} graded documents; annotate the same sample")
    return agree([grades[0][i] for i in ids], [grades[1][i] for i in ids], seed=seed)


def self_consistency(repeats: npt.ArrayLike) -> float:
    """Return the mean weighted kappa over all pairs of repeats.

    Args:
        repeats: (repeats, documents) grades of one teacher, asked again with other seeds at a temperature above 0.
    """
    rows = np.asarray(repeats, dtype=np.float64)
    if rows.ndim != 2 or len(rows) < 2:
        raise ValueError(f"self-consistency needs (2 or more repeats, documents); got an array of shape {rows.shape}")
    pairs = combinations([int_score(row) for row in rows], 2)
    return float(np.mean([weighted_kappa(x, y) for x, y in pairs]))


def weighted_kappa(x: Ints, y: Ints) -> float:
    """Quadratic-weighted kappa of whole grades; NaN if both graders gave every document the same one grade.

    From moments: the chance disagreement of all pairs is the mean of (x_i - y_j)^2, which is var + var + gap^2.
    """
    chance = np.var(x) + np.var(y) + (np.mean(x) - np.mean(y)) ** 2
    observed = np.mean((x - y).astype(np.float64) ** 2)
    return float(1.0 - observed / chance) if chance > 0 else float("nan")


def spearman(x: Floats, y: Floats) -> float:
    """Correlation of ranks, ties at their mean rank; NaN if one side is constant."""
    a, b = ranks(x), ranks(y)
    spread = np.std(a) * np.std(b)
    return float(np.mean((a - a.mean()) * (b - b.mean())) / spread) if spread > 0 else float("nan")


def auc(scores: npt.ArrayLike, positive: npt.ArrayLike) -> float:
    """Chance that a positive document scores above a negative one, ties counting half; NaN without both kinds.

    Use it for a teacher whose scale is not the rubric's: `auc(local.grades(texts), reference >= 3)`.
    """
    places, chosen = ranks(np.asarray(scores, dtype=np.float64)), np.asarray(positive, dtype=bool)
    n, m = int(chosen.sum()), int((~chosen).sum())
    return float((places[chosen].sum() - n * (n + 1) / 2) / (n * m)) if n and m else float("nan")


def f1(x: npt.NDArray[np.bool_], y: npt.NDArray[np.bool_]) -> float:
    """F1 of one set of marks against the other (symmetric); NaN if neither marks anything."""
    marked = int(x.sum()) + int(y.sum())
    return 2.0 * int((x & y).sum()) / marked if marked else float("nan")


def bootstrap(statistic: Callable[[Ints, Ints], float], x: Ints, y: Ints, *, seed: int) -> Interval:
    """Return the statistic with a 95 % percentile interval over resampled documents, without undefined ones."""
    rng = np.random.default_rng(seed)
    draws = (rng.integers(len(x), size=len(x)) for _ in range(RESAMPLES))
    values = [statistic(x[rows], y[rows]) for rows in draws]
    return Interval(statistic(x, y), *percentiles(np.array(values)))


def percentiles(values: Floats) -> tuple[float, float]:
    """Return the ends of the 95 % percentile interval of resampled values, without undefined ones."""
    known = values[~np.isnan(values)]
    low, high = np.percentile(known, [2.5, 97.5]) if len(known) else (float("nan"), float("nan"))
    return float(low), float(high)


def ranks(values: Floats) -> Floats:
    """Ranks from 1, ties at their mean: (N,) float64."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    mean_rank: Floats = last - (counts - 1) / 2.0
    return mean_rank[inverse]


def _pair(first: Sequence[float] | Floats, second: Sequence[float] | Floats) -> tuple[Floats, Floats]:
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1 or len(a) < 2:
        raise ValueError(f"two gradings of the same two or more documents are needed; got {a.shape} and {b.shape}")
    if np.isnan(a).any() or np.isnan(b).any():
        raise ValueError("a grade is missing (NaN); leave documents without a grade out of both gradings")
    return a, b


def _grades(corpus: Corpus) -> dict[str, float]:
    table = corpus.table([ID, "score"])
    pairs = zip(table[ID].to_pylist(), table["score"].to_pylist(), strict=True)
    return {document_id: score for document_id, score in pairs if score is not None}
