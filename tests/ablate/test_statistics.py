"""Verdicts over measures and arms: by hand, by simulation, and by what must not change them."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.ablate.spread import Measure
from curate.ablate.statistics import Comparison, analyse, holm

Floats = npt.NDArray[np.float64]


def one(measure: Measure, baseline: str = "a") -> Comparison:
    found = analyse([measure], baseline=baseline, primary=measure.name)
    assert len(found) == 1
    return found[0]


def by_seed(**scores: list[float]) -> Measure:
    """Two items of equal values: nothing varies but seeds."""
    return Measure("bits", {arm: np.repeat(np.array(some)[:, None], 2, axis=1) for arm, some in scores.items()})


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
