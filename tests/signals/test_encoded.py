"""Encoded data: the kernel finds what StarCoder2's regular expressions find."""

import re

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from curate.signals.encoded import Encoded

EXPRESSIONS = [
    re.compile(expression)
    for expression in (
        r"[a-zA-Z0-9+/\n=]{64,}",
        r"(?:\b(?:0x|\\x)?[0-9a-fA-F]{2}(?:,|\b\s*)){8,}",
        r"(?:\\u[0-9a-fA-F]{4}){8,}",
    )
]


def measured(*texts):
    found = Encoded()(pa.RecordBatch.from_pydict({"text": pa.array(texts, pa.string())}))
    return found["code.encoded"].to_pylist(), found["code.longest_encoded"].to_pylist()


@pytest.mark.parametrize(
    ("text", "longest"),
    [
        ("A" * 64, 64),
        ("A" * 63, 0),
        (f"x = '{'QUJD' * 300}'", 1200),
        ("\\xde" * 8, 0),  # the first backslash stands at no word's boundary
        ("\\xde" * 9, 32),
        ("0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08", 0),  # a blank after a comma ends the published expression
        ("0x01,0x02,0x03,0x04,0x05,0x06,0x07,0x08", 39),
        ("de ad be ef de ad be ef", 23),
        ("\\u0041" * 8, 48),
        ("\\u0041" * 7, 0),
        ("", 0),
    ],
)
def test_longest_by_hand(text, longest):
    shares, found = measured(text)
    assert found == [longest]
    assert shares == [pytest.approx(min(longest / max(len(text), 1), 1))]


def test_missing_texts_are_not_measured():
    assert measured(None, "a") == ([None, 0.0], [None, 0])


parts = st.sampled_from(
    [*"aZ9+/=\n ,;x0é", "\\x41", "0x41,", "41 ", "\\u00e9", "\\u00e9" * 4, "ab" * 20, "0x41," * 5, "\\xff" * 6]
)


@given(st.lists(parts, max_size=60).map("".join))
@example("41 \n" * 40)
@example("\\u00e9" * 3 + "\\\\u00e9" * 8)
def test_it_finds_what_the_expressions_find(text):
    lengths = [len(match[0]) for expression in EXPRESSIONS for match in expression.finditer(text)]
    shares, longest = measured(text)
    assert longest == [max(lengths, default=0)]
    assert shares == [pytest.approx(min(sum(lengths) / max(len(text.encode()), 1), 1.0))]
