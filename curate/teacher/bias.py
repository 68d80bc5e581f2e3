"""Does a teacher grade the text, or its length and the place where things stand?

    shift(original, changed)            # mean change of grade, and of sides of the cut, paired by document
    partial(grades, lengths, control)   # rank correlation of grade and length among documents of equal content

A change that keeps the content (halves swapped, criteria shuffled) should not move a grade; how far it does is a bias,
to be held against how far asking again moves it. A correlation of grade and length alone says little, since longer
pages often do teach more. The partial rank correlation takes out what a control knows of the content: here the grade
that the same teacher gives to the first thousand characters alone, the same length for all. What stays is length
beyond the beginning: more matter, or a taste for long pages; the truncation test beside it tells the size in grades.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from curate.document import int_score
from curate.teacher.agreement import CUT, RESAMPLES, Interval, percentiles, ranks

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Shift:
    """What a change of the question did to the grades of the same documents."""

    num_documents: int
    mean: Interval  # changed minus original, in grades
    moved: float  # mean absolute change, in grades
    crossed: float  # share of documents that changed sides of the cut


def shift(original: npt.ArrayLike, changed: npt.ArrayLike, *, seed: int = 0) -> Shift:
    """Compare two gradings of the same documents, the second of a changed question."""
    a, b = np.asarray(original, dtype=np.float64), np.asarray(changed, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1 or len(a) < 2 or np.isnan(a).any() or np.isnan(b).any():
        raise ValueError(f"two full gradings of the same two or more documents are needed; got {a.shape} and {b.shape}")
    difference = b - a
    return Shift(
        num_documents=len(a),
        mean=resampled(lambda rows: float(np.mean(difference[rows])), len(a), seed=seed),
        moved=float(np.mean(np.abs(difference))),
        crossed=float(np.mean((int_score(a) >= CUT) != (int_score(b) >= CUT))),
    )


def partial(x: npt.ArrayLike, y: npt.ArrayLike, control: npt.ArrayLike | None = None, *, seed: int = 0) -> Interval:
    """Rank correlation of x and y, of what a straight line through the ranks of `control` leaves of both."""
    columns = [np.asarray(values, dtype=np.float64) for values in (x, y, *([control] if control is not None else []))]

    def statistic(rows: npt.NDArray[np.int64]) -> float:
        a, b, *rest = [ranks(values[rows]) for values in columns]
        for z in rest:
            a, b = residual(a, z), residual(b, z)
        spread = np.std(a) * np.std(b)
        return float(np.mean((a - a.mean()) * (b - b.mean())) / spread) if spread > 1e-9 else float("nan")

    return resampled(statistic, len(columns[0]), seed=seed)


def residual(y: Floats, z: Floats) -> Floats:
    """Return y minus its least-squares line in z."""
    centred = z - z.mean()
    squares = float(np.dot(centred, centred))
    slope = float(np.dot(centred, y)) / squares if squares else 0.0
    left: Floats = y - y.mean() - slope * centred
    return left


def resampled(statistic: Callable[[npt.NDArray[np.int64]], float], n: int, *, seed: int) -> Interval:
    """Return a statistic of row numbers with its 95 % percentile interval over resampled documents."""
    rng = np.random.default_rng(seed)
    values = np.array([statistic(rng.integers(n, size=n)) for _ in range(RESAMPLES)])
    return Interval(statistic(np.arange(n)), *percentiles(values))


def swap_halves(text: str, max_chars: int) -> str:
    """Return the part of a text that a teacher sees with its halves in the other order, cut at a space or line."""
    shown = text[:max_chars]
    middle = len(shown) // 2
    places = [shown.find(mark, middle, middle + 400) for mark in ("\n\n", "\n", ". ", " ")]
    cut = next((place + 1 for place in places if place >= 0), middle)
    return f"{shown[cut:].strip()}\n\n{shown[:cut].strip()}"
