"""Lines and letters of a batch without its words: what filters of source code ask, some ten times as fast as `pages`.

    counts = read_layout(batch["text"])
    counts["alnums"] / counts["chars"]

The counts are those of `curate.text.split` by the same names, and equal to them; lines are what `str.splitlines` gives.
"""

import numpy as np
import pyarrow as pa

from curate.text import characters
from curate.text.arrow import strings
from curate.text.kernel import kernel
from curate.text.pages import read_pages

BREAK, ALPHA, ALNUM = characters.BREAK, characters.ALPHA, characters.ALNUM
COUNTS = ("chars", "alphas", "alnums", "lines", "line_chars", "longest_line")
NEWLINE, RETURN = 0x0A, 0x0D


def read_layout(texts: pa.Array) -> dict[str, np.ndarray]:
    """Return (rows,) int64 for each of COUNTS; a null reads as an empty document.

    Raises:
        ValueError: a text is not UTF-8.
    """
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        return read_pages(texts).counts  # which tells the row
    text = strings(texts)
    counts = np.zeros((len(COUNTS), len(texts)), np.int64)
    _count(text.data, text.starts, text.valid, characters.kinds(), *counts)
    return dict(zip(COUNTS, counts, strict=True))


@kernel
def _count(
    data: np.ndarray,
    starts: np.ndarray,
    valid: np.ndarray,
    kinds: np.ndarray,
    chars: np.ndarray,
    alphas: np.ndarray,
    alnums: np.ndarray,
    lines: np.ndarray,
    line_chars: np.ndarray,
    longest: np.ndarray,
) -> None:
    """Count in texts that are known to be UTF-8."""
    for row in range(len(valid)):
        if not valid[row]:
            continue
        i, stop = starts[row], starts[row + 1]
        num_chars, num_alphas, num_alnums, num_lines, in_lines, most, line = 0, 0, 0, 0, 0, 0, 0
        while i < stop:
            point = np.uint32(data[i])
            i += 1
            if point >= 0x80:
                more = 1 if point < 0xE0 else 2 if point < 0xF0 else 3
                point &= np.uint32(0x3F >> more)
                for _ in range(more):
                    point = np.uint32(point << np.uint32(6) | np.uint32(data[i] & 0x3F))
                    i += 1
            kind = kinds[point]
            num_chars += 1
            if kind & BREAK:
                if point == RETURN and i < stop and data[i] == NEWLINE:
                    i += 1
                    num_chars += 1
                num_lines += 1
                in_lines += line
                most = max(most, line)
                line = 0
            else:
                line += 1
                num_alphas += (kind & ALPHA) != 0
                num_alnums += (kind & ALNUM) != 0
        num_lines += line > 0
        chars[row], alphas[row], alnums[row] = num_chars, num_alphas, num_alnums
        lines[row], line_chars[row], longest[row] = num_lines, in_lines + line, max(most, line)
