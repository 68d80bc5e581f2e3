import subprocess
import sys

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.corpus import Corpus, write_corpus
from curate.tokenizer.bpe import SPECIAL_TOKENS, fertility, load_tokenizer, train_tokenizer

LESSONS = [
    f"Lesson {n}: the square of {n} is {n * n}.\n\ndef square_{n}(x):\n    if x == {n}:\n        return {n * n}\n"
    for n in range(200)
]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Corpus:
    batch = pa.RecordBatch.from_pydict({"id": [f"d{n}" for n in range(len(LESSONS))], "text": LESSONS})
    return write_corpus(tmp_path_factory.mktemp("corpus"), [batch])


@pytest.fixture(scope="module")
def folder(corpus, tmp_path_factory):
    return train_tokenizer(corpus, tmp_path_factory.mktemp("tokenizer"), vocab_size=400)


@given(text=st.text())
@settings(max_examples=300, deadline=None)
def test_any_text_comes_back(folder, text):
    tokenizer = load_tokenizer(folder)
    assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text


@pytest.mark.parametrize(
    "text", ["\x00", "\r\n\t \u3000", "नमस्ते", "🧑\u200d🔬", "<|endoftext|> is text here", "  x \n\n  y  "]
)
def test_awkward_texts_come_back(folder, text):
    tokenizer = load_tokenizer(folder)
    assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text


def test_special_tokens_come_first_and_only_on_purpose(folder):
    tokenizer = load_tokenizer(folder)
    assert [tokenizer.token_to_id(token) for token in SPECIAL_TOKENS] == list(range(len(SPECIAL_TOKENS)))
    assert 0 not in tokenizer.encode("a document that says <|endoftext|> itself").ids


def test_every_digit_is_a_token_and_indentation_is_one(folder):
    tokenizer = load_tokenizer(folder)
    assert tokenizer.encode("1234").tokens == ["1", "2", "3", "4"]
    assert tokenizer.encode(":\n        return").tokens[1:] == ["Ġ" * 7, "Ġreturn"]


def test_the_same_corpus_gives_the_same_bytes_in_another_process(corpus, folder, tmp_path):
    program = (
        "import sys; from curate.tokenizer.bpe import train_tokenizer; "
        "train_tokenizer(sys.argv[1], sys.argv[2], vocab_size=400)"
    )
    subprocess.run(
        [sys.executable, "-c", program, corpus.path, str(tmp_path)], check=True, env={"RAYON_NUM_THREADS": "1"}
    )
    assert (tmp_path / "tokenizer.json").read_bytes() == (folder / "tokenizer.json").read_bytes()


def test_the_sample_follows_ids_not_shards(corpus, tmp_path):
    backwards = pa.RecordBatch.from_pydict(
        {"id": [f"d{n}" for n in reversed(range(200))], "text": list(reversed(LESSONS))}
    )
    turned = write_corpus(tmp_path / "turned", [backwards.slice(0, 150), backwards.slice(150)], shard_rows=100)
    half = sum(split.num_bytes for split in corpus.splits()) // 2
    same = sum(split.num_bytes for split in turned.splits()) // 2
    one = train_tokenizer(corpus, tmp_path / "one", vocab_size=300, sample_bytes=half)
    two = train_tokenizer(turned, tmp_path / "two", vocab_size=300, sample_bytes=same)
    assert (one / "tokenizer.json").read_bytes() == (two / "tokenizer.json").read_bytes()


def test_transformers_reads_the_folder(folder):
    from transformers import AutoTokenizer

    theirs, ours = AutoTokenizer.from_pretrained(folder), load_tokenizer(folder)
    text = "Lesson 7: we don't , ever ; trim  spaces.\n\tx = 42\n"
    assert theirs(text)["input_ids"] == ours.encode(text).ids
    assert theirs.decode(ours.encode(text).ids) == text
    assert (theirs.eos_token_id, theirs.bos_token_id) == (0, 0)


def test_fertility_is_bytes_per_token(folder):
    assert fertility(load_tokenizer(folder), ["1234", "56"]) == 1.0
    with pytest.raises(ValueError, match="no tokens"):
        fertility(load_tokenizer(folder), [""])


def test_a_vocabulary_without_room_for_all_bytes_is_refused(corpus, tmp_path):
    with pytest.raises(ValueError, match="below 265"):
        train_tokenizer(corpus, tmp_path, vocab_size=200)


def test_an_empty_corpus_is_refused(tmp_path):
    empty = write_corpus(tmp_path / "c", [pa.RecordBatch.from_pydict({"id": ["a"], "text": [""]})])
    with pytest.raises(ValueError, match="no text to learn"):
        train_tokenizer(empty, tmp_path / "t", vocab_size=300)
