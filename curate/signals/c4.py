"""C4's heuristics: pages of sentences, no placeholders, no code (Raffel et al. 2019, arXiv 1910.10683, section 2.2).

    Measure((TextSignals(("c4",)),)), Keep(c4.RULES), C4Lines()

C4 works on lines: it throws away those that are short or that talk about JavaScript and cookies, and judges the page by
what is left. The page's signals here are counted over the lines that C4 would have kept, so they do not depend on the
order of rules; `C4Lines` rewrites the text. FineWeb does not ask that a line end in a terminal mark, nor do we.

The paper's first version asks for 5 sentences and 3 words a line, as do datatrove and FineWeb; later ones, and the code
in TensorFlow Datasets, for 3 and 5.

A page is dropped for one `{`: that loses LaTeX, and FineMath had to fetch such pages back.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from curate.document import TEXT, Batch, with_columns
from curate.signals.ratio import Columns
from curate.stage import Rule
from curate.text.compose import keep_lines
from curate.text.pages import Pages, read_pages
from curate.text.search import find

MIN_WORDS = 3  # per line, split at white space; 5 in later versions of the paper
MAX_WORD_CHARS = 1000  # from C4's code, not its paper
# "javascript" is from the paper, the others are from C4's code.
UNWANTED = (
    "javascript",
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)
PHRASES = ("lorem ipsum", "{", *UNWANTED)
LOREM, CURLY, JAVASCRIPT, POLICY = (np.uint64(mask) for mask in (0b1, 0b10, 0b100, 0b1_1111_1000))


def page(pages: Pages) -> Columns:
    """Measure the page after C4's line rules; a bracket in a line about JavaScript is not held against it."""
    lines, found = pages.lines, find(pages, PHRASES)
    long_enough = _long_enough(pages)
    no_script = long_enough & (found & JAVASCRIPT == 0)
    kept = no_script & (found & POLICY == 0)
    return {
        "c4.lorem_ipsum": lines.total(long_enough & (found & LOREM != 0)),
        "c4.curly_bracket": lines.total(no_script & (found & CURLY != 0)),
        "c4.sentences": lines.total(lines.sentences * kept),
    }


def kept_lines(pages: Pages) -> np.ndarray:
    """Return (lines,) bool: the lines that C4 keeps."""
    kept: np.ndarray = _long_enough(pages) & (find(pages, UNWANTED) == 0)
    return kept


def _long_enough(pages: Pages) -> np.ndarray:
    long_enough: np.ndarray = (pages.lines.chunks >= MIN_WORDS) & (pages.lines.longest_chunk <= MAX_WORD_CHARS)
    return long_enough


@dataclass(frozen=True)
class C4Lines:
    """Rewrite the text to the lines that C4 keeps, trimmed, without `[1]`, `[edit]` and `[citation needed]`."""

    def __call__(self, batch: Batch) -> Batch:
        pages = read_pages(batch[TEXT])
        text: pa.Array = keep_lines(pages, kept_lines(pages))
        return with_columns(batch, {TEXT: text})


SOURCE = "C4, section 2.2; datatrove C4QualityFilter"
RULES = (
    Rule("c4.lorem_ipsum", at_most=0, source=SOURCE),
    Rule("c4.curly_bracket", at_most=0, source=SOURCE),
    Rule("c4.sentences", at_least=5, source=f"{SOURCE}; 3 in later versions of the paper"),
)
