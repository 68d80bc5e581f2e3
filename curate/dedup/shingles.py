"""Shingles, the n-grams of words, of a column of text as 64-bit hashes, straight from Arrow's buffers.

    "The cat sat." -> words the, cat, sat -> with size 2 the shingles (the cat), (cat sat) -> two 64-bit hashes

What a word is says `curate.dedup.words`. A document of fewer than `size` words has one shingle, all its words; one
without words has none. In integers, all mod 2^64, with n the size:

    shingle  mix(w1 * GAMMA^(n-1) + w2 * GAMMA^(n-2) + .. + wn)
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit
from numpy.typing import NDArray

from curate.dedup.words import GAMMA, SHINGLES, code_point_kinds, folded_size, hash_words, max_words, mix
from curate.text.arrow import strings

Unit = str  # one of words.SHINGLES


def shingles(texts: pa.Array, size: int, unit: Unit = "words") -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Return all shingles of each text, in order, repeats included.

    Returns: offsets (N + 1,) int64 into hashes (offsets[-1],) uint64.
    """
    data, offsets = text_buffers(texts)
    ends = np.zeros(len(texts) + 1, dtype=np.int64)
    kind = SHINGLES.index(unit)
    hashes = np.empty(max_words(int(offsets[-1] - offsets[0]), kind) + len(texts), dtype=np.uint64)
    kinds, weights = code_point_kinds(kind), powers(size)
    total = _shingle_all(data, offsets, kinds, kind, weights, *scratch(offsets, kind), ends, hashes)
    return ends, hashes[:total].copy()


def text_buffers(texts: pa.Array) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the UTF-8 bytes and (N + 1,) offsets of a string array without copying the bytes; null reads as empty."""
    if not (pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type)):
        texts = pc.cast(texts, pa.large_string())
    if texts.null_count:
        texts = pc.fill_null(texts, "")
    found = strings(texts)
    return found.data, found.starts


def powers(size: int) -> NDArray[np.uint64]:
    """(size,) GAMMA^(size-1), .., GAMMA, 1 mod 2^64: what a shingle multiplies its words by."""
    return np.array([pow(int(GAMMA), size - 1 - i, 2**64) for i in range(size)], dtype=np.uint64)


def scratch(offsets: NDArray[np.int64], kind: int) -> tuple[NDArray[np.uint8], NDArray[np.uint64]]:
    """Return room for the folded bytes and the words of the longest text."""
    longest = int(np.diff(offsets).max(initial=0))
    return np.empty(folded_size(longest), dtype=np.uint8), np.empty(max_words(longest, kind), dtype=np.uint64)


@njit(cache=True, nogil=True, inline="always")
def join_words(
    words: NDArray[np.uint64], first: int, last: int, size: int, powers: NDArray[np.uint64], out: NDArray[np.uint64]
) -> None:
    """Write the shingles of `size` words that begin at words[first:last] to the front of `out`."""
    count = last - first
    out[:count] = words[first + size - 1 : last + size - 1]
    for i in range(size - 1):  # one pass for each word of a shingle, so that the inner loop runs in vectors
        power = powers[len(powers) - size + i]
        for j in range(count):
            out[j] += words[first + i + j] * power
    for j in range(count):
        out[j] = mix(out[j])


@njit(cache=True, nogil=True)
def _shingle_all(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    kinds: NDArray[np.uint8],
    unit: int,
    powers: NDArray[np.uint64],
    folded: NDArray[np.uint8],
    words: NDArray[np.uint64],
    ends: NDArray[np.int64],
    hashes: NDArray[np.uint64],
) -> int:
    total = 0
    for row in range(len(offsets) - 1):
        count = hash_words(data, offsets[row], offsets[row + 1], kinds, unit, folded, words)
        if count:
            size = min(len(powers), count)
            join_words(words, 0, count - size + 1, size, powers, hashes[total:])
            total += count - size + 1
        ends[row + 1] = total
    return total
