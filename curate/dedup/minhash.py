"""Near-duplicate candidates by MinHash: shingles -> signature -> bands -> documents that share a band.

Two documents whose shingle sets have Jaccard similarity J agree in each of the `bands * rows` minima with probability
J, so they share all rows of at least one band with probability 1 - (1 - J^rows)^bands. FineWeb's 14 bands of 8 rows
find J = 0.85 with p = 0.988, 0.8 with 0.924, 0.7 with 0.565 and 0.5 with 0.053.

    MinHash().probability(0.8)   0.924...

One permutation makes all minima (Li, Owen and Zhang, "One permutation hashing", 2012): y = (a * x + b) mod 2^64 of each
shingle x, a odd, in exactly the arithmetic the machine has, so that the reference in Python integers agrees bit for
bit. The 64-bit space is cut into bands * rows equal bins, and minimum i is the least y in bin i. A bin that stays empty
takes the minimum of the first full bin that a hash of (i, attempt) names: Shrivastava, "Optimal densification for fast
and accurate minwise hashing" (2017). a and b come from SplitMix64 and depend on nothing but the seed.

Trade-off: a permutation for each minimum (Broder, 1997) has truly independent minima and costs 112 multiplications a
word. `benchmarks/permutations.py` finds the same recall for both, from documents of 9 words on, so the cheaper one is
here. Only the band keys are kept (8 bytes a band): candidates are verified on their text.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from curate.dedup.shingles import join_words, powers, scratch, text_buffers
from curate.dedup.words import GAMMA, MIX_1, MIX_2, SHINGLES, code_point_kinds, hash_words, mix

MASK = 2**64 - 1
NO_SHINGLE = np.uint64(MASK)  # an empty bin, and the signature of a document without words
U32 = np.uint64(32)
CHUNK = 2048  # shingles at a time: 16 KiB, half of a first-level cache

Similarity = Literal["jaccard", "containment"]


@dataclass(frozen=True)
class MinHash:
    """How near-duplicates are looked for and what counts as one; the defaults are FineWeb's, and verified.

    Attributes:
        bands, rows: of the signature.
        shingle_words: in a shingle: words, code tokens or characters, as `shingles` says.
        seed: of the permutation.
        shingles: what a shingle is made of; see `curate.dedup.words`.
        similarity: "jaccard", shared shingles over all of both documents; or "containment", shared shingles over those
            of the document that would leave: how much of it its survivor has. Bands find pairs by their Jaccard
            similarity either way, so a short text inside a much longer one is rarely found.
        threshold: similarity from which two documents are copies, verified exactly.
    """

    bands: int = 14
    rows: int = 8
    shingle_words: int = 5
    seed: int = 1
    shingles: Literal["words", "code", "characters"] = "words"
    similarity: Similarity = "jaccard"
    threshold: float = 0.8

    def __post_init__(self) -> None:
        if min(self.bands, self.rows, self.shingle_words) < 1:
            raise ValueError(f"{self} needs at least one band, one row and one word per shingle")
        if self.shingles not in SHINGLES:
            raise ValueError(f"shingles={self.shingles!r} is unknown; choose one of {', '.join(SHINGLES)}")
        if self.similarity not in ("jaccard", "containment"):
            raise ValueError(f"similarity={self.similarity!r} is unknown; choose jaccard or containment")
        if not 0 < self.threshold <= 1:
            raise ValueError(f"threshold={self.threshold} is not a similarity; choose one above 0 and up to 1")

    def probability(self, jaccard: float) -> float:
        """Return the probability that a pair of this similarity becomes a candidate."""
        return float(1 - (1 - jaccard**self.rows) ** self.bands)

    def signing(self) -> tuple[int, int, int, int, str]:
        """Return what the signatures depend on; two settings that differ in other ways share them."""
        return self.bands, self.rows, self.shingle_words, self.seed, self.shingles


FINEWEB = MinHash()  # datatrove's examples/fineweb.py, Penedo et al. (2024); the threshold is ours, FineWeb has none
STACK = MinHash(bands=25, rows=10, shingles="code", threshold=0.7)  # 256 permutations at 0.7, of which datasketch's
# optimum uses 250; 5-grams of identifiers: bigcode-dataset's near_deduplication, Kocetkov et al. (2022), and Li (2023)
CHARACTERS = MinHash(shingles="characters", shingle_words=9)  # k = 9: Mining of Massive Datasets, section 3.2.2
SETTINGS = {"fineweb": FINEWEB, "stack": STACK, "characters": CHARACTERS}


def permutation(seed: int) -> tuple[np.uint64, np.uint64]:
    """Return a (odd) and b of y = a * x + b: the first two values of SplitMix64 from the seed."""
    first, second = (_mix_int(seed + step * int(GAMMA)) for step in (1, 2))
    return np.uint64(first | 1), np.uint64(second)


def signatures(texts: pa.Array, settings: MinHash) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return the minima (N, bands * rows) uint64 and the number of shingles (N,) int64 of each text."""
    data, offsets = text_buffers(texts)
    kind = SHINGLES.index(settings.shingles)
    minima = np.full((len(texts), settings.bands * settings.rows), NO_SHINGLE)
    counts = np.zeros(len(texts), dtype=np.int64)
    weights, (a, b) = powers(settings.shingle_words), permutation(settings.seed)
    _sign(data, offsets, code_point_kinds(kind), kind, weights, a, b, *scratch(offsets, kind), minima, counts)
    return minima, counts


def band_keys(minima: NDArray[np.uint64], settings: MinHash) -> NDArray[np.uint64]:
    """Return (N, bands) uint64: one hash of the rows of each band."""
    rows = minima.reshape(len(minima), settings.bands, settings.rows)
    keys = np.empty((len(minima), settings.bands), dtype=np.uint64)
    _fold_rows(rows, keys)
    return keys


def _mix_int(x: int) -> int:
    """`words.mix` in Python integers."""
    x &= MASK
    x = ((x ^ (x >> 30)) * int(MIX_1)) & MASK
    x = ((x ^ (x >> 27)) * int(MIX_2)) & MASK
    return x ^ (x >> 31)


@njit(cache=True, nogil=True)
def _sign(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    kinds: NDArray[np.uint8],
    unit: int,
    powers: NDArray[np.uint64],
    a: np.uint64,
    b: np.uint64,
    folded: NDArray[np.uint8],
    words: NDArray[np.uint64],
    minima: NDArray[np.uint64],
    counts: NDArray[np.int64],
) -> None:
    hashes = np.empty(CHUNK, dtype=np.uint64)
    for row in range(len(counts)):
        count = hash_words(data, offsets[row], offsets[row + 1], kinds, unit, folded, words)
        size = min(len(powers), count)
        counts[row] = count - size + 1 if count else 0
        for first in range(0, counts[row], CHUNK):
            last = min(first + CHUNK, counts[row])
            join_words(words, first, last, size, powers, hashes)
            _least_of_bins(hashes, last - first, a, b, minima[row])
        if count:
            _densify(minima[row])


@njit(cache=True, nogil=True)
def _least_of_bins(hashes: NDArray[np.uint64], n: int, a: np.uint64, b: np.uint64, least: NDArray[np.uint64]) -> None:
    bins = np.uint64(len(least))
    for j in range(n):
        y = a * hashes[j] + b
        place = ((y >> U32) * bins) >> U32  # the upper 32 bits are enough to tell bins apart
        least[place] = min(least[place], y)


@njit(cache=True, nogil=True)
def _densify(least: NDArray[np.uint64]) -> None:
    full = least != NO_SHINGLE
    if full.sum() == 1:
        least[:] = least.min()
    bins = np.uint64(len(least))
    for i in range(len(least)):
        attempt = np.uint64(0)
        while least[i] == NO_SHINGLE:
            attempt += np.uint64(1)
            place = ((mix(np.uint64(i + 1) * GAMMA + attempt) >> U32) * bins) >> U32
            if full[place]:
                least[i] = least[place]


@njit(cache=True, nogil=True)
def _fold_rows(rows: NDArray[np.uint64], keys: NDArray[np.uint64]) -> None:
    for document in range(rows.shape[0]):
        for band in range(rows.shape[1]):
            h = rows[document, band, 0]
            for row in range(1, rows.shape[2]):
                h = h * GAMMA + rows[document, band, row]
            keys[document, band] = mix(h)
