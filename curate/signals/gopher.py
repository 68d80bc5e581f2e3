"""Gopher's quality heuristics: is this running text in English? (Rae et al. 2021, arXiv 2112.11446, appendix A)

    Measure((TextSignals(("gopher",)),)), Keep(gopher.RULES)

The paper's sentence: a page is kept with "between 50 and 100,000 words", "mean word length 3 to 10 characters", a
symbol-to-word ratio of at most 0.1 for the hash and for the ellipsis, at most 90 % of lines starting with a bullet and
30 % ending with an ellipsis, 80 % of words with a letter, and two of eight stop words. What a word is decides much: as
in datatrove, a comma is one too (`curate.text.split`), but words of symbols alone count for neither number nor length.

Ratios of an empty document are NaN, and NaN breaks every rule.
"""

import numpy as np

from curate.signals.ratio import Columns, ratio
from curate.stage import Rule
from curate.text.pages import Pages
from curate.text.search import distinct
from curate.text.split import ALL_SYMBOL, BULLET, ELLIPSIS, HAS_ALPHA

STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")


def quality(pages: Pages) -> Columns:
    """Measure the quality heuristics of every document."""
    words, lines, counts = pages.words, pages.lines, pages.counts
    is_word = words.bits & ALL_SYMBOL == 0
    word_count = words.total(is_word)
    return {
        "gopher.word_count": word_count,
        "gopher.mean_word_length": ratio(words.total(words.chars * is_word), word_count),
        "gopher.hashes_per_word": ratio(counts["hashes"], words.num),
        "gopher.ellipses_per_word": ratio(counts["ellipses"], words.num),
        "gopher.bullet_lines": ratio(lines.count(BULLET), counts["lines"]),
        "gopher.ellipsis_lines": ratio(lines.count(ELLIPSIS), counts["lines"]),
        "gopher.alpha_words": ratio(words.count(HAS_ALPHA), words.num),
        "gopher.stop_words": stop_words(pages),
    }


def stop_words(pages: Pages, wanted: tuple[str, ...] = STOP_WORDS) -> np.ndarray:
    """Count which of the wanted words occur, each counted once, in small letters: (rows,) int64."""
    return distinct(pages.words, wanted)


SOURCE = "Gopher, appendix A, quality filtering; datatrove GopherQualityFilter"
RULES = (
    Rule("gopher.word_count", at_least=50, at_most=100_000, source=SOURCE),
    Rule("gopher.mean_word_length", at_least=3, at_most=10, source=SOURCE),
    Rule("gopher.hashes_per_word", at_most=0.1, source=SOURCE),
    Rule("gopher.ellipses_per_word", at_most=0.1, source=SOURCE),
    Rule("gopher.bullet_lines", at_most=0.9, source=SOURCE),
    Rule("gopher.ellipsis_lines", at_most=0.3, source=SOURCE),
    Rule("gopher.alpha_words", at_least=0.8, source=SOURCE),
    Rule("gopher.stop_words", at_least=2, source=SOURCE),
)
