"""Cells stand under each other: words from the left, numbers to the right."""

import pytest

from curate.columns import aligned

ROWS = [("step", "documents", "why"), ("input", "2,413", ""), ("Keep", "7", "a rule")]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((0,), ["step   documents     why", "input      2,413", "Keep           7  a rule"]),
        ((0, -1), ["step   documents  why", "input      2,413", "Keep           7  a rule"]),
        ((), [" step  documents     why", "input      2,413", " Keep          7  a rule"]),
        (range(3), ["step   documents  why", "input  2,413", "Keep   7          a rule"]),
    ],
)
def test_each_column_is_as_wide_as_its_widest_cell(words: tuple[int, ...], expected: list[str]) -> None:
    assert aligned(ROWS, words) == expected


def test_no_rows_are_no_lines() -> None:
    assert aligned([]) == []


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"argument 2 is (shorter|longer)"):
        aligned([("a", "b"), ("c",)])
