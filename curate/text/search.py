"""Which lines hold which phrases, and which documents which words.

    found = find(pages, ("lorem ipsum", "{"))
    found & 0b10      # the lines with a curly bracket
    distinct(pages.words, ("the", "of"))      # per document: 0, 1 or 2

`find` is `"lorem ipsum" in line.lower()` over bytes, for every line of a batch. Phrases are ASCII in small letters, and
only ASCII letters are folded: a Kelvin sign is not a k here. Two bytes of text tell how far away the next phrase begins
at the earliest, so that only a byte in eight or so is read (Wu and Manber 1994, "A fast algorithm for multi-pattern
searching").
"""

from functools import cache
from itertools import product

import numpy as np

from curate.text.kernel import kernel
from curate.text.pages import Pages, Parts, word_hash

BLOCK = 4096  # bytes looked at together for a single character


def find(pages: Pages, phrases: tuple[str, ...]) -> np.ndarray:
    """Return (lines,) uint64: bit i is set where the line contains phrases[i]; at most 64 phrases."""
    assert len(phrases) <= 64
    assert all(phrase.isascii() and phrase == phrase.lower() for phrase in phrases)
    found = np.zeros(len(pages.lines.hash), np.uint64)
    where = (pages.text.data, pages.lines.starts, pages.lines.stops)
    if not len(found):
        return found
    for i, phrase in enumerate(phrases):
        if len(phrase) == 1:
            for character in {phrase, phrase.upper()}:
                _find_byte(*where, ord(character), np.uint64(1 << i), found)
    bits = [i for i, phrase in enumerate(phrases) if len(phrase) > 1]
    if bits:
        letters, sizes, jumps = _pattern(tuple(phrases[i] for i in bits))
        _find(*where, letters, sizes, np.array(bits, np.uint64), jumps, found)
    return found


def distinct(words: Parts, wanted: tuple[str, ...]) -> np.ndarray:
    """Count how many of the words in `wanted` each document holds, each counted once: (rows,) int64."""
    hashes = np.array([word_hash(word) for word in dict.fromkeys(wanted)], np.uint64)
    size = np.uint64(64)
    while len(np.unique(hashes % size)) < len(hashes):  # a slot for each, so that there is no search at a word
        size *= np.uint64(2)
    slots = (hashes % size).astype(np.int64)
    keys = np.zeros(int(size), np.uint64)
    keys[slots] = hashes
    found = np.zeros(len(words.num), np.int64)
    _distinct(words.hash, words.bounds, keys, slots, np.zeros(int(size), np.int64), found)
    return found


@cache
def _pattern(phrases: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the phrases as rows of bytes, their lengths, and the jumps between them."""
    letters = np.zeros((len(phrases), max(map(len, phrases))), np.uint8)
    for i, phrase in enumerate(phrases):
        letters[i, : len(phrase)] = np.frombuffer(phrase.encode(), np.uint8)
    sizes = np.array([len(phrase) for phrase in phrases], np.int64)
    return letters, sizes, _jumps(letters, int(sizes.min()))


def _jumps(letters: np.ndarray, shortest: int) -> np.ndarray:
    """Return (65536,) uint8: how far the search may go on from two bytes (the first is the low one).

    0 where they are the last two of some phrase's first `shortest` characters.
    """
    jumps = np.full(65536, min(shortest - 1, 255), np.uint8)
    for phrase in letters.tolist():
        for i in range(shortest - 1):
            for a, b in product(*({letter, ord(chr(letter).upper())} for letter in phrase[i : i + 2])):
                jumps[a | b << 8] = min(jumps[a | b << 8], shortest - 2 - i)
    return jumps


@kernel
def _line_at(starts: np.ndarray, place: int) -> int:
    """Return the last line that begins at or before a byte; -1 if there is none."""
    low, high = 0, len(starts)
    while low < high:
        middle = (low + high) // 2
        if starts[middle] <= place:
            low = middle + 1
        else:
            high = middle
    return low - 1


@kernel
def _find_byte(
    data: np.ndarray, starts: np.ndarray, stops: np.ndarray, byte: int, bit: np.uint64, found: np.ndarray
) -> None:
    for begin in range(starts[0], stops[-1], BLOCK):
        end, num = min(begin + BLOCK, stops[-1]), 0
        for place in range(begin, end):
            num += data[place] == byte
        if num:
            for place in range(begin, end):
                if data[place] == byte:
                    line = _line_at(starts, place)
                    if place < stops[line]:
                        found[line] |= bit


@kernel
def _find(
    data: np.ndarray,
    starts: np.ndarray,
    stops: np.ndarray,
    letters: np.ndarray,
    sizes: np.ndarray,
    bits: np.ndarray,
    jumps: np.ndarray,
    found: np.ndarray,
) -> None:
    back = sizes.min() - 2  # from the two bytes looked at to where a phrase would begin
    i = starts[0] + back
    while i + 1 < stops[-1]:
        jump = jumps[data[i] | np.uint16(data[i + 1]) << 8]
        i += max(jump, 1)
        if jump == 0:
            place = i - 1 - back
            for phrase in range(len(sizes)):
                same = 0
                while same < sizes[phrase] and place + same < stops[-1]:
                    letter = data[place + same]
                    if 65 <= letter <= 90:  # A-Z
                        letter += 32
                    if letter != letters[phrase, same]:
                        break
                    same += 1
                if same == sizes[phrase]:
                    line = _line_at(starts, place)
                    if place + same <= stops[line]:
                        found[line] |= np.uint64(1) << bits[phrase]


@kernel
def _distinct(
    hashes: np.ndarray, bounds: np.ndarray, keys: np.ndarray, slots: np.ndarray, last: np.ndarray, found: np.ndarray
) -> None:
    """Count in `found`; `last` is 1 + the last row that held the word of a slot."""
    mask = np.uint64(len(keys) - 1)
    for row in range(len(bounds) - 1):
        for i in range(bounds[row], bounds[row + 1]):
            slot = np.int64(hashes[i] & mask)
            last[slot] = row + 1 if keys[slot] == hashes[i] else last[slot]
        for slot in slots:
            found[row] += last[slot] == row + 1
