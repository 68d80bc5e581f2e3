"""Phrases are found in lines, and lines put together again, as Python's strings would."""

import re

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.text.compose import keep_lines
from curate.text.pages import read_pages
from curate.text.search import distinct, find

PHRASES = ("lorem ipsum", "{", "javascript", "use cookies", "uses cookies")
PIECES = st.sampled_from(
    [
        *("lorem ", "Lorem IPSUM", "ipsum", "{", "JavaScript", "java", "uses", "use", " cookies", "é", "日本"),
        *("[", "]", "[12]", "[]", "[edit]", "[citation needed]", "[edi"),
        *(" ", "\n", "\r\n", "\n\n", "\u3000", "\u2003", "\xa0", "\x85"),
    ]
)
WORDS = st.sampled_from(["the", "of", "a", "w1", "w2", "w199", "x", "The", ",", "日本"])
TEXTS = st.lists(st.lists(PIECES, max_size=12).map("".join), max_size=4)


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_phrases_are_found_where_python_finds_them(texts):
    pages = read_pages(pa.array(texts, pa.string()))
    lines = [line for text in texts for line in text.splitlines() if line]
    expected = [sum(1 << i for i, phrase in enumerate(PHRASES) if phrase in line.lower()) for line in lines]
    assert find(pages, PHRASES).tolist() == expected


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_kept_lines_are_joined_as_python_would(texts):
    pages = read_pages(pa.array(texts, pa.string()))
    kept = pages.lines.chunks >= 2
    expected = [
        "\n".join(
            re.sub(r"\[\d*]|\[edit]|\[citation needed]", "", line.strip(), flags=re.ASCII)
            for line in text.splitlines()
            if len(line.split()) >= 2
        )
        for text in texts
    ]
    assert keep_lines(pages, kept).to_pylist() == expected


def test_a_null_stays_null_and_a_slice_keeps_its_place():
    pages = read_pages(pa.array(["x y", None, " keep me \n\nand me", "x"]).slice(1, 2))
    assert keep_lines(pages, pages.lines.chunks > 0).to_pylist() == [None, "keep me\nand me"]


def test_a_phrase_ends_with_its_line_and_its_document():
    pages = read_pages(pa.array(["use cook", "ies and java\nscript", None, "javascrip", "t", "JAVASCRIPT", "{"]))
    assert find(pages, PHRASES).tolist() == [0, 0, 0, 0, 0, 4, 2]
    assert find(read_pages(pa.array(["", None])), PHRASES).tolist() == []


@pytest.mark.parametrize("wanted", [("the", "of", "and"), ("a",), (), tuple(f"w{i}" for i in range(200))])
@settings(max_examples=50, deadline=None)
@given(texts=st.lists(st.lists(WORDS).map(" ".join), max_size=5))
def test_each_wanted_word_of_a_document_counts_once(wanted, texts):
    pages = read_pages(pa.array(texts, pa.string()))
    assert distinct(pages.words, wanted).tolist() == [len(set(text.split()) & set(wanted)) for text in texts]
