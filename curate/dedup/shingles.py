"""Words and word n-grams (shingles) of a column of text as 64-bit hashes, straight from Arrow's buffers.

    "The cat sat." -> words the, cat, sat -> with size 2 the shingles (the cat), (cat sat) -> two 64-bit hashes

A word is a maximal run of Unicode letters, digits and combining marks; ASCII letters are lower-cased. Scripts written
without spaces (Han, kana, Thai, Lao, Burmese, Khmer) give one word per character, so their 5-grams are character
5-grams and one rule serves every language. A document of fewer than `size` words has one shingle, all its words; one
without words has none. In integers, all mod 2^64:

    word     mix(FNV-1a of the lower-cased UTF-8 bytes)
    shingle  mix((..((w1 * GAMMA + w2) * GAMMA + w3)..) + wn)

Only ASCII is folded: "É" and "é" differ, which costs some recall on capitals and keeps the loop at memory speed.
"""

import unicodedata
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit
from numpy.typing import NDArray

U64 = np.uint64
GAMMA = U64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio, odd: the increment of SplitMix64 (Steele et al., 2014)
FNV_BASIS, FNV_PRIME = U64(0xCBF29CE484222325), U64(0x100000001B3)  # FNV-1a, 64 bits (draft-eastlake-fnv)
MIX_1, MIX_2 = U64(0xBF58476D1CE4E5B9), U64(0x94D049BB133111EB)  # SplitMix64's finaliser

SEPARATOR, WORD, IDEOGRAPH = 0, 1, 2
LAST_LETTER = 0x33480  # code points from here on hold no letter, digit or mark that occurs in running text
NO_SPACES = (  # inclusive ranges of scripts written without spaces between words
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Han, and its extensions and compatibility forms
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x33479),
)


def shingles(texts: pa.Array, size: int) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Return all shingles of each text, in order, repeats included.

    Returns: offsets (N + 1,) int64 into hashes (offsets[-1],) uint64.
    """
    data, offsets = text_buffers(texts)
    counts = np.empty(len(texts) + 1, dtype=np.int64)
    hashes = np.empty(max_words(int(offsets[-1] - offsets[0])) + len(texts), dtype=np.uint64)
    total = _shingle_all(data, offsets, ascii_fold(), code_point_kinds(), size, counts, hashes)
    return counts, hashes[:total].copy()


def text_buffers(texts: pa.Array) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the UTF-8 bytes and (N + 1,) offsets of a string array without copying the bytes; null reads as empty."""
    if not (pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type)):
        texts = pc.cast(texts, pa.large_string())
    if texts.null_count:
        texts = pc.fill_null(texts, "")
    _, starts, data = texts.buffers()
    width = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    empty = len(texts) == 0 or starts is None
    offsets = (
        np.zeros(1, width) if empty else np.frombuffer(starts, width)[texts.offset : texts.offset + len(texts) + 1]
    )
    bytes_ = np.zeros(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    return bytes_, offsets.astype(np.int64)


def max_words(num_bytes: int) -> int:
    """Bound the words in `num_bytes`: every word but the last has a separator, or is a character of 3 bytes or more."""
    return num_bytes // 2 + 1


@cache
def ascii_fold() -> NDArray[np.uint8]:
    """(128,) the lower-cased byte of ASCII letters and digits, 0 for everything that separates words."""
    return np.array([ord(chr(c).lower()) if chr(c).isalnum() else 0 for c in range(128)], dtype=np.uint8)


@cache
def code_point_kinds() -> NDArray[np.uint8]:
    """(LAST_LETTER,) SEPARATOR, WORD or IDEOGRAPH for each code point, by this Python's Unicode tables."""
    categories = (unicodedata.category(chr(c))[0] for c in range(LAST_LETTER))
    kinds = np.fromiter((WORD if c in "LNM" else SEPARATOR for c in categories), dtype=np.uint8, count=LAST_LETTER)
    for low, high in NO_SPACES:
        block = kinds[low : high + 1]
        block[block == WORD] = IDEOGRAPH
    return kinds


@njit(cache=True, nogil=True, inline="always")
def mix(x: np.uint64) -> np.uint64:
    """SplitMix64's finaliser: a bijection in which every input bit reaches every output bit."""
    x = (x ^ (x >> U64(30))) * MIX_1
    x = (x ^ (x >> U64(27))) * MIX_2
    return x ^ (x >> U64(31))


@njit(cache=True, nogil=True)
def shingle_text(
    data: NDArray[np.uint8],
    start: int,
    stop: int,
    fold: NDArray[np.uint8],
    kinds: NDArray[np.uint8],
    size: int,
    out: NDArray[np.uint64],
) -> int:
    """Write the shingles of the UTF-8 bytes data[start:stop] to the front of `out`; return how many."""
    n: int = _hash_words(data, start, stop, fold, kinds, out)
    if n == 0:
        return 0
    size = min(size, n)
    for j in range(n - size + 1):  # in place: shingle j replaces word j, which no later shingle holds
        h = out[j]
        for i in range(1, size):
            h = h * GAMMA + out[j + i]
        out[j] = mix(h)
    return n - size + 1


@njit(cache=True, nogil=True)
def _hash_words(
    data: NDArray[np.uint8],
    start: int,
    stop: int,
    fold: NDArray[np.uint8],
    kinds: NDArray[np.uint8],
    out: NDArray[np.uint64],
) -> int:
    n = 0
    h = FNV_BASIS
    in_word = False
    i = start
    while i < stop:
        byte = data[i]
        if byte < 0x80:
            i += 1
            folded = fold[byte]
            if folded:
                h = (h ^ U64(folded)) * FNV_PRIME
                in_word = True
                continue
            kind, width = SEPARATOR, 0
        else:
            code_point, width = _decode(data, i, stop)
            kind = kinds[code_point] if code_point < LAST_LETTER else SEPARATOR
            i += width
        if kind != WORD and in_word:
            out[n] = mix(h)
            n += 1
            h = FNV_BASIS
            in_word = False
        if kind != SEPARATOR:
            for j in range(i - width, i):
                h = (h ^ U64(data[j])) * FNV_PRIME
            in_word = True
        if kind == IDEOGRAPH:
            out[n] = mix(h)
            n += 1
            h = FNV_BASIS
            in_word = False
    if in_word:
        out[n] = mix(h)
        n += 1
    return n


@njit(cache=True, nogil=True)
def _decode(data: NDArray[np.uint8], i: int, stop: int) -> tuple[int, int]:
    """Return (code point, its width in bytes) at a byte of 0x80 or more; broken UTF-8 is a separator of one byte."""
    byte = np.int64(data[i])
    width = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
    if byte < 0xC2 or byte > 0xF4 or i + width > stop:
        return LAST_LETTER, 1
    code_point = byte & (0x7F >> width)
    for j in range(1, width):
        if data[i + j] & 0xC0 != 0x80:
            return LAST_LETTER, 1
        code_point = (code_point << 6) | (np.int64(data[i + j]) & 0x3F)
    return int(code_point), width


@njit(cache=True, nogil=True)
def _shingle_all(
    data: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    fold: NDArray[np.uint8],
    kinds: NDArray[np.uint8],
    size: int,
    counts: NDArray[np.int64],
    hashes: NDArray[np.uint64],
) -> int:
    total = 0
    counts[0] = 0
    for row in range(len(offsets) - 1):
        total += shingle_text(data, offsets[row], offsets[row + 1], fold, kinds, size, hashes[total:])
        counts[row + 1] = total
    return total
