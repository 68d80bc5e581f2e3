"""fastText's own files as stages, with a model that the test trains."""

import pickle
import shutil
from pathlib import Path

import fasttext
import numpy as np
import pyarrow as pa
import pytest

from curate.classify.external import open_classifier
from curate.classify.fasttext_file import open_fasttext, share_of

GOOD = "explain why the leaf turns light into sugar"
BAD = "buy cheap watches now click here"
BATCH = pa.RecordBatch.from_pydict({"text": [GOOD, BAD, f"  {GOOD}\r\n\n{GOOD} ", "", None, "unseen words only"]})


def train(path: str) -> fasttext.FastText._FastText:
    """Train a model. Of fastText 0.9.3's weights each of ten threads sets a tenth, the eleventh what is left over.

    With fewer threads some start from whatever the memory held, and the loss is not a number.
    """
    return fasttext.train_supervised(path, dim=16, bucket=10_000, wordNgrams=2, epoch=20, thread=11, verbose=0)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file in DCLM's format: bigrams, the labels hq and cc."""
    folder = tmp_path_factory.mktemp("fasttext")
    lines = [f"__label__hq {GOOD} {i % 7}\n__label__cc {BAD} {i % 5}\n" for i in range(200)]
    (folder / "train.txt").write_text("".join(lines))
    model = train(str(folder / "train.txt"))
    model.save_model(str(folder / "Bigram-200k.bin"))
    return str(folder / "Bigram-200k.bin")


def test_the_score_is_the_probability_of_the_good_label(path: str) -> None:
    lines = [GOOD, BAD, f"{GOOD}  {GOOD}"]
    labels, shares = fasttext.load_model(path).predict(lines, k=2)
    expected = [dict(zip(*row, strict=True))["__label__hq"] for row in zip(labels, shares, strict=True)]
    found = open_fasttext(path).score(BATCH)
    np.testing.assert_allclose(found[:3], np.minimum(expected, 1), atol=1e-6)
    assert found[0] > 0.9 > 0.1 > found[1]
    assert ((found >= 0) & (found <= 1)).all()


def test_it_adds_its_column_and_the_score_and_no_grade(path: str) -> None:
    scored = open_classifier(f"fasttext:{path}")(BATCH)
    assert scored.schema.names == ["text", "bigram_200k.score", "score"]
    assert scored.schema.field("score").type == pa.float32()
    assert scored["score"].null_count == 0


def test_the_order_of_the_batch_is_irrelevant(path: str) -> None:
    stage = open_fasttext(path)
    alone = np.concatenate([stage.score(BATCH.slice(row, 1)) for row in range(BATCH.num_rows)])
    np.testing.assert_array_equal(stage.score(BATCH), alone)


def test_another_label_can_be_the_good_one(path: str) -> None:
    both = [open_fasttext(path + label).score(BATCH)[:3] for label in ("", "#__label__cc")]
    np.testing.assert_allclose(both[0] + both[1], 1, atol=1e-4)


def test_a_label_that_is_not_in_the_file_is_an_error_that_lists_those_there_are(path: str) -> None:
    with pytest.raises(ValueError, match="no label '__label__math'; it has __label__cc, __label__hq"):
        open_fasttext(f"{path}#__label__math")


def test_no_file_and_another_kind_of_file_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there is no fastText file"):
        open_classifier("fasttext:/no/such.bin")
    (tmp_path / "notes.bin").write_text("no model")
    with pytest.raises(ValueError, match="is no fastText model"):
        open_classifier(f"fasttext:{tmp_path / 'notes.bin'}")


def test_a_line_without_labels_is_worth_nothing_and_rounding_stays_below_one() -> None:
    assert share_of("a", [], np.zeros(0)) == 0
    assert share_of("a", ["b", "a"], np.array([0.75, 0.25])) == 0.25
    assert share_of("a", ["a"], np.array([1.00001])) == 1


def test_the_stage_survives_pickling_and_names_the_file_by_its_bytes(path: str, tmp_path: Path) -> None:
    stage = open_fasttext(path)
    assert pickle.loads(pickle.dumps(stage))(BATCH).equals(stage(BATCH))
    assert repr(stage) == f"FastText(name='bigram_200k', digest='{stage.digest}', label='__label__hq')"
    copied = shutil.copy(path, tmp_path / "Bigram-200k.bin")
    assert repr(open_fasttext(str(copied))) == repr(stage)


def test_an_empty_batch_has_the_columns_of_a_full_one(path: str) -> None:
    stage = open_fasttext(path)
    assert stage(BATCH.slice(0, 0)).schema == stage(BATCH).schema
