"""From raw predictions to the rubric's scale, so that a cut at 2.5 is the right cut.

    calibration = calibrate(raw, grades, at_least=3)
    calibration(raw)                # (N,) float32

Regression pulls predictions to the middle: with few good pages, raw >= 2.5 finds half of them. FineWeb-Edu cuts there
all the same and loses 38 % of what its teacher graded 3 or more. Here the raw value that passes as many documents as
the teacher did, so that precision and recall are equal, becomes 2.5; on both sides a monotone curve follows the mean
grade (isotonic regression of bin means), so that a score remains the grade to expect.
"""

from dataclasses import dataclass

import numpy as np

BIN_ROWS = 25  # graded documents behind one point of the curve, at least
MAX_BINS = 12  # on each side of the cut


@dataclass(frozen=True, eq=False)
class Calibration:
    """A strictly rising line through some points, with its outer slopes continued."""

    raw: np.ndarray  # (K,) float64, rising
    grade: np.ndarray  # (K,) float64, rising

    def __call__(self, raw: np.ndarray) -> np.ndarray:
        """Return (N,) float32 scores."""
        slopes = np.diff(self.grade) / np.diff(self.raw)
        inside = np.interp(raw, self.raw, self.grade)
        below, above = np.minimum(raw - self.raw[0], 0), np.maximum(raw - self.raw[-1], 0)
        scores: np.ndarray = inside + slopes[0] * below + slopes[-1] * above
        return scores.astype(np.float32)


def calibrate(
    raw: np.ndarray, grades: np.ndarray, *, at_least: int = 3, weights: np.ndarray | None = None
) -> Calibration:
    """Learn the curve from out-of-fold predictions; rows of weight 0 (not a random draw) are left out."""
    weights = np.ones(len(raw)) if weights is None else weights
    order = np.flatnonzero(weights > 0)
    order = order[np.argsort(raw[order], kind="stable")]
    raw, grades, weights = raw[order].astype(np.float64), grades[order], weights[order]
    middle = at_least - 0.5
    cut = best_cut(raw, grades >= middle, weights)
    points = [(cut, middle)]
    for side in (raw < cut, raw >= cut):
        for rows in np.array_split(np.flatnonzero(side), np.clip(side.sum() // BIN_ROWS, 1, MAX_BINS)):
            if len(rows):
                points.append((float(raw[rows].mean()), float(np.average(grades[rows], weights=weights[rows]))))
    return _rising(points, cut, middle)


def best_cut(raw: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> float:
    """Return the cut with the greatest expected F1; `raw` rises.

    Counting F1 at every cut and taking the best follows the noise of a few documents. A logistic curve first says how
    likely each raw value is positive; the expected F1 of a cut is then smooth (Lipton et al. 2014, arXiv 1402.1892).
    """
    from sklearn.linear_model import LogisticRegression

    scaled = ((raw - raw.mean()) / raw.std())[:, None]
    curve = LogisticRegression(C=1e3).fit(scaled, positive, sample_weight=weights)
    likely = curve.predict_proba(scaled)[:, 1] * weights
    above, hits = np.cumsum(weights[::-1])[::-1], np.cumsum(likely[::-1])[::-1]  # at and after each position
    at = max(int(np.argmax(2 * hits / (above + likely.sum()))), 1)
    return float((raw[at - 1] + raw[at]) / 2)


def _rising(points: list[tuple[float, float]], cut: float, middle: float) -> Calibration:
    """Pool what falls (isotonic regression) on each side of the cut; the cut itself stands."""
    from sklearn.isotonic import isotonic_regression

    kept = [(cut, middle)]
    for below in (True, False):
        side = sorted(p for p in points if p[0] != cut and (p[0] < cut) == below)
        if not side:
            continue
        x, y = np.array(side).T
        y = isotonic_regression(y)
        for value in np.unique(y):  # a pooled stretch is one point, so that the curve rises strictly
            if (value < middle) == below and value != middle:
                kept.append((float(x[y == value].mean()), float(value)))
    raw, grade = np.array(sorted(kept)).T
    if len(raw) == 1:  # nothing was learnt but the cut
        raw, grade = np.array([cut - 1, cut]), np.array([middle - 1, middle])
    return Calibration(raw, grade)
