"""Repeated n-grams, lines and paragraphs equal a slow count."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.text.ngrams import duplicates, ngram_chars
from curate.text.pages import read_pages

# Few words, so that n-grams come again; a phrase, so that long ones do.
WORD = st.sampled_from(["a", "bb", "c", "is it so", "one two three four five six seven eight nine ten"])
TEXT = st.lists(WORD, max_size=60).map(" ".join)


@settings(max_examples=300, deadline=None)
@given(st.lists(TEXT, max_size=4))
def test_ngrams_equal_a_slow_count(reference, texts):
    found = ngram_chars(read_pages(pa.array(texts, pa.string())).words)
    for row, text in enumerate(texts):
        words = reference.words(text)
        for n, chars in found.top.items():
            assert chars[row] == reference.top_ngram_chars(words, n), (text, n)
        for n, chars in found.again.items():
            assert chars[row] == reference.again_ngram_chars(words, n), (text, n)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.sampled_from(["a", "bb", " ", "", "- x"]), max_size=20).map("\n".join), max_size=4))
def test_duplicate_lines_and_paragraphs_equal_a_slow_count(reference, texts):
    pages = read_pages(pa.array(texts, pa.string()))
    for parts, of in (
        (pages.lines, lambda text: [x for x in text.splitlines() if x]),
        (pages.paragraphs, reference.paragraphs),
    ):
        found, chars = duplicates(parts)
        assert list(zip(found.tolist(), chars.tolist(), strict=True)) == [
            reference.duplicates(of(text)) for text in texts
        ]


@pytest.mark.parametrize(
    ("text", "top_2", "again_5"),
    [
        ("", 0, 0),
        ("one", 0, 0),
        ("one two", 7, 0),  # it is the most frequent one although it occurs once
        ("a b a b", 6, 0),  # "a b" twice, its space counted
        ("a b c d e a b c d e", 6, 5),  # the second time five letters say nothing new
        ("x " * 11, 30, 10),  # ten bigrams of three characters; the 5-grams at 1 and at 6 are the one at 0
    ],
)
def test_ngrams_by_hand(text, top_2, again_5):
    found = ngram_chars(read_pages(pa.array([text])).words)
    assert (found.top[2][0], found.again[5][0]) == (top_2, again_5)
