"""How well predicted grades agree with given ones, each number with its interval.

    table = evaluate(grades, predicted, at_least=3)
    table["f1"]                     # Estimate(value=0.84, low=0.80, high=0.87)

"Positive" is a document whose grade is at least the cut; predictions are rounded as `int_score` rounds, so a cut of 3
is a raw score of 2.5. Weights undo a stratified or enriched draw: a row of weight w stands for w documents.
Intervals are percentile bootstraps over groups of documents (near-copies are drawn together; Field & Welsh 2007).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from curate.document import int_score

RESAMPLES = 1000


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


Measurement = Callable[[np.ndarray, np.ndarray, np.ndarray], Mapping[str, float]]  # grades, predicted, weights


def at_cut(grades: np.ndarray, predicted: np.ndarray, weights: np.ndarray, at_least: int = 3) -> dict[str, float]:
    """Return precision, recall, F1 of the positives, macro-F1 of both classes, and the predicted and true shares.

    A ratio without a denominator is 0, as in scikit-learn with `zero_division=0`.
    """
    true, said = int_score(grades) >= at_least, int_score(predicted) >= at_least
    both, only_said, only_true, neither = (
        float(weights[rows].sum()) for rows in (true & said, ~true & said, true & ~said, ~true & ~said)
    )
    f1, f1_negative = _f1(both, only_said, only_true), _f1(neither, only_true, only_said)
    return {
        "f1": f1,
        "precision": _ratio(both, both + only_said),
        "recall": _ratio(both, both + only_true),
        "macro_f1": (f1 + f1_negative) / 2,
        "predicted_share": _ratio(both + only_said, float(weights.sum())),
        "true_share": _ratio(both + only_true, float(weights.sum())),
    }


def on_scale(grades: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    """Return Spearman's rank correlation and the mean absolute error of the raw scores."""
    rank = correlation(weighted_ranks(grades, weights), weighted_ranks(predicted, weights), weights)
    error = float(np.average(np.abs(grades - predicted), weights=weights))
    return {"spearman": rank, "mae": error}


def evaluate(
    grades: np.ndarray,
    predicted: np.ndarray,
    *,
    at_least: int = 3,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Return all measures with 95 % intervals; rows of weight 0 count for nothing."""
    weights = np.ones(len(grades)) if weights is None else weights
    groups = np.arange(len(grades)) if groups is None else groups
    used = weights > 0

    def measure(g: np.ndarray, p: np.ndarray, w: np.ndarray) -> dict[str, float]:
        return at_cut(g, p, w, at_least) | on_scale(g, p, w)

    return bootstrap(measure, grades[used], predicted[used], weights[used], groups[used], seed=seed)


def bootstrap(
    measure: Measurement,
    grades: np.ndarray,
    predicted: np.ndarray,
    weights: np.ndarray,
    groups: np.ndarray,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Draw whole groups with replacement and take the 2.5 and 97.5 percentiles of each measure."""
    _, group = np.unique(groups, return_inverse=True)
    num_groups = int(group.max()) + 1
    rng = np.random.default_rng(seed)
    values: dict[str, list[float]] = {}
    for _ in range(resamples):
        times = np.bincount(rng.integers(num_groups, size=num_groups), minlength=num_groups)[group]
        rows = np.repeat(np.arange(len(grades)), times)
        for name, value in measure(grades[rows], predicted[rows], weights[rows]).items():
            values.setdefault(name, []).append(value)
    point = measure(grades, predicted, weights)
    return {name: Estimate(point[name], *map(float, np.percentile(values[name], (2.5, 97.5)))) for name in point}


def recall_bound(found: int, positives: int, confidence: float = 0.95) -> float:
    """Return the lower Clopper-Pearson bound: with this confidence the true recall is at least this.

    It is the rate at which `found` or more of `positives` would be seen with probability 1 - confidence.
    """
    if not 0 <= found <= positives or positives == 0:
        raise ValueError(f"found {found} of {positives} positives; give 0 <= found <= positives and a positive")
    low, high = 0.0, 1.0
    while high - low > 1e-12:
        middle = (low + high) / 2
        if _at_least(found, positives, middle) < 1 - confidence:
            low = middle
        else:
            high = middle
    return low


def weighted_ranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return mid-ranks: the weight below a value plus half the weight at it; ties share theirs."""
    _, place = np.unique(values, return_inverse=True)
    at = np.bincount(place, weights)
    ranks: np.ndarray = (np.cumsum(at) - at / 2)[place]
    return ranks


def correlation(left: np.ndarray, right: np.ndarray, weights: np.ndarray) -> float:
    """Return Pearson's weighted correlation; 0 where one side is constant."""
    left, right = left - np.average(left, weights=weights), right - np.average(right, weights=weights)
    scale = math.sqrt(float(weights @ left**2) * float(weights @ right**2))
    return _ratio(float(weights @ (left * right)), scale)


def _at_least(found: int, trials: int, rate: float) -> float:
    """Return P(Binomial(trials, rate) >= found)."""
    if found == 0 or rate == 1:
        return 1.0
    if rate == 0:
        return 0.0
    below = math.lgamma(trials + 1)
    terms = (
        below - math.lgamma(k + 1) - math.lgamma(trials - k + 1) + k * math.log(rate) + (trials - k) * math.log1p(-rate)
        for k in range(found, trials + 1)
    )
    return math.fsum(map(math.exp, terms))


def _f1(hits: float, false: float, missed: float) -> float:
    return _ratio(2 * hits, 2 * hits + false + missed)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
