"""Which arm is better, and how sure that is: every arm against the baseline on every measure, with a verdict.

    comparisons = analyse([bits, arc_easy], baseline="raw", primary="bits per byte")
    comparisons[0].verdict           # "better", "worse", "not resolved" or "no verdict"

One measure decides, the one declared before the run; its arms share an error of 5 % by Holm's (1979) steps: the chance
of any wrong "better" or "worse" among them is at most 1 in 20. An interval is shown at the level of its step, so it
excludes zero exactly where the verdict says so, and holds its own difference with 95 % at least. All other measures are
exploratory: plain 95 % intervals, of which one in twenty misses. Correcting for dozens of domains and tasks as well
would leave three seeds with intervals so wide that nobody would look at them.

There is "no verdict" where the seeds cannot carry one: a single seed (its interval knows items only), a run that
diverged (leaving it out would flatter its arm), seeds that changed nothing. What a verdict is about are these corpora,
other seeds and other held-out items like these. Two random halves of one corpus are two corpora; models annealed from
one checkpoint differ by the order of their data, and say nothing about other checkpoints.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from curate.ablate.intervals import chosen, detectable, half_width, items_half_width, p_value
from curate.ablate.spread import Difference, Measure, difference

__all__ = ["EXPLORATORY", "Comparison", "Measure", "Verdict", "analyse", "holm"]

Verdict = Literal["better", "worse", "not resolved", "no verdict"]
EXPLORATORY = "* exploratory: of such intervals one in twenty misses; the declared measure decides"


@dataclass(frozen=True)
class Comparison:
    """An arm beside the baseline on one measure; numbers are in the measure's unit."""

    measure: str
    arm: str
    baseline: str
    exploratory: bool  # not the measure declared before the run
    value: float  # of the arm, mean over the seeds that did not diverge
    baseline_value: float
    difference: float  # arm - baseline
    low: float
    high: float
    level: float  # of low and high: 0.95, or more where several arms are compared
    p: float
    p_adjusted: float  # Holm's, over the arms of the declared measure
    stderr: float
    df: float
    paired: bool  # the interval takes seeds in pairs; else each arm's by themselves
    seed_sd: float  # of the difference of two single runs
    item_se: float  # the part of stderr by the draw of items, which more seeds do not lower
    num_seeds: tuple[int, int]  # that did not diverge, of the arm and the baseline
    num_items: int
    detectable: float  # the difference that a run with this spread finds in 4 of 5 cases
    verdict: Verdict
    note: str  # why there is no verdict, or what the interval leaves out


def analyse(measures: Sequence[Measure], *, baseline: str, primary: str, level: float = 0.95) -> list[Comparison]:
    """Compare every other arm with the baseline, on the primary measure first.

    Raises:
        ValueError: no such measure or arm, or two measures of one name.
    """
    names = [measure.name for measure in measures]
    if primary not in names or len(set(names)) < len(names):
        raise ValueError(f"the measures are {', '.join(names)}; one of them, once, has to be the primary, {primary!r}")
    found = []
    for measure in sorted(measures, key=lambda one: one.name != primary):
        if baseline not in measure.values:
            raise ValueError(f"{measure.name} has no arm {baseline!r}; it has {', '.join(measure.values)}")
        arms = {arm: difference(measure, arm, baseline) for arm in measure.values if arm != baseline}
        p = {arm: math.nan if _trouble(measure, arm, baseline, one) else p_value(one) for arm, one in arms.items()}
        decides = measure.name == primary
        steps = holm(p, level) if decides else {arm: (value, level) for arm, value in p.items()}
        found += [
            _comparison(measure, arm, baseline, one, p[arm], steps[arm], exploratory=not decides)
            for arm, one in arms.items()
        ]
    return found


def holm(p: Mapping[str, float], level: float = 0.95) -> dict[str, tuple[float, float]]:
    """Return the adjusted p-value and the level of the interval of each hypothesis (Holm 1979).

    The smallest p of m is held against alpha / m, the next against alpha / (m - 1), until one fails; the rest share
    its level. One without a p (NaN) counts in m, fails, and keeps the level of the first step.
    """
    left, adjusted, failed = len(p), 0.0, False
    found = {name: (math.nan, 1 - (1 - level) / max(left, 1)) for name in p}
    step = level
    for name in sorted((name for name in p if not math.isnan(p[name])), key=lambda name: p[name]):
        adjusted = max(adjusted, min(left * p[name], 1.0))
        if not failed:
            step = 1 - (1 - level) / left
        failed = failed or p[name] > 1 - step
        found[name] = (adjusted, step)
        left -= 1
    return found


def _comparison(
    measure: Measure,
    arm: str,
    baseline: str,
    one: Difference,
    p: float,
    step: tuple[float, float],
    *,
    exploratory: bool,
) -> Comparison:
    p_adjusted, level = step
    trouble = _trouble(measure, arm, baseline, one)
    half = half_width(one, level) if one.ways else items_half_width(one, level)
    parts = chosen(one, level) or one.items_only
    seeds = len(measure.rows(arm)), len(measure.rows(baseline))
    return Comparison(
        measure=measure.name,
        arm=arm,
        baseline=baseline,
        exploratory=exploratory,
        value=_mean(measure, arm),
        baseline_value=_mean(measure, baseline),
        difference=one.value,
        low=one.value - half,
        high=one.value + half,
        level=level,
        p=p,
        p_adjusted=p_adjusted,
        stderr=math.sqrt(parts.total),
        df=parts.df,
        paired=parts is one.paired,
        seed_sd=math.sqrt(parts.seeds * 2 / (1 / seeds[0] + 1 / seeds[1])) if one.ways else math.nan,
        item_se=math.sqrt(parts.items),
        num_seeds=seeds,
        num_items=measure.num_items,
        detectable=detectable(one, level),
        verdict="no verdict" if trouble else _verdict(one.value, p, level, measure.lower_is_better),
        note=trouble or _caveat(measure, one),
    )


def _verdict(value: float, p: float, level: float, lower_is_better: bool) -> Verdict:
    if value == 0 or p > 1 - level:
        return "not resolved"
    return "better" if (value < 0) == lower_is_better else "worse"


def _trouble(measure: Measure, arm: str, baseline: str, one: Difference) -> str:
    """Say why there can be no verdict; nothing where there can."""
    lost = [f"{name}, seed {row}" for name in (arm, baseline) for row in measure.diverged(name)]
    if lost:
        return f"diverged: {'; '.join(lost)}. The difference is of the other seeds, and flatters an arm that diverges"
    if not one.ways:
        return "one seed: the interval knows other items, not other seeds; train at least 2, better 3"
    scores = [measure.scores(name) for name in (arm, baseline)]
    if one.value and all(np.ptp(some) == 0 for some in scores):
        return "every seed of an arm gave the same values: were the seeds used?"
    return ""


def _caveat(measure: Measure, one: Difference) -> str:
    """Say what the interval leaves out."""
    if one.value == 0 and not one.items_only.total:
        return "the arms gave the same value on every item: the same tokens in the same order?"
    alone = [s for s in np.unique(measure.stratum) if len(np.unique(measure.cluster[measure.stratum == s])) == 1]
    if alone:
        return f"{len(alone)} of the domains or tasks is a single item: the interval does not cover others like it"
    return ""


def _mean(measure: Measure, arm: str) -> float:
    scores = measure.scores(arm)
    return float(scores.mean()) if len(scores) else math.nan
