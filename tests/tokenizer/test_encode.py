import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curate.corpus import write_corpus
from curate.tokenizer.bpe import load_tokenizer, train_tokenizer
from curate.tokenizer.encode import LETTER, MARK, NUMBER, SPACE, Encoder, classes

LESSONS = [
    f"Lesson {n}: it's the square we'll need, isn't it?\r\n\r\n\tdef square_{n}(x):\n        return {n * n}  # ok!!\n"
    f"नमस्ते दुनिया 你好世界 — {'ab' * (n % 40)} \N{GRINNING FACE}{'=' * (n % 70)}\n"
    for n in range(150)
]


@pytest.fixture(scope="module")
def json_of(tmp_path_factory) -> str:
    batch = pa.RecordBatch.from_pydict({"id": [f"d{n}" for n in range(len(LESSONS))], "text": LESSONS})
    corpus = write_corpus(tmp_path_factory.mktemp("corpus"), [batch])
    return load_tokenizer(train_tokenizer(corpus, tmp_path_factory.mktemp("t"), vocab_size=700)).to_str()


@pytest.fixture(scope="module")
def both(json_of):
    from curate.tokenizer.bpe import from_json

    encoder = Encoder.of(json_of)
    assert encoder is not None
    return encoder, from_json(json_of)


def rows(encoder: Encoder, texts: list[str]) -> list[list[int]]:
    ids, stops = encoder(pa.array(texts, pa.string()))
    return [part.tolist() for part in np.split(ids, stops[:-1])] if texts else []


PIECES = ["'", "s", "ſ", "ll", "LL", "re", " ", "  ", "\n", "\r\n", "\t", "a", "B", "7", "٣", "é", "e\u0301", "\u0301"]
PIECES += [
    "नि",
    "你好",
    "\U0001f600",
    "\u00a0",
    "\u3000",
    "\u2028",
    "\x1c",
    "\x85",
    "\x00",
    "=",
    "...",
    "_",
    "<|endoftext|>",
]


@given(text=st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=30).map("".join)))
@settings(max_examples=1500, deadline=None)
@example("we'LL'ſ 'Re'x' 'd''t")
@example("\u0301a \u0301 \u0301\u0301 =\u0301=")
@example(" \n \n  x\r\n\r\n   ")
@example("x" * 200 + "aa" * 77 + "ab" * 300)
def test_the_ids_are_those_of_the_library(both, text):
    encoder, library = both
    assert rows(encoder, [text, text]) == [library.encode(text).ids] * 2, "the second time from the table of words"


def test_rows_are_kept_apart_and_slices_keep_their_place(both):
    encoder, library = both
    texts = ["ab", "", "it's", " x", ""]
    expected = [library.encode(text).ids for text in texts]
    assert rows(encoder, texts) == expected
    ids, stops = encoder(pa.array(["zz", *texts], pa.large_string()).slice(1))
    assert ids.tolist() == [token for row in expected for token in row]
    assert stops.tolist() == np.cumsum([len(row) for row in expected]).tolist()
    assert len(encoder(pa.array([], pa.string()))[0]) == 0


@given(pieces=st.lists(st.sampled_from(["ab", "a", "square", "x", "नि", "好"]), min_size=60, max_size=400))
@settings(max_examples=60, deadline=None)
def test_long_words_are_merged_as_the_library_merges_them(both, pieces):
    encoder, library = both
    text = "".join(pieces)
    assert rows(encoder, [text]) == [library.encode(text).ids]


def test_a_megabyte_without_a_space_ends(both):
    encoder, library = both
    text = "ab" * 500_000
    (ids,) = rows(encoder, [text])
    assert ids[:1000] == library.encode("ab" * 100_000).ids[:1000]
    assert library.decode(ids) == text


def test_more_words_than_the_table_holds_are_still_right(both):
    encoder, library = both
    texts = [f"w{n:x}q{n * n:x} " * 2 for n in range(150_000)]
    found = rows(encoder, texts)
    for n in range(0, len(texts), 9973):
        assert found[n] == library.encode(texts[n]).ids
    assert encoder.filled[2] <= len(encoder.slots) // 2


def test_classes_are_unicodes():
    table = classes()
    assert [table[ord(c)] for c in "aé好"] == [LETTER] * 3
    assert [table[ord(c)] for c in "7٣Ⅷ½"] == [NUMBER] * 4
    assert [table[ord(c)] for c in " \n\t\u00a0\u3000\x85"] == [SPACE] * 6
    assert (table[0x301], table[ord("=")], table[0x1C]) == (MARK, 0, 0)


def test_a_tokenizer_of_another_kind_has_no_encoder(json_of):
    for change in (
        {"normalizer": {"type": "NFC"}},
        {"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}},
    ):
        assert Encoder.of(json.dumps(json.loads(json_of) | change)) is None
    marked = json.loads(json_of)
    marked["added_tokens"][3]["special"] = False
    assert Encoder.of(json.dumps(marked)) is None
    dropping = json.loads(json_of)
    dropping["model"]["dropout"] = 0.1
    assert Encoder.of(json.dumps(dropping)) is None


def test_bytes_that_are_not_utf8_are_refused(both):
    broken = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(np.array([0, 2], np.int32)), pa.py_buffer(b"\xff\xfe")]
    )
    with pytest.raises(ValueError, match="UTF8"):
        both[0](broken)


def test_real_files_give_the_same_ids(both, shared_data):
    import pyarrow.parquet as pq

    encoder, library = both
    for name in ("web/text.parquet", "code/code.parquet"):
        texts = pq.read_table(shared_data / name, columns=["text"])["text"].combine_chunks().slice(0, 400).to_pylist()
        texts = [text[:4000] for text in texts]
        assert rows(encoder, texts) == [e.ids for e in library.encode_batch(texts, add_special_tokens=False)]
