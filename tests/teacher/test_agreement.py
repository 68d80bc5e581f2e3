import numpy as np
import pyarrow as pa
import pytest
from scipy import stats
from sklearn import metrics

from curate.corpus import write_corpus
from curate.teacher.agreement import (
    agree,
    agree_corpora,
    auc,
    bootstrap,
    f1,
    self_consistency,
    spearman,
    weighted_kappa,
)


@pytest.fixture
def grades():
    """Two graders of 300 documents who differ by a grade now and then."""
    rng = np.random.default_rng(0)
    first = rng.choice(6, size=300, p=[0.3, 0.3, 0.15, 0.12, 0.1, 0.03])
    return first, np.clip(first + rng.choice([-1, 0, 0, 0, 1, 2], size=300), 0, 5)


def test_kappa_by_hand():
    # Squared differences: 0, 0, 1, 4, mean 1.25. By chance, over all 16 pairs of an x and a y:
    # x=0: 0+1+9+9; x=1: 1+0+4+4; x=2: 4+1+1+1; x=1: 1+0+4+4; together 44, mean 2.75.
    x, y = np.array([0, 1, 2, 1]), np.array([0, 1, 3, 3])
    assert weighted_kappa(x, y) == pytest.approx(1 - 1.25 / 2.75)


def test_kappa_spearman_and_auc_equal_the_reference_libraries(grades):
    first, second = grades
    assert weighted_kappa(first, second) == pytest.approx(metrics.cohen_kappa_score(first, second, weights="quadratic"))
    assert spearman(first, second) == pytest.approx(stats.spearmanr(first, second).statistic)
    assert auc(second, first >= 3) == pytest.approx(metrics.roc_auc_score(first >= 3, second))
    assert f1(first >= 3, second >= 3) == pytest.approx(metrics.f1_score(first >= 3, second >= 3))


def test_equal_gradings_agree_fully_and_independent_ones_by_chance():
    rng = np.random.default_rng(1)
    x, y = rng.integers(6, size=(2, 5000))
    assert weighted_kappa(x, x) == 1.0
    assert abs(weighted_kappa(x, y)) < 0.05


def test_what_cannot_be_known_is_nan_not_a_number():
    same = np.array([2, 2, 2])
    assert np.isnan(weighted_kappa(same, same))
    assert np.isnan(spearman(same, np.array([1, 2, 3])))
    assert np.isnan(auc(same, same >= 3))
    assert np.isnan(f1(same >= 3, same >= 3))


def test_the_interval_holds_the_estimate_and_narrows_with_more_documents(grades):
    first, second = grades
    wide = bootstrap(weighted_kappa, first[:60], second[:60], seed=0)
    narrow = bootstrap(weighted_kappa, first, second, seed=0)
    assert narrow.low < narrow.value < narrow.high
    assert narrow.high - narrow.low < wide.high - wide.low
    assert narrow == bootstrap(weighted_kappa, first, second, seed=0)


def test_agreement_at_the_cut_by_hand():
    # Over the cut: first {2, 3, 4}, second {3, 4, 5}: two of three shared, F1 2/3.
    found = agree([0, 1, 3, 4, 5, 2], [0, 1, 2, 3, 4, 3])
    assert found.f1.value == pytest.approx(2 / 3)
    assert (found.num_documents, found.exact, found.at_cut) == (6, 2 / 6, 4 / 6)
    assert "6 documents: weighted kappa" in str(found)


def test_raw_scores_are_rounded_as_the_threshold_rounds_them():
    assert agree([2.4, 2.5, 0.0], [2.0, 3.0, 0.4]).exact == 1.0


def test_self_consistency_is_the_mean_over_pairs_of_repeats(grades):
    first, second = grades
    pairs = [weighted_kappa(first, second), weighted_kappa(first, first), weighted_kappa(second, first)]
    assert self_consistency([first, second, first]) == pytest.approx(np.mean(pairs))
    with pytest.raises(ValueError, match="2 or more repeats"):
        self_consistency([first])


def test_two_annotation_folders_are_compared_on_the_documents_both_graded(tmp_path):
    def folder(name, scores):
        table = pa.table({"id": list(scores), "score": pa.array(scores.values(), pa.float32())})
        return write_corpus(tmp_path / name, table.to_batches())

    first = folder("first", {"a": 1.0, "b": 3.0, "c": None, "d": 4.0})
    second = folder("second", {"d": 4.0, "c": 2.0, "b": 3.0, "a": 0.0})
    found = agree_corpora(first, second)
    assert (found.num_documents, found.exact) == (3, 2 / 3)
    with pytest.raises(ValueError, match="share 0 graded documents"):
        agree_corpora(first, folder("third", {"x": 1.0}))


def test_gradings_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match="same two or more documents"):
        agree([1, 2, 3], [1, 2])
    with pytest.raises(ValueError, match="NaN"):
        agree([1.0, float("nan")], [1.0, 2.0])
