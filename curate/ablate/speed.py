"""How many times fewer tokens an arm needs for the same loss, read off curves: "learns 1.8 times as fast".

    speed = tokens_to_equal_loss(edu_curves, raw_curves)       # one (tokens, loss) a seed
    speed.ratio, speed.low, speed.high                         # 1.8, with its 95 % interval over seeds

Seed by seed: where does the better curve reach the level that the other ends on? The ratio of the tokens is above 1
where the arm is the quicker one and below where the baseline is, and 1 where both end alike. Between the looks a curve
is taken as straight in the logarithm of the tokens; a curve that goes up again counts as low as it has been, so noise
of single looks makes an arm seem a little quicker than it is, both arms alike. The interval is Student's t on the
logarithm of the ratios.

Curves are comparable where both were trained at one learning rate: give the stable phase. Within a decay the loss falls
at once in all arms, and whatever the data, the ratio is drawn towards 1. Losses are one held-out set's: the interval
covers other seeds, not other texts.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

Curve = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]  # tokens (P,) rising from above 0, loss (P,)


@dataclass(frozen=True)
class Speedup:
    """Tokens of the baseline over tokens of the arm, at equal loss."""

    ratio: float  # geometric mean over seeds; NaN where no seed has one
    low: float  # NaN for fewer than two seeds
    high: float
    reached: tuple[bool, ...]  # by seed: did the arm reach the loss that the baseline ended on?
    note: str  # what the numbers leave out


def tokens_to_equal_loss(arm: Sequence[Curve], baseline: Sequence[Curve], *, level: float = 0.95) -> Speedup:
    """Return how many times fewer tokens the arm needs; curve k of both is seed k.

    Raises:
        ValueError: curves in unlike numbers, or not of rising tokens above 0.
    """
    if len(arm) != len(baseline) or not arm:
        raise ValueError(f"{len(arm)} curves of the arm and {len(baseline)} of the baseline; one a seed, in pairs")
    for curve in (*arm, *baseline):
        _check(curve)
    pairs = [_ratio(a, b) for a, b in zip(arm, baseline, strict=True)]
    reached = tuple(lowest(a)[-1] <= lowest(b)[-1] for a, b in zip(arm, baseline, strict=True))
    known = np.log([ratio for ratio in pairs if math.isfinite(ratio)])
    missing = len(pairs) - len(known)
    note = f"{missing} of {len(pairs)} seeds diverged or never met the other's curve; they are left out" * bool(missing)
    if not len(known):
        return Speedup(math.nan, math.nan, math.nan, reached, note)
    mean = float(known.mean())
    if len(known) < 2:
        return Speedup(math.exp(mean), math.nan, math.nan, reached, note or "one seed: no interval")
    quantile = -stdtrit(len(known) - 1, (1 - level) / 2)
    half = float(quantile * known.std(ddof=1) / math.sqrt(len(known)))
    return Speedup(math.exp(mean), math.exp(mean - half), math.exp(mean + half), reached, note)


def _ratio(arm: Curve, baseline: Curve) -> float:
    ends = lowest(arm)[-1], lowest(baseline)[-1]
    if not all(map(math.isfinite, ends)):
        return math.nan
    if ends[0] <= ends[1]:
        return _first(baseline, ends[1]) / _first(arm, ends[1])
    return _first(baseline, ends[0]) / _first(arm, ends[0])


def lowest(curve: Curve) -> npt.NDArray[np.float64]:
    """Return the lowest loss up to each look; NaN from where a curve diverged."""
    return np.minimum.accumulate(curve[1])


def _first(curve: Curve, loss: float) -> float:
    """Return the tokens at which a curve first is as low as `loss`, NaN where it began lower or never is."""
    tokens, losses = np.log(curve[0]), lowest(curve)
    place = int(np.argmax(losses <= loss))
    if losses[place] > loss or (place == 0 and losses[0] < loss):
        return math.nan
    if place == 0:
        return float(curve[0][0])
    share = (losses[place - 1] - loss) / (losses[place - 1] - losses[place])
    return float(np.exp(tokens[place - 1] + share * (tokens[place] - tokens[place - 1])))


def _check(curve: Curve) -> None:
    tokens, losses = curve
    if len(tokens) != len(losses) or not len(tokens) or tokens[0] <= 0 or (np.diff(tokens) <= 0).any():
        raise ValueError(f"a curve is (tokens, loss) of rising tokens above 0; these are {tokens} and {losses}")
