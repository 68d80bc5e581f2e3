import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from curate.scaling.law import Law, losses

from .conftest import TRUE

CHINCHILLA = Law(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28)


def test_the_law_by_hand() -> None:
    assert Law(E=2.0, A=100.0, B=30.0, alpha=0.5, beta=1.0)(10_000, 10) == 2.0 + 1.0 + 3.0


def test_the_optimum_is_the_least_loss_of_its_budget() -> None:
    for law in (TRUE, CHINCHILLA):
        best = law.optimum(1e21)
        assert 6 * best.num_parameters * best.num_tokens == pytest.approx(1e21)
        searched = minimize_scalar(
            lambda x, law=law: law(np.exp(x), 1e21 / 6 / np.exp(x)),
            bounds=(np.log(1e6), np.log(1e13)),
            method="bounded",
        )
        assert np.log(best.num_parameters) == pytest.approx(searched.x, rel=1e-4)
        assert best.loss == pytest.approx(searched.fun)


def test_the_optimum_grows_with_the_published_exponent() -> None:
    a, b = (CHINCHILLA.optimum(flops).num_parameters for flops in (1e20, 1e22))
    assert np.log(b / a) / np.log(100) == pytest.approx(0.28 / 0.62)
    assert CHINCHILLA.parameter_exponent == pytest.approx(0.28 / 0.62)


def test_many_laws_at_many_places() -> None:
    laws = np.stack([TRUE.as_array(), CHINCHILLA.as_array()])
    found = losses(laws, np.array([1e6, 1e9]), np.array([1e8, 2e10]))
    assert found.shape == (2, 2)
    assert found[1, 1] == pytest.approx(CHINCHILLA(1e9, 2e10))
    assert losses(laws, 1e6, 1e8).tolist() == pytest.approx(found[:, 0].tolist())
