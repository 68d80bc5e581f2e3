"""What the difference of two arms varies by: the seeds of training, and the items it is measured on.

    measure = Measure("bits per byte", {"raw": raw, "edu": edu}, weights=num_bytes, strata=domains)   # raw (3, 900)
    one = difference(measure, "edu", "raw")
    one.value, one.separate.seeds, one.separate.items      # the difference, and its variance in two parts

Every seed of every arm meets the same items, so a score is a cell of a crossed design: arm + seed + item + seed x item.
The variance between seeds' scores, and the variance between items' means over seeds, each hold the seed x item part;
their plain sum counts it twice, so it is taken off once (Cornfield and Tukey 1956; the estimator that radiology uses
for readers x cases, Dorfman, Berbaum and Metz 1992, Hillis 2007). Seeds of two arms share their first weights, which
ties them together much in a short training and little in a long one: the seeds' part is worked out with the seeds in
pairs, and with each arm's seeds by themselves. `curate.ablate.intervals` makes an interval of the two.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Measure:
    """One thing measured, on the same items in the same order, for every seed of every arm.

    Args:
        values: by arm, (seeds, items); row k is seed k. A run that diverged is a row of NaN. For bits per byte an
            item's value is its own bits per byte and its weight its bytes.
        weights: (items,); equal by default.
        strata: (items,) the domain or task of each item: the score is the mean over strata of their weighted means.
        clusters: (items,) names of what stands or falls together, such as pages of one site; each item by default.

    Raises:
        ValueError: arms with other numbers of items, weights that are not positive, an item without a value.
    """

    name: str
    values: Mapping[str, Floats]
    weights: Floats | None = None
    strata: Sequence[str] | None = None
    clusters: Sequence[str] | None = None
    lower_is_better: bool = True

    def __post_init__(self) -> None:
        shapes = {arm: np.shape(values) for arm, values in self.values.items()}
        if any(len(shape) != 2 or 0 in shape for shape in shapes.values()) or len({s[1] for s in shapes.values()}) > 1:
            raise ValueError(f"{self.name}: every arm needs (seeds, items) of the same items, these are {shapes}")
        for part in (self.weights, self.strata, self.clusters):
            if part is not None and len(part) != self.num_items:
                raise ValueError(f"{self.name}: {self.num_items} items, but {len(part)} weights, strata or clusters")
        if self.weights is not None and not (np.isfinite(self.weights) & (np.asarray(self.weights) > 0)).all():
            raise ValueError(f"{self.name}: weights must be positive; drop items without weight (empty texts)")
        for arm, values in self.values.items():
            _refuse_holes(self.name, arm, values)

    @property
    def num_items(self) -> int:
        return int(next(iter(self.values.values())).shape[1])

    @cached_property
    def shares(self) -> Floats:
        """What each item counts for in the score (items,); they add up to 1."""
        weights = np.ones(self.num_items) if self.weights is None else np.asarray(self.weights, dtype=np.float64)
        totals = np.bincount(self.stratum, weights)
        return weights / totals[self.stratum] / len(totals)  # type: ignore[no-any-return]

    @cached_property
    def stratum(self) -> Ints:
        return np.zeros(self.num_items, dtype=np.int64) if self.strata is None else _numbers(self.strata)

    @cached_property
    def cluster(self) -> Ints:
        return np.arange(self.num_items) if self.clusters is None else _numbers(self.clusters)

    def rows(self, arm: str) -> Floats:
        """Return the seeds of an arm that did not diverge (seeds, items)."""
        values = np.asarray(self.values[arm], dtype=np.float64)
        return values[np.isfinite(values).all(axis=1)]

    def diverged(self, arm: str) -> list[int]:
        return np.flatnonzero(~np.isfinite(self.values[arm]).all(axis=1)).tolist()  # type: ignore[no-any-return]

    def scores(self, arm: str) -> Floats:
        """Return the score of each seed that did not diverge (seeds,)."""
        return self.rows(arm) @ self.shares

    def influence(self, rows: Floats) -> Floats:
        """Return what each cluster adds to each row's score beyond its stratum's mean (rows, clusters).

        Their squares add up to the variance that the score has by the draw of clusters, the n / (n - 1) of a sample of
        n clusters in a stratum included (linearised ratio; Cochran 1977, chapter 6).
        """
        totals = np.bincount(self.stratum, self.shares)
        sums = np.stack([np.bincount(self.stratum, self.shares * row) for row in rows])
        residuals = self.shares * (rows - (sums / totals)[:, self.stratum])
        counts = np.array([len(np.unique(self.cluster[self.stratum == s])) for s in range(len(totals))])
        residuals *= np.sqrt(counts / np.maximum(counts - 1, 1))[self.stratum]
        return np.stack([np.bincount(self.cluster, row) for row in residuals])

    @cached_property
    def items_df(self) -> float:
        """Degrees of freedom of a variance between clusters: fewer than there are where some weigh much more."""
        squares = np.bincount(self.cluster, self.shares) ** 2
        effective = float(squares.sum() ** 2 / (squares**2).sum())
        return max(effective - len(np.unique(self.stratum)), 1.0)


@dataclass(frozen=True)
class Parts:
    """The variance of a difference of means, in two parts that are estimated apart."""

    seeds: float  # falls with the number of seeds; it holds the seed x item part
    seeds_df: float
    items: float  # stays, whatever the number of seeds
    items_df: float

    @property
    def total(self) -> float:
        return self.seeds + self.items

    @property
    def df(self) -> float:
        """Satterthwaite's degrees of freedom of the sum."""
        if not self.total:
            return self.seeds_df
        return self.total**2 / (self.seeds**2 / self.seeds_df + self.items**2 / self.items_df)


@dataclass(frozen=True)
class Difference:
    """An arm less the baseline, and its variance seen in two ways; None where seeds are too few for that."""

    value: float
    paired: Parts | None  # seed k of one arm beside seed k of the other
    separate: Parts | None  # each arm's seeds by themselves
    items_only: Parts  # as if these were all the seeds there are

    @property
    def ways(self) -> tuple[Parts, ...]:
        return tuple(parts for parts in (self.paired, self.separate) if parts is not None)


def difference(measure: Measure, arm: str, baseline: str) -> Difference:
    """Return the difference of two arms over the seeds that did not diverge."""
    one, other = measure.rows(arm), measure.rows(baseline)
    if not len(one) or not len(other):
        nothing = Parts(np.nan, 1.0, np.nan, 1.0)
        return Difference(np.nan, None, None, nothing)
    value = float((one.mean(axis=0) - other.mean(axis=0)) @ measure.shares)
    a, b = measure.influence(one), measure.influence(other)
    between = float(((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum())  # items, and seed x item
    only = Parts(0.0, 1.0, between, measure.items_df)
    if min(len(one), len(other)) < 2:
        return Difference(value, None, None, only)
    whole = not measure.diverged(arm) and not measure.diverged(baseline) and len(one) == len(other)
    paired = _paired(measure, one, other, a - b, between) if whole else None
    return Difference(value, paired, _separate(measure, (one, a), (other, b), between), only)


def _paired(measure: Measure, one: Floats, other: Floats, influence: Floats, between: float) -> Parts:
    seeds = len(one)
    scores = (one - other) @ measure.shares
    both = float(influence.var(axis=0, ddof=1).sum()) / seeds  # seed x item
    return Parts(float(scores.var(ddof=1)) / seeds, seeds - 1.0, max(between - both, 0.0), measure.items_df)


def _separate(measure: Measure, one: tuple[Floats, Floats], other: tuple[Floats, Floats], between: float) -> Parts:
    """Welch's variance and degrees of freedom."""
    variances = [float((rows @ measure.shares).var(ddof=1)) / len(rows) for rows, _ in (one, other)]
    both = sum(float(influence.var(axis=0, ddof=1).sum()) / len(influence) for _, influence in (one, other))
    seeds = sum(variances)
    squares = sum(v**2 / (len(rows) - 1) for v, (rows, _) in zip(variances, (one, other), strict=True))
    df = seeds**2 / squares if squares else float(len(one[0]) + len(other[0]) - 2)
    return Parts(seeds, df, max(between - both, 0.0), measure.items_df)


def _numbers(names: Sequence[str]) -> Ints:
    found: Ints = np.unique(np.asarray(names), return_inverse=True)[1].reshape(-1)
    return found


def _refuse_holes(name: str, arm: str, values: Floats) -> None:
    """A run without a number anywhere diverged; an item without one in some run is a mistake of the measuring."""
    finite = np.isfinite(values)
    holes = ~finite & finite.any(axis=1, keepdims=True)
    if holes.any():
        row, item = (int(place[0]) for place in np.nonzero(holes))
        raise ValueError(f"{name}: {arm}, seed {row}, item {item} is {values[row, item]} while others are numbers")
