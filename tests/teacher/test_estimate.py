import numpy as np
import pytest
from scipy import stats

from curate.teacher.estimate import exact_interval, mean, total


def test_the_stratified_mean_and_its_interval_by_hand():
    # Strata of 30 and 10: means 2 and 5, so 0.75 * 2 + 0.25 * 5 = 2.75.
    # Variances 1 and 2 on 3 and 2 documents: .75^2 (1 - 3/30) 1/3 + .25^2 (1 - 2/10) 2/2 = .16875 + .05
    found = mean([1, 2, 3, 4, 6], strata=["a", "a", "a", "b", "b"], sizes={"a": 30, "b": 10})
    assert found.value == pytest.approx(2.75)
    assert found.high - found.value == pytest.approx(1.959964 * np.sqrt(0.16875 + 0.05))
    assert found.covered == 1.0
    assert total([1, 2, 3, 4, 6], [10, 10, 10, 5, 5]) == pytest.approx(40 * 2.75)


def test_a_stratum_that_was_not_met_is_said_not_guessed():
    found = mean([1, 2, 3], strata=["a", "a", "a"], sizes={"a": 30, "b": 10})
    assert (found.value, found.covered) == (2.0, 0.75)
    assert str(found).endswith("of 75.0% of the corpus")


def test_a_census_has_no_error():
    found = mean([0, 1, 1], strata=["a"] * 3, sizes={"a": 3})
    assert found.low == found.value == found.high


def test_no_success_in_a_sample_is_not_certainty():
    found = mean([0] * 50, strata=["a"] * 50, sizes={"a": 5000})
    assert found.low == 0.0
    assert found.high == pytest.approx(stats.binomtest(0, 50).proportion_ci().high)


def test_the_exact_interval_equals_the_reference():
    for k, n in [(0, 10), (3, 10), (10, 10)]:
        reference = stats.binomtest(k, n).proportion_ci(method="exact")
        assert exact_interval(k, n) == pytest.approx((reference.low, reference.high))


def test_values_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="no mean"):
        mean([], strata=[], sizes={"a": 1})
    with pytest.raises(ValueError, match="stratum 'b' has no size"):
        mean([1], strata=["b"], sizes={"a": 1})
