"""Contamination by n-grams, confirmed by alignment (cosmopedia's two steps, without their holes).

    hits = Ngram(benchmarks)(batch)     # every place where a benchmark's text stands in a document

1. Every n-gram of a document is looked up; each that a benchmark has leads to *every* text that has it (cosmopedia: to
   the last one), and every one of a document's is followed (cosmopedia: the first).
2. The n-grams of one text are gathered into places, so that a question asked three times is three hits. Around each
   place as much of the document as the text may have been stretched over is aligned with it, exactly
   (`curate.decontaminate.align`). The share found is what a rule decides about: more than half leaves (cosmopedia).

How much must be found for a hit depends on how much the text says, in words of its own (`curate.decontaminate.index`):

    own words      to be found
    20 or more     what is worth 18 words; of code `short_share`. More than half of it, and the document leaves
    10 to 19       `short_share`: half of a short sentence is what anybody may write
    5 to 9         `whole_share`, and in company: its answer and most of its choices close by, or another part of its
                   row in the same document. "What is the capital of France?" alone is nothing
    under 5        no evidence; these items are listed in the report

An answer alone says little, so an answer is one row lower in this table. **Passages** that a question is about were
taken from the web, and a page that has one has no answer to learn by heart: they give company to a short question, are
kept as evidence, and drop nothing unless `passages` says so.

**Runs.** GPT-3 and FineMath drop for 13 words in a row, datatrove for 12, whatever they are a part of. A run of 10
words or more that is no hit by its share is kept as evidence of method "run", and `max_run` makes a rule of it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.decontaminate.align import align
from curate.decontaminate.benchmarks import Benchmarks
from curate.decontaminate.evidence import Found, Hit, best_share, excerpt
from curate.decontaminate.fields import Item
from curate.decontaminate.index import COSMOPEDIA, Entry, Index, Sizes, load_index
from curate.decontaminate.scan import Words, scan
from curate.document import TEXT, Batch
from curate.stage import Rule

STRETCH = 1.6  # markup, numbers of lines and choices between them can make a text this much longer
SLACK = 12  # words more on either side
MAX_CELLS = 2**26  # of one alignment, 0.1 s; a longer text is judged by its n-grams alone, which finds less
METHODS = ("ngram", "run")  # of hits: by share, or by nothing but a run of words
NEAR = 60  # words behind or before a short question in which its answer and choices must be


class Place(NamedTuple):
    """Where n-grams of one text lie close together in a document."""

    first: int  # the word of the document with which the whole text would begin
    stop: int  # and behind which it would end
    covered: float  # share of the text's words that are in n-grams found
    run: int  # words in the longest unbroken run


@dataclass(frozen=True)
class Ngram:
    """Look for benchmarks by runs of words; a method of `curate.decontaminate.decontaminate`.

    Attributes:
        max_share: more of an item than this, and the document leaves: .5, cosmopedia's `decontaminate.py`.
        short_share: of a text of 10 to 19 own words, and of code; less is not told.
        whole_share: of one of 5 to 9 own words, phrases included.
        min_share: of a longer text; less is not told.
        seen: share of a short text's own words that must be in unbroken 5-grams, for it to be looked at.
        passages: whether a passage alone counts.
        max_run: words in a row of any item, above which a document leaves too; None: as many as it likes.
    """

    benchmarks: Benchmarks
    sizes: Sizes = COSMOPEDIA
    max_share: float = 0.5
    short_share: float = 0.9
    whole_share: float = 0.95
    min_share: float = 0.3
    seen: float = 0.6
    passages: bool = False
    max_run: int | None = None
    name: ClassVar[str] = "ngram"

    @property
    def rules(self) -> tuple[Rule, ...]:
        source = "cosmopedia, decontaminate.py: diff ratio > 0.5"
        share = Rule("decontaminate.ngram", at_most=self.max_share, source=source)
        if self.max_run is None:
            return (share,)
        return (share, Rule("decontaminate.run", at_most=self.max_run, source="13-grams: GPT-3, appendix C; FineMath"))

    def counts(self, hit: Hit) -> bool:
        """Whether a hit can drop its document."""
        if hit.method not in METHODS or (hit.part == "passage" and not self.passages):
            return False
        too_long = self.max_run is not None and hit.words > self.max_run
        return too_long or (hit.method == self.name and hit.share > self.max_share)

    def look(self, batch: Batch) -> Found:
        """Return all hits, and the columns of the largest share and the longest run of words that count."""
        hits = self(batch) if batch.num_rows else []  # a run asks for the schema first: no index for that
        return Found(hits, self._columns(hits, batch.num_rows))

    def _columns(self, hits: Iterable[Hit], num_rows: int) -> dict[str, pa.Array]:
        counted = [hit for hit in hits if self.passages or hit.part != "passage"]
        runs = np.zeros(num_rows, np.int32)
        for hit in counted:
            runs[hit.row] = max(runs[hit.row], hit.words)
        shares = best_share([hit for hit in counted if hit.method == self.name], num_rows)
        return {"decontaminate.ngram": pa.array(shares), "decontaminate.run": pa.array(runs)}

    def __call__(self, batch: Batch) -> list[Hit]:
        index = load_index(self.benchmarks, self.sizes)
        texts = batch[TEXT]
        if not (pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type)):
            texts = pc.cast(texts, pa.large_string())
        hits: list[Hit] = []
        for row, found in groupby(self._candidates(index, *scan(texts, index.table)), key=lambda each: each[0]):
            hits += self._document(index, row, texts[row].as_py(), [(entry, pairs) for _, entry, pairs in found])
        return hits

    def _candidates(
        self, index: Index, rows: np.ndarray, words: np.ndarray, slots: np.ndarray
    ) -> Iterator[tuple[int, int, list[tuple[int, int]]]]:
        """Follow every n-gram to every text; yield (row, entry, [(word of the document, word of the text)]).

        A short text is worth a look where at least half of what must be found can be in the n-grams found.
        """
        firsts = index.bounds[slots]
        many = index.bounds[slots + 1] - firsts
        postings = np.arange(many.sum()) + np.repeat(firsts - np.cumsum(many) + many, many)
        rows, words = np.repeat(rows, many), np.repeat(words, many)
        entries, at = index.texts[postings], index.words[postings]
        order = np.lexsort((at, words, entries, rows))
        rows, words, entries, at = rows[order], words[order], entries[order], at[order]
        new = np.append(True, (rows[1:] != rows[:-1]) | (entries[1:] != entries[:-1]))[: len(rows)]
        starts = np.flatnonzero(new)
        stops = np.append(starts[1:], len(rows))
        enough = stops - starts >= self._least(index)[entries[starts]]
        for start, stop in zip(starts[enough].tolist(), stops[enough].tolist(), strict=True):
            pairs = list(zip(words[start:stop].tolist(), at[start:stop].tolist(), strict=True))
            yield int(rows[start]), int(entries[start]), pairs

    def _least(self, index: Index) -> np.ndarray:
        """Return how many n-grams of each text must be in a document: (entries,) int64."""
        run = self.sizes.n - self.sizes.seed + 1  # this many make a run of n words
        share = np.where(index.seeds == self.sizes.short_seed, self.seen, self.seen / 2)
        least: np.ndarray = np.minimum(share * index.own_words / index.seeds, run)
        return least

    def _seen(self, entry: Entry) -> float:
        return self.seen if entry.seed == self.sizes.short_seed else self.seen / 2

    def _document(
        self, index: Index, row: int, text: str, candidates: list[tuple[int, list[tuple[int, int]]]]
    ) -> list[Hit]:
        """Confirm what the n-grams of one document lead to."""
        words = Words(text)
        starts = _characters(text, words)
        sure: list[Hit] = []
        unsure: list[Hit] = []
        for number, pairs in candidates:
            entry = index.entries[number]
            needs_company, wanted = self._wanted(entry)
            for place in places(entry, pairs):
                if place.covered < self._seen(entry) and place.run < self.sizes.n:
                    continue
                share, first, stop = confirm(entry, place, words, whole=needs_company)
                if share < wanted and (needs_company or place.run < self.sizes.n):
                    continue
                method = self.name if share >= wanted else "run"
                begin, end = int(starts[words.starts[first]]), int(starts[words.stops[stop - 1]])
                shown = excerpt(text, begin, end)
                for item in entry.items:
                    hit = Hit(row, item.benchmark, item.item, item.part, method, share, place.run, begin, end, shown)
                    (sure if not needs_company or in_company(item, words, first, stop) else unsure).append(hit)
        parts = {(hit.benchmark, hit.item, hit.part) for hit in (*sure, *unsure)}
        rows = Counter((benchmark, item) for benchmark, item, _ in parts)
        return [*sure, *(hit for hit in unsure if rows[hit.benchmark, hit.item] > 1)]

    def _wanted(self, entry: Entry) -> tuple[bool, float]:
        """Return whether a text counts only in company, and the share of it that must be found."""
        grade = entry.own_words // self.sizes.n - (entry.part == "answer")
        if grade < 1:
            return True, self.whole_share
        least = min(self.short_share, self.short_share * 2 * self.sizes.n / entry.own_words)
        return False, self.short_share if grade == 1 or entry.part == "solution" else max(self.min_share, least)


def places(entry: Entry, pairs: list[tuple[int, int]]) -> Iterator[Place]:
    """Part the n-grams of one text where it begins anew: too far from the first, or back by more than half."""
    size = len(entry.words)
    reach = int(size * STRETCH) + SLACK
    group: list[tuple[int, int]] = []
    front = 0
    for word, at in pairs:
        if group and (word - group[0][0] > reach or (word > group[-1][0] and at < front - size / 2)):
            yield _place(entry, group)
            group, front = [], 0
        group.append((word, at))
        front = max(front, at)
    yield _place(entry, group)


def _place(entry: Entry, group: list[tuple[int, int]]) -> Place:
    found = np.zeros(len(entry.words), bool)
    runs: dict[tuple[int, int], int] = {}
    for word, at in group:
        found[at : at + entry.seed] = True
        runs[word, at] = runs.get((word - 1, at - 1), entry.seed - 1) + 1
    first = min(word - at for word, at in group)
    stop = max(word - at for word, at in group) + len(entry.words)
    return Place(first, stop, float(found.sum()) / entry.own_words, max(runs.values()))


def confirm(entry: Entry, place: Place, words: Words, *, whole: bool = False) -> tuple[float, int, int]:
    """Return how much of a text is at a place, and from which to which word of the document.

    With `whole`, common phrases count too: what else is there of a text that has hardly a word of its own?
    """
    size = len(entry.words)
    for first in {place.first, place.stop - size}:
        if first >= 0 and np.array_equal(words.hashes[first : first + size], entry.words.hashes):
            return 1.0, first, first + size
    slack = int(size * (STRETCH - 1)) + SLACK
    first, stop = max(0, place.first - slack), min(len(words), place.stop + slack)
    low, high = int(words.starts[first]), int(words.stops[stop - 1])
    if len(entry.words.points) * (high - low) > MAX_CELLS:
        return min(place.covered, 1.0), max(0, place.first), min(len(words), place.stop)
    own = np.ones_like(entry.own) if whole else entry.own
    found = align(entry.words.points, own, words.points[low:high])
    begin = int(np.searchsorted(words.starts, low + found.start, side="right")) - 1
    end = int(np.searchsorted(words.starts, low + found.stop, side="left"))
    return found.share, max(begin, 0), max(end, begin + 1)


def in_company(item: Item, words: Words, first: int, stop: int) -> bool:
    """Whether a short question's answer, and most of its choices, are close by."""
    around = f" {words.text(max(0, first - NEAR), first)} | {words.text(stop, stop + NEAR)} "
    answer = Words(item.answer).text()
    if len(answer) < 3 or answer in ("yes", "no", "true", "false") or f" {answer} " not in around:
        return False
    others = [Words(choice).text() for choice in item.choices]
    return sum(f" {choice} " in around for choice in others) >= 0.75 * len(others)


def _characters(text: str, words: Words) -> np.ndarray:
    """Return the character of the text that each place of `words` is at: (chars + 1,) int64."""
    if text.isascii():
        return words.where
    data = np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)
    before = np.concatenate(([0], np.cumsum((data & 0xC0) != 0x80)))
    return before[words.where]
