"""Words and n-grams by the kernels, beside slow ones in Python."""

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.decontaminate.scan import Table, Words, ngram_hashes, scan


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Janet’s DUCKS lay 16 eggs—daily.", "janet s ducks lay 16 eggs daily"),
        ("r\u00e9sum\u00e9 and re\u0301sume\u0301, \ufb01ne co\u00adoperate", "resume and resume fine cooperate"),
        ("1,000 of 12,345,678 but 1,2 and 1,0000", "1000 of 12345678 but 1 2 and 1 0000"),
        ("how <b>many</b><br/> <a href='x y' hidden>clips</a>?", "how many clips"),
        ("if a <b then c> d", "if a b then c d"),  # no tag
        ('<i q="how many are in the two old boxes">', "i q how many are in the two old boxes"),  # text in a tag
        ("rock&nbsp;&amp; roll &#8217;n&amp;#39; AT&T; x", "rock roll n at t x"),
        (r"per day.\nShe said \u201cno\u201d \nabla", "per day she said no abla"),
        ("48/2 = <<48/2=24>>24 cout << a << b;", "48 2 24 cout a b"),
        ("_so_ __init__ has_close__elements _", "so init has_close_elements"),
        ("中文字 and ไทย", "中 文 字 and ไ ท ย"),
        ("한국어 텍스트", "한국어 텍스트"),
        ("", ""),
        ("... !?", ""),
    ],
)
def test_what_is_a_word(text: str, words: str) -> None:
    assert Words(text).text() == words


def test_each_character_knows_its_byte() -> None:
    text = "An «é»&nbsp;<i>x1</i>!"
    words, data = Words(text), text.encode()
    spans = [data[words.where[a] : words.where[b]].decode() for a, b in zip(words.starts, words.stops, strict=True)]
    assert spans == ["An", "é", "x1"]


PLAIN = st.text(alphabet=st.characters(codec="ascii", exclude_characters="<&\\_,"), max_size=300)


@settings(deadline=None)  # the kernels compile on their first call
@given(PLAIN)
def test_plain_words_are_cosmopedias(text: str) -> None:
    assert Words(text).text().split() == re.findall(r"\w+", text.lower())


@settings(deadline=None)  # the kernels compile on their first call
@given(st.lists(st.text(max_size=80), max_size=6))
def test_any_text_gives_the_same_words_in_a_batch_as_alone(texts: list[str]) -> None:
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    keys = [set(ngram_hashes(Words(text).hashes, 2).tolist()) for text in texts]
    table = Table(np.array(sorted(set().union(*keys)), np.uint64), (2,))
    rows, words, slots = scan(pa.array(texts, pa.string()), table)
    found = [[int(table.keys[slot]) for slot in slots[rows == row]] for row in range(len(texts))]
    assert found == [ngram_hashes(Words(text).hashes, 2).tolist() for text in texts]
    assert all(words[rows == row].tolist() == list(range(len(found[row]))) for row in range(len(texts)))


@settings(deadline=None)  # the kernels compile on their first call
@given(st.lists(st.sampled_from("abc"), max_size=60), st.lists(st.sampled_from("abc"), min_size=3, max_size=9))
def test_an_ngram_is_found_wherever_it_stands_and_nowhere_else(document: list[str], wanted: list[str]) -> None:
    n = 3
    grams = sorted({tuple(wanted[i : i + n]) for i in range(len(wanted) - n + 1)})
    keys = {gram: int(ngram_hashes(Words(" ".join(gram)).hashes, n)[0]) for gram in grams}
    table = Table(np.array(sorted(keys.values()), np.uint64), (n,))
    _, words, slots = scan(pa.array([None, " ".join(document)]), table)
    expected = [
        (i, keys[tuple(document[i : i + n])])
        for i in range(len(document) - n + 1)
        if tuple(document[i : i + n]) in keys
    ]
    assert list(zip(words.tolist(), table.keys[slots].tolist(), strict=True)) == expected


def test_more_hits_than_there_was_room_for_are_all_found() -> None:
    table = Table(ngram_hashes(Words("a a").hashes, 2), (2,))
    assert len(scan(pa.array(["a " * 5001]), table)[0]) == 5000


def test_slices_large_strings_and_no_rows_are_read() -> None:
    table = Table(ngram_hashes(Words("a b").hashes, 2), (2,))
    texts = pa.array(["a b", "x", "a b a b"], pa.large_string())
    assert scan(texts.slice(2), table)[1].tolist() == [0, 2]
    assert scan(texts.slice(0, 0), table)[0].tolist() == []
