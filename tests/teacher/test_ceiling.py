import numpy as np
import pytest

from curate.teacher.ceiling import bounds, ceiling, f1_bounds


def best_f1(p):
    """F1 of the best set against one more grade, by trying every threshold on the true chances."""
    order = np.sort(p)[::-1]
    return max(2 * order[:k].sum() / (p.sum() + k) for k in range(1, len(p) + 1))


def teacher(p, repeats, rng):
    """Grades 4 with chance p, else 1."""
    return np.where(rng.random((repeats, len(p))) < p, 4.0, 1.0)


NOISES = {
    "always wrong one time in ten": lambda rng, n: np.where(rng.random(n) < 0.2, 0.9, 0.1),
    "sure of most, a coin for some": lambda rng, n: rng.choice([0.0, 0.5, 1.0], size=n, p=[0.7, 0.15, 0.15]),
    "of every degree": lambda rng, n: rng.beta(0.3, 0.9, size=n),
    "misses a third of the good": lambda rng, n: np.where(rng.random(n) < 0.3, 0.67, 0.0),
}


@pytest.mark.parametrize("noise", NOISES)
def test_the_estimated_ceiling_covers_the_true_one_of_a_teacher_of_known_noise(noise):
    misses = {"accuracy": 0, "f1": 0}
    for seed in range(8):
        rng = np.random.default_rng(seed)
        p = NOISES[noise](rng, 400)
        truth = {"accuracy": np.maximum(p, 1 - p).mean(), "f1": best_f1(p)}
        found = ceiling(teacher(p, 3, rng), seed=seed)
        for name, value in truth.items():
            span = getattr(found, name)
            misses[name] += not span.at_least.low <= value <= span.at_most.high
    assert max(misses.values()) <= 1  # 95 % each, so two or more of eight has a chance of 6 %


def test_the_bounds_hold_exactly_when_the_chances_are_known():
    rng = np.random.default_rng(0)
    for _ in range(50):
        p = rng.beta(*rng.uniform(0.1, 3, size=2), size=500)
        least, most = f1_bounds(p.mean(), (p**2).mean())
        assert least - 1e-9 <= best_f1(p) <= most + 1e-3  # shares of documents in steps of 1/1000


def test_some_teacher_with_two_chances_meets_the_upper_bounds():
    mean, variance = 0.3, 0.1
    most = f1_bounds(mean, variance + mean**2)[1]
    met = []
    for share in range(50, 950):  # of 1,000 documents, with one chance; the rest has another
        high = mean + np.sqrt(variance * (1000 - share) / share)
        low = mean - np.sqrt(variance * share / (1000 - share))
        if 0 <= low <= high <= 1:
            met.append(best_f1(np.repeat([high, low], [share, 1000 - share])))
    assert max(met) == pytest.approx(most, abs=2e-3)
    p = np.repeat([0.9, 0.1], [200, 800])  # always right nine times in ten
    agreeing = np.mean(p**2 + (1 - p) ** 2)
    assert (1 + np.sqrt(2 * agreeing - 1)) / 2 == pytest.approx(0.9)


def test_bounds_by_hand():
    # Two repeats of four documents: 2, 2, 1, 0 marks. They agree on 3 of 4; m = 5/8, E p^2 = 1/2.
    accuracy_least, accuracy_most, f1_least, _ = bounds(np.array([2, 2, 1, 0]), 2)
    assert accuracy_least == pytest.approx(0.75)
    assert accuracy_most == pytest.approx((1 + np.sqrt(0.5)) / 2)
    assert f1_least == pytest.approx(0.8)  # a twin: .5 / .625


def test_a_teacher_without_noise_has_no_ceiling():
    found = ceiling([[1, 4, 4, 0], [1, 4, 4, 0]])
    assert (found.accuracy.at_least.value, found.f1.at_least.value) == (1.0, 1.0)
    assert found.f1.at_most.value == pytest.approx(1.0)


def test_a_teacher_that_marks_nothing_has_no_f1():
    found = ceiling([[1, 0, 2], [1, 0, 2]])
    assert np.isnan(found.f1.at_most.value)
    assert found.accuracy.at_least.value == 1.0


def test_what_gives_no_ceiling_is_refused():
    with pytest.raises(ValueError, match="2 or more repeats"):
        ceiling([[1, 2, 3]])
    with pytest.raises(ValueError, match="NaN"):
        ceiling([[1, 2], [np.nan, 2]])
