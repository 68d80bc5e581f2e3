"""Data in the dress of code: base64, hexadecimal and Unicode escapes, found as StarCoder2 found them.

    Measure((Encoded(),))      code.encoded, the share of the file; code.longest_encoded, characters of the longest run

StarCoder2 (arXiv 2402.19173, section 2.1) looks for three regular expressions, and drops a file with a match of more
than 1,024 characters or with more than half of it matched:

    base64     [a-zA-Z0-9+/\\n=]{64,}
    hex        (?:\\b(?:0x|\\\\x)?[0-9a-fA-F]{2}(?:,|\\b\\s*)){8,}
    Unicode    (?:\\\\u[0-9a-fA-F]{4}){8,}

The kernels here find what they find (the tests hold them against `re`). A match is a long run of few letters, so of
every 64 bytes, or 23, one is read until it can lie in such a run. The first also matches a list of short words, one a
line: that is the published rule.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from curate.document import TEXT, Batch
from curate.signals.ratio import ratio
from curate.text.arrow import strings
from curate.text.kernel import inner, kernel


@dataclass(frozen=True)
class Encoded:
    """Measure `code.encoded` and `code.longest_encoded`, in bytes, which are ASCII where anything is found."""

    def __call__(self, batch: Batch) -> Mapping[str, pa.Array]:
        text = strings(batch[TEXT])
        total, longest = np.zeros((2, batch.num_rows), np.int64)
        _scan(text.data, text.starts, text.valid, _CLASSES, total, longest)
        sizes = np.diff(text.starts)
        share = np.minimum(ratio(total, sizes), 1.0)  # what two of the expressions match counts twice
        share[sizes == 0] = 0.0
        return {
            "code.encoded": pa.array(share, mask=~text.valid),
            "code.longest_encoded": pa.array(longest, mask=~text.valid),
        }


MIN_BASE64, MIN_ITEMS = 64, 8
MIN_RUN = 3 * MIN_ITEMS - 1  # bytes of the shortest match of the second or third: `ab ab ab ab ab ab ab ab`
BASE64, HEX, WORD, BLANK, ITEM = 1, 2, 4, 8, 16
_CLASSES = np.zeros(256, np.uint8)
_CLASSES[list(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/\n=")] |= BASE64
_CLASSES[list(b"0123456789abcdefABCDEF")] |= HEX
_CLASSES[list(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")] |= WORD
_CLASSES[128:] |= WORD  # most letters of other scripts; their punctuation hardly stands beside hexadecimal digits
_CLASSES[list(b" \t\n\r\f\v\x1c\x1d\x1e\x1f")] |= BLANK
_CLASSES[list(b"0123456789abcdefABCDEFxu,\\ \t\n\r\f\v\x1c\x1d\x1e\x1f")] |= ITEM  # of the second and the third
BACKSLASH, ZERO, SMALL_X, SMALL_U, COMMA = 0x5C, 0x30, 0x78, 0x75, 0x2C


@inner
def _boundary(data: np.ndarray, place: int, start: int, stop: int, classes: np.ndarray) -> bool:
    before = place > start and (classes[data[place - 1]] & WORD) != 0
    after = place < stop and (classes[data[place]] & WORD) != 0
    return before != after


@inner
def _hex_item(data: np.ndarray, place: int, start: int, stop: int, classes: np.ndarray) -> int:
    """Return where one item of the second expression that begins at `place` ends, -1 if there is none."""
    if not _boundary(data, place, start, stop, classes):
        return -1
    if place + 1 < stop and (data[place] == ZERO or data[place] == BACKSLASH) and data[place + 1] == SMALL_X:
        place += 2
    if place + 1 >= stop or not classes[data[place]] & HEX or not classes[data[place + 1]] & HEX:
        return -1
    place += 2
    if place < stop and data[place] == COMMA:
        return place + 1
    if not _boundary(data, place, start, stop, classes):
        return -1
    while place < stop and classes[data[place]] & BLANK:
        place += 1
    return place


@inner
def _escape(data: np.ndarray, place: int, stop: int, classes: np.ndarray) -> bool:
    if place + 6 > stop or data[place] != BACKSLASH or data[place + 1] != SMALL_U:
        return False
    digits = 0
    for i in range(place + 2, place + 6):
        digits += (classes[data[i]] & HEX) != 0
    return digits == 4


@inner
def _run(data: np.ndarray, probe: int, free: int, stop: int, classes: np.ndarray, kind: int) -> tuple[int, int]:
    """Return (start, end) of the run of one class around a byte that is of it; it begins not before `free`."""
    start, end = probe, probe + 1
    while start > free and classes[data[start - 1]] & kind:
        start -= 1
    while end < stop and classes[data[end]] & kind:
        end += 1
    return start, end


@inner
def _hex_match(data: np.ndarray, place: int, start: int, stop: int, classes: np.ndarray) -> int:
    """Return where a match of the second expression that begins at `place` ends, `place` if there is none."""
    items, end = 0, place
    while True:
        after = _hex_item(data, end, start, stop, classes)
        if after < 0:
            return end if items >= MIN_ITEMS else place
        items, end = items + 1, after


@inner
def _escapes(data: np.ndarray, place: int, stop: int, classes: np.ndarray) -> int:
    """Return where a match of the third expression that begins at `place` ends, `place` if there is none."""
    items, end = 0, place
    while _escape(data, end, stop, classes):
        items, end = items + 1, end + 6
    return end if items >= MIN_ITEMS else place


@kernel
def _scan(
    data: np.ndarray, starts: np.ndarray, valid: np.ndarray, classes: np.ndarray, total: np.ndarray, longest: np.ndarray
) -> None:
    for row in range(len(valid)):
        if not valid[row]:
            continue
        start, stop = starts[row], starts[row + 1]
        free, probe = start, start + MIN_BASE64 - 1
        while probe < stop:
            if not classes[data[probe]] & BASE64:
                free, probe = probe + 1, probe + MIN_BASE64
                continue
            first, end = _run(data, probe, free, stop, classes, BASE64)
            if end - first >= MIN_BASE64:
                total[row] += end - first
                longest[row] = max(longest[row], end - first)
            free, probe = end, end + MIN_BASE64
        free, probe = start, start + MIN_RUN - 1
        while probe < stop:
            if not classes[data[probe]] & ITEM:
                free, probe = probe + 1, probe + MIN_RUN
                continue
            first, end = _run(data, probe, free, stop, classes, ITEM)
            free, probe = end, end + MIN_RUN
            if end - first < MIN_RUN:
                continue
            free_hex, free_escape = first, first  # where the next match may begin
            for place in range(first, end):
                kind = classes[data[place]]
                if not (kind & HEX or data[place] == BACKSLASH):
                    continue
                if place >= free_hex:
                    after = _hex_match(data, place, start, stop, classes)
                    total[row] += after - place
                    longest[row] = max(longest[row], after - place)
                    free_hex = max(free_hex, after)
                if data[place] == BACKSLASH and place >= free_escape:
                    after = _escapes(data, place, stop, classes)
                    total[row] += after - place
                    longest[row] = max(longest[row], after - place)
                    free_escape = max(free_escape, after)
