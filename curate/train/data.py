"""Which tokens a step sees: a weighted mixture of token corpora in one global order that follows from the seed.

    mixture = Mixture({"tokens/edu": 0.7, "tokens/code": 0.3}, seq_len=2048, batch_windows=512, seed=0)
    batch = mixture.batch_at(step, rank=0, world_size=8)     # (64, 2049) int64: inputs [:, :-1], targets [:, 1:]

A corpus is cut into windows of `seq_len + 1` tokens that share one token, so that every token is a target once. Sample
number n of the run (n = step * batch_windows + row) is worked out from n alone, in three closed forms:

1. which corpus: corpus i takes a sample whenever its share of n passes a whole number, so shares are exact to about
   one sample at any point of the run, not only in expectation;
2. how many samples that corpus gave before: the same whole number;
3. which window: that count through a permutation of the corpus's windows, another one each epoch, so that no window
   comes twice before all came once.

So the step is the whole state: resuming reads nothing back, and any number of ranks sees the same global batch. The
permutation is a Feistel network, which needs no memory however large the corpus is (Black and Rogaway 2002). Documents
are not kept apart within a window, as in SmolLM: the end mark between them is all the model gets.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from curate.tokenizer.pack import Tokens

Ints = npt.NDArray[np.int64]
SHARE_BITS = 20  # weights are held as multiples of 2^-20, so that shares are exact integer arithmetic
ROUNDS = 6


class Mixture:
    """Token corpora with weights; `batch_at(step)` is all the loop needs.

    Raises:
        ValueError: no corpus, a weight that is not positive, different tokenizers, or a corpus shorter than a window.
    """

    def __init__(self, weights: Mapping[str, float], *, seq_len: int, batch_windows: int, seed: int) -> None:
        self.corpora = {str(path): Tokens(path) for path in weights}
        self.seq_len, self.batch_windows, self.seed = seq_len, batch_windows, seed
        self.shares = _nested_shares(dict(zip(self.corpora, weights.values(), strict=True)))
        self.num_windows = [(tokens.num_tokens - 1) // seq_len for tokens in self.corpora.values()]
        short = [path for path, windows in zip(self.corpora, self.num_windows, strict=True) if windows < 1]
        if short:
            raise ValueError(f"{short[0]} has fewer than the {seq_len + 1} tokens of a window; use a shorter seq_len")
        prints = {tokens.fingerprint["tokenizer"] for tokens in self.corpora.values()}
        if len(prints) > 1:
            raise ValueError(f"{', '.join(self.corpora)} were made by {len(prints)} tokenizers; a mixture needs one")

    @property
    def tokens(self) -> Tokens:
        """Any of the corpora: all share vocabulary and tokenizer."""
        return next(iter(self.corpora.values()))

    def batch_at(self, step: int, rank: int = 0, world_size: int = 1) -> Ints:
        """Return this rank's rows of the global batch, (batch_windows / world_size, seq_len + 1)."""
        if self.batch_windows % world_size:
            raise ValueError(f"{self.batch_windows} windows a batch do not divide by {world_size} ranks")
        rows = self.batch_windows // world_size
        first = step * self.batch_windows + rank * rows
        corpus, window = self.locate(np.arange(first, first + rows))
        corpora = list(self.corpora.values())
        batch = np.empty((rows, self.seq_len + 1), dtype=np.int64)
        for row in range(rows):
            start = int(window[row]) * self.seq_len
            batch[row] = corpora[corpus[row]].read(start, start + self.seq_len + 1)
        return batch

    def locate(self, samples: Ints) -> tuple[Ints, Ints]:
        """Return corpus number and window number of each sample number, both (N,)."""
        corpus = np.full(len(samples), -1, dtype=np.int64)
        window = np.zeros(len(samples), dtype=np.int64)
        position = samples.copy()  # number among the samples that earlier corpora left over
        for number, share in enumerate(self.shares):
            taken = position * share >> SHARE_BITS  # by this corpus before each position
            mine = (corpus < 0) & ((position + 1) * share >> SHARE_BITS > taken)
            corpus[mine] = number
            window[mine] = self._window(number, taken[mine])
            position = position - taken
        return corpus, window

    def _window(self, corpus: int, draws: Ints) -> Ints:
        epochs, places = np.divmod(draws, self.num_windows[corpus])
        windows = np.empty_like(places)
        for epoch in np.unique(epochs):
            mine = epochs == epoch
            windows[mine] = permute(places[mine], self.num_windows[corpus], (self.seed, corpus, int(epoch)))
        return windows

    def epochs(self, steps: int) -> dict[str, float]:
        """Return how often each corpus is read in `steps` steps; more than about 4 teach little (Muennighoff 2023)."""
        samples, passes = steps * self.batch_windows, {}
        for path, share, windows in zip(self.corpora, self.shares, self.num_windows, strict=True):
            taken = samples * share >> SHARE_BITS
            samples, passes[path] = samples - taken, taken / windows
        return passes


def _nested_shares(weights: dict[str, float]) -> list[int]:
    """Return each corpus's share of what the corpora before it leave over, in units of 2^-20; the last takes all."""
    if not weights:
        raise ValueError("no token corpus given; pass a folder that `tokenize` wrote")
    wrong = [path for path, weight in weights.items() if not weight > 0]
    if wrong:
        raise ValueError(f"the weight of {wrong[0]} is {weights[wrong[0]]}; weights must be positive")
    left = np.cumsum(list(weights.values())[::-1])[::-1]  # weight of each corpus and all after it
    return [round(weight / rest * 2**SHARE_BITS) for weight, rest in zip(weights.values(), left, strict=True)]


def permute(places: Ints, size: int, key: tuple[int, ...]) -> Ints:
    """Map each of `places` in [0, size) to its image under a pseudo-random permutation of [0, size).

    A Feistel network permutes the next power of four; a place sent outside [0, size) walks on until it is inside.
    """
    half = max((max(size - 1, 1).bit_length() + 1) // 2, 1)  # bits of each half
    keys = np.random.SeedSequence(key).generate_state(ROUNDS, np.uint64).astype(np.uint64)
    images = places.copy()
    walking = np.ones(len(places), dtype=bool)
    while walking.any():
        images[walking] = _feistel(images[walking], half, keys)
        walking = images >= size
    return images


def _feistel(values: Ints, half: int, keys: npt.NDArray[np.uint64]) -> Ints:
    mask = np.uint64(2**half - 1)
    left, right = values.astype(np.uint64) >> np.uint64(half), values.astype(np.uint64) & mask
    for key in keys:
        left, right = right, left ^ (_mix(right + key) & mask)
    return (left << np.uint64(half) | right).astype(np.int64)


def _mix(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """SplitMix64's finaliser: every input bit reaches every output bit."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
