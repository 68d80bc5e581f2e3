"""Where each n-gram of the benchmarks stands: the index that documents are held against.

    index = load_index(benchmarks, Ngram())
    rows, words, slots = scan(batch["text"], index.table)
    index.entries(slots[0])             # every (text, word) that has this n-gram, not only the last

Texts that are the same word for word, in one benchmark or in two files of it, are one `Entry` that names all its items.

**What everybody says is no evidence.** An n-gram that more than `max_texts` different texts of the benchmarks have
("which of the following statements is true of", "write a python function to") belongs to none of them: it neither leads
to a text nor counts in how much of it was found, in numerator and denominator alike. So a page with the phrase of a
thousand questions has nothing of any of them, and a question of twenty words of which three are its own is a short one.
On 23,220 files of code it leaves 557 hits of 1,567, and the same 10 files dropped; of 9,625 pages 11 instead of 12.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

import numpy as np

from curate.decontaminate.benchmarks import Benchmarks
from curate.decontaminate.fields import Item
from curate.decontaminate.scan import Table, Words, ngram_hashes


@dataclass(frozen=True)
class Sizes:
    """What the index is made of.

    Attributes:
        n: words of the n-gram that is evidence: 10 (cosmopedia); what is shorter needs more. Runs of 12 (datatrove) and
            13 words (GPT-3, FineMath) are told too.
        seed: words of the n-grams looked up, to see where to align: a text whose sentences of eight words are numbered
            has no 10-gram left (of 600 questions of GSM8K so changed, 10-grams find 97 %, 8-grams 99.7, 6-grams all).
        short_seed: the same for texts of fewer than 2 n words.
        max_texts: an n-gram in more texts of the benchmarks than this is a phrase of theirs.
        min_words: a text of fewer words is no evidence, whatever stands around it.
    """

    n: int = 10
    seed: int = 6
    short_seed: int = 5
    max_texts: int = 10  # GPT-3 (appendix C) takes 13-grams in more than 10 documents for common phrases
    min_words: int = 5


COSMOPEDIA = Sizes()


@dataclass(frozen=True)
class Entry:
    """One text to look for, and all items that have it."""

    items: tuple[Item, ...]
    words: Words = field(repr=False)
    own: np.ndarray = field(repr=False)  # (chars,) bool: the characters that are not in common phrases only
    own_words: int  # words that are not
    seed: int  # words of the n-grams it is looked up by

    @property
    def part(self) -> str:
        return self.items[0].part


class Index(NamedTuple):
    """The table of n-grams, what each leads to, and what cannot be looked for."""

    table: Table
    entries: tuple[Entry, ...]
    bounds: np.ndarray  # (slots + 1,) int64: what slot s leads to are places bounds[s]:bounds[s + 1]
    texts: np.ndarray  # int64: number of the entry
    words: np.ndarray  # int64: the n-gram's first word in it
    seeds: np.ndarray  # (entries,) int64: `Entry.seed` of each
    own_words: np.ndarray  # (entries,) int64: `Entry.own_words` of each
    too_short: tuple[Item, ...]  # fewer than `min_words` words
    common: tuple[Item, ...]  # nothing but common phrases


@cache
def load_index(benchmarks: Benchmarks, sizes: Sizes) -> Index:
    """Build the index, once in each process: some seconds for sixty thousand questions."""
    return build_index(benchmarks.items(), sizes)


def build_index(items: Sequence[Item], sizes: Sizes) -> Index:
    """Index every text of `items` that is long enough; see the module."""
    folded = _fold(items)
    long, short = (_Keys.of(folded, n, sizes.max_texts) for n in (sizes.seed, sizes.short_seed))
    entries: list[Entry] = []
    too_short: list[Item] = []
    common: list[Item] = []
    keys: list[np.ndarray] = []
    for number, (same, words) in enumerate(folded):
        chosen = long if len(words) >= 2 * sizes.n else short
        own, own_words = chosen.own(number, words)
        if own_words < 2 * sizes.n and chosen is long:  # most of it are phrases; the rest is short
            chosen = short
            own, own_words = chosen.own(number, words)
        if len(words) < sizes.min_words:
            too_short += same
        elif not own_words:
            common += same
        else:
            keys.append(np.where(chosen.phrases[number], np.uint64(0), chosen.keys[number]))
            entries.append(Entry(tuple(same), words, own, own_words, chosen.n))
    table, bounds, texts, places = _table(keys, (sizes.seed, sizes.short_seed))
    numbers = np.array([(entry.seed, entry.own_words) for entry in entries], np.int64).reshape(-1, 2).T
    return Index(table, tuple(entries), bounds, texts, places, numbers[0], numbers[1], tuple(too_short), tuple(common))


def _fold(items: Sequence[Item]) -> list[tuple[list[Item], Words]]:
    """Bring together the items whose words are the same."""
    groups: dict[bytes, tuple[list[Item], Words]] = {}
    for item in items:
        words = Words(item.text, placed=False)
        key = hashlib.blake2b(words.hashes.tobytes(), digest_size=16).digest()
        groups.setdefault(key, ([], words))[0].append(item)
    return list(groups.values())


class _Keys(NamedTuple):
    """The n-grams of each text, and which of them too many texts have."""

    n: int
    keys: list[np.ndarray]
    phrases: list[np.ndarray]

    @classmethod
    def of(cls, folded: Sequence[tuple[list[Item], Words]], n: int, max_texts: int) -> "_Keys":
        keys = [ngram_hashes(words.hashes, n) for _, words in folded]
        joined = np.concatenate([np.empty(0, np.uint64), *keys])
        texts = np.repeat(np.arange(len(keys)), [len(each) for each in keys])
        phrases = texts_with(joined, texts) > max_texts
        return cls(n, keys, np.split(phrases, np.cumsum([len(each) for each in keys])[:-1]))

    def own(self, number: int, words: Words) -> tuple[np.ndarray, int]:
        """Return which characters, and how many words, are in an n-gram of the text's own."""
        phrases = self.phrases[number]
        if not phrases.any():
            return np.ones(len(words.points), bool), len(words)
        covered = np.zeros(len(words) + 1, np.int64)
        np.add.at(covered, np.flatnonzero(~phrases), 1)
        np.add.at(covered, np.flatnonzero(~phrases) + self.n, -1)
        mine = np.cumsum(covered)[:-1] > 0
        own = np.zeros(len(words.points), bool)
        for word in np.flatnonzero(mine):
            own[words.starts[word] : words.stops[word] + 1] = True  # with the blank behind it
        return own, int(mine.sum())


def texts_with(keys: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """Return in how many different texts each key is: (keys,) int64."""
    if not len(keys):
        return np.empty(0, np.int64)
    order = np.lexsort((texts, keys))
    ordered, owners = keys[order], texts[order]
    new_key = np.append(True, ordered[1:] != ordered[:-1])
    new_text = new_key | np.append(True, owners[1:] != owners[:-1])
    starts = np.flatnonzero(new_key)
    counts = np.add.reduceat(new_text.astype(np.int64), starts)
    found = np.empty(len(keys), np.int64)
    found[order] = np.repeat(counts, np.diff(np.append(starts, len(ordered))))
    return found


def _table(
    texts_keys: Sequence[np.ndarray], sizes: tuple[int, int]
) -> tuple[Table, np.ndarray, np.ndarray, np.ndarray]:
    """Return the table, and for its slots the bounds in (numbers of texts, first words)."""
    keys = np.concatenate([np.empty(0, np.uint64), *texts_keys])
    lengths = [len(each) for each in texts_keys]
    texts = np.repeat(np.arange(len(lengths)), lengths).astype(np.int64)
    words = np.arange(len(keys)) - np.repeat(np.cumsum([0, *lengths])[:-1], lengths)
    kept = np.flatnonzero(keys)  # 0 are phrases
    order = kept[np.argsort(keys[kept], kind="stable")]
    unique, firsts = np.unique(keys[order], return_index=True)
    return Table(unique, sizes), np.append(firsts, len(order)).astype(np.int64), texts[order], words[order]
