"""Runs that cannot tell the law are refused in a sentence."""

from dataclasses import replace

import numpy as np
import pytest

from curate.scaling.fit import fit
from curate.scaling.identify import num_apart
from curate.scaling.law import Law
from curate.scaling.rows import Rows

from .conftest import TRUE, rows_of_law


def runs(n, d, law: Law = TRUE, off: float = 0.0) -> Rows:
    n, d = np.array(n, dtype=float), np.array(d, dtype=float)
    noise = np.exp(off * np.random.default_rng(0).standard_normal(len(n)))
    return Rows(n, d, law(n, d) * noise, tuple(map(str, range(len(n)))))


def grid(sizes, budgets):
    n, d = np.meshgrid(sizes, budgets)
    return n.ravel(), d.ravel()


@pytest.mark.parametrize(
    ("n", "d", "message"),
    [
        (*grid([1e6, 1e7], [1e7, 2e7, 4e7, 8e7, 2e8]), "2 sizes"),
        (*grid([1e6, 2e6, 4e6, 8e6, 2e7], [1e7, 1e8]), "2 token budgets"),
        ([1e6, 4e6, 16e6], [1e7, 1e8, 1e9], "3 runs"),
        (*grid([1e6, 1.5e6, 2e6], [1e7, 1e8, 1e9]), "the sizes lie within a factor of 2"),
        (*grid([1e6, 1e7, 1e8], [1e7, 1.5e7, 2e7]), "the token budgets lie within a factor of 2"),
        (np.geomspace(1e6, 1e9, 12), 20 * np.geomspace(1e6, 1e9, 12), "tokens follow the size"),
    ],
)
def test_designs_that_cannot_fix_five_constants_are_refused(n, d, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit(runs(n, d), resamples=10)


@pytest.mark.parametrize(
    ("law", "message"),
    [
        (Law(E=1e-9, A=400.0, B=2000.0, alpha=0.34, beta=0.36), "no E"),
        (Law(E=1.8, A=1e-9, B=2000.0, alpha=0.34, beta=0.36), "size made no difference|alpha is"),
        (Law(E=1.8, A=400.0, B=1e-9, alpha=0.34, beta=0.36), "tokens made no difference|beta is"),
    ],
)
def test_a_term_that_is_not_there_is_no_law_and_predicts_nothing(law: Law, message: str) -> None:
    found = fit(runs(*grid(1e6 * 2.0 ** np.arange(5), 5e6 * 2.0 ** np.arange(5)), law), resamples=20)
    assert found.problems
    with pytest.raises(ValueError, match=message):
        found.predict(1e9, 1e10)
    assert found.intervals()["alpha"].low <= found.intervals()["alpha"].high  # shown all the same


def test_equal_losses_are_refused() -> None:
    rows = rows_of_law(sizes=4, budgets=4)
    with pytest.raises(ValueError, match="all 16 runs have a loss of 3: neither size nor tokens"):
        fit(replace(rows, loss=np.full(16, 3.0)), resamples=10)


def test_noise_that_hides_the_law_is_no_law() -> None:
    found = fit(rows_of_law(sizes=3, budgets=3, noise=0.1), resamples=100)
    assert found.problems


def test_values_that_are_no_measurement_are_refused_by_row() -> None:
    with pytest.raises(ValueError, match="row 2: loss is nan"):
        Rows(np.ones(2), np.ones(2), np.array([1.0, np.nan]), ("a", "b"))
    with pytest.raises(ValueError, match="row 1: num_tokens is -3"):
        Rows(np.ones(1), np.array([-3.0]), np.ones(1), ("a",))


def test_values_within_two_per_cent_are_one() -> None:
    assert num_apart(np.array([1e6, 1.01e6, 2e6, 1.99e6, 4e6])) == 3
