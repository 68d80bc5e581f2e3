"""Benchmark solutions in code, by the edit distance of normalised syntax trees, as phi-1 looked for them.

    index = CodeIndex.of(items)                 # items with .benchmark, .item, .code and .entry_point
    index.find(text).matches
    -> (CodeMatch(benchmark='humaneval', item='HumanEval/0', rate=0.95, bits=212.0, function='near', ...),)

Every function of a text, at any depth, and a module's loose statements are compared with the function of every item
that its tests call. The rate is 1 - distance / nodes of the larger tree (`curate.decontaminate.distance`), exact for
all pairs at MIN_RATE or more. A match must also be worth MIN_BITS (`curate.decontaminate.bits`): what is likely by
accident is no evidence. Other functions of an item add their bits, and never stand for it alone.

phi-1 (arXiv 2306.11644, section 5.2) pruned at rates of .95, .9, .85 and .8 and showed what each does; so every match
of .8 or more comes back, and a later cut costs no reading. Not found: solutions by another algorithm, in other
languages than Python (the n-grams run on those), and renamed functions whose tree is too common: `CodeIndex.common`
lists them.
"""

import gc
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Protocol

import numpy as np

from curate.decontaminate.bits import (
    EDIT_BITS,
    Twin,
    bound_by_twins,
    docstring_bits,
    flow_bits,
    spelling_bits,
    surprises,
)
from curate.decontaminate.distance import align, allowed, near_pairs, sequence_distance, tree_distance
from curate.decontaminate.pieces import parsed
from curate.decontaminate.reference import Reference, load_reference
from curate.decontaminate.trees import Forest, Tree, grow, parse

MIN_RATE = 0.8  # the lowest rate that is kept as evidence
TAU = 0.8  # the cut unless another is asked for: phi-1's lowest, for bits keep out what is common
MIN_BITS = 32.0  # a million functions held against a thousand items are 2^30 chances for an accident
MAX_CHARS = 1_000_000  # of a text: the parser takes 100 bytes a character; what is longer was written by a program
TOO_LONG, TOO_DEEP = f"not examined: longer than {MAX_CHARS:,} characters", "partly examined: nested too deeply"


class Solution(Protocol):
    """What the index reads of a benchmark's item."""

    @property
    def benchmark(self) -> str: ...
    @property
    def item(self) -> str: ...
    @property
    def code(self) -> str: ...
    @property
    def entry_point(self) -> str | None: ...


@dataclass(frozen=True)
class CodeMatch:
    """One item found in one function."""

    benchmark: str
    item: str
    rate: float  # 1 - tree edit distance / nodes of the larger tree
    bits: float  # that a match without a common source would have to make up by accident
    function: str  # qualified; "" for the statements of a module
    start_line: int  # 1-based, both inclusive
    end_line: int


@dataclass(frozen=True)
class Examined:
    """What a text holds, and why a part of it was not looked at (None: all was)."""

    matches: tuple[CodeMatch, ...]
    reason: str | None = None


@dataclass(frozen=True)
class _Part:
    """One function of an item."""

    item: int
    main: bool
    labels: np.ndarray  # (n,) int32
    sizes: np.ndarray  # (n,) int32
    names: tuple[str | None, ...]
    bits: np.ndarray  # (n,) float64: surprise of each node
    docstring: str
    twins: tuple[Twin, ...] = ()


@dataclass(frozen=True)
class _Postings:
    """Which parts have which labels."""

    sizes: np.ndarray  # (parts,) int32 nodes of each part
    offsets: np.ndarray  # (labels + 2,) int32 where each label's postings begin
    parts: np.ndarray  # (P,) int32
    counts: np.ndarray  # (P,) int32 how often the part has the label


@dataclass(frozen=True)
class CodeIndex:
    """The trees of all items, and which items have which labels."""

    items: tuple[tuple[str, str], ...]  # benchmark, item
    min_bits: float
    _parts: tuple[_Part, ...] = field(repr=False)
    _numbers: dict[str, int] = field(repr=False)  # label -> its number; 0 is none of them
    _postings: _Postings = field(repr=False)
    _reference: Reference = field(repr=False)

    @classmethod
    def of(cls, items: Iterable[Solution], *, min_bits: float = MIN_BITS) -> "CodeIndex":
        """Index the items whose code is Python; items with other code are left out."""
        reference = load_reference()
        numbers: dict[str, int] = {}
        known: list[tuple[str, str]] = []
        parts: list[_Part] = []
        for item in items:
            module = parse(item.code)
            forest = Forest() if module is None else grow(module)
            trees = _own_trees(forest)
            if trees:
                for label in forest.labels:
                    numbers.setdefault(label, len(numbers) + 1)
                main = _main(trees, item.entry_point)
                parts += [_part(forest, tree, len(known), tree is main, numbers, reference) for tree in trees]
                known.append((item.benchmark, item.item))
        postings = _postings(parts, len(numbers))
        parts = _with_twins(parts, postings, numbers, reference)
        return cls(tuple(known), min_bits, tuple(parts), numbers, postings, reference)

    @property
    def common(self) -> tuple[tuple[str, str], ...]:
        """The items whose tree is too common to betray a copy with all names changed."""
        mains = [part for part in self._parts if part.main]
        return tuple(self.items[part.item] for part in mains if self._renamed_bits(part) < self.min_bits)

    def _renamed_bits(self, part: _Part) -> float:
        names = [name for name in part.names if name is not None]
        bits = float(part.bits.sum()) + flow_bits(zip(names, names, strict=True))
        return bound_by_twins(bits, _as_near(part.twins, 1.0), self._reference.functions)

    def find(self, text: str) -> Examined:
        """Return the best match of each item that `text` holds, most bits first."""
        if len(text) > MAX_CHARS:
            return Examined((), TOO_LONG)
        best: dict[int, CodeMatch] = {}
        reason = None
        with _uncollected():
            for forest, lines in forests(text):
                reason = TOO_DEEP if forest.too_deep else reason
                for item, match in self._search(forest, lines).items():
                    if item not in best or (match.bits, match.rate) > (best[item].bits, best[item].rate):
                        best[item] = match
        ranked = sorted(best.items(), key=lambda pair: (-pair[1].bits, pair[0]))
        return Examined(tuple(match for _, match in ranked), reason)

    def _search(self, forest: Forest, text_lines: Sequence[int]) -> dict[int, CodeMatch]:
        labels = np.array([self._numbers.get(label, 0) for label in forest.labels], np.int32)
        sizes = np.array(forest.sizes, np.int32)
        mains: dict[int, tuple[float, float, Tree]] = {}  # item -> bits, rate, tree
        others: dict[tuple[int, int], float] = {}  # item, part -> bits
        for t, p in _near(labels, forest.trees, self._postings):
            tree, part = forest.trees[t], self._parts[p]
            own = slice(tree.start, tree.stop)
            distance = _distance(part, labels[own], sizes[own])
            if distance is None:
                continue
            rate = 1.0 - distance / max(tree.stop - tree.start, len(part.labels))
            bits = self._bits(part, labels[own], forest.names[own], distance, rate)
            bits += docstring_bits(part.docstring, tree.docstring)
            if not part.main:
                others[part.item, p] = max(bits, others.get((part.item, p), 0.0))
            elif part.item not in mains or (bits, rate) > mains[part.item][:2]:
                mains[part.item] = bits, rate, tree
        return self._matches(mains, others, text_lines)

    def _bits(self, part: _Part, labels: np.ndarray, names: list[str | None], distance: int, rate: float) -> float:
        partners = align(part.labels, labels)
        paired = np.flatnonzero(partners >= 0)
        both = [(part.names[i], names[partners[i]]) for i in paired.tolist()]
        pairs = [(ours, theirs) for ours, theirs in both if ours is not None and theirs is not None]
        bits = float(part.bits[paired].sum()) + flow_bits(pairs)
        twins = _as_near(part.twins, rate)
        bits = bound_by_twins(bits, twins, self._reference.functions)
        return bits + spelling_bits(pairs, part.names[0], self._reference, twins) - EDIT_BITS * distance

    def _matches(
        self,
        mains: dict[int, tuple[float, float, Tree]],
        others: dict[tuple[int, int], float],
        text_lines: Sequence[int],
    ) -> dict[int, CodeMatch]:
        found = {}
        for item, (own, rate, tree) in mains.items():
            bits = own + sum(more for (owner, _), more in others.items() if owner == item)
            if bits >= self.min_bits:
                lines = text_lines[tree.first_line - 1] + 1, text_lines[tree.last_line - 1] + 1
                found[item] = CodeMatch(*self.items[item], round(rate, 4), round(bits, 1), tree.name, *lines)
        return found


def _as_near(twins: Sequence[Twin], rate: float) -> list[Twin]:
    return [twin for twin in twins if twin.rate >= rate]


def forests(text: str, *, inside: bool = False) -> Iterator[tuple[Forest, Sequence[int]]]:
    """Yield the trees of each piece of a text, and of the strings in it, with the text's line of each line, from 0."""
    for module, lines in parsed(text):
        forest = grow(module)
        yield forest, lines
        if inside:
            continue
        for string, (first, last) in forest.strings.items():
            for within, own in forests(string, inside=True):
                yield within, [lines[min(first + line, last) - 1] for line in own]


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep Python's collector of cycles away from syntax trees, which have none: 1.7 times as many files a second."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _near(labels: np.ndarray, trees: Sequence[Tree], postings: _Postings) -> list[list[int]]:
    """Return pairs of tree and part that sizes and labels allow to be near."""
    if not trees or not len(postings.sizes):
        return []
    starts = np.array([tree.start for tree in trees], np.int32)
    stops = np.array([tree.stop for tree in trees], np.int32)
    pairs = near_pairs(
        labels, starts, stops, postings.sizes, postings.offsets, postings.parts, postings.counts, MIN_RATE
    )
    found: list[list[int]] = pairs.tolist()
    return found


def _distance(part: _Part, labels: np.ndarray, sizes: np.ndarray) -> int | None:
    """Return the edit distance of a tree from a part, None where the rate is below MIN_RATE."""
    most = allowed(max(len(labels), len(part.labels)), MIN_RATE)
    if sequence_distance(part.labels, labels, most) > most:
        return None
    distance = tree_distance(part.labels, part.sizes, labels, sizes)
    return distance if distance <= most else None


def _own_trees(forest: Forest) -> list[Tree]:
    """Return an item's functions that lie in no other one."""
    trees = [tree for tree in forest.trees if tree.name]
    return [tree for tree in trees if not any(o.start < tree.start and tree.stop <= o.stop for o in trees)]


def _main(trees: Sequence[Tree], entry_point: str | None) -> Tree:
    """Return the function that the item's tests call; the last one where that is not known."""
    named = [tree for tree in trees if tree.name == entry_point]
    return (named or list(trees))[-1]


def _part(forest: Forest, tree: Tree, item: int, main: bool, numbers: dict[str, int], reference: Reference) -> _Part:
    labels, sizes = forest.labels[tree.start : tree.stop], forest.sizes[tree.start : tree.stop]
    numbered = np.array([numbers[label] for label in labels], np.int32)
    names = tuple(forest.names[tree.start : tree.stop])
    return _Part(
        item, main, numbered, np.array(sizes, np.int32), names, surprises(labels, sizes, reference), tree.docstring
    )


def _postings(parts: Sequence[_Part], num_labels: int) -> _Postings:
    rows = [
        (label, number, times)
        for number, part in enumerate(parts)
        for label, times in Counter(part.labels.tolist()).items()
    ]
    table = np.array(sorted(rows), np.int32).reshape(-1, 3)
    offsets = np.searchsorted(table[:, 0], np.arange(num_labels + 2)).astype(np.int32)
    sizes = np.array([len(part.labels) for part in parts], np.int32)
    return _Postings(sizes, offsets, np.ascontiguousarray(table[:, 1]), np.ascontiguousarray(table[:, 2]))


def _with_twins(
    parts: Sequence[_Part], postings: _Postings, numbers: dict[str, int], reference: Reference
) -> list[_Part]:
    """Return the parts with the rates of the ordinary functions that are near to each."""
    twins: list[list[Twin]] = [[] for _ in parts]
    ends = np.cumsum([0, *(len(labels) for _, labels, _ in reference.idioms)])
    trees = [Tree("", int(lo), int(hi), 0, 0) for lo, hi in pairwise(ends)]
    labels = np.array([numbers.get(label, 0) for _, own, _ in reference.idioms for label in own], np.int32)
    sizes = np.array([size for _, _, own in reference.idioms for size in own], np.int32)
    for t, p in _near(labels, trees, postings):
        own = slice(trees[t].start, trees[t].stop)
        distance = _distance(parts[p], labels[own], sizes[own])
        if distance is not None:
            larger = max(trees[t].stop - trees[t].start, len(parts[p].labels))
            twins[p].append(Twin(1.0 - distance / larger, reference.idioms[t][0], t))
    return [replace(part, twins=tuple(near)) for part, near in zip(parts, twins, strict=True)]
