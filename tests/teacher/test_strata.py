from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.teacher.strata import By, allocate, labels, parse


def batch(**columns):
    return pa.RecordBatch.from_pydict(columns)


def test_a_row_is_named_by_its_values_and_ranges():
    rows = batch(text=["a" * 499, "a" * 500, "ü" * 9000], source=["web", "edu", None], score=[0.49, 2.5, 4.9])
    assert labels(rows, parse("source,length,score")).to_pylist() == [
        "web | <500 | <0.5",
        "edu | 500-2000 | 2.5-3.5",
        "none | >=8000 | >=4.5",
    ]
    assert labels(rows, ()).to_pylist() == ["all"] * 3


def test_edges_are_given_after_the_column_and_unknown_values_are_a_stratum_of_their_own():
    rows = batch(text=["x"] * 4, gate=pa.array([0.1, 0.2, None, float("nan")]))
    assert labels(rows, parse("gate:0.2:0.8")).to_pylist() == ["<0.2", "0.2-0.8", "none", "none"]
    assert str(By("gate", (0.2, 0.8))) == "gate:0.2:0.8"


def test_what_cannot_be_divided_by_says_why():
    with pytest.raises(ValueError, match="COLUMN:EDGE:EDGE with rising numbers"):
        parse("score:3:2")
    with pytest.raises(ValueError, match="no column 'kind' to divide by"):
        By("kind").columns(pa.schema([("text", pa.string())]))
    with pytest.raises(ValueError, match="edges need numbers"):
        labels(batch(text=["x"], source=["web"]), parse("source:1:2"))


def test_allocation_by_hand():
    assert allocate({"a": 900, "b": 100}, 50) == {"a": 45, "b": 5}
    assert allocate({"a": 990, "b": 10}, 20, at_least=5) == {"a": 15, "b": 5}  # b's least number is above its share
    assert allocate({"a": 3, "b": 1000}, 500, at_least=10) == {"a": 3, "b": 497}  # no more than there are
    # Neyman: equal sizes, spreads 3 to 1
    assert allocate({"a": 500, "b": 500}, 40, spreads={"a": 1.5, "b": 0.5}) == {"a": 30, "b": 10}


def test_too_many_strata_for_the_sample_is_an_error_with_the_cure():
    with pytest.raises(ValueError, match=r"100 strata with 2 documents each take 200, more than n=150; raise n"):
        allocate({str(i): 50 for i in range(100)}, 150)


@given(st.lists(st.integers(0, 60), min_size=1, max_size=8), st.integers(0, 300), st.integers(0, 3))
def test_a_larger_sample_never_takes_a_document_away(sizes, n, at_least):
    sizes = {str(i): size for i, size in enumerate(sizes)}
    least = sum(min(size, at_least) for size in sizes.values())
    small = allocate(sizes, least + n, at_least=at_least)
    large = allocate(sizes, least + n + 1, at_least=at_least)
    assert sum(small.values()) == min(least + n, sum(sizes.values()))
    assert all(large[name] >= small[name] for name in sizes)
    assert all(small[name] <= sizes[name] for name in sizes)
    assert not Counter(small) - Counter(large)


def test_numbers_that_are_no_grades_need_edges():
    counts = pa.schema([("gopher.word_count", pa.int64()), ("web_edu.score", pa.float32()), ("int_score", pa.int64())])
    with pytest.raises(ValueError, match=r"'gopher.word_count' holds numbers that are no grades.*word_count:EDGE:EDGE"):
        By("gopher.word_count").columns(counts)
    with pytest.raises(ValueError, match="holds numbers that are no grades"):
        labels(batch(text=["x"], size=[7]), parse("size"))
    assert parse("gopher.word_count:200:1000,web_edu.score,int_score")[0].columns(counts) == ["gopher.word_count"]
    rows = pa.RecordBatch.from_arrays([pa.array([2.4]), pa.array([4])], names=["web_edu.score", "int_score"])
    assert labels(rows, parse("web_edu.score,int_score")).to_pylist() == ["1.5-2.5 | 3.5-4.5"]
