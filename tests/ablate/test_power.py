"""What a design can find: published sample sizes, simulation of the interval itself, and limits."""

import math

import numpy as np
import pytest
from scipy.stats import nct

from curate.ablate.intervals import detectable, half_width, shift
from curate.ablate.power import Noise, minimum_detectable, noise_of, power, seeds_needed, typical_noise
from curate.ablate.spread import Difference, Measure, Parts, difference


def by_seed(**scores: list[float]) -> Measure:
    """Two items of equal values: nothing varies but seeds."""
    return Measure("bits", {arm: np.repeat(np.array(some)[:, None], 2, axis=1) for arm, some in scores.items()})


def test_the_non_central_t_has_the_published_sample_sizes() -> None:
    """34 pairs find half a standard deviation in 4 of 5 cases, 15 find 0.8 (Cohen 1988; G*Power: .8078 and .8213)."""
    for pairs, effect, expected in ((34, 0.5, 0.8078), (15, 0.8, 0.8213)):
        critical = {34: 2.0345, 15: 2.1448}[pairs]  # t with n - 1 degrees of freedom
        assert nct.sf(critical, pairs - 1, effect * math.sqrt(pairs)) == pytest.approx(expected, abs=2e-4)
        assert shift(critical, pairs - 1, expected) == pytest.approx(effect * math.sqrt(pairs), abs=2e-3)


@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_the_design_finds_its_smallest_difference_in_4_of_5_cases(correlation: float) -> None:
    """The promise held against 600 experiments through `difference` and `half_width` themselves."""
    noise, rng, found = Noise(0.05, 0.01, correlation), np.random.default_rng(5), 0
    effect = minimum_detectable(noise, 3)
    assert power(noise, effect, 3) == pytest.approx(0.8, abs=1e-6)
    for _ in range(600):
        common, own = rng.normal(size=(3, 1)), rng.normal(size=(2, 3, 1))
        seeds = (math.sqrt(correlation) * common + math.sqrt(1 - correlation) * own) * 0.05 / math.sqrt(2)
        items = rng.normal(size=40)
        moved = seeds[1] + effect + 0.01 * math.sqrt(40) * rng.normal(size=40)
        result = difference(Measure("m", {"a": seeds[0] + items, "b": moved + items}), "b", "a")
        found += result.value > half_width(result)
    assert found / 600 == pytest.approx(0.8, abs=0.05)  # three standard errors


def test_more_seeds_find_less_and_seeds_needed_is_the_first_number_that_does() -> None:
    noise = Noise(0.004, 0.0005)
    found = [minimum_detectable(noise, seeds) for seeds in (2, 3, 5, 10, 50)]
    assert found == sorted(found, reverse=True)
    needed = seeds_needed(noise, 0.004)
    assert needed is not None
    assert minimum_detectable(noise, needed) <= 0.004 < minimum_detectable(noise, needed - 1)
    assert minimum_detectable(noise, 3, comparisons=4) > minimum_detectable(noise, 3)


def test_with_many_seeds_the_smallest_difference_is_the_normal_ones() -> None:
    at_level, at_power = 2.1012, 0.8416  # normal quantiles of 1 - .05 / 1.4 / 2 and .8
    wanted = (at_level + at_power) * 1.0 / math.sqrt(2000)
    assert minimum_detectable(Noise(1.0), 2000) == pytest.approx(wanted, rel=0.01)


def test_no_number_of_seeds_makes_up_for_too_few_items() -> None:
    assert seeds_needed(Noise(0.004, 0.002), 0.001) is None
    with pytest.raises(ValueError, match="difference of 0"):
        seeds_needed(Noise(0.004), 0.0)
    with pytest.raises(ValueError, match="at least 2"):
        minimum_detectable(Noise(0.004), 1)


def test_noise_is_learnt_from_all_arms_of_an_earlier_run() -> None:
    noise = noise_of(by_seed(a=[1.0, 3.0], b=[2.0, 6.0], c=[5.0, math.nan]))
    assert noise.seed_sd == pytest.approx(math.sqrt(2 * (2 + 8) / 2))  # variances 2
    assert 8
    assert (noise.item_se, noise.correlation) == (0.0, 0.0)
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(10, 1))
    tied = Measure("m", {arm: shared + 0.1 * rng.normal(size=(10, 5)) for arm in "ab"})
    assert noise_of(tied).correlation > 0.9
    with pytest.raises(ValueError, match="two seeds"):
        noise_of(by_seed(a=[1.0]))


def test_a_first_run_is_planned_by_the_line_through_what_was_measured() -> None:
    assert typical_noise(123_000).seed_sd == pytest.approx(math.sqrt(2) * 0.036)
    middle = math.sqrt(0.036 * 0.016)  # half way on both logarithms
    assert typical_noise(round(math.sqrt(123_000 * 512_000))).seed_sd == pytest.approx(math.sqrt(2) * middle, rel=1e-4)


def test_what_a_finished_run_could_have_found_follows_from_its_own_spread() -> None:
    parts = Parts(0.01, 2.0, 0.0, 50.0)
    smallest = detectable(Difference(0.0, parts, None, parts))
    assert nct.sf(4.3027, 2, smallest / 0.1) == pytest.approx(0.8, abs=1e-4)
