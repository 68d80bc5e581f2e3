"""FineWeb's own heuristics: lists, menus and scraps that Gopher and C4 let pass (Penedo et al. 2024, arXiv 2406.17557).

    Measure((TextSignals(("fineweb",)),)), Keep(fineweb.RULES)

Found by comparing the histograms of fifty statistics between a good and a bad deduplication. Lines are those that are
not blank, with their white space: a line that ends in a space does not end in punctuation, here as in datatrove.

The paper names the first three, and drops what lies on a bound; its code, which made the dataset, keeps that, has a
fourth, and asks of duplicate lines ten times as much as the paper says (0.01 for 0.1). We follow the code.
"""

from curate.signals.ratio import Columns, ratio
from curate.stage import Rule
from curate.text.ngrams import duplicates
from curate.text.pages import Pages
from curate.text.split import BLANK, ENDS_WELL

SHORT = 30  # characters; "lines shorter than 30", which the code reads as at most 30


def quality(pages: Pages) -> Columns:
    """Measure FineWeb's heuristics of every document."""
    counts = pages.counts
    lines = pages.lines.where(pages.lines.bits & BLANK == 0)
    _, duplicate_chars = duplicates(lines)
    return {
        "fineweb.lines_with_end": ratio(lines.count(ENDS_WELL), lines.num),
        "fineweb.short_lines": ratio(lines.total(lines.chars <= SHORT), lines.num),
        "fineweb.duplicate_chars": ratio(duplicate_chars, counts["chars"] - counts["newlines"]),
        "fineweb.newlines_per_word": ratio(counts["newlines"], pages.words.num),
    }


CODE = "datatrove FineWebQualityFilter"
RULES = (
    Rule("fineweb.lines_with_end", at_least=0.12, source=f"FineWeb, section 3.6; {CODE}"),
    Rule("fineweb.short_lines", at_most=0.67, source=f"FineWeb, section 3.6; {CODE}"),
    Rule("fineweb.duplicate_chars", at_most=0.01, source=f"{CODE}; FineWeb's section 3.6 prints 0.1"),
    Rule("fineweb.newlines_per_word", at_most=0.3, source=f"{CODE}; not in the paper"),
)
