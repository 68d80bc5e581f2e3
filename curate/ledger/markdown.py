"""Tables of a card in Markdown, as the hub and GitHub draw them.

    table(("language", "files"), [("Python", "12")])

The first column is words, the others are numbers and stand to the right; a cell cannot break its table.
"""

import re
from collections.abc import Iterable, Sequence

BAR = "\\|"  # also within a span of code
SPECIAL = re.compile(r"([\\`*_\[\]#~])")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, num_words: int = 1) -> str:
    """Return a table.

    Args:
        num_words: columns, from the left, that are not numbers.
    """
    lines = [head, ["---"] * num_words + ["---:"] * (len(head) - num_words), *rows]
    return "\n".join(f"| {' | '.join(' '.join(cell.split()).replace('|', BAR) for cell in line)} |" for line in lines)


def words(text: str) -> str:
    """Return a text from data as it may stand among ours: it makes no markup and no HTML."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;"))


def code(text: str) -> str:
    """Return a text as a span of code, whatever is in it."""
    return f"`{' '.join(text.split()).replace('`', chr(39))}`"
