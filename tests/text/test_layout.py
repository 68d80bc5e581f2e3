"""Lines and letters counted alone are those counted with the words."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.text.layout import COUNTS, read_layout
from curate.text.pages import read_pages

TEXTS = st.lists(st.none() | st.text() | st.text(alphabet="ab1 \n\r\v\x85\u2028é漢😀"))


@settings(deadline=None)  # the first call compiles
@given(TEXTS)
def test_the_counts_are_those_of_pages(texts):
    array = pa.array(texts, pa.string())
    found, expected = read_layout(array), read_pages(array).counts
    assert {name: found[name].tolist() for name in COUNTS} == {name: expected[name].tolist() for name in COUNTS}


@settings(deadline=None)  # the first call compiles
@given(st.text(alphabet="ab1 \n\r\x85é漢😀"))
def test_the_counts_are_those_of_python(text):
    found = {name: int(counts[0]) for name, counts in read_layout(pa.array([text])).items()}
    lines = text.splitlines()
    assert found["chars"] == len(text)
    assert found["lines"] == len(lines)
    assert found["line_chars"] == sum(map(len, lines))
    assert found["longest_line"] == max(map(len, lines), default=0)
    assert found["alphas"] == sum(map(str.isalpha, text))
    assert found["alnums"] == sum(map(str.isalnum, text))


def test_a_slice_is_counted_alone():
    array = pa.array(["aa\nb", "c1", None, "d"], pa.large_string()).slice(1, 2)
    assert read_layout(array)["alnums"].tolist() == [2, 0]


def test_a_text_that_is_not_utf_8_is_told_by_its_row():
    broken = pa.array([b"fine", b"\xff\xfe"]).view(pa.string())
    with pytest.raises(ValueError, match="row 1"):
        read_layout(broken)
