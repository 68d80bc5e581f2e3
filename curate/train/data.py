"""Which tokens a step sees: a weighted mixture of token corpora in one global order that follows from the seed.

    mixture = Mixture({"tokens/edu": 0.7, "tokens/code": 0.3}, seq_len=2048, batch_windows=512, seed=0)
    batch = mixture.batch_at(step, rank=0, world_size=8)     # (64, 2049) int64: inputs [:, :-1], targets [:, 1:]

A corpus is a ring of tokens, cut into windows that share one token with the next, so nothing is cropped or padded and
every token is a target once before any is one again; what is left over at the end of an epoch begins the next. The ring
closes because every document ends with the end mark, which also opens the document after it (its BOS): documents can be
told apart by the end marks in a window, and a loop may keep attention within them.

Sample number n of the run (n = step * batch_windows + row) is worked out from n alone, in three closed forms:

1. which corpus: corpus i takes a sample whenever its share of n passes a whole number, so shares are exact to about
   one sample at any point of the run, not only in expectation;
2. how many windows that corpus gave before: the same whole number, and what earlier phases and runs took;
3. which window: that count through a permutation of the corpus's windows (`curate.train.order`), another one each
   epoch. It depends on the seed and the corpus's content, not on its path or the other corpora.

So the step is the whole state: resuming reads nothing back, and any number of ranks sees the same global batch.
Mixtures that change on the way are phases: `[Phase(300_000, {...}), Phase(None, {...})]`.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from curate.tokenizer.tokens import Document, TokenArray, Tokens
from curate.train.order import Ints, permute

SHARE_BITS = 20  # weights are held as multiples of 2^-20, so that shares are exact integer arithmetic


@dataclass(frozen=True)
class Phase:
    """A mixture up to a step; the last phase has no end."""

    until: int | None  # steps
    weights: Mapping[str, float]


Blend = str | os.PathLike[str] | Mapping[str, float] | Sequence[Phase]


@dataclass(frozen=True)
class _Stretch:
    """A phase in samples, over the numbers of the mixture's corpora."""

    first: int  # sample
    stop: int | None
    corpora: tuple[int, ...]
    shares: tuple[int, ...]  # of what the corpora before leave over, in units of 2^-20
    before: dict[int, int]  # windows that each corpus gave before this phase


class Mixture:
    """Token corpora with weights; `batch_at(step)` is all a loop needs.

    Args:
        blend: a folder that `tokenize` wrote, a mapping of folders to weights, or phases of such mappings.
        seq_len: targets in a window.
        batch_windows: windows in a step, over all ranks.
        drawn: what another mixture's `drawn(steps)` returned: go on in each corpus where that one was.

    Raises:
        ValueError: no corpus, a weight that is not positive, different tokenizers, a corpus shorter than a window,
            the same tokens twice, or phases that do not follow one another.
    """

    def __init__(
        self, blend: Blend, *, seq_len: int, batch_windows: int, seed: int, drawn: Mapping[str, int] | None = None
    ) -> None:
        self.phases = _phases(blend)
        self.corpora = {path: Tokens(path) for phase in self.phases for path in phase.weights}
        self.seq_len, self.batch_windows, self.seed = seq_len, batch_windows, seed
        self.drawn_before = dict(drawn or {})
        self._list = list(self.corpora.values())
        self._check()
        self.num_windows = [tokens.num_tokens // seq_len for tokens in self._list]
        self._contents = [str(tokens.fingerprint["content"]) for tokens in self._list]
        self._stretches = self._lay_out()

    def _check(self) -> None:
        short = [path for path, tokens in self.corpora.items() if tokens.num_tokens <= self.seq_len]
        if short:
            raise ValueError(f"{short[0]} has fewer than {self.seq_len + 1} tokens, a window; use a shorter seq_len")
        prints = {(tokens.fingerprint["tokenizer"], tokens.end_of_text) for tokens in self._list}
        if len(prints) > 1:
            raise ValueError(f"{', '.join(self.corpora)} were made by {len(prints)} tokenizers; a mixture needs one")
        paths: dict[str, str] = {}
        for path, tokens in self.corpora.items():
            same = paths.setdefault(tokens.fingerprint["content"], path)
            if same != path:
                raise ValueError(f"{same} and {path} hold the same tokens; give one of them the weight of both")

    def _lay_out(self) -> list[_Stretch]:
        number = {path: position for position, path in enumerate(self.corpora)}
        before = {n: self.drawn_before.get(content, 0) for n, content in enumerate(self._contents)}
        stretches, first = [], 0
        for phase in self.phases:
            stop = None if phase.until is None else phase.until * self.batch_windows
            numbers = tuple(number[path] for path in phase.weights)
            stretch = _Stretch(first, stop, numbers, _nested_shares(phase.weights), dict(before))
            stretches.append(stretch)
            if stop is not None:
                before, first = before | _taken(stretch, stop), stop
        return stretches

    @property
    def tokens(self) -> Tokens:
        """Any of the corpora: all share vocabulary and tokenizer."""
        return self._list[0]

    @property
    def end_of_text(self) -> int:
        return self.tokens.end_of_text

    def batch_at(self, step: int, rank: int = 0, world_size: int = 1) -> Ints:
        """Return this rank's rows of the global batch, (batch_windows / world_size, seq_len + 1)."""
        corpus, start = self._rows(step, rank, world_size)
        batch = np.empty((len(corpus), self.seq_len + 1), dtype=np.int64)
        for row, (number, position) in enumerate(zip(corpus.tolist(), start.tolist(), strict=True)):
            batch[row] = _read_ring(self._list[number], position, self.seq_len + 1)
        return batch

    def documents_at(self, step: int, rank: int = 0, world_size: int = 1) -> list[list[tuple[str, Document]]]:
        """Return for each row of a batch the documents its targets are of, with the corpus each is from."""
        paths, rows = list(self.corpora), []
        for number, start in zip(*(part.tolist() for part in self._rows(step, rank, world_size)), strict=True):
            tokens = self._list[number]
            first = (start + 1) % tokens.num_tokens  # the first input only opens the window
            pieces = [
                (first, min(first + self.seq_len, tokens.num_tokens)),
                (0, first + self.seq_len - tokens.num_tokens),
            ]
            found = [document for a, b in pieces if a < b for document in tokens.documents(a, b)]
            rows.append([(paths[number], document) for document in found])
        return rows

    def _rows(self, step: int, rank: int, world_size: int) -> tuple[Ints, Ints]:
        """Return corpus number and first token of each of a rank's rows."""
        if self.batch_windows % world_size:
            raise ValueError(f"{self.batch_windows} windows a batch do not divide by {world_size} ranks")
        rows = self.batch_windows // world_size
        first = step * self.batch_windows + rank * rows
        return self.locate(np.arange(first, first + rows))

    def locate(self, samples: Ints) -> tuple[Ints, Ints]:
        """Return the corpus number of each sample number and the position of its first input token, both (N,)."""
        corpus = np.full(len(samples), -1, dtype=np.int64)
        start = np.zeros(len(samples), dtype=np.int64)
        for stretch in self._stretches:
            here = (samples >= stretch.first) & (samples < (stretch.stop or np.iinfo(np.int64).max))
            position = samples[here] - stretch.first  # number among the samples that earlier corpora left over
            mine_corpus, mine_start = corpus[here], start[here]
            for number, share in zip(stretch.corpora, stretch.shares, strict=True):
                taken = position * share >> SHARE_BITS  # by this corpus before each position
                mine = (mine_corpus < 0) & ((position + 1) * share >> SHARE_BITS > taken)
                mine_corpus[mine] = number
                mine_start[mine] = self._start(number, stretch.before[number] + taken[mine])
                position = position - taken
            corpus[here], start[here] = mine_corpus, mine_start
        return corpus, start

    def _start(self, corpus: int, draws: Ints) -> Ints:
        """Return where the windows of a corpus's n-th draws start on its ring."""
        count = self.num_windows[corpus]
        epochs, places = np.divmod(draws, count)
        windows = np.empty_like(places)
        for epoch in np.unique(epochs):
            mine = epochs == epoch
            windows[mine] = permute(places[mine], count, (self.seed, int(self._contents[corpus], 16), int(epoch)))
        return ((epochs * count + windows) * self.seq_len - 1) % self._list[corpus].num_tokens

    def drawn(self, steps: int) -> dict[str, int]:
        """Return the windows each corpus has given after `steps` steps, by content; earlier runs' counts included."""
        samples = steps * self.batch_windows
        stretch = next(s for s in reversed(self._stretches) if s.first <= samples)
        counts = stretch.before | _taken(stretch, samples)
        return self.drawn_before | {self._contents[n]: count for n, count in counts.items() if count}

    def epochs(self, steps: int) -> dict[str, float]:
        """Return how often each corpus is read in `steps` steps; more than about 4 teach little (Muennighoff 2023)."""
        drawn = self.drawn(steps)
        counts = [drawn.get(c, 0) - self.drawn_before.get(c, 0) for c in self._contents]
        return {path: n / windows for path, n, windows in zip(self.corpora, counts, self.num_windows, strict=True)}

    def recipe(self) -> list[dict[str, Any]]:
        """Return the phases as JSON: what a run writes down, and holds a second call against."""
        return [
            {
                "until": phase.until,
                "data": [{"path": p, "weight": w, **self.corpora[p].fingerprint} for p, w in phase.weights.items()],
            }
            for phase in self.phases
        ]


def _read_ring(tokens: Tokens, start: int, length: int) -> TokenArray:
    """Return `length` tokens from `start` on, the first token following the last."""
    stop = start + length
    if stop <= tokens.num_tokens:
        return tokens.read(start, stop)
    return np.concatenate([tokens.read(start, tokens.num_tokens), tokens.read(0, stop - tokens.num_tokens)])


def _taken(stretch: _Stretch, stop: int) -> dict[int, int]:
    """Return the windows each corpus has given by sample `stop` of the run."""
    left, counts = stop - stretch.first, {}
    for number, share in zip(stretch.corpora, stretch.shares, strict=True):
        taken = left * share >> SHARE_BITS
        left -= taken
        counts[number] = stretch.before[number] + taken
    return counts


def _phases(blend: Blend) -> tuple[Phase, ...]:
    if isinstance(blend, str | os.PathLike):
        return (Phase(None, {os.fspath(blend): 1.0}),)
    if isinstance(blend, Mapping):
        return (Phase(None, {str(path): weight for path, weight in blend.items()}),)
    phases = tuple(blend)
    ends = [phase.until for phase in phases]
    rising = [0, *(end for end in ends[:-1] if end is not None)]
    if not phases or ends[-1] is not None or None in ends[:-1] or sorted(set(rising)) != rising:
        raise ValueError(f"phases end at steps {ends}; each must end later than the one before, the last at None")
    return phases


def _nested_shares(weights: Mapping[str, float]) -> tuple[int, ...]:
    """Return each corpus's share of what the corpora before it leave over, in units of 2^-20; the last takes all."""
    if not weights:
        raise ValueError("no token corpus given; pass a folder that `tokenize` wrote")
    wrong = [path for path, weight in weights.items() if not 0 < weight < np.inf]
    if wrong:
        raise ValueError(f"the weight of {wrong[0]} is {weights[wrong[0]]}; weights must be positive")
    left = np.cumsum(list(weights.values())[::-1])[::-1]  # weight of each corpus and all after it
    shares = tuple(round(weight / rest * 2**SHARE_BITS) for weight, rest in zip(weights.values(), left, strict=True))
    unread = [path for path, share in zip(weights, shares, strict=True) if share == 0]
    unread += [path for path, before in zip(list(weights)[1:], shares[:-1], strict=True) if before == 2**SHARE_BITS]
    if unread:
        raise ValueError(f"the weight of {unread[0]} is below a millionth of the others'; leave it out, or raise it")
    return shares
