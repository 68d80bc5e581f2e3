"""Near-duplicate candidates by MinHash: shingles -> signature -> bands -> documents that share a band.

Two documents whose shingle sets have Jaccard similarity J agree in each of the `bands * rows` minima with probability
J, so they share all rows of at least one band with probability 1 - (1 - J^rows)^bands. FineWeb's 14 bands of 8 rows
find J = 0.85 with p = 0.988, 0.8 with 0.924, 0.7 with 0.565 and 0.5 with 0.053.

    MinHash().probability(0.8)   0.924...

Minimum i is over h_i(x) = (a_i * x + b_i) mod 2^64, a_i odd: for each i a permutation of the 64-bit hashes, in exactly
the arithmetic the machine has, so that the reference in Python integers agrees bit for bit. a_i and b_i come from
SplitMix64 and depend on nothing but the seed. Broder, "On the resemblance and containment of documents" (1997).

Trade-off: 112 multiplications per word are about a third of the time; one-permutation hashing saves them and needs
densification for short documents. Only the band keys are kept (8 bytes a band): candidates are verified on their text.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from curate.dedup.shingles import (
    GAMMA,
    MIX_1,
    MIX_2,
    ascii_fold,
    code_point_kinds,
    max_words,
    mix,
    shingle_text,
    text_buffers,
)

MASK = 2**64 - 1
NO_SHINGLE = np.uint64(MASK)  # the signature of a document without words


@dataclass(frozen=True)
class MinHash:
    """How near-duplicates are looked for; the defaults are FineWeb's."""

    bands: int = 14
    rows: int = 8
    shingle_words: int = 5
    seed: int = 1

    def __post_init__(self) -> None:
        if min(self.bands, self.rows, self.shingle_words) < 1:
            raise ValueError(f"{self} needs at least one band, one row and one word per shingle")

    def probability(self, jaccard: float) -> float:
        """Return the probability that a pair of this similarity becomes a candidate."""
        return float(1 - (1 - jaccard**self.rows) ** self.bands)


FINEWEB = MinHash()  # datatrove's examples/fineweb.py, Penedo et al. (2024)


def coefficients(settings: MinHash) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return a (odd) and b, each (bands * rows,) uint64: SplitMix64 from the seed, alternately."""
    count = settings.bands * settings.rows
    stream = [_mix_int(settings.seed + step * int(GAMMA)) for step in range(1, 2 * count + 1)]
    return np.array([x | 1 for x in stream[0::2]], dtype=np.uint64), np.array(stream[1::2], dtype=np.uint64)


def signatures(texts: pa.Array, settings: MinHash) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return the minima (N, bands * rows) uint64 and the number of shingles (N,) int64 of each text."""
    data, offsets = text_buffers(texts)
    a, b = coefficients(settings)
    minima = np.full((len(texts), len(a)), NO_SHINGLE)
    counts = np.zeros(len(texts), dtype=np.int64)
    longest = int(np.diff(offsets).max(initial=0))
    words = np.empty(max_words(longest), dtype=np.uint64)
    _sign(data, offsets, ascii_fold(), code_point_kinds(), settings.shingle_words, a, b, words, minima, counts)
    return minima, counts


def band_keys(minima: NDArray[np.uint64], settings: MinHash) -> NDArray[np.uint64]:
    """Return (N, bands) uint64: one hash of the rows of each band."""
    rows = minima.reshape(len(minima), settings.bands, settings.rows)
    keys = np.empty((len(minima), settings.bands), dtype=np.uint64)
    _fold_rows(rows, keys)
    return keys


def _mix_int(x: int) -> int:
    """`shingles.mix` in Python integers."""
    x &= MASK
    x = ((x ^ (x >> 30)) * int(MIX_1)) & MASK
    x = ((x ^ (x >> 27)) * int(MIX_2)) & MASK
    return x ^ (x >> 31)


@njit(cache=True, nogil=True)
def _sign(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    fold: NDArray[np.uint8],
    kinds: NDArray[np.uint8],
    size: int,
    a: NDArray[np.uint64],
    b: NDArray[np.uint64],
    words: NDArray[np.uint64],
    minima: NDArray[np.uint64],
    counts: NDArray[np.int64],
) -> None:
    for row in range(len(counts)):
        n = shingle_text(data, offsets[row], offsets[row + 1], fold, kinds, size, words)
        counts[row] = n
        least = minima[row]
        for j in range(n):
            x = words[j]
            for i in range(len(a)):
                least[i] = min(least[i], a[i] * x + b[i])


@njit(cache=True, nogil=True)
def _fold_rows(rows: NDArray[np.uint64], keys: NDArray[np.uint64]) -> None:
    for document in range(rows.shape[0]):
        for band in range(rows.shape[1]):
            h = rows[document, band, 0]
            for row in range(1, rows.shape[2]):
                h = h * GAMMA + rows[document, band, row]
            keys[document, band] = mix(h)
