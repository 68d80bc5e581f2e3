"""The table of cuts against scikit-learn and counts by hand; wishes are met."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import sklearn.metrics

from curate.classify.annotations import text_keys
from curate.classify.cascade import HeldOut
from curate.classify.model import Model, read_model
from curate.classify.score import best_part, score_stage
from curate.classify.threshold import Thresholds, threshold

ROOT = Path(__file__).parents[2]
TEXTS = [f"document {i} " + "word " * (i % 7) for i in range(400)]


@pytest.fixture(scope="module")
def model() -> Model:
    """The shipped model, with held-out scores of these texts in place of its own."""
    rng = np.random.default_rng(0)
    grades = rng.choice(6, size=400, p=[0.4, 0.2, 0.15, 0.15, 0.08, 0.02]).astype(np.float32)
    scores = (grades + rng.normal(0, 0.7, 400)).astype(np.float32)
    sizes = np.array([len(text) for text in TEXTS], np.int32)
    rows = np.arange(400, dtype=np.int32)
    held = HeldOut(scores, scores, scores, grades, np.ones(400, np.float32), rows, text_keys(TEXTS), sizes)
    return replace(read_model(ROOT / "classifiers" / "web_edu"), held_out=held)


def labels(model: Model, weights: np.ndarray | None = None) -> pa.Table:
    table = pa.table({"text": TEXTS, "score": model.held_out.grades})
    return table if weights is None else table.append_column("weight", pa.array(weights))


def row(table: Thresholds, cut: float) -> dict[str, float]:
    found = next(row for row in table.rows if row.cut == cut)
    return {name: getattr(found, name).value for name in ("precision", "recall", "f1", "documents", "text")}


def test_every_cut_is_what_scikit_learn_counts(model: Model) -> None:
    table = threshold(labels(model), model)
    good = model.held_out.grades >= 3
    sizes = model.held_out.sizes
    for cut in (1.0, 2.5, 3.25):
        said = model.held_out.mean >= cut
        expected = {
            "precision": sklearn.metrics.precision_score(good, said),
            "recall": sklearn.metrics.recall_score(good, said),
            "f1": sklearn.metrics.f1_score(good, said),
            "documents": said.mean(),
            "text": sizes[said].sum() / sizes.sum(),
        }
        assert row(table, cut) == pytest.approx(expected)
    assert (table.num_labels, table.num_held_out) == (400, 400)


def test_a_row_of_weight_three_counts_as_three(model: Model) -> None:
    weights = np.where(np.arange(400) % 2, 3.0, 1.0)
    good, said = model.held_out.grades >= 3, model.held_out.mean >= 2.5
    found = row(threshold(labels(model, weights), model), 2.5)
    assert found["precision"] == pytest.approx(sklearn.metrics.precision_score(good, said, sample_weight=weights))
    assert found["documents"] == pytest.approx(np.average(said, weights=weights))


def test_bands_hold_their_value_and_narrow_with_more_labels(model: Model) -> None:
    few = threshold(labels(model).slice(0, 100), model)
    many = threshold(labels(model), model)
    for table in (few, many):
        assert all(each.recall.low <= each.recall.value <= each.recall.high for each in table.rows)
    assert many.best.f1.high - many.best.f1.low < few.best.f1.high - few.best.f1.low


def test_a_wish_for_precision_is_met_by_the_cut_that_keeps_most(model: Model) -> None:
    table = threshold(labels(model), model, precision=0.9)
    assert table.best.precision.value >= 0.9
    scores, good = model.held_out.mean, model.held_out.grades >= 3
    looser = [cut for cut in scores if cut < np.float32(table.best.cut) and good[scores >= cut].mean() >= 0.9]
    assert not looser


def test_a_wish_for_a_share_is_met_to_the_document(model: Model) -> None:
    assert threshold(labels(model), model, kept=0.1).best.documents.value == pytest.approx(0.1, abs=1 / 400)


def test_a_wish_for_recall_gets_a_certified_cut(model: Model) -> None:
    table = threshold(labels(model), model, recall=0.8)
    assert table.best.recall.value > 0.8
    assert "certificate: recall >= 0.8" in table.why


def test_without_a_wish_no_cut_has_a_higher_f1(model: Model) -> None:
    best = threshold(labels(model), model).best
    good = model.held_out.grades >= 3
    highest = max(sklearn.metrics.f1_score(good, model.held_out.mean >= cut) for cut in model.held_out.mean)
    assert best.f1.value == pytest.approx(highest)


def test_the_examples_lie_around_the_cut(model: Model) -> None:
    table = threshold(labels(model), model, kept=0.3)
    scores = [score for score, _, _ in table.examples]
    assert scores == sorted(scores, reverse=True)
    assert scores[2] >= np.float32(table.best.cut) > scores[3]


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"precision": 0.9, "recall": 0.9}, "give one wish, not precision and recall"),
        ({"precision": 90.0}, "a share between 0 and 1"),
        ({"recall": 0.999}, "needs at least 2,995"),
    ],
)
def test_a_wish_that_cannot_be_met_says_why(model: Model, wish: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        threshold(labels(model), model, **wish)  # type: ignore[arg-type]


def test_labels_of_one_side_only_cannot_tell_cuts_apart(model: Model) -> None:
    bad = labels(model).filter(pa.compute.less(labels(model)["score"], 3))
    with pytest.raises(ValueError, match="0 of them good, cannot tell cuts apart"):
        threshold(bad, model)


def test_a_part_that_is_not_named_is_the_one_that_scores() -> None:
    assert best_part("web_edu") == score_stage("web_edu").part == "mean"
    assert best_part("code_edu") == score_stage("code_edu").part == "gate"
