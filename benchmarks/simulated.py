"""How often intervals of a difference hold the truth, by simulation; for `benchmarks/ablate.py coverage`.

Two arms that do not differ, `seeds` trainings of each on the same items: seed effects (that go together between arms by
a correlation, and may be larger in one arm), item effects (normal, heavy-tailed, skewed, or of whole clusters) and both
at once. Sizes are standard errors: of a seed's score, of the difference by its items, of a score by seed x item.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import t

from curate.ablate.intervals import half_width
from curate.ablate.spread import Difference, Measure, Parts, difference

Floats = npt.NDArray[np.float64]
Tail = Literal["normal", "t3", "lognormal", "clusters"]
RESAMPLES = 400
CLUSTER = 5  # items that share their effects


@dataclass(frozen=True)
class World:
    """What the scores vary by."""

    seeds: int
    seed_sd: float = 1.0  # of one arm's score
    item_se: float = 0.0  # of the difference
    both_se: float = 0.5  # of one seed's score
    correlation: float = 0.0
    uneven: float = 1.0  # SD of the second arm's seeds over the first's
    tail: Tail = "normal"
    items: int = 60

    def draw(self, rng: np.random.Generator) -> Measure:
        common, own = rng.normal(size=(1, self.seeds, 1)), rng.normal(size=(2, self.seeds, 1))
        size = np.array([1, self.uneven])[:, None, None] * self.seed_sd / math.sqrt((1 + self.uneven**2) / 2)
        seeds = size * (math.sqrt(self.correlation) * common + math.sqrt(1 - self.correlation) * own)
        both = self.both_se * math.sqrt(self.items) * self._items(rng, (2, self.seeds, self.items))
        values = seeds + both
        values[0] += self.item_se * math.sqrt(self.items) * self._items(rng, (self.items,))
        names = [f"{n // CLUSTER}" for n in range(self.items)] if self.tail == "clusters" else None
        return Measure("simulated", {"a": values[0], "b": values[1]}, clusters=names)

    def _items(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        """Draw effects of mean 0 and variance 1 (of the mean of a cluster, where there are clusters)."""
        if self.tail == "t3":
            return rng.standard_t(3, size=shape) / math.sqrt(3)
        if self.tail == "lognormal":
            return (rng.lognormal(size=shape) - math.exp(0.5)) / math.sqrt((math.e - 1) * math.e)
        if self.tail == "clusters":
            groups = rng.normal(size=(*shape[:-1], shape[-1] // CLUSTER)) / math.sqrt(CLUSTER)
            return np.repeat(groups, CLUSTER, axis=-1)
        return rng.normal(size=shape)


def worlds() -> Iterator[World]:
    plain = [(1.0, 0.0, 0.5), (1.0, 0.7, 0.5), (1.0, 3.0, 0.5), (0.3, 1.0, 1.0)]  # seeds decide ... items decide
    for seeds in (2, 3, 5, 10):
        some = [World(seeds, *sizes) for sizes in plain]
        yield from some
        yield from (replace(some[0], correlation=rho) for rho in (0.5, 0.9))
        yield replace(some[0], uneven=2.0)
        yield from (replace(some[1], tail=tail) for tail in ("t3", "lognormal", "clusters"))
        yield from (replace(some[2], tail="lognormal", items=items) for items in (60, 300))


Method = Callable[[Measure, Difference, np.random.Generator], tuple[float, float]]  # low and high, the truth being 0


def items_only(_: Measure, one: Difference, __: np.random.Generator) -> tuple[float, float]:
    """What evaluation harnesses give: items are drawn, these seeds are all there are."""
    return _around(one.value, 1.96 * math.sqrt(one.items_only.total))


def paired_t(_: Measure, one: Difference, __: np.random.Generator) -> tuple[float, float]:
    assert one.paired is not None
    return _around(one.value, t.ppf(0.975, one.paired.seeds_df) * math.sqrt(one.paired.seeds))


def bootstrap(measure: Measure, one: Difference, rng: np.random.Generator) -> tuple[float, float]:
    """Pairs of seeds and items resampled, both at once (Owen 2007), percentiles."""
    means, _ = _resampled(measure, rng)
    return float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975))


def studentised(measure: Measure, one: Difference, rng: np.random.Generator) -> tuple[float, float]:
    """The same, of the difference over its standard error (bootstrap-t)."""
    assert one.paired is not None
    means, errors = _resampled(measure, rng)
    ratios = np.divide(means - one.value, errors, out=np.full_like(means, np.inf), where=errors > 0)
    quantile = float(
        np.quantile(np.abs(ratios), 0.95, method="higher")
    )  # infinite where seeds are few: one drawn twice
    return _around(one.value, quantile * math.sqrt(one.paired.seeds))


def satterthwaite_paired(_: Measure, one: Difference, __: np.random.Generator) -> tuple[float, float]:
    return _satterthwaite(one, one.paired)


def satterthwaite_separate(_: Measure, one: Difference, __: np.random.Generator) -> tuple[float, float]:
    return _satterthwaite(one, one.separate)


def ours(_: Measure, one: Difference, __: np.random.Generator) -> tuple[float, float]:
    return _around(one.value, half_width(one))


METHODS: dict[str, Method] = {
    "items only": items_only,
    "paired t": paired_t,
    "bootstrap": bootstrap,
    "bootstrap-t": studentised,
    "Satt. pairs": satterthwaite_paired,
    "Satt. apart": satterthwaite_separate,
    "ours": ours,
}


def coverage(world: World, draws: int, seed: int) -> dict[str, tuple[float, float]]:
    """Return for each method how often it holds 0, and the median of its width."""
    rng = np.random.default_rng([seed, world.seeds])
    limits: dict[str, list[tuple[float, float]]] = {name: [] for name in METHODS}
    for _ in range(draws):
        measure = world.draw(rng)
        one = difference(measure, "a", "b")
        for name, method in METHODS.items():
            limits[name].append(method(measure, one, rng))
    tables = {name: np.array(some) for name, some in limits.items()}
    return {
        name: (float(((some[:, 0] <= 0) & (some[:, 1] >= 0)).mean()), float(np.median(some[:, 1] - some[:, 0])))
        for name, some in tables.items()
    }


def _around(value: float, half: float) -> tuple[float, float]:
    return value - half, value + half


def _satterthwaite(one: Difference, parts: Parts | None) -> tuple[float, float]:
    assert parts is not None
    return _around(one.value, float(t.ppf(0.975, parts.df)) * math.sqrt(parts.total))


def _resampled(measure: Measure, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return differences of resampled pairs and clusters, and the standard errors that seeds give them (RESAMPLES,)."""
    differences = measure.rows("a") - measure.rows("b")
    groups = np.stack([np.bincount(measure.cluster, row) for row in differences])  # clusters of one size
    seeds, clusters = groups.shape
    counts = rng.multinomial(clusters, np.full(clusters, 1 / clusters), size=RESAMPLES)
    scores = (counts @ groups.T) / measure.num_items  # (RESAMPLES, seeds)
    drawn = np.take_along_axis(scores, rng.integers(seeds, size=(RESAMPLES, seeds)), axis=1)
    return drawn.mean(axis=1), drawn.std(axis=1, ddof=1) / math.sqrt(seeds)
