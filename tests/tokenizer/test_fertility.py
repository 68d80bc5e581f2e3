import pyarrow as pa
import pytest

from curate.corpus import write_corpus
from curate.tokenizer.bpe import load_tokenizer, train_tokenizer
from curate.tokenizer.fertility import fertilities, fertility, texts_by

WORDS, DIGITS = "hello hello hello hello", "12 34 56"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    rows = {"id": [f"d{n}" for n in range(40)], "text": [WORDS, DIGITS] * 20, "language": ["words", "digits"] * 20}
    return write_corpus(tmp_path_factory.mktemp("corpus"), [pa.RecordBatch.from_pydict(rows)])


@pytest.fixture(scope="module")
def folder(corpus, tmp_path_factory):
    return train_tokenizer(corpus, tmp_path_factory.mktemp("tokenizer"), vocab_size=290)


def test_it_is_bytes_per_token(folder):
    assert fertility(load_tokenizer(folder), ["1234", "56"]) == 1.0
    with pytest.raises(ValueError, match="no tokens"):
        fertility(load_tokenizer(folder), [""])


def test_characters_count_with_their_bytes(folder):
    assert fertility(load_tokenizer(folder), ["\N{SNOWMAN}"]) == 1.0, "three bytes, three tokens"


def test_a_table_has_kinds_of_text_and_tokenizers(corpus, folder, tmp_path):
    larger = train_tokenizer(corpus, tmp_path, vocab_size=300)
    table = fertilities(texts_by(corpus, "language"), {"small": folder, "large": larger})
    assert table["digits"] == {"small": 8 / 8, "large": 8 / 8}  # each digit, and each space, a token
    assert table["words"]["small"] == 23 / 4  # one token for "hello", and one for " hello"
    assert list(table) == ["words", "digits"], "the one with most text first"


def test_without_a_column_all_texts_are_one_kind(corpus):
    assert {name: len(texts) for name, texts in texts_by(corpus).items()} == {corpus.path: 40}


def test_a_column_that_is_not_there_is_named(corpus):
    with pytest.raises(ValueError, match="has no column 'source'; it has id, text, language"):
        texts_by(corpus, "source")
