"""How small a difference a design can find, and how many seeds a smaller one takes: before the training, not after.

    noise = Noise(seed_sd=0.004, item_se=0.0005)          # of an earlier run: noise_of(measure)
    minimum_detectable(noise, num_seeds=3)                # 0.0108 bits per byte in 4 of 5 cases
    seeds_needed(noise, 0.005)                            # 8

`power` is the probability that the interval of `curate.ablate.intervals` excludes zero on the right side, that very
interval: the mean of seeds is independent of their variances (normal runs), so for drawn variances (Wishart, a fixed
draw) the probability is exact, and their mean is smooth in the difference.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from curate.ablate.intervals import CHOICE, solve
from curate.ablate.spread import Floats, Measure, difference

DRAWS = 4096
MOST_SEEDS = 4096
ENOUGH_FOR_CORRELATION = 8  # degrees of freedom; fewer say nothing about how far seeds go together

# Tokens, SD between seeds of one model's held-out bits per byte, models of 107 k parameters: `benchmarks/ablate.py`,
# 24 seeds of `aa` and 4 of a longer run. Their slope is -0.57; from 2.5 M tokens on it has not been measured.
MEASURED = ((123_000, 0.036), (512_000, 0.016))


@dataclass(frozen=True)
class Noise:
    """How far a difference of two arms strays when nothing is different."""

    seed_sd: float  # of the difference of two single runs, in the measure's unit
    item_se: float = 0.0  # of the difference, by the draw of the held-out items; seeds do not lower it
    correlation: float = 0.0  # of the two arms' scores over seeds that share first weights


def noise_of(measure: Measure) -> Noise:
    """Return the noise of a pilot or an earlier run: of all its arms with two seeds or more, taken together.

    A single arm tells nothing about items, whose part is then 0; few runs tell nothing about the correlation.

    Raises:
        ValueError: no arm has two seeds that did not diverge.
    """
    arms = [arm for arm in measure.values if len(measure.rows(arm)) > 1]
    if not arms:
        raise ValueError(f"{measure.name}: no arm has two seeds; noise between seeds takes at least two")
    freedom = np.array([len(measure.rows(arm)) - 1 for arm in arms])
    variance = float(np.average([measure.scores(arm).var(ddof=1) for arm in arms], weights=freedom))
    pairs = [difference(measure, arm, arms[0]) for arm in arms[1:]]
    items = float(np.mean([one.separate.items for one in pairs if one.separate])) if pairs else 0.0
    return Noise(math.sqrt(2 * variance), math.sqrt(items), _correlation(measure, arms, variance))


def _correlation(measure: Measure, arms: list[str], variance: float) -> float:
    whole = [arm for arm in arms if not measure.diverged(arm)]
    rows = [measure.scores(arm) for arm in whole if len(measure.rows(arm)) == len(measure.rows(whole[0]))]
    if not variance or (len(rows) - 1) * (len(rows[0]) - 1 if rows else 0) < ENOUGH_FOR_CORRELATION:
        return 0.0
    covariances = np.cov(np.stack(rows))[np.triu_indices(len(rows), 1)]
    return float(np.clip(covariances.mean() / variance, 0.0, 0.99))


def typical_noise(num_tokens: int) -> Noise:
    """Return a rough guess for a first run, in bits per byte: the power law through MEASURED, whatever the model.

    It is between seeds alone; items are taken as many enough. A pilot of two seeds (`noise_of`) is better.
    """
    tokens, spreads = np.log(np.array(MEASURED)).T
    slope, start = np.polyfit(tokens, spreads, 1)
    return Noise(math.sqrt(2) * math.exp(start + slope * math.log(num_tokens)))


def power(noise: Noise, effect: float, num_seeds: int, *, comparisons: int = 1, level: float = 0.95) -> float:
    """Return the probability of a verdict in the right direction when the true difference is `effect`."""
    half = _half_widths(noise, num_seeds, (1 - level) / comparisons)
    return _beyond(noise, half, num_seeds, effect)


def minimum_detectable(
    noise: Noise, num_seeds: int, *, comparisons: int = 1, power: float = 0.8, level: float = 0.95
) -> float:
    """Return the smallest true difference that a design finds with probability `power`.

    Args:
        num_seeds: of each arm, at least 2.
        comparisons: arms besides the baseline; the level is divided among them, the worst case of Holm's.
    """
    half = _half_widths(noise, num_seeds, (1 - level) / comparisons)
    if not half.any():
        return 0.0
    return solve(lambda effect: _beyond(noise, half, num_seeds, effect) - power, float(np.median(half)))


def seeds_needed(
    noise: Noise, effect: float, *, comparisons: int = 1, power: float = 0.8, level: float = 0.95
) -> int | None:
    """Return the seeds of each arm that a difference of this size takes; None where items alone forbid it.

    Raises:
        ValueError: the effect is 0.
    """
    if not effect:
        raise ValueError("a difference of 0 is never found; how small a difference would matter to you?")

    def enough(num_seeds: int) -> bool:
        found = minimum_detectable(noise, num_seeds, comparisons=comparisons, power=power, level=level)
        return found <= abs(effect)

    high = 2
    while not enough(high):
        high *= 2
        if high > MOST_SEEDS:
            return None
    low = high // 2  # not enough, or 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _half_widths(noise: Noise, num_seeds: int, alpha: float) -> Floats:
    """Return the half widths that the interval would have, over the drawn variances (DRAWS,)."""
    if num_seeds < 2:
        raise ValueError(f"{num_seeds} seed; an interval takes at least 2 of each arm, and 3 are far better")
    seeds = np.array([num_seeds - 1.0])
    one, other, both = _wishart(num_seeds - 1, noise.correlation) * noise.seed_sd**2 / 2 / num_seeds
    separate = one + other
    df = separate**2 / np.maximum((one**2 + other**2) / seeds, 1e-300)
    items = noise.item_se**2
    widths = [
        (-stdtrit(freedom, alpha / CHOICE / 2) * part - ndtri(alpha / CHOICE / 2) * items)
        / np.sqrt(np.maximum(part + items, 1e-300))
        for part, freedom in ((one + other - 2 * both, seeds), (separate, df))
    ]
    return np.minimum(*widths)  # type: ignore[no-any-return]


@lru_cache(maxsize=64)
def _wishart(df: int, correlation: float) -> Floats:
    """Return sample variances of two correlated arms of variance 1, and their covariance (3, DRAWS)."""
    rng = np.random.default_rng(0)
    a, c = np.sqrt(rng.chisquare(df, DRAWS)), np.sqrt(rng.chisquare(max(df - 1, 1e-12), DRAWS))  # Bartlett 1933
    b = rng.normal(size=DRAWS)
    slope, rest = correlation, math.sqrt(1 - correlation**2)
    x, y = slope * a + rest * b, rest * c * (df > 1)
    return np.stack([a**2, x**2 + y**2, a * x]) / df


def _beyond(noise: Noise, half: Floats, num_seeds: int, effect: float) -> float:
    variance = noise.seed_sd**2 * (1 - noise.correlation) / num_seeds + noise.item_se**2
    return float(ndtr((abs(effect) - half) / math.sqrt(variance)).mean())
