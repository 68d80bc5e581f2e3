"""The shape of a text against a slow reference that reads it the way a person would describe it."""

import math
import re

import numpy as np
import pyarrow as pa
import pytest

from curate.classify.shape import KEYWORDS, MEASURES, NUM_SHAPES, SIGNS, shapes

CODE = '''import os


def walk(path):
    """Yield files. Not folders!"""
    # sorted: the same on every machine
    for name in sorted(os.listdir(path)):
        print(name, 3.14)
\treturn None
'''
PROSE = "# Leaves\n\nWhy are leaves green? Chlorophyll.\n\n- Draw a leaf.\n* 12 leaves\n1. Count them, é.\n"
TEXTS = [CODE, PROSE, "", "a", "\n\n\n", "光合作用 is it.", 'x = "' + "ab " * 3000 + '"', "    deep" * 30]


def reference(text: str, max_chars: int) -> list[float]:
    """What the list of MEASURES says."""
    data, whole = text[:max_chars].encode(), len(text.encode())
    lines = data.split(b"\n")
    filled = [line for line in lines if any(byte > 32 for byte in line)]
    words = re.findall(rb"[A-Za-z0-9_\x80-\xff]+", data)
    n, w = len(filled) + 1, len(words) + 1
    starts = [next(i for i, byte in enumerate(line) if byte > 32) for line in filled]
    marks = [line[at] for line, at in zip(filled, starts, strict=True)]
    length = sum(map(len, filled)) / n
    indents = [min(at, 40) for at in starts]
    indent = sum(indents) / n
    measures = [
        math.log(len(data) + 1),
        math.log(whole + 1),
        math.log(len(lines)),
        math.log(length + 1),
        math.log(max(map(len, filled), default=0) + 1),
        math.sqrt(max(sum(len(line) ** 2 for line in filled) / n - length**2, 0)) / (length + 1),
        1 - len(filled) / len(lines),
        indent,
        math.sqrt(max(sum(at**2 for at in indents) / n - indent**2, 0)),
        len(set(words)) / w,
        sum(map(len, words)) / w,
        sum(65 <= word[0] <= 90 for word in words) / w,
        sum(word.isdigit() for word in words) / w,
        sum(mark == ord("#") for mark in marks) / n,
        sum(mark in b"-*0123456789\xe2" for mark in marks) / n,
        sum(data[i : i + 3] in (b'"""', b"'''") for i in range(len(data))) / n,
        len(re.findall(rb"[.!?](?=[ \n]|\Z)", data)) / w,
        math.sqrt(sum(byte >= 128 for byte in data) / (len(data) + 1)),
    ]
    keywords = [math.sqrt(words.count(keyword) / w) for keyword in KEYWORDS]
    return [*measures, *keywords, *(math.sqrt(data.count(bytes([sign])) / (len(data) + 1)) for sign in SIGNS)]


@pytest.mark.parametrize("text", TEXTS)
def test_every_number_is_what_its_name_says(text: str) -> None:
    names = [*MEASURES, *map(str, KEYWORDS), *map(chr, SIGNS)]
    for name, found, expected in zip(names, shapes([text], 4000)[0], reference(text, 4000), strict=True):
        assert found == pytest.approx(expected, abs=1e-5), name


def test_a_document_is_the_same_in_any_company_and_a_null_is_empty() -> None:
    together = shapes(pa.array(["before", *TEXTS, None]).slice(1), 4000)
    alone = np.concatenate([shapes([text], 4000) for text in [*TEXTS, ""]])
    assert together.shape == (len(TEXTS) + 1, NUM_SHAPES)
    np.testing.assert_array_equal(together, alone)


def test_the_whole_length_counts_but_nothing_else_behind_the_limit() -> None:
    short, long = shapes(["ab " * 10 + "?" * 50, "ab " * 10], 30)
    different = np.flatnonzero(short != long)
    assert different.tolist() == [MEASURES.index("bytes of the whole text, log")]
