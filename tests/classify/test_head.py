"""The head is kernel ridge regression; the calibration puts the cut where F1 is best."""

import numpy as np
import pytest
from sklearn.kernel_ridge import KernelRidge

from curate.classify.calibration import best_cut, calibrate
from curate.classify.head import CHUNK, GAMMA, PENALTY, fit_head, gaussian


def vectors(num: int, seed: int) -> np.ndarray:
    found = np.random.default_rng(seed).normal(size=(num, 8)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_the_head_equals_scikit_learns_kernel_ridge() -> None:
    train, test = vectors(80, 0).astype(np.float16).astype(np.float64), vectors(20, 1)
    grades = 2 + 3 * train[:, 0] * train[:, 1]
    reference = KernelRidge(alpha=PENALTY, kernel="rbf", gamma=GAMMA).fit(train, grades - grades.mean())
    expected = reference.predict(test.astype(np.float64)) + grades.mean()
    np.testing.assert_allclose(fit_head(train, grades).score(test), expected, atol=1e-3)


def test_landmarks_bound_the_size_and_still_learn() -> None:
    train, test = vectors(600, 0), vectors(200, 1)
    head = fit_head(train, 2 + 2 * train[:, 0], max_landmarks=100)
    assert head.landmarks.shape == (100, 8)
    assert np.corrcoef(head.score(test), test[:, 0])[0, 1] > 0.98


def test_vectors_of_another_encoder_are_refused() -> None:
    with pytest.raises(ValueError, match="fitted on vectors of 8 numbers, the encoder gives 5"):
        fit_head(vectors(60, 0), np.arange(60.0)).score(np.ones((1, 5), np.float32))


def test_a_calibrated_score_rises_with_the_raw_one_and_has_its_cut_at_two_and_a_half() -> None:
    rng = np.random.default_rng(0)
    grades = rng.choice(5, size=1000, p=[0.4, 0.3, 0.15, 0.1, 0.05]).astype(float)
    raw = 1 + 0.3 * grades + rng.normal(0, 0.2, 1000)  # squeezed to the middle, as ridge regression does
    curve = calibrate(raw, grades)
    scores = curve(np.linspace(0, 4, 400))
    assert (np.diff(scores) > 0).all()
    order = np.argsort(raw)
    cut = best_cut(raw[order], grades[order] >= 3, np.ones(1000))
    assert curve(np.array([cut]))[0] == pytest.approx(2.5)
    assert abs(curve(raw) - grades).mean() < 0.7 * abs(raw - grades).mean()


def test_the_best_cut_is_where_counting_finds_the_best_f1() -> None:
    raw = np.linspace(0, 1, 2000)
    positive = np.random.default_rng(0).random(2000) < 1 / (1 + np.exp(-12 * (raw - 0.7)))
    counted = [2 * (positive & (raw >= c)).sum() / (positive.sum() + (raw >= c).sum()) for c in raw]
    assert best_cut(raw, positive, np.ones(2000)) == pytest.approx(raw[int(np.argmax(counted))], abs=0.05)


def test_rows_of_weight_zero_do_not_calibrate() -> None:
    rng = np.random.default_rng(0)
    grades = np.tile([0.0, 1.0, 2.0, 3.0, 4.0], 40)
    raw = grades / 2 + rng.normal(0, 0.1, 200)
    weights = np.ones(200)
    alone = calibrate(raw, grades)
    beside = calibrate(
        np.append(raw, np.full(50, 9.0)), np.append(grades, np.zeros(50)), weights=np.append(weights, np.zeros(50))
    )
    np.testing.assert_array_equal(alone.grade, beside.grade)


def test_grades_that_nothing_predicts_still_give_a_rising_curve() -> None:
    curve = calibrate(np.random.default_rng(0).normal(size=100), np.tile([0.0, 4.0], 50))
    assert (np.diff(curve(np.linspace(-2, 2, 50))) > 0).all()


def test_many_grades_are_summed_in_chunks_to_what_they_sum_to_together() -> None:
    train = vectors(2 * CHUNK + 300, 0)
    grades = 2 + 2 * train[:, 0]
    head = fit_head(train, grades, max_landmarks=40)
    whole = gaussian(train, head.landmarks, GAMMA)  # (N, 40)
    left = whole.T @ whole + PENALTY * gaussian(head.landmarks, head.landmarks, GAMMA)
    expected = np.linalg.solve(left, whole.T @ (grades - grades.mean()))
    np.testing.assert_allclose(head.coefficients, expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(head.score(train), whole @ head.coefficients + head.bias, rtol=1e-4, atol=1e-4)
