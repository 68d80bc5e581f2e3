"""The tokens that tell what they are, found in one compiled pass: runs of letters, digits, hyphens and underscores.

    n = runs(text, beginnings, ends, out)      columns of `out`: row, TOKEN, where the token begins, its end, its begin

A token such as `ghp_...` is a long run with a known beginning: of every 20 bytes one is read until it can lie in such a
run (Boyer and Moore 1977).
"""

from functools import cache

import numpy as np

from curate.text.arrow import Strings
from curate.text.kernel import kernel

MIN_RUN = 20  # characters of the shortest token that tells what it is: an AWS access key
TOKEN = 0
DIGIT, LOWER, UPPER, RUN, QUOTE, GAP, BLANK, END = 1, 2, 4, 8, 16, 32, 64, 128
CLASSES = np.zeros(256, np.uint8)
CLASSES[list(b"0123456789")] |= DIGIT | RUN
CLASSES[list(b"abcdefghijklmnopqrstuvwxyz")] |= LOWER | RUN
CLASSES[list(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")] |= UPPER | RUN
CLASSES[list(b"-_")] |= RUN
CLASSES[list(b"'\"`")] |= QUOTE
CLASSES[list(b" \t'\"`=:>,([{])|?!&@\\")] |= GAP
CLASSES[list(b" \t\r\n")] |= BLANK
CLASSES[list(b" \t\r\n'\"`,;()[]{}<>")] |= END  # of a value without quotes
HYPHEN, UNDERSCORE, DOT, COLON, BACKSLASH, TILDE = 0x2D, 0x5F, 0x2E, 0x3A, 0x5C, 0x7E
BIG_A, BIG_M, BIG_O, BIG_Q, SMALL_S, SMALL_U = 65, 77, 79, 81, 115, 117


def runs(text: Strings, beginnings: tuple[str, ...], ends: tuple[str, ...], out: np.ndarray) -> int:
    """Write down the tokens of a batch; return how many, at most as many as there is room for.

    Args:
        text: of a batch.
        beginnings: what tokens begin with, two characters or more, such as "ghp_".
        ends: what stands directly before the run of a token, with a dot at its end, such as "SG.".
        out: (5, room) int64, the columns of `secret_scan.Candidates`.
    """
    return _runs(text.data, text.starts, text.valid, CLASSES, *_prefixes(beginnings), *letters(ends), out)


@cache
def letters(words: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return words as rows of bytes, and their lengths."""
    rows = np.zeros((len(words), max(map(len, words), default=1)), np.uint8)
    for i, word in enumerate(words):
        rows[i, : len(word)] = np.frombuffer(word.encode(), np.uint8)
    return rows, np.array([len(word) for word in words], np.int64)


@cache
def _prefixes(words: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return words as bytes, their lengths, and (65537,) int64: the first word for each pair of first characters."""
    ordered = tuple(sorted(words, key=lambda word: word[0].encode() + word[1].encode()))
    pairs = np.array([ord(word[0]) << 8 | ord(word[1]) for word in ordered])
    return *letters(ordered), np.searchsorted(pairs, np.arange(65537)).astype(np.int64)


@kernel
def _same(data: np.ndarray, place: int, high: int, word: np.ndarray, size: int) -> bool:
    """Whether a word stands at `place`, capitals or not as written."""
    if place + size > high:
        return False
    same = 0
    while same < size and data[place + same] == word[same]:
        same += 1
    return same == size


@kernel
def _token_at(
    data: np.ndarray, start: int, stop: int, prefixes: np.ndarray, sizes: np.ndarray, buckets: np.ndarray
) -> int:
    """Return where in a run a known token begins, -1 if nowhere."""
    for place in range(start, stop - 15):
        if place > start and data[place - 1] != HYPHEN and data[place - 1] != UNDERSCORE:
            continue
        pair = np.int64(data[place]) << 8 | np.int64(data[place + 1])
        for word in range(buckets[pair], buckets[pair + 1]):
            if _same(data, place, stop, prefixes[word], sizes[word]):
                return place
    return -1


@kernel
def _shaped(data: np.ndarray, start: int, stop: int, low: int, high: int, classes: np.ndarray) -> bool:
    """Whether a run looks like a token that has no beginning of its own: of Telegram, Mailchimp, Discord or Azure."""
    size = stop - start
    if size >= 35 and start > low and data[start - 1] == COLON and data[start] == BIG_A:  # 123456789:AA...
        return start - 1 > low and (classes[data[start - 2]] & DIGIT) != 0
    if 35 <= size <= 36 and data[start + 32] == HYPHEN:  # 32 digits and -us12
        return bool(data[start + 33] == SMALL_U and data[start + 34] == SMALL_S)
    if 23 <= size <= 30 and stop + 8 < high and data[stop] == DOT and data[stop + 7] == DOT:  # M....... .6. 27
        return bool(BIG_M <= data[start] <= BIG_O)
    # Three characters, a digit, `Q~`, and the run
    return bool(start >= low + 5 and data[start - 1] == TILDE and data[start - 2] == BIG_Q)


@kernel
def _runs(
    data: np.ndarray,
    starts: np.ndarray,
    valid: np.ndarray,
    classes: np.ndarray,
    prefixes: np.ndarray,
    sizes: np.ndarray,
    buckets: np.ndarray,
    before: np.ndarray,
    before_sizes: np.ndarray,
    out: np.ndarray,
) -> int:
    """Write down the tokens that tell what they are; return how many, at most as many as there is room for."""
    n = 0
    for row in range(len(valid)):
        if not valid[row]:
            continue
        low, high = starts[row], starts[row + 1]
        free = low  # no run begins before
        probe = low + MIN_RUN - 1
        while probe < high:
            if not classes[data[probe]] & RUN:
                free = probe + 1
                probe += MIN_RUN
                continue
            start = probe
            while start > free and classes[data[start - 1]] & RUN:
                start -= 1
            stop = probe + 1
            while stop < high and classes[data[stop]] & RUN:
                stop += 1
            free, probe = stop, stop + MIN_RUN
            if stop - start < MIN_RUN:
                probe = start + MIN_RUN if start + MIN_RUN > stop else stop + MIN_RUN
                continue
            if start > low and data[start - 1] == BACKSLASH and data[start] in (110, 114, 116):  # \n, \r, \t
                start += 1
            found = _token_at(data, start, stop, prefixes, sizes, buckets)
            if found < 0 and start > low and data[start - 1] == DOT:
                for word in range(len(before_sizes)):
                    place = start - before_sizes[word]
                    if place >= low and _same(data, place, high, before[word], before_sizes[word]):
                        found = place
            if found < 0 and _shaped(data, start, stop, low, high, classes):
                found = start
            if found >= 0:
                if n == out.shape[1]:
                    return n
                out[0, n], out[1, n], out[2, n], out[3, n], out[4, n] = row, TOKEN, found, stop, found
                n += 1
    return n
