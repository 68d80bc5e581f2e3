"""Gopher's repetition heuristics: how much of a document says again what it said before (arXiv 2112.11446, table A1).

    Measure((TextSignals(("repetition",)),)), Keep(repetition.RULES)

Fractions of all characters of the document, except the two fractions of lines and of paragraphs. Lines are
those that are not empty, but lines of blanks count, and repeat each other, as in datatrove; n-grams are of words
(`curate.text.split`).
"""

from curate.signals.ratio import Columns, ratio
from curate.stage import Rule
from curate.text.ngrams import duplicates, ngram_chars
from curate.text.pages import Pages


def repetition(pages: Pages) -> Columns:
    """Measure the repetition heuristics of every document."""
    chars = pages.counts["chars"]
    lines, line_chars = duplicates(pages.lines)
    paragraphs, paragraph_chars = duplicates(pages.paragraphs)
    ngrams = ngram_chars(pages.words)
    return {
        "repetition.lines": ratio(lines, pages.lines.num),
        "repetition.paragraphs": ratio(paragraphs, pages.paragraphs.num),
        "repetition.line_chars": ratio(line_chars, chars),
        "repetition.paragraph_chars": ratio(paragraph_chars, chars),
        **{f"repetition.top_{n}_gram": ratio(top, chars) for n, top in ngrams.top.items()},
        **{f"repetition.again_{n}_gram": ratio(again, chars) for n, again in ngrams.again.items()},
    }


SOURCE = "Gopher, appendix A, table A1; datatrove GopherRepetitionFilter"
AT_MOST = {
    "lines": 0.30,
    "paragraphs": 0.30,
    "line_chars": 0.20,
    "paragraph_chars": 0.20,
    "top_2_gram": 0.20,
    "top_3_gram": 0.18,
    "top_4_gram": 0.16,
    "again_5_gram": 0.15,
    "again_6_gram": 0.14,
    "again_7_gram": 0.13,
    "again_8_gram": 0.12,
    "again_9_gram": 0.11,
    "again_10_gram": 0.10,
}
RULES = tuple(Rule(f"repetition.{name}", at_most=share, source=SOURCE) for name, share in AT_MOST.items())
