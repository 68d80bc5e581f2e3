"""What a character becomes before words are compared: one table for the kernels of `curate.decontaminate.scan`.

A page that quotes a question rarely quotes its bytes. Words are compared as cosmopedia does (small letters, `\\w+`,
accents taken apart), and further than that, by the same rules on both sides:

    letters and digits   small, compatibility forms replaced, accents dropped (NFKD: "ﬁ" -> "fi", "é" -> "e")
    marks, soft hyphens  nothing: they do not end a word
    Han, kana, Thai ...  one character is one word, since nothing else parts them
    anything else        ends a word

cosmopedia's NFD leaves the accent between two halves of a word ("résumé" -> "re", "sume"); ours is one word.
"""

import unicodedata
from functools import cache
from typing import NamedTuple

import numpy as np

from curate.text.characters import LAST_LETTER, NO_SPACES

END, LETTER, ALONE, NOTHING = 0, 1, 2, 3  # kinds of code points
LAST = LAST_LETTER  # code points from here on end a word
HANGUL = range(0xAC00, 0xD7A4)  # syllables stay whole: NFKD would take them apart into letters
MOST = 4  # code points that one becomes; longer ones (Arabic formulas in one sign) are cut


class Folding(NamedTuple):
    """The table as arrays: code point c becomes points[c, :sizes[c]]."""

    kinds: np.ndarray  # (LAST,) uint8
    sizes: np.ndarray  # (LAST,) uint8
    points: np.ndarray  # (LAST, MOST) uint32


@cache
def folding() -> Folding:
    """Return the table by this Python's Unicode data, made once in each process."""
    kinds, sizes = np.zeros(LAST, np.uint8), np.zeros(LAST, np.uint8)
    points = np.zeros((LAST, MOST), np.uint32)
    alone = {point for low, high in NO_SPACES for point in range(low, high + 1)}
    for point in range(LAST):
        kinds[point], folded = fold(point, alone=point in alone)
        sizes[point] = len(folded)
        points[point, : len(folded)] = folded
    return Folding(kinds, sizes, points)


def fold(point: int, *, alone: bool) -> tuple[int, list[int]]:
    """Return what kind of character a code point is and what it becomes."""
    character = chr(point)
    category = unicodedata.category(character)
    if category[0] == "M" or category == "Cf":  # marks; soft hyphen, zero-width and direction signs
        return NOTHING, []
    if not (character.isalnum() or category == "No"):
        return END, []
    whole = character if point in HANGUL else unicodedata.normalize("NFKD", character.lower())
    letters = [ord(c) for c in whole.lower() if c.isalnum()][:MOST]
    if not letters:
        return END, []
    return (ALONE if alone else LETTER), letters
