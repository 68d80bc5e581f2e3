"""The compiled pass over a batch equals the plain rules, whatever the text and however Arrow holds it."""

import unicodedata

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.text import split
from curate.text.arrow import strings
from curate.text.characters import TERMINAL, kind, kinds
from curate.text.pages import Pages, read_pages, word_hash

# Text that is likely to meet a rule, and text that is not likely to meet anything.
PROSE = (
    "the It's U.S. e.g. don't we’ll well-known a--b x A . .. ... … , - ' • ! ? ( ) Straße café 日本語。 مرحبا؟ नमस्ते।"
)
CODE = r"3-4 $5 x$ 5€ 😀 https://a.b/c-d www.a.de me@x.org a](https://b.c s:// Ⓐ. ① { _ / \ : = # C++ A.B a.B AB. 1+2"
SPACES = [*" \t\n\r\u2028\x0b\x1c\x85\u00a0\u3000", "  ", "\n\n", "\r\n", "- "]
PIECES = st.sampled_from([*PROSE.split(), *CODE.split(), *SPACES, "\x00", "\u200f", "e\u0301"])
TEXT = st.one_of(st.lists(PIECES, max_size=40).map("".join), st.text(max_size=60))


def words_of(pages: Pages, row: int) -> list[tuple[int, int]]:
    first, stop = pages.words.bounds[row : row + 2]
    return list(zip(pages.words.hash[first:stop].tolist(), pages.words.chars[first:stop].tolist(), strict=True))


def equal_alike(hashes: np.ndarray, texts: list[str]) -> bool:
    """Whether the hashes are equal where the texts are, and nowhere else."""
    return [hashes.tolist().index(value) for value in hashes] == [texts.index(text) for text in texts]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("word", ["word"]),
        ("The end.", ["The", "end", "."]),
        (
            "It's a well-known fact (e.g. in the U.S.)...",
            ["It", "'s", "a", "well", "-", "known", "fact", "(", "e.g.", "in", "the", "U.S.", ")", "..."],
        ),
        ("don't we’ll I'd", ["do", "n't", "we", "’ll", "I", "'d"]),
        ('"Go," he said: https://a.b/c-d?e=f!', ['"', "Go", ",", '"', "he", "said", ":", "https://a.b/c-d?e=f", "!"]),
        ("3-4 $5 50% a/b x,y 1,000.5", ["3", "-", "4", "$", "5", "50", "%", "a", "/", "b", "x", ",", "y", "1,000.5"]),
        ("one.Two NASA. A.", ["one", ".", "Two", "NASA", ".", "A."]),
        ("日本語。 مرحبا؟", ["日本語", "。", "مرحبا", "؟"]),
        ("- a\n• b\r\n— c", ["-", "a", "•", "b", "—", "c"]),
        (". .. …", [".", "..", "…"]),
    ],
)
def test_words_by_hand(reference, text, words):
    assert reference.words(text) == words
    assert words_of(read_pages(pa.array([text])), 0) == [(int(word_hash(word)), len(word)) for word in words]


@settings(max_examples=400, deadline=None)
@given(st.lists(TEXT, max_size=5))
def test_words_equal_the_plain_rules(reference, texts):
    pages = read_pages(pa.array(texts, pa.string()))
    for row, text in enumerate(texts):
        words = reference.words(text)
        assert words_of(pages, row) == [(int(word_hash(word)), len(word)) for word in words]
        first, stop = pages.words.bounds[row : row + 2]
        for word, bits in zip(words, pages.words.bits[first:stop], strict=True):
            assert bool(bits & split.HAS_ALPHA) == any(c.isalpha() for c in word)
            assert bool(bits & split.ALL_SYMBOL) == all(map(reference.is_symbol, word))
            assert bool(bits & split.ALL_PUNCT) == all(unicodedata.category(c)[0] == "P" for c in word)
            assert bool(bits & split.ENDS_SENTENCE) == (word in reference.TERMINALS)


@settings(max_examples=400, deadline=None)
@given(st.lists(TEXT, max_size=5))
def test_lines_equal_the_plain_rules(reference, texts):
    pages = read_pages(pa.array(texts, pa.large_string()))
    for row, text in enumerate(texts):
        lines = [line for line in text.splitlines() if line]
        first, stop = pages.lines.bounds[row : row + 2]
        assert stop - first == len(lines)
        for i, line in zip(range(first, stop), lines, strict=True):
            bits, trimmed = pages.lines.bits[i], line.strip()
            assert pages.text.data[pages.lines.starts[i] : pages.lines.stops[i]].tobytes().decode() == line
            assert pages.lines.chars[i] == len(line)
            assert pages.lines.chunks[i] == len(line.split())
            assert pages.lines.longest_chunk[i] == max(map(len, line.split()), default=0)
            assert pages.lines.sentences[i] == reference.sentences(line)
            assert bool(bits & split.BLANK) == (trimmed == "")
            assert bool(bits & split.BULLET) == trimmed.startswith(("•", "-"))
            assert bool(bits & split.ELLIPSIS) == trimmed.endswith(("...", "…"))
            assert bool(bits & split.ENDS_WELL) == (line[-1] in reference.TERMINALS and trimmed != "")
        assert equal_alike(pages.lines.hash[first:stop], lines)
        paragraphs = reference.paragraphs(text)
        first, stop = pages.paragraphs.bounds[row : row + 2]
        assert pages.paragraphs.chars[first:stop].tolist() == list(map(len, paragraphs))
        assert equal_alike(pages.paragraphs.hash[first:stop], paragraphs)


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXT, max_size=5))
def test_counts_equal_the_plain_rules(texts):
    pages = read_pages(pa.array(texts, pa.string()))
    for row, text in enumerate(texts):
        lengths = [len(line) for line in text.splitlines()]
        assert {name: int(values[row]) for name, values in pages.counts.items()} == {
            "chars": len(text),
            "newlines": text.count("\n"),
            "hashes": text.count("#"),
            "ellipses": text.count("...") + text.count("…"),
            "alphas": sum(c.isalpha() for c in text),
            "alnums": sum(c.isalnum() for c in text),
            "lines": len(lengths),
            "line_chars": sum(lengths),
            "longest_line": max(lengths, default=0),
            "invalid": 0,
        }


def test_a_slice_a_null_and_an_empty_batch_read_as_what_they_are():
    array = pa.array(["not me", "one two", None, "", "three", "nor me"]).slice(1, 4)
    pages = read_pages(array)
    assert pages.words.num.tolist() == [2, 0, 0, 1]
    assert pages.text.valid.tolist() == [True, False, True, True]
    assert pages.counts["chars"].tolist() == [7, 0, 0, 5]
    assert read_pages(pa.array([], pa.string())).words.num.tolist() == []
    assert read_pages(pa.array([None, None], pa.string())).words.num.tolist() == [0, 0]


def test_a_null_that_owns_bytes_is_still_empty():
    buffers = [pa.py_buffer(b"\x02"), pa.py_buffer(np.array([0, 6, 9], np.int32)), pa.py_buffer(b"hiddenyes")]
    pages = read_pages(pa.Array.from_buffers(pa.string(), 2, buffers))
    assert pages.words.chars.tolist() == [3]


@pytest.mark.parametrize(
    ("raw", "stray"),
    [
        (b"ok \xff", 1),
        (b"\xc3", 1),  # a character cut off,
        (b"\xc3 a", 1),  # or followed by another
        (b"\xf0\x9f", 2),
        (b"\xf7\xbf\xbf\xbf end", 4),  # beyond Unicode
        (b"\xed\xa0\x80", 3),  # half of a surrogate pair
        (b"\xc0\xaf \xe0\x80\xaf", 5),  # written longer than it need be
    ],
)
def test_bytes_that_are_not_utf8_are_refused_and_counted(raw, stray):
    buffers = [
        None,
        pa.py_buffer(np.array([0, 2, 2 + len(raw), 3 + len(raw)], np.int32)),
        pa.py_buffer(b"a " + raw + b"z"),
    ]
    with pytest.raises(ValueError, match=f"not UTF-8: {stray} stray bytes in row 1;"):
        read_pages(pa.Array.from_buffers(pa.string(), 3, buffers))


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.sampled_from([b"a", b" ", b"\n", "é".encode(), "日".encode(), "😀".encode()]) | st.binary(max_size=4))
)
def test_what_python_cannot_decode_is_refused_and_nothing_else(pieces):
    raw = b"".join(pieces)
    array = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(np.array([0, len(raw)], np.int32)), pa.py_buffer(raw)]
    )
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        with pytest.raises(ValueError, match="not UTF-8"):
            read_pages(array)
    else:
        assert read_pages(array).counts["chars"].tolist() == [len(text)]


def test_numbers_are_refused_as_text():
    with pytest.raises(ValueError, match="cast the column first"):
        strings(pa.array([1, 2]))


def test_a_long_document_is_read_whole():
    text = "All work and no play. " * 250_000  # 5.5 MB
    pages = read_pages(pa.array([text, "x" * 1_000_000]))
    assert pages.words.num.tolist() == [6 * 250_000, 1]
    assert pages.lines.sentences.tolist() == [250_000, 1]


def test_the_table_of_characters_holds_every_character_of_a_script():
    for character in "aZ9 \n.,«»—½Ⅷ日ب€😀\u0301":
        assert int(kinds()[ord(character)]) & ~TERMINAL == kind(character)


def test_real_pages_are_split_by_the_plain_rules(reference, shared_data):
    texts = pq.read_table(shared_data / "web/text.parquet", columns=["text"])["text"][::400].to_pylist()
    pages = read_pages(pa.array(texts))
    for row, text in enumerate(texts):
        words = reference.words(text)
        assert words_of(pages, row) == [(int(word_hash(word)), len(word)) for word in words]
        first, stop = pages.lines.bounds[row : row + 2]
        lines = [line for line in text.splitlines() if line]
        assert pages.lines.sentences[first:stop].tolist() == [reference.sentences(line) for line in lines]
