"""Tokens to equal loss, on curves whose ratio is known."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.ablate.speed import tokens_to_equal_loss

Floats = npt.NDArray[np.float64]
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
