"""Repetition: how much of a document is said again, in lines and in n-grams of words (Gopher, table A1).

    fractions = ngram_chars(pages.words)
    fractions.top[2]        # characters in the most frequent 2-gram, all its occurrences, per document
    fractions.again[5]      # characters in 5-grams that occurred before

An n-gram can only be repeated where both (n-1)-grams in it are. So only the first hash table holds all words of a
document; each further one holds what the last found repeated, and for ordinary prose 5 to 10 cost nearly nothing.
"""

from typing import NamedTuple

import numpy as np

from curate.text.kernel import inner, kernel
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


@inner
def _capacity(n: int) -> int:
    size = 4
    while size < 2 * n:
        size *= 2
    return size


@inner
def _longest(bounds: np.ndarray) -> int:
    longest = 0
    for row in range(len(bounds) - 1):
        longest = max(longest, bounds[row + 1] - bounds[row])
    return longest


@inner
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
    slots = np.empty(_capacity(longest), np.int32)
    grams = np.empty(longest, np.uint64)  # the hash of the n-gram at each place
    counts = np.empty(longest, np.int32)  # how often it occurs, at the place where it does so first
    places = np.empty(longest, np.int32)  # where an n-gram may be repeated, ascending
    firsts = np.empty(longest, np.int32)  # for each of those, where its n-gram occurs first
    ends = np.zeros(longest + 1, np.int64)  # characters before each word
    for row in range(len(bounds) - 1):
        _ngrams_of(
            hashes,
            chars,
            bounds[row],
            bounds[row + 1] - bounds[row],
            slots,
            grams,
            counts,
            places,
            firsts,
            ends,
            top[row],
            again[row],
        )


@inner
def _ngrams_of(
    hashes: np.ndarray,
    chars: np.ndarray,
    start: int,
    words: int,
    slots: np.ndarray,
    grams: np.ndarray,
    counts: np.ndarray,
    places: np.ndarray,
    firsts: np.ndarray,
    ends: np.ndarray,
    top: np.ndarray,
    again: np.ndarray,
) -> None:
    """Fill `top` and `again` for one document, the words [start : start + words]."""
    for i in range(words):
        grams[i], places[i] = hashes[start + i], i
        ends[i + 1] = ends[i] + chars[start + i]
    num = words
    for n in range(2, min(10, words) + 1):
        num = _lengthen(hashes, start, words, grams, places, num, n)
        _count(grams, places, num, slots, counts, firsts)
        best, at, kept = 1, 0, 0
        for j in range(num):
            place, count = places[j], counts[firsts[j]]
            if count > best:
                best, at = count, place
            places[kept], firsts[kept] = place, firsts[j]
            kept += count > 1
        num = kept
        if n <= 4:
            top[n - 2] = best * (ends[at + n] - ends[at] + n - 1)
        else:
            again[n - 5] = _again(places, firsts, counts, num, ends, n)


@inner
def _lengthen(
    hashes: np.ndarray, start: int, words: int, grams: np.ndarray, places: np.ndarray, num: int, n: int
) -> int:
    """Turn the repeated (n-1)-grams into candidate n-grams: those whose next place is repeated too."""
    kept = 0
    if num and places[num - 1] + n > words:
        num -= 1
    for j in range(num):
        i = places[j]
        mixed = (grams[i] ^ (grams[i] >> np.uint64(29))) * STEP
        grams[i] = mixed + hashes[start + i + n - 1]
        places[kept] = i
        kept += places[j + 1] == i + 1
    return kept


@inner
def _count(
    grams: np.ndarray, places: np.ndarray, num: int, slots: np.ndarray, counts: np.ndarray, firsts: np.ndarray
) -> None:
    """Find where the n-gram at each of `num` places occurs first, and count it there (open addressing)."""
    size = _capacity(num)
    slots[:size] = -1
    for j in range(num):
        i = places[j]
        gram = grams[i]
        slot = np.int64((gram ^ (gram >> np.uint64(32))) & np.uint64(size - 1))
        while slots[slot] >= 0 and grams[slots[slot]] != gram:
            slot = (slot + 1) & (size - 1)
        if slots[slot] < 0:
            slots[slot] = i
            counts[i] = 0
        firsts[j] = slots[slot]
        counts[firsts[j]] += 1


@inner
def _again(places: np.ndarray, firsts: np.ndarray, counts: np.ndarray, num: int, ends: np.ndarray, n: int) -> int:
    """Sum the characters of n-grams seen before, left to right, none overlapping the last; negates counts as marks."""
    total, resume = 0, 0
    for j in range(num):
        i = places[j]
        if i < resume:
            continue
        if counts[firsts[j]] < 0:
            total += ends[i + n] - ends[i]
            resume = i + n
        else:
            counts[firsts[j]] = -counts[firsts[j]]
    return total
