"""Text from lines: copy the lines to keep into a new Arrow array, without a Python string per document."""

import numpy as np
import pyarrow as pa

from curate.text.kernel import inner, kernel
from curate.text.pages import Pages


def keep_lines(pages: Pages, kept: np.ndarray) -> pa.Array:
    """Return each document's kept lines, trimmed of white space, citations cut out, joined by line breaks.

    A null document stays null. The result is large_string where the text needs it and string otherwise.
    """
    text, lines = pages.text, pages.lines
    room = int(text.starts[-1] - text.starts[0]) + len(lines.hash)
    out, bounds = np.empty(room, np.uint8), np.zeros(len(text.valid) + 1, np.int64)
    _copy(
        text.data,
        lines.starts,
        lines.stops,
        lines.bounds,
        kept,
        _bytes("edit]"),
        _bytes("citation needed]"),
        out,
        bounds,
    )
    small = bounds[-1] < 2**31
    offsets = bounds.astype(np.int32) if small else bounds
    null_bitmap = None if text.valid.all() else pa.py_buffer(np.packbits(text.valid, bitorder="little"))
    kind = pa.string() if small else pa.large_string()
    buffers = [null_bitmap, pa.py_buffer(offsets), pa.py_buffer(out[: bounds[-1]].copy())]
    return pa.Array.from_buffers(kind, len(text.valid), buffers)


def _bytes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8)


@inner
def _space(data: np.ndarray, i: int, stop: int) -> int:
    """Return the bytes of the white space at i, or 0: what `str.strip` takes off."""
    a = data[i]
    if a == 32 or 9 <= a <= 13 or 28 <= a <= 31:
        return 1
    if a < 0xC2:
        return 0
    b = data[i + 1] if i + 1 < stop else 0
    if a == 0xC2:
        return 2 if b == 0x85 or b == 0xA0 else 0
    c = data[i + 2] if i + 2 < stop else 0
    if a == 0xE1:
        return 3 if b == 0x9A and c == 0x80 else 0  # U+1680
    if a == 0xE2 and b == 0x80:
        return 3 if 0x80 <= c <= 0x8A or c == 0xA8 or c == 0xA9 or c == 0xAF else 0  # U+2000-200A, 2028-9, 202F
    if a == 0xE2:
        return 3 if b == 0x81 and c == 0x9F else 0  # U+205F
    return 3 if a == 0xE3 and b == 0x80 and c == 0x80 else 0  # U+3000


@inner
def _citation(data: np.ndarray, i: int, stop: int, edit: np.ndarray, needed: np.ndarray) -> int:
    """Return the bytes of the citation at i, or 0."""
    if data[i] != 91:  # [
        return 0
    j = i + 1
    while j < stop and 48 <= data[j] <= 57:
        j += 1
    if j < stop and data[j] == 93:  # ]
        return j + 1 - i
    for k in range(2):
        phrase = edit if k == 0 else needed
        same = 0
        while same < len(phrase) and i + 1 + same < stop and data[i + 1 + same] == phrase[same]:
            same += 1
        if same == len(phrase):
            return same + 1
    return 0


@kernel
def _copy(
    data: np.ndarray,
    starts: np.ndarray,
    stops: np.ndarray,
    line_bounds: np.ndarray,
    kept: np.ndarray,
    edit: np.ndarray,
    needed: np.ndarray,
    out: np.ndarray,
    bounds: np.ndarray,
) -> None:
    at = 0
    for row in range(len(bounds) - 1):
        first = True
        for line in range(line_bounds[row], line_bounds[row + 1]):
            if not kept[line]:
                continue
            lo, hi = starts[line], stops[line]
            size = _space(data, lo, hi)
            while size:
                lo += size
                size = _space(data, lo, hi) if lo < hi else 0
            end, i = lo, lo  # `end`: behind the last character that is not white space
            while i < hi:
                size = _space(data, i, hi)
                i += max(size, 1)
                if size == 0:
                    end = i
            if not first:
                out[at] = 10
                at += 1
            first = False
            i = lo
            while i < end:
                size = _citation(data, i, end, edit, needed)
                i += size
                if size == 0:
                    out[at] = data[i]
                    at += 1
                    i += 1
        bounds[row + 1] = at
