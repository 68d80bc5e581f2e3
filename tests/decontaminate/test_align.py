"""The alignment: the best chain of blocks, held against trying all of them and against difflib."""

import difflib
from functools import cache

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.decontaminate.align import BLOCK, align


def points(text: str) -> np.ndarray:
    return np.array([ord(c) for c in text], np.uint32)


def share(item: str, window: str) -> float:
    return align(points(item), np.ones(len(item), bool), points(window)).share


def difflib_share(item: str, window: str) -> float:
    blocks = difflib.SequenceMatcher(None, item, window, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks if block.size > 5) / len(item)


def best_sum(item: str, window: str) -> int:
    """Try every chain: leave a character of either text, or take an equal block of BLOCK characters or more."""

    @cache
    def best(i: int, j: int) -> int:
        if i == len(item) or j == len(window):
            return 0
        found = max(best(i + 1, j), best(i, j + 1))
        size = 0
        while i + size < len(item) and j + size < len(window) and item[i + size] == window[j + size]:
            size += 1
            if size >= BLOCK:
                found = max(found, size + best(i + size, j + size))
        return found

    return best(0, 0)


LETTERS = st.text(alphabet="ab", min_size=1, max_size=40)
PHRASE = st.lists(
    st.sampled_from(["the duck lays", "sixteen eggs", "every day", "at the market", "for $2"]), max_size=6
)


@given(LETTERS, LETTERS)
@settings(max_examples=200, deadline=None)
def test_it_is_the_best_chain_there_is(item: str, window: str) -> None:
    assert share(item, window) * len(item) == best_sum(item, window)


@given(PHRASE, PHRASE)
@settings(deadline=None)
def test_it_is_never_below_difflib(item: list[str], window: list[str]) -> None:
    a, b = " ".join(item) or "x", " and ".join(window)
    assert share(a, b) >= difflib_share(a, b)


def test_difflib_can_lose_by_taking_the_longest_block_first() -> None:
    item, window = "abcdefg.hijklmn.opqrstuvw", "opqrstuvw abcdefg hijklmn"
    assert (share(item, window), difflib_share(item, window)) == (14 / 25, 9 / 25)


def test_blocks_of_five_characters_do_not_count() -> None:
    assert share("abcde-12345", "abcde+12345") == 0.0
    assert share("abcdef-12345", "abcdef+12345") == 6 / 12


def test_it_tells_where_the_chain_is_and_the_later_of_equals() -> None:
    found = align(points("sixteen eggs"), np.ones(12, bool), points("xx sixteen eggs yy"))
    assert (found.start, found.stop) == (3, 15)
    twice = align(points("sixteen"), np.ones(7, bool), points("sixteen sixteen"))
    assert (twice.start, twice.stop) == (8, 15)


def test_common_phrases_count_neither_as_found_nor_as_sought() -> None:
    item = "which of these the duck"
    own = np.array([False] * 15 + [True] * 8)
    assert align(points(item), own, points("which of these others")).share == 0.0
    assert align(points(item), own, points("it is the duck")).share == 1.0
    assert align(points(item), np.zeros(len(item), bool), points(item)).share == 0.0
