"""Metrics are held against scikit-learn, SciPy and numbers worked out by hand."""

import numpy as np
import pytest
import sklearn.metrics
from scipy import stats

from curate.classify.metrics import at_cut, bootstrap, evaluate, on_scale, recall_bound

ONES = np.ones(6)
GRADES = np.array([0.0, 1.0, 3.0, 4.0, 3.0, 2.0])
PREDICTED = np.array([0.2, 2.6, 2.5, 3.9, 1.0, 2.4])  # as integers 0 3 3 4 1 2: two hits, one false, one missed


def test_two_hits_one_false_alarm_and_one_miss() -> None:
    found = at_cut(GRADES, PREDICTED, ONES)
    assert found["precision"] == pytest.approx(2 / 3)
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["f1"] == pytest.approx(2 / 3)
    assert found["macro_f1"] == pytest.approx(2 / 3)  # of the three below, two are said to be below
    assert found["true_share"] == found["predicted_share"] == pytest.approx(0.5)


def test_every_measure_agrees_with_scikit_learn_and_scipy() -> None:
    rng = np.random.default_rng(0)
    grades = rng.integers(0, 6, 300).astype(float)
    predicted = np.clip(grades + rng.normal(0, 1.2, 300), 0, 5).round(1)  # with ties
    weights = rng.integers(0, 4, 300).astype(float)
    found = at_cut(grades, predicted, weights) | on_scale(grades, predicted, weights)
    true, said = grades >= 3, predicted >= 2.5
    options = {"sample_weight": weights}
    assert found["precision"] == pytest.approx(sklearn.metrics.precision_score(true, said, **options))
    assert found["recall"] == pytest.approx(sklearn.metrics.recall_score(true, said, **options))
    assert found["f1"] == pytest.approx(sklearn.metrics.f1_score(true, said, **options))
    assert found["macro_f1"] == pytest.approx(sklearn.metrics.f1_score(true, said, average="macro", **options))
    assert found["mae"] == pytest.approx(sklearn.metrics.mean_absolute_error(grades, predicted, **options))
    copies = np.repeat(np.arange(300), weights.astype(int))  # a row of weight w stands for w rows
    assert found["spearman"] == pytest.approx(stats.spearmanr(grades[copies], predicted[copies]).statistic)


def test_nothing_found_is_zero_and_not_an_error() -> None:
    found = at_cut(GRADES, np.zeros(6), ONES)
    assert (found["precision"], found["recall"], found["f1"]) == (0.0, 0.0, 0.0)


def test_an_interval_holds_its_value_and_narrows_with_more_documents() -> None:
    few = evaluate(np.tile(GRADES, 5), np.tile(PREDICTED, 5))["f1"]
    many = evaluate(np.tile(GRADES, 50), np.tile(PREDICTED, 50))["f1"]
    assert few.low < few.value < few.high
    assert many.value == pytest.approx(few.value)
    assert many.high - many.low < 0.5 * (few.high - few.low)


def test_near_copies_are_drawn_together_so_copying_the_data_narrows_nothing() -> None:
    def interval(times: int) -> float:
        groups = np.tile(np.arange(30), times)
        return evaluate(np.tile(GRADES, 5 * times), np.tile(PREDICTED, 5 * times), groups=groups)["f1"].low

    assert interval(10) == pytest.approx(interval(1))


def test_the_bootstrap_is_a_function_of_its_seed() -> None:
    def mean(grades: np.ndarray, predicted: np.ndarray, weights: np.ndarray) -> dict[str, float]:
        return {"mean": float(predicted.mean())}

    groups = np.arange(6)
    first, again = (bootstrap(mean, GRADES, PREDICTED, ONES, groups, seed=1) for _ in range(2))
    assert first == again


@pytest.mark.parametrize(
    ("positives", "bound"),
    [(59, 0.95), (149, 0.98), (299, 0.99)],  # 0.05 ** (1 / positives): all found
)
def test_fifty_nine_positives_without_a_miss_certify_a_recall_of_95_percent(positives: int, bound: float) -> None:
    assert recall_bound(positives, positives) == pytest.approx(0.05 ** (1 / positives))
    assert recall_bound(positives, positives) >= bound > recall_bound(positives - 1, positives - 1)


@pytest.mark.parametrize(("found", "positives"), [(92, 93), (0, 10), (5, 10), (80, 100)])
def test_the_recall_bound_is_scipys_exact_binomial_bound(found: int, positives: int) -> None:
    exact = stats.binomtest(found, positives, alternative="greater").proportion_ci(0.95, "exact").low
    assert recall_bound(found, positives) == pytest.approx(exact, abs=1e-9)


def test_a_bound_without_positives_is_an_error() -> None:
    with pytest.raises(ValueError, match="0 of 0 positives"):
        recall_bound(0, 0)
