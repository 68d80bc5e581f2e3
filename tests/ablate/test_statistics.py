"""Verdicts, intervals and their power: worked by hand, by simulation, and by what must not change them."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import nct

from curate.ablate.intervals import CHOICE, detectable, half_width, p_value, shift
from curate.ablate.power import Noise, minimum_detectable, noise_of, power, seeds_needed, typical_noise
from curate.ablate.speed import tokens_to_equal_loss
from curate.ablate.spread import Difference, Measure, Parts, difference
from curate.ablate.statistics import Comparison, analyse, holm

Floats = npt.NDArray[np.float64]
T_975 = {1: 12.7062, 2: 4.3027, 4: 2.7764}  # quantiles of Student's t, from a printed table


def one(measure: Measure, baseline: str = "a") -> Comparison:
    found = analyse([measure], baseline=baseline, primary=measure.name)
    assert len(found) == 1
    return found[0]


def by_seed(**scores: list[float]) -> Measure:
    """Two items of equal values: nothing varies but seeds."""
    return Measure("bits", {arm: np.repeat(np.array(some)[:, None], 2, axis=1) for arm, some in scores.items()})


# the variance in its parts


def test_variances_of_seeds_and_items_are_those_worked_out_by_hand() -> None:
    values = {"a": np.array([[1.0, 2.0], [3.0, 6.0]]), "b": np.array([[0.0, 0.0], [0.0, 0.0]])}
    found = difference(Measure("m", values), "a", "b")
    assert found.value == 3.0  # scores 1.5, 4.5
    assert found.paired is not None
    assert found.separate is not None
    assert found.paired.seeds == pytest.approx(4.5 / 2)  # 1.5, 4.5 have variance 4.5, their mean half of it
    # items' means over seeds 2 and 4: variance 2, of their mean 1. Residuals -0.5 0.5 and -1.5 1.5: each item's
    # variance over seeds .5; the seed x item part of the mean of all four is .5 / 4 * 2 (two items, n / (n - 1)) = .25
    assert found.items_only.items == pytest.approx(1.0)
    assert found.paired.items == pytest.approx(1.0 - 0.25)
    assert found.separate.seeds == pytest.approx(4.5 / 2)  # all from a: one degree of freedom, as Welch has it
    assert found.separate.seeds_df == pytest.approx(1.0)


def test_the_parts_of_a_crossed_design_are_unbiased() -> None:
    """Seeds .3, items .5, seed x item .8 (one arm moves, 4 seeds, 30 items): mean of estimates beside the truth."""
    rng = np.random.default_rng(1)
    parts = []
    for _ in range(800):
        seeds, items, both = (rng.normal(size=size) for size in ((4, 1), (1, 30), (4, 30)))
        a = 0.3 * seeds + 0.5 * items + 0.8 * both
        found = difference(Measure("m", {"a": a, "b": np.zeros((4, 30))}), "a", "b")
        assert found.paired is not None
        parts.append((found.paired.seeds, found.items_only.items))
    seeds_part, items_part = np.mean(parts, axis=0)
    assert seeds_part == pytest.approx((0.3**2 + 0.8**2 / 30) / 4, rel=0.08)
    assert items_part == pytest.approx(0.5**2 / 30 + 0.8**2 / 120, rel=0.08)


def test_a_ratio_over_domains_has_the_linearised_variance() -> None:
    bits, size = np.array([2.0, 9.0, 4.0, 4.0]), np.array([1.0, 3.0, 2.0, 4.0])  # two domains of two documents
    measure = Measure("m", {"a": (bits / size)[None], "b": np.zeros((1, 4))}, size, ["x", "x", "y", "y"])
    found = difference(measure, "a", "b")
    assert found.value == pytest.approx((11 / 4 + 8 / 6) / 2)
    # x: residuals 2 - 1 * 2.75 = -.75 and .75 over 4 bytes; y: 4 - 2 * 4/3 = 4/3 and -4/3 over 6; each n / (n - 1) = 2
    by_hand = 2 * 2 * (0.75 / 4) ** 2 / 4 + 2 * 2 * (4 / 3 / 6) ** 2 / 4
    assert found.items_only.items == pytest.approx(by_hand)


def test_a_copied_document_is_no_evidence_when_copies_are_one_cluster() -> None:
    rng = np.random.default_rng(0)
    few = rng.normal(size=(1, 20))
    twice, names = np.tile(few, 3), [f"{n % 20}" for n in range(60)]
    alone = difference(Measure("m", {"a": few, "b": 0 * few}), "a", "b").items_only
    copies = difference(Measure("m", {"a": twice, "b": 0 * twice}, clusters=names), "a", "b").items_only
    naive = difference(Measure("m", {"a": twice, "b": 0 * twice}), "a", "b").items_only
    assert copies.items == pytest.approx(alone.items)
    assert copies.items_df == pytest.approx(alone.items_df) == pytest.approx(19.0)
    assert naive.items < alone.items / 2


# the interval


def test_the_interval_of_seeds_alone_is_students_t() -> None:
    pairs = Parts(0.01 / 3, 2.0, 0.0, 50.0)  # three pairs whose differences have SD 0.1
    found = Difference(0.3, pairs, None, pairs)
    assert half_width(found) == pytest.approx(T_975[2] * 0.1 / math.sqrt(3), rel=1e-4)
    assert p_value(found) == pytest.approx(0.0351, abs=1e-4)  # t = 5.196 on 2 degrees of freedom


def test_the_narrower_of_two_intervals_pays_for_the_choice() -> None:
    pairs, apart = Parts(0.01, 2.0, 0.0, 50.0), Parts(0.04, 4.0, 0.0, 50.0)
    both, alone = Difference(0.3, pairs, apart, pairs), Difference(0.3, pairs, None, pairs)
    assert half_width(both) == pytest.approx(half_width(alone, 1 - 0.05 / CHOICE))
    assert p_value(both) == pytest.approx(CHOICE * p_value(alone))


def test_quantiles_of_seeds_and_items_are_averaged_by_their_variances() -> None:
    parts = Parts(0.03, 2.0, 0.01, 4.0)
    by_hand = (T_975[2] * 0.03 + T_975[4] * 0.01) / 0.04 * 0.2
    assert half_width(Difference(0.0, parts, None, parts)) == pytest.approx(by_hand, rel=1e-4)


@settings(max_examples=50, deadline=None)
@given(st.floats(0.01, 9), st.floats(1, 9), st.floats(0, 9), st.floats(0.1, 9), st.floats(0.8, 0.999))
def test_the_interval_excludes_zero_exactly_where_p_says_so(
    seeds: float, df: float, items: float, value: float, level: float
) -> None:
    parts = Parts(seeds, df, items, 30.0)
    found = Difference(value, parts, Parts(seeds * 2, df * 2, items, 30.0), parts)
    p = p_value(found)
    assert half_width(found, 1 - p) == pytest.approx(value, rel=1e-6) or p in (1.0, pytest.approx(CHOICE * 1e-12))
    assert (value > half_width(found, level)) == (p < 1 - level)


def crossed(
    rng: np.random.Generator, seeds: int, *, items: int = 40, seed_sd: float, item_sd: float, both_sd: float, rho: float
) -> dict[str, Floats]:
    """Draw two arms that do not differ in the mean over all seeds and items there could be."""
    common, own = rng.normal(size=(seeds, 1)), rng.normal(size=(2, seeds, 1))
    seed = seed_sd * (math.sqrt(rho) * common + math.sqrt(1 - rho) * own)
    values = seed + both_sd * rng.normal(size=(2, seeds, items)) + rng.standard_t(4, size=items)
    values[1] += item_sd * rng.normal(size=items)
    return {"a": values[0], "b": values[1]}


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize(
    ("seed_sd", "item_sd", "both_sd", "rho"),
    [(1.0, 0.0, 0.5, 0.0), (1.0, 0.0, 0.5, 0.9), (0.2, 1.0, 1.0, 0.0), (0.1, 3.0, 1.0, 0.3), (0.0, 0.0, 1.0, 0.0)],
)
def test_intervals_hold_the_truth_in_95_of_100_cases(
    seeds: int, seed_sd: float, item_sd: float, both_sd: float, rho: float
) -> None:
    """400 experiments, seeded: an honest interval holds the truth in fewer than 367 of them once in 300 times."""
    rng = np.random.default_rng([seeds, round(10 * seed_sd), round(10 * item_sd), round(10 * rho)])
    held = 0
    for _ in range(400):
        drawn = crossed(rng, seeds, seed_sd=seed_sd, item_sd=item_sd, both_sd=both_sd, rho=rho)
        found = difference(Measure("m", drawn), "b", "a")
        held += abs(found.value) <= half_width(found)
    assert held >= 367


def test_a_bootstrap_over_three_seeds_and_items_is_too_narrow() -> None:
    """What we do not do, and why: the percentile interval of a two-way bootstrap, 300 experiments."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(300):
        drawn = crossed(rng, 3, seed_sd=1.0, item_sd=0.0, both_sd=0.5, rho=0.0)
        differences = drawn["a"] - drawn["b"]
        rows, columns = rng.integers(3, size=(300, 3)), rng.multinomial(40, np.full(40, 1 / 40), size=300) / 40
        means = np.einsum("bi,bi->b", differences[rows].mean(axis=1), columns)
        low, high = np.quantile(means, [0.025, 0.975])
        held += low <= 0 <= high
    assert held < 0.92 * 300


# verdicts


def test_verdicts_follow_the_direction_of_the_measure() -> None:
    raw, edu = [2.10, 2.11, 2.09], [2.00, 2.01, 1.99]
    assert one(by_seed(a=raw, b=edu)).verdict == "better"
    assert one(by_seed(a=edu, b=raw)).verdict == "worse"
    accuracy = Measure("accuracy", by_seed(a=raw, b=edu).values, lower_is_better=False)
    assert one(accuracy).verdict == "worse"
    assert one(by_seed(a=raw, b=[2.0, 2.2, 2.05])).verdict == "not resolved"


def test_holm_by_hand() -> None:
    found = holm({"x": 0.01, "y": 0.04, "z": 0.03, "w": 0.005})
    assert {name: p for name, (p, _) in found.items()} == pytest.approx({"w": 0.02, "x": 0.03, "z": 0.06, "y": 0.06})
    levels = {name: level for name, (_, level) in found.items()}  # w and x pass at .05/4, .05/3; z fails at .05/2
    assert levels == pytest.approx({"w": 0.9875, "x": 1 - 0.05 / 3, "z": 0.975, "y": 0.975})


def test_an_arm_without_a_p_still_counts_among_the_arms() -> None:
    found = holm({"x": 0.03, "diverged": math.nan})
    assert found["x"] == pytest.approx((0.06, 0.975))
    assert math.isnan(found["diverged"][0])


def test_more_arms_widen_the_interval_and_only_of_the_declared_measure() -> None:
    scores = {"a": [2.10, 2.13, 2.09], "b": [2.00, 2.05, 1.97], "c": [2.07, 2.1, 2.12]}
    declared, other = by_seed(**scores), Measure("accuracy", by_seed(**scores).values)
    two = one(by_seed(a=scores["a"], b=scores["b"]))
    first, second, *rest = analyse([other, declared], baseline="a", primary="bits")
    assert [c.measure for c in (first, second, *rest)] == ["bits", "bits", "accuracy", "accuracy"]
    assert [c.exploratory for c in (first, second, *rest)] == [False, False, True, True]
    assert first.level == 0.975
    assert first.high - first.low > two.high - two.low
    assert rest[0].level == 0.95
    assert rest[0].low == pytest.approx(two.low)


def test_one_wrong_verdict_in_twenty_however_many_arms() -> None:
    rng, wrong = np.random.default_rng(3), 0
    for _ in range(200):
        scores = {name: list(rng.normal(size=3)) for name in "abcd"}
        wrong += any(c.verdict != "not resolved" for c in analyse([by_seed(**scores)], baseline="a", primary="bits"))
    assert wrong <= 18  # 5 % of 200, plus 2.6 standard errors


def test_one_seed_has_no_verdict_and_says_what_its_interval_leaves_out() -> None:
    rng = np.random.default_rng(0)
    values = {"a": rng.normal(size=(1, 200)), "b": rng.normal(size=(1, 200)) + 5}
    found = one(Measure("m", values))
    assert found.verdict == "no verdict"
    assert "one seed" in found.note
    assert found.low < found.difference < found.high < 6  # items are measured all the same
    assert math.isnan(found.p)
    assert math.isnan(found.detectable)


def test_a_diverged_run_is_told_and_never_averaged_away() -> None:
    measure = by_seed(a=[2.1, 2.11, 2.09], b=[1.0, math.nan, 1.01])
    found = one(measure)
    assert found.verdict == "no verdict"
    assert "b, seed 1" in found.note
    assert found.num_seeds == (2, 3)
    assert found.value == pytest.approx(1.005)
    every = one(by_seed(a=[2.1, 2.11], b=[math.nan, math.nan]))
    assert every.verdict == "no verdict"
    assert math.isnan(every.difference)


def test_an_item_without_a_value_in_some_run_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match="b, seed 1, item 2 is nan"):
        Measure("m", {"a": np.ones((2, 3)), "b": np.array([[1, 2, 3], [1, 2, math.nan]])})


def test_seeds_that_changed_nothing_have_no_verdict() -> None:
    found = one(by_seed(a=[2.0, 2.0, 2.0], b=[1.9, 1.9, 1.9]))
    assert found.verdict == "no verdict"
    assert "were the seeds used" in found.note


def test_the_same_run_twice_is_not_resolved_and_says_why() -> None:
    found = one(by_seed(a=[2.0, 2.1, 2.2], b=[2.0, 2.1, 2.2]))
    assert (found.low, found.high, found.verdict) == (0.0, 0.0, "not resolved")
    assert "same tokens" in found.note


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: Measure("m", {"a": np.ones((3, 4)), "b": np.ones((3, 5))}), "same items"),
        (lambda: Measure("m", {"a": np.ones((3, 4))}, weights=np.zeros(4)), "positive"),
        (lambda: Measure("m", {"a": np.ones((3, 4))}, strata=["x"]), "4 items, but 1"),
        (lambda: analyse([by_seed(a=[1, 2], b=[1, 2])], baseline="raw", primary="bits"), "no arm 'raw'"),
        (lambda: analyse([by_seed(a=[1, 2], b=[1, 2])], baseline="a", primary="accuracy"), "primary"),
    ],
)
def test_mistakes_are_named(change: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        change()


tables = st.integers(2, 4).flatmap(
    lambda seeds: st.integers(3, 6).flatmap(
        lambda items: st.lists(st.floats(-3, 3), min_size=2 * seeds * items, max_size=2 * seeds * items).map(
            lambda flat: np.round(np.array(flat), 3).reshape(2, seeds, items)
        )
    )
)
OPPOSITE = {"better": "worse", "worse": "better", "not resolved": "not resolved", "no verdict": "no verdict"}


@settings(max_examples=40, deadline=None)
@given(tables)
def test_swapping_the_arms_turns_the_difference_and_the_verdict(values: Floats) -> None:
    measure = Measure("m", {"a": values[0], "b": values[1]})
    there, back = one(measure), one(measure, "b")
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low))
    assert back.verdict == OPPOSITE[there.verdict]


@settings(max_examples=40, deadline=None)
@given(tables, st.floats(-5, 5))
def test_a_constant_and_the_order_of_items_change_nothing(values: Floats, constant: float) -> None:
    rng = np.random.default_rng(0)
    size = rng.uniform(1, 9, values.shape[2])
    order = rng.permutation(values.shape[2])
    names = [f"{n % 2}" for n in range(values.shape[2])]
    plain = one(Measure("m", {"a": values[0], "b": values[1]}, size, names))
    moved, turned = values + constant, values[:, :, order]
    added = one(Measure("m", {"a": moved[0], "b": moved[1]}, size, names))
    mixed = one(Measure("m", {"a": turned[0], "b": turned[1]}, size[order], [names[n] for n in order]))
    for other in (added, mixed):
        assert (other.low, other.high, other.difference) == pytest.approx(
            (plain.low, plain.high, plain.difference), abs=1e-6
        )


# power


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
        drawn = crossed(rng, 3, seed_sd=0.05 / math.sqrt(2), item_sd=0.0, both_sd=0.0, rho=correlation)
        drawn["b"] = drawn["b"] + effect + 0.01 * math.sqrt(40) * rng.normal(size=40)
        result = difference(Measure("m", drawn), "b", "a")
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
    assert typical_noise(1_000_000, 10_000_000).seed_sd > 0


def test_what_a_finished_run_could_have_found_follows_from_its_own_spread() -> None:
    parts = Parts(0.01, 2.0, 0.0, 50.0)
    smallest = detectable(Difference(0.0, parts, None, parts))
    assert nct.sf(T_975[2], 2, smallest / 0.1) == pytest.approx(0.8, abs=1e-4)


# tokens to equal loss

TOKENS = np.array([1e6, 2e6, 4e6, 8e6])


def line(shift_by: float) -> tuple[Floats, Floats]:
    """A loss that falls by 1 with every doubling; moved right it is later."""
    return TOKENS, 30 - np.log2(TOKENS) + shift_by


def test_half_the_tokens_are_read_off_straight_lines() -> None:
    found = tokens_to_equal_loss([line(-1), line(-1)], [line(0), line(0)])
    assert found.ratio == pytest.approx(2.0)
    assert (found.low, found.high) == (pytest.approx(2.0), pytest.approx(2.0))
    assert found.reached == (True, True)


def test_a_slower_arm_is_read_off_the_baselines_curve() -> None:
    found = tokens_to_equal_loss([line(0.5)] * 2, [line(0)] * 2)
    assert found.ratio == pytest.approx(2**-0.5)
    assert found.reached == (False, False)
    assert tokens_to_equal_loss([line(0)] * 2, [line(0)] * 2).ratio == pytest.approx(1.0)


def test_the_interval_is_students_t_on_logarithms() -> None:
    found = tokens_to_equal_loss([line(-1), line(-1.5), line(-0.5)], [line(0)] * 3)
    half = 4.3027 * 0.5 * math.log(2) / math.sqrt(3)
    assert math.log(found.ratio) == pytest.approx(math.log(2))
    assert math.log(found.high) - math.log(found.ratio) == pytest.approx(half, rel=1e-4)


def test_seeds_without_a_reading_are_told() -> None:
    diverged = TOKENS, np.array([10.0, 9.0, math.nan, math.nan])
    below = TOKENS, np.array([1.0, 0.9, 0.8, 0.7])  # under the baseline's last level from its first look on
    found = tokens_to_equal_loss([diverged, below, line(-1)], [line(0)] * 3)
    assert "2 of 3 seeds" in found.note
    assert found.ratio == pytest.approx(2.0)
    assert math.isnan(found.low)
    assert math.isnan(tokens_to_equal_loss([diverged], [line(0)]).ratio)


@settings(max_examples=50, deadline=None)
@given(st.floats(-1.4, 1.4), st.floats(-1.4, 1.4))  # the curves span three doublings
def test_swapped_arms_have_the_inverse_ratio(first: float, second: float) -> None:
    a, b = [line(first)] * 2, [line(second)] * 2
    assert tokens_to_equal_loss(a, b).ratio == pytest.approx(1 / tokens_to_equal_loss(b, a).ratio)


def test_curves_that_are_no_curves_are_refused() -> None:
    with pytest.raises(ValueError, match="rising tokens above 0"):
        tokens_to_equal_loss([(np.array([0.0, 1.0]), np.array([2.0, 1.0]))], [line(0)])
    with pytest.raises(ValueError, match="in pairs"):
        tokens_to_equal_loss([line(0)], [line(0)] * 2)
