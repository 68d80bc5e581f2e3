"""One-permutation hashing, which `curate.dedup` uses, beside a permutation for each minimum, which it might have used.

    python benchmarks/permutations.py docs.parquet

Classic MinHash (Broder, 1997) passes every shingle through 112 permutations; one-permutation hashing with optimal
densification through one. Both get the same words from the same compiled kernel, and both run in vectors. One table for
the speed of signing, one for the recall of pairs of exactly known similarity, by length of the documents, beside the
formula 1 - (1 - J^8)^14.
"""

import argparse
import time
from collections.abc import Callable
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numba import njit
from numpy.typing import NDArray

from curate.dedup.minhash import CHUNK, FINEWEB, NO_SHINGLE, MinHash, band_keys, signatures
from curate.dedup.shingles import join_words, powers, scratch, shingles, text_buffers
from curate.dedup.words import GAMMA, MIX_1, MIX_2, WORDS, code_point_kinds, hash_words

MASK = 2**64 - 1
LENGTHS = (7, 9, 14, 24, 54, 104, 204, 504, 2004)  # words; shingles are four fewer
CHANGES = (1 / 75, 1 / 50, 1 / 25)  # of the words replaced, J = .88, .82, .67; in short texts the last word only


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", help="a Parquet file of documents")
    parser.add_argument("--megabytes", type=float, default=40)
    parser.add_argument("--pairs", type=int, default=4000)
    args = parser.parse_args()
    texts = some(pq.read_table(args.path, columns=["text"])["text"].drop_null().combine_chunks(), args.megabytes)
    speed(texts)
    print(
        f"\n{'words':>6} {'J':>6} {'formula':>8} {'112 perm.':>10} {'one perm.':>10}   recall of {args.pairs:,} pairs"
    )
    for words in LENGTHS:
        for changed in sorted({round(words * share) for share in CHANGES}):
            recall(words, changed, args.pairs)


def some(texts: pa.Array, megabytes: float) -> list[pa.Array]:
    """Return batches of 512 texts of about `megabytes` together."""
    sizes = np.diff(text_buffers(texts)[1]).cumsum()
    texts = texts.slice(0, int(np.searchsorted(sizes, megabytes * 1e6)))
    return [texts.slice(i, 512) for i in range(0, len(texts), 512)]


def speed(batches: list[pa.Array]) -> None:
    """Time both, by turns, on the same batches; the median of seven."""
    megabytes = sum(int(np.diff(text_buffers(batch)[1]).sum()) for batch in batches) / 1e6
    ways: dict[str, Callable[[pa.Array], object]] = {
        "words and shingles alone": lambda batch: shingles(batch, FINEWEB.shingle_words),
        "112 permutations": lambda batch: classic(batch, FINEWEB),
        "one permutation": lambda batch: signatures(batch, FINEWEB)[0],
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(8):
        for name, sign in ways.items():
            start = time.process_time()
            for batch in batches:
                sign(batch)
            if turn:  # the first compiles
                seconds[name].append(time.process_time() - start)
    print(f"{megabytes:.1f} MB, {FINEWEB.bands} x {FINEWEB.rows}, one core")
    for name, times in seconds.items():
        print(f"{name:26} {megabytes / sorted(times)[len(times) // 2]:7.0f} MB/s")


def recall(words: int, changed: int, count: int) -> None:
    """Print the share of planted pairs of one exactly known similarity that share a band."""
    shared = words - 4 - (5 * changed or 1)
    jaccard = shared / (2 * (words - 4) - shared)
    sides = zip(*(planted(Random(f"{words} {changed} {i}"), words, changed) for i in range(count)), strict=True)
    one, two = (pa.array(side) for side in sides)
    found = []
    for sign in (lambda texts: classic(texts, FINEWEB), lambda texts: signatures(texts, FINEWEB)[0]):
        a, b = (band_keys(sign(side), FINEWEB) for side in (one, two))
        found.append((a == b).any(axis=1).mean())
    print(f"{words:6} {jaccard:6.3f} {FINEWEB.probability(jaccard):8.3f} {found[0]:10.3f} {found[1]:10.3f}")


def planted(random: Random, words: int, changed: int) -> tuple[str, str]:
    """Return a text and a copy with words replaced at least five apart, none within four of an end; or the last one."""
    parts = [f"w{random.getrandbits(40):x}" for _ in range(words)]
    copy = list(parts)
    for place in random.sample(range(4, words - 4, 5), changed) if changed else (words - 1,):
        copy[place] = f"x{random.getrandbits(40):x}"
    return " ".join(parts), " ".join(copy)


def classic(texts: pa.Array, settings: MinHash) -> NDArray[np.uint64]:
    """Return the minima (N, bands * rows) uint64 of (a_i * x + b_i) mod 2^64."""
    data, offsets = text_buffers(texts)
    minima = np.full((len(texts), settings.bands * settings.rows), NO_SHINGLE)
    a, b = coefficients(minima.shape[1], settings.seed)
    weights = powers(settings.shingle_words)
    _sign(data, offsets, code_point_kinds(WORDS), weights, a, b, *scratch(offsets, WORDS), minima)
    return minima


def coefficients(count: int, seed: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return a (odd) and b, each (count,) uint64: SplitMix64 from the seed, alternately."""
    stream = []
    for step in range(1, 2 * count + 1):
        x = (seed + step * int(GAMMA)) & MASK
        x = ((x ^ (x >> 30)) * int(MIX_1)) & MASK
        x = ((x ^ (x >> 27)) * int(MIX_2)) & MASK
        stream.append(x ^ (x >> 31))
    return np.array([x | 1 for x in stream[0::2]], dtype=np.uint64), np.array(stream[1::2], dtype=np.uint64)


@njit(nogil=True)
def _sign(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    kinds: NDArray[np.uint8],
    powers: NDArray[np.uint64],
    a: NDArray[np.uint64],
    b: NDArray[np.uint64],
    folded: NDArray[np.uint8],
    words: NDArray[np.uint64],
    minima: NDArray[np.uint64],
) -> None:
    hashes = np.empty(CHUNK, dtype=np.uint64)
    for row in range(len(minima)):
        count = hash_words(data, offsets[row], offsets[row + 1], kinds, WORDS, folded, words)
        size = min(len(powers), count)
        for first in range(0, count - size + 1 if count else 0, CHUNK):
            last = min(first + CHUNK, count - size + 1)
            join_words(words, first, last, size, powers, hashes)
            _least(hashes, last - first, a, b, minima[row])


@njit(nogil=True)
def _least(
    hashes: NDArray[np.uint64], n: int, a: NDArray[np.uint64], b: NDArray[np.uint64], least: NDArray[np.uint64]
) -> None:
    for i in range(0, len(a), 4):  # four permutations a pass, each in vectors over the shingles: the quickest way found
        a0, a1, a2, a3 = a[i], a[i + 1], a[i + 2], a[i + 3]
        b0, b1, b2, b3 = b[i], b[i + 1], b[i + 2], b[i + 3]
        m0, m1, m2, m3 = least[i], least[i + 1], least[i + 2], least[i + 3]
        for j in range(n):
            x = hashes[j]
            m0, m1 = min(m0, a0 * x + b0), min(m1, a1 * x + b1)
            m2, m3 = min(m2, a2 * x + b2), min(m3, a3 * x + b3)
        least[i], least[i + 1], least[i + 2], least[i + 3] = m0, m1, m2, m3


if __name__ == "__main__":
    main()
