"""Rows of cells under each other, for people at a terminal.

aligned([("step", "documents"), ("input", "2,413")])        ["step   documents", "input      2,413"]
"""

from collections.abc import Iterable, Sequence


def aligned(rows: Iterable[Sequence[str]], words: Iterable[int] = (0,)) -> list[str]:
    """Return a line for each row, its cells two blanks apart; no line for no rows.

    Args:
        words: the columns that hold words and begin under each other; in all others, of numbers, cells end so. -1 is
            the last.
    """
    cells = [tuple(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    left = {range(len(widths))[at] for at in words if widths}
    signs = ["<" if at in left else ">" for at in range(len(widths))]
    return ["  ".join(f"{c:{s}{w}}" for c, s, w in zip(row, signs, widths, strict=True)).rstrip() for row in cells]
