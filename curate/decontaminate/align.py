"""How much of a benchmark's text stands in a stretch of a document: the best chain of equal blocks, exactly.

    found = align(item.points, item.own, window.points)
    found.share, found.start, found.stop        # .93, where in the window the chain begins and ends

cosmopedia asks difflib for the matching blocks of a whole document and a benchmark's text and adds up those longer
than 5 characters. difflib takes the longest block first, which can cost more than it brings, and without its "autojunk"
a document of 10^6 characters takes minutes. Here the blocks are those that make the sum largest: with L[i, j] the best
sum for the first i characters of the text and the first j of the window (LCSk++, Pavetić et al., 2014, with k = 6),

    L[i, j] = max(L[i-1, j], L[i, j-1], B[i, j])
    B[i, j] = max(L[i-k, j-k] + k, B[i-1, j-1] + 1)     where the last k characters are equal: a block ends here

so the sum is never below difflib's, and the work is len(text) * len(window), 1.5 ns each. Characters that are not the
item's own (see `curate.decontaminate.index`) count neither as found nor as sought.
"""

from typing import NamedTuple

import numpy as np

from curate.text.kernel import inner, kernel

BLOCK = 6  # characters: cosmopedia counts blocks longer than 5


class Alignment(NamedTuple):
    """What of an item was found in a window."""

    share: float  # of the item's own characters, in [0, 1]
    start: int  # the first character of the window in the chain; 0 where nothing was found
    stop: int  # behind the last


def align(item: np.ndarray, own: np.ndarray, window: np.ndarray) -> Alignment:
    """Return the best chain of blocks of `item` (chars,) uint32 in `window`; `own` (chars,) bool says what counts."""
    total = int(own.sum())
    if not total or not len(window):
        return Alignment(0.0, 0, 0)
    score, start, stop = _align(item, own.astype(np.int32), window, BLOCK)
    return Alignment(score / total, start, stop)


@inner
def _better(score: int, start: int, best: int, best_start: int) -> bool:
    """A larger sum is better, and of equal ones the chain that begins later: it is the shorter stretch."""
    return score > best or (score == best and start > best_start)


@kernel
def _align(item: np.ndarray, own: np.ndarray, window: np.ndarray, block: int) -> tuple[int, int, int]:
    rows, width = len(item), len(window) + 1
    # The last `block` + 1 rows of L, with where each chain began; B and its beginnings; the lengths of equal runs.
    best, begun = np.zeros((block + 1, width), np.int32), np.zeros((block + 1, width), np.int32)
    last, last_begun = np.zeros(width, np.int32), np.zeros(width, np.int32)
    runs = np.zeros(width, np.int32)
    gains = np.zeros(rows + 1, np.int32)
    for i in range(rows):
        gains[i + 1] = gains[i] + own[i]
    top, top_start, top_stop = 0, 0, 0
    for i in range(1, rows + 1):
        row, above, before = i % (block + 1), (i - 1) % (block + 1), (i - block) % (block + 1)
        letter, gain = item[i - 1], own[i - 1]
        of_block = gains[i] - gains[i - block] if i >= block else 0
        run_before, last_before, begun_before = runs[0], last[0], last_begun[0]  # of the column to the left, row above
        for j in range(1, width):
            run_above, last_above, begun_above = runs[j], last[j], last_begun[j]
            score, start = best[above, j], begun[above, j]
            if _better(best[row, j - 1], begun[row, j - 1], score, start):
                score, start = best[row, j - 1], begun[row, j - 1]
            runs[j] = 0
            if window[j - 1] == letter:
                runs[j] = run_before + 1
                if runs[j] >= block:
                    here = best[before, j - block] + of_block
                    from_ = begun[before, j - block] if best[before, j - block] else j - block
                    if runs[j] > block and _better(last_before + gain, begun_before, here, from_):
                        here, from_ = last_before + gain, begun_before
                    last[j], last_begun[j] = here, from_
                    if _better(here, from_, score, start):
                        score, start = here, from_
                    if here > top or (here == top and from_ > top_start):
                        top, top_start, top_stop = here, from_, j
            best[row, j], begun[row, j] = score, start
            run_before, last_before, begun_before = run_above, last_above, begun_above
        best[row, 0], begun[row, 0] = 0, 0
    return top, top_start, top_stop
