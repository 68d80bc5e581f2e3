"""Solutions found in code whatever was done to their names, layout and comments, and nothing where code is common."""

import pickle
from dataclasses import dataclass

import pytest

from curate.decontaminate.code import MAX_CHARS, MIN_BITS, CodeIndex, CodeMatch
from curate.decontaminate.trees import plant

WINDOWS = '''
def widest_window(values, limit):
    """Length of the longest window with a sum of at most limit."""
    best = left = total = 0
    for right, value in enumerate(values):
        total += value
        while total > limit:
            total -= values[left]
            left += 1
        best = max(best, right - left + 1)
    return best
'''
DIGITS = """
def is_even(digit):
    return digit % 2 == 0


def alternating(number):
    digits = [int(c) for c in str(abs(number))]
    signs = [1 if is_even(k) else -1 for k in range(len(digits))]
    return sum(d * s for d, s in zip(digits, signs)) % 11
"""
STRLEN = "def strlen(string):\n    return len(string)\n"
RENAMED = """
    def longest(self, xs, most):
        # a sliding window
        i = s = top = 0
        for j, x in enumerate(xs):
            s = s + x
            while most < s:
                s -= xs[i]
                i += 1
            top = max(top, (j - i) + 1)
        return (
            top
        )
"""


@dataclass(frozen=True)
class Solution:
    benchmark: str
    item: str
    code: str
    entry_point: str | None = None


@pytest.fixture(scope="module")
def index() -> CodeIndex:
    return CodeIndex.of(
        [
            Solution("toy", "0", WINDOWS, "widest_window"),
            Solution("toy", "1", DIGITS, "alternating"),
            Solution("toy", "2", STRLEN, "strlen"),
            Solution("toy", "3", "function f(x) { return x }"),
        ]
    )


def only(index: CodeIndex, text: str) -> CodeMatch:
    (match,) = index.find(text).matches
    return match


def test_a_copy_is_found_with_its_place(index: CodeIndex) -> None:
    match = only(index, f"import os\n\nPATH = os.getcwd()\n{WINDOWS}\nprint(PATH)\n")
    assert (match.benchmark, match.item, match.rate, match.function) == ("toy", "0", 1.0, "widest_window")
    assert (match.start_line, match.end_line) == (5, 14)


def test_a_renamed_method_with_other_comments_and_layout_is_found(index: CodeIndex) -> None:
    match = only(index, f"class Windows:\n    size = 3\n{RENAMED}")
    assert (match.item, match.rate, match.function, match.start_line) == ("0", 1.0, "Windows.longest", 4)
    assert MIN_BITS < match.bits < only(index, WINDOWS).bits  # other names tell less


def test_an_edited_copy_has_the_rate_of_its_edits(index: CodeIndex) -> None:
    size = len(plant(WINDOWS).labels)
    edited = WINDOWS.replace("right - left + 1", "right - left + 2").replace("left += 1", "left += 3")
    assert only(index, edited).rate == pytest.approx(1 - 2 / size, abs=1e-4)


def test_a_solution_in_a_page_and_in_python_2_is_found(index: CodeIndex) -> None:
    page = f"How to do it\n\n```\n{WINDOWS}```\n\nIt's easy.\n"
    assert only(index, page).start_line == 5
    old = f"print 'begin'\n{WINDOWS}\nprint 'end'\n"
    assert (only(index, old).start_line, only(index, old).rate) == (3, 1.0)


def test_the_function_that_the_tests_call_stands_for_an_item_and_another_only_adds_to_it(index: CodeIndex) -> None:
    helper, main = DIGITS.strip().split("\n\n\n")
    assert index.find(helper).matches == ()
    assert only(index, main).bits < only(index, DIGITS).bits
    assert only(index, DIGITS).function == "alternating"


def test_what_is_common_is_no_evidence_and_is_listed(index: CodeIndex) -> None:
    assert index.find("def size(items):\n    return len(items)\n").matches == ()
    assert index.common == (("toy", "2"),)


def test_a_docstring_helps_where_the_tree_is_too_common(index: CodeIndex) -> None:
    told = "def f(x):\n    {}return len(x)\n"
    documented = CodeIndex.of([Solution("toy", "4", told.format('"""Give the length of the given string back."""; '))])
    assert documented.find(told.format("")).matches == ()
    assert only(documented, told.format("'Here: give the length of the given string back'; ")).rate == 1


def test_an_item_that_is_not_python_is_left_out(index: CodeIndex) -> None:
    assert [item for _, item in index.items] == ["0", "1", "2"]


@pytest.mark.parametrize("text", ["", "Prose about def and class.", "x = 1\n", "class A:\n    pass\n", "int main() {}"])
def test_innocent_texts_hold_nothing(index: CodeIndex, text: str) -> None:
    assert index.find(text).matches == ()
    assert index.find(text).reason is None


def test_what_is_not_examined_is_said_and_the_rest_is_examined(index: CodeIndex) -> None:
    assert index.find("x = 1\n" * (MAX_CHARS // 6 + 1)).reason == "not examined: longer than 1,000,000 characters"
    deep = "def deep(x):\n    return " + "-" * 170 + "x\n"
    found = index.find(f"{deep}\n{WINDOWS}")
    assert found.reason == "partly examined: nested too deeply"
    assert [match.item for match in found.matches] == ["0"]
    assert index.find("(" * 10_000).matches == index.find("-" * 10_000 + "1").matches == ()


def test_an_index_of_nothing_finds_nothing() -> None:
    assert CodeIndex.of([]).find(WINDOWS).matches == ()


def test_an_index_finds_the_same_twice_and_after_a_journey(index: CodeIndex) -> None:
    again = pickle.loads(pickle.dumps(index))
    assert again.find(WINDOWS) == index.find(WINDOWS) == index.find(WINDOWS)
