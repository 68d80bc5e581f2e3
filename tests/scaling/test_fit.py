"""What a fit finds of a law that is known, and how often its intervals hold it."""

import numpy as np
import pytest

from curate.scaling.bootstrap import draws
from curate.scaling.check import largest_held_out
from curate.scaling.fit import GRID, best_of, constants, fit, starts
from curate.scaling.law import NAMES, Law, losses
from curate.scaling.objective import Objective, descend, descend_many
from curate.scaling.rows import Rows

from .conftest import TRUE, rows_of_law


@pytest.fixture(scope="module")
def noisy():
    return fit(rows_of_law(noise=0.004), resamples=200)


@pytest.mark.parametrize("law", [TRUE, Law(E=0.6, A=30.0, B=90.0, alpha=0.2, beta=0.25)], ids=["flat", "steep"])
def test_runs_without_noise_give_their_law_back(law: Law) -> None:
    found = fit(rows_of_law(law, sizes=4, budgets=4), resamples=20)
    for name in NAMES:
        assert getattr(found.law, name) == pytest.approx(getattr(law, name), rel=1e-3)
    assert found.rmse < 1e-6
    assert found.problems == ()
    assert found.predict(1e9, 1e11).value == pytest.approx(law(1e9, 1e11), rel=1e-3)


def test_runs_of_chinchillas_kind_give_their_law_back_from_budgets_of_compute() -> None:
    """Sizes and tokens along lines of equal compute, no two budgets alike, as in the published data."""
    law = Law(E=1.8172, A=482.01, B=2085.43, alpha=0.3478, beta=0.3658)
    compute, size = np.meshgrid(np.geomspace(6e18, 3e21, 7), np.geomspace(7e7, 1e10, 8))
    n, d = size.ravel(), (compute / 6 / size).ravel()
    off = np.exp(0.003 * np.random.default_rng(0).standard_normal(len(n)))
    found = fit(Rows(n, d, law(n, d) * off, tuple(map(str, range(len(n))))), resamples=200)
    for name, error in found.standard_errors.items():
        assert abs(getattr(found.law, name) - getattr(law, name)) < 4 * error
    assert found.standard_errors["alpha"] < 0.02


def test_a_wild_run_hardly_moves_the_fit() -> None:
    rows = rows_of_law(noise=0.001)
    wild = Rows(rows.num_parameters, rows.num_tokens, np.where(np.arange(25) == 7, 9.0, rows.loss), rows.runs)
    assert fit(wild, resamples=10).law.alpha == pytest.approx(fit(rows, resamples=10).law.alpha, abs=0.05)


def test_the_unit_of_the_loss_changes_the_constants_and_not_the_exponents(noisy) -> None:
    rows = noisy.rows
    halved = fit(Rows(rows.num_parameters, rows.num_tokens, rows.loss / 2, rows.runs), resamples=10).law
    assert np.isclose(halved.E, noisy.law.E / 2, rtol=1e-3)
    assert halved.alpha == pytest.approx(noisy.law.alpha, rel=1e-3)


def test_no_start_of_the_published_grid_ends_lower() -> None:
    objective = Objective.of(rows_of_law(noise=0.004))
    _, least = best_of(objective, starts(objective))
    generator = np.random.default_rng(0)
    for _ in range(25):
        a, b, e, alpha, beta = (generator.choice(axis) for axis in GRID.values())
        assert descend(objective, np.array([a, b, e, alpha, beta]))[1] >= least * (1 - 1e-6)


def test_fits_at_once_end_where_each_descent_ends() -> None:
    rows = rows_of_law(noise=0.004)
    objective = Objective.of(rows)
    weights = draws(rows, 12, np.random.default_rng(1))
    start, _ = descend(objective, np.array([6.0, 7.6, 0.6, 0.34, 0.36]))
    for row, x in zip(weights, descend_many(objective, weights, start), strict=True):
        alone = objective.weighted(row)
        assert alone(x)[0] <= descend(alone, start)[1] * (1 + 1e-3)


def test_draws_take_whole_stable_phases_and_at_least_three_sizes() -> None:
    rows = rows_of_law(sizes=4, budgets=4)
    drawn = draws(rows, 200, np.random.default_rng(0))
    assert (drawn.sum(axis=1) == 16).all()
    by_size = drawn.reshape(200, 4, 4).sum(axis=2)
    assert set(np.unique(by_size)) <= {0, 4, 8, 12, 16}
    assert ((by_size > 0).sum(axis=1) >= 3).all()
    assert (drawn.reshape(200, 4, 4).std(axis=2) > 0).any()  # and runs within a phase


def test_the_same_seed_gives_the_same_intervals(noisy) -> None:
    again = fit(noisy.rows, resamples=200)
    assert again.intervals() == noisy.intervals()
    assert again.predict(1e8, 1e9) == noisy.predict(1e8, 1e9)


def test_intervals_widen_away_from_the_runs(noisy) -> None:
    near, far = noisy.predict(4e6, 2e7), noisy.predict(4e9, 2e11)
    assert near.low < near.value < near.high
    assert far.high - far.low > 2 * (near.high - near.low)
    best, ends = noisy.optimum(1e18)
    assert ends["tokens_per_parameter"].low < best.tokens_per_parameter < ends["tokens_per_parameter"].high


@pytest.mark.parametrize("shared", [0.0, 0.004], ids=["each errs alone", "phases err together"])
def test_intervals_hold_the_truth_about_as_often_as_they_say(shared: float) -> None:
    """Of 25 sweeps, 95 % intervals should miss 1 or 2; more than 6 have odds of 1 in 5,000 where they are honest."""
    far = (1.3e8, 6.4e8)
    missed = {"alpha": 0, "beta": 0, "far": 0}
    for seed in range(25):
        rows = rows_of_law(noise=0.004, shared=shared, seed=seed)
        x, _ = descend(Objective.of(rows), np.log([TRUE.A, TRUE.B, TRUE.E, np.exp(TRUE.alpha), np.exp(TRUE.beta)]))
        laws = constants(descend_many(Objective.of(rows), draws(rows, 80, np.random.default_rng(seed)), x))
        asked = {
            "alpha": (laws[:, 3], TRUE.alpha),
            "beta": (laws[:, 4], TRUE.beta),
            "far": (losses(laws, *far), TRUE(*far)),
        }
        for name, (column, true) in asked.items():
            low, high = np.percentile(column, (2.5, 97.5))
            missed[name] += not low <= true <= high
    assert max(missed.values()) <= 6, missed


def test_the_largest_model_is_foretold_by_the_others() -> None:
    check = largest_held_out(rows_of_law(sizes=6, noise=0.002), delta=1e-3, resamples=200, seed=0)
    assert len(check.foretold) == 5
    assert all(row.num_parameters == 32e6 for row in check.foretold)
    assert max(abs(row.error) for row in check.foretold) < 0.02
    assert sum(row.inside for row in check.foretold) >= 4
    none = largest_held_out(rows_of_law(sizes=3), delta=1e-3, resamples=10, seed=0)
    assert none.foretold == ()
    assert "2 sizes" in none.reason
