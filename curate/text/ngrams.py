"""Repetition: how much of a document is said again, in lines and in n-grams of words (Gopher, table A1).

    fractions = ngram_chars(pages.words)
    fractions.top[2]        # characters in the most frequent 2-gram, all its occurrences, per document
    fractions.again[5]      # characters in 5-grams that occurred before

An n-gram can only be repeated where both (n-1)-grams in it are. So only the first hash table holds all words of a
document; each further one holds what the last found repeated, and for ordinary prose 5 to 10 cost nearly nothing.
"""

from typing import NamedTuple

import numpy as np

from curate.text.kernel import kernel
from curate.text.pages import Parts

TOP = (2, 3, 4)
AGAIN = (5, 6, 7, 8, 9, 10)

STEP = np.uint64(0x9E3779B97F4A7C15)


class Repetition(NamedTuple):
    """Characters in repeated n-grams, (rows,) int64 for each n."""

    top: dict[int, np.ndarray]
    again: dict[int, np.ndarray]


def ngram_chars(words: Parts) -> Repetition:
    """Count the characters of each document's most frequent n-gram (spaces between words counted) and of its
    n-grams that occurred before (not counted; none overlaps another).

    The most frequent n-gram is counted even when it occurs once; of several, the first. Of n-grams that occurred before
    the leftmost is taken, and the search goes on behind it.
    """
    rows = len(words.bounds) - 1
    top, again = np.zeros((rows, len(TOP)), np.int64), np.zeros((rows, len(AGAIN)), np.int64)
    _ngrams(words.hash, words.chars, words.bounds, top, again)
    return Repetition(dict(zip(TOP, top.T, strict=True)), dict(zip(AGAIN, again.T, strict=True)))


def duplicates(parts: Parts) -> tuple[np.ndarray, np.ndarray]:
    """Count the lines (or paragraphs) equal to an earlier one of their document, and their characters."""
    rows = len(parts.bounds) - 1
    found, chars = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    _duplicates(parts.hash, parts.chars, parts.bounds, found, chars)
    return found, chars


@kernel
def _capacity(n: int) -> int:
    size = 4
    while size < 2 * n:
        size *= 2
    return size


@kernel
def _longest(bounds: np.ndarray) -> int:
    longest = 0
    for row in range(len(bounds) - 1):
        longest = max(longest, bounds[row + 1] - bounds[row])
    return longest


@kernel
def _find(keys: np.ndarray, counts: np.ndarray, mask: int, key: np.uint64) -> np.int64:
    """Return the slot of `key`, or the free slot where it belongs (open addressing; a free slot has count 0)."""
    slot = np.int64((key ^ (key >> np.uint64(32))) & np.uint64(mask))
    while counts[slot] != 0 and keys[slot] != key:
        slot = (slot + 1) & mask
    return slot


@kernel
def _duplicates(
    hashes: np.ndarray, chars: np.ndarray, bounds: np.ndarray, found: np.ndarray, total: np.ndarray
) -> None:
    room = _capacity(_longest(bounds))
    keys, counts = np.empty(room, np.uint64), np.empty(room, np.int32)
    for row in range(len(bounds) - 1):
        size = _capacity(bounds[row + 1] - bounds[row])
        counts[:size] = 0
        for i in range(bounds[row], bounds[row + 1]):
            slot = _find(keys, counts, size - 1, hashes[i])
            if counts[slot]:
                found[row] += 1
                total[row] += chars[i]
            keys[slot] = hashes[i]
            counts[slot] = 1


@kernel
def _ngrams(hashes: np.ndarray, chars: np.ndarray, bounds: np.ndarray, top: np.ndarray, again: np.ndarray) -> None:
    longest = _longest(bounds)
    room = _capacity(longest)
    keys, counts = np.empty(room, np.uint64), np.empty(room, np.int32)
    grams = np.empty(longest, np.uint64)  # the hash of the n-gram at each place
    slots = np.empty(longest, np.int64)
    places = np.empty(longest, np.int64)  # where an n-gram may be repeated, ascending
    ends = np.empty(longest + 1, np.int64)  # characters before each word
    for row in range(len(bounds) - 1):
        first, words = bounds[row], bounds[row + 1] - bounds[row]
        ends[0] = 0
        for i in range(words):
            grams[i] = hashes[first + i]
            places[i] = i
            ends[i + 1] = ends[i] + chars[first + i]
        candidates = words
        for n in range(2, min(10, words) + 1):
            candidates = _lengthen(hashes[first : first + words], grams, places, candidates, n)
            size = _capacity(candidates)
            counts[:size] = 0
            for j in range(candidates):
                slot = _find(keys, counts, size - 1, grams[places[j]])
                keys[slot] = grams[places[j]]
                counts[slot] += 1
                slots[j] = slot
            if n <= 4:
                best, at = 1, 0
                for j in range(candidates):
                    if counts[slots[j]] > best:
                        best, at = counts[slots[j]], places[j]
                top[row, n - 2] = best * (ends[at + n] - ends[at] + n - 1)
            kept = 0
            for j in range(candidates):
                if counts[slots[j]] > 1:
                    places[kept] = places[j]
                    slots[kept] = slots[j]
                    kept += 1
            candidates = kept
            if n >= 5:
                again[row, n - 5] = _again(places, slots, counts, candidates, ends, n)


@kernel
def _lengthen(hashes: np.ndarray, grams: np.ndarray, places: np.ndarray, candidates: int, n: int) -> int:
    """Turn the repeated (n-1)-grams into candidate n-grams: those whose next place is repeated too."""
    kept = 0
    for j in range(candidates - 1):
        i = places[j]
        if places[j + 1] == i + 1 and i + n <= len(hashes):
            mixed = (grams[i] ^ (grams[i] >> np.uint64(29))) * STEP
            grams[i] = mixed + hashes[i + n - 1]
            places[kept] = i
            kept += 1
    return kept


@kernel
def _again(places: np.ndarray, slots: np.ndarray, counts: np.ndarray, n: int, ends: np.ndarray, size: int) -> int:
    """Sum the characters of n-grams seen before, left to right, none overlapping the last; negates counts as marks."""
    total, resume = 0, 0
    for j in range(n):
        i, slot = places[j], slots[j]
        if i < resume:
            continue
        if counts[slot] < 0:
            total += ends[i + size] - ends[i]
            resume = i + size
        else:
            counts[slot] = -counts[slot]
    return total
