import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.scaling.objective import Objective, huber, log_loss

from .conftest import rows_of_law

POINT = np.array([math.log(300.0), math.log(900.0), math.log(1.5), 0.3, 0.33])


@given(st.lists(st.floats(-0.2, 0.2), min_size=5, max_size=5))
@settings(max_examples=40, deadline=None)
def test_the_gradient_is_that_of_finite_differences(offsets: list[float]) -> None:
    objective = Objective.of(rows_of_law(noise=0.05), delta=0.02)
    x = POINT + np.array(offsets)
    value, gradient = objective(x)
    assert value == pytest.approx(objective.values(x[None])[0])
    for i in range(5):
        step = np.zeros(5)
        step[i] = 1e-6
        numeric = (objective(x + step)[0] - objective(x - step)[0]) / 2e-6
        assert gradient[i] == pytest.approx(numeric, rel=1e-4, abs=1e-2)


def test_weights_count_a_run_as_often() -> None:
    objective = Objective.of(rows_of_law(noise=0.01))
    twice = objective.weighted(np.where(np.arange(25) == 3, 2.0, 1.0))
    alone = objective.weighted((np.arange(25) == 3).astype(float))
    for i in range(2):
        assert np.allclose(twice(POINT)[i], np.add(objective(POINT)[i], alone(POINT)[i]))


def test_the_huber_loss_by_hand() -> None:
    assert huber(np.array([0.0, 0.05, -0.1, 0.2, -0.3]), 0.1).tolist() == pytest.approx([0, 0.125, 0.5, 1.5, 2.5])


def test_log_sum_exp_equals_the_law_and_does_not_overflow() -> None:
    predicted, shares = log_loss(POINT, np.log([1e6]), np.log([1e9]))
    terms = [300 * 1e6**-0.3, 900 * 1e9**-0.33, 1.5]
    assert predicted[0] == pytest.approx(math.log(sum(terms)))
    assert shares[:, 0].tolist() == pytest.approx([term / sum(terms) for term in terms])
    far, parts = log_loss(np.array([2000.0, 0.0, -2000.0, 0.0, 0.0]), np.zeros(1), np.zeros(1))
    assert far[0] == 2000.0
    assert parts[:, 0].tolist() == [1.0, 0.0, 0.0]
