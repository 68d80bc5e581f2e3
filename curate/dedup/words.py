"""The words of a text as 64-bit hashes: fold the bytes, find where words begin and end, hash eight bytes at a time.

    "The cat, sat."  ->  b"the\\0cat\\0\\0sat\\0"  ->  edges 0-3, 4-7, 9-12  ->  three hashes

What a word is depends on what shingles are made of:

    words        a maximal run of Unicode letters, digits and combining marks; ASCII letters are lower-cased. Scripts
                 written without spaces (Han, kana, Thai, Lao, Burmese, Khmer) give one word per character
    code         an identifier, keyword or number: the same runs with "_" in them, case as written, any script
    characters   each letter, digit and mark is one "word"; what lies between them does not count

In integers, all mod 2^64, a word's bytes in lanes of eight, little-endian, the last one filled up with zeros:

    h = BASIS;   for each lane but the last: h = (h ^ lane) * GAMMA, h ^= h >> 32;   hash = mix((h ^ last lane) * GAMMA)

Two words of up to eight bytes never collide. Only ASCII is folded: "É" and "é" differ, which costs some recall on
capitals and keeps the loop at memory speed.
"""

import unicodedata
from functools import cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from curate.dedup.lanes import WIDTH, fold_letters, letter_bits, load_lane, lowest_bit
from curate.text.characters import LAST_LETTER, NO_SPACES

U64 = np.uint64
GAMMA = U64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio, odd: the increment of SplitMix64 (Steele et al., 2014)
BASIS = U64(0xCBF29CE484222325)  # FNV's; any constant would do
MIX_1, MIX_2 = U64(0xBF58476D1CE4E5B9), U64(0x94D049BB133111EB)  # SplitMix64's finaliser
ONES = U64(0xFFFFFFFFFFFFFFFF)

WORDS, CODE, CHARACTERS = 0, 1, 2  # what a shingle is made of; the kernels' numbers for `SHINGLES`
SHINGLES = ("words", "code", "characters")
SEPARATOR, LETTER, ALONE = 0, 1, 2  # kinds of code points; ALONE is a word of its own


@cache
def code_point_kinds(unit: int) -> NDArray[np.uint8]:
    """(LAST_LETTER,) SEPARATOR, LETTER or ALONE for each code point, by this Python's Unicode tables."""
    categories = (unicodedata.category(chr(c))[0] for c in range(LAST_LETTER))
    kinds = np.fromiter((LETTER if c in "LNM" else SEPARATOR for c in categories), dtype=np.uint8, count=LAST_LETTER)
    for low, high in NO_SPACES if unit == WORDS else ():
        block = kinds[low : high + 1]
        block[block == LETTER] = ALONE
    return kinds


def folded_size(num_bytes: int) -> int:
    """Bound the bytes that `fold` writes: a character of three bytes or more may get a zero on both sides."""
    return 2 * num_bytes + 3 * WIDTH


def max_words(num_bytes: int, unit: int) -> int:
    """Bound the words in `num_bytes`: every word but the last has a separator, or is a character of 3 bytes or more."""
    return num_bytes + 1 if unit == CHARACTERS else num_bytes // 2 + 1


@njit(cache=True, nogil=True, inline="always")
def mix(x: np.uint64) -> np.uint64:
    """SplitMix64's finaliser: a bijection in which every input bit reaches every output bit."""
    x = (x ^ (x >> U64(30))) * MIX_1
    x = (x ^ (x >> U64(27))) * MIX_2
    return x ^ (x >> U64(31))


@njit(cache=True, nogil=True)
def hash_words(
    data: NDArray[np.uint8],
    start: int,
    stop: int,
    kinds: NDArray[np.uint8],
    unit: int,
    folded: NDArray[np.uint8],
    out: NDArray[np.uint64],
) -> int:
    """Write the hashes of the words of the UTF-8 bytes data[start:stop] to the front of `out`; return how many."""
    end = fold(data, start, stop, kinds, unit, folded)
    count: int = _hash_characters(folded, end, out) if unit == CHARACTERS else _hash_runs(folded, end, out)
    return count


@njit(cache=True, nogil=True)
def fold(
    data: NDArray[np.uint8], start: int, stop: int, kinds: NDArray[np.uint8], unit: int, out: NDArray[np.uint8]
) -> int:
    """Write the text with a zero for whatever separates words, and a block of zeros behind it; return its end."""
    case_bit, also = (np.uint8(0), np.uint8(ord("_"))) if unit == CODE else (np.uint8(0x20), np.uint8(0))
    tail = np.zeros(WIDTH, dtype=np.uint8)
    n, i = 0, start
    while i < stop:
        width = min(stop - i, WIDTH)
        if width == WIDTH:
            foreign = fold_letters(data, i, out, n, case_bit, also)
        else:  # not to read behind the buffer
            for j in range(WIDTH):
                tail[j] = data[i + j] if j < width else 0
            foreign = fold_letters(tail, 0, out, n, case_bit, also)
        if foreign == 0:
            i, n = i + width, n + width
            continue
        clean = lowest_bit(foreign)
        i, n = i + clean, n + clean
        while i < stop and data[i] >= 0x80:
            code_point, width = _decode(data, i, stop)
            kind = kinds[code_point] if code_point < LAST_LETTER else SEPARATOR
            if kind == LETTER:
                for j in range(width):
                    out[n + j] = data[i + j]
                n += width
            else:
                out[n] = 0
                n += 1
            if kind == ALONE:
                for j in range(width):
                    out[n + j] = data[i + j]
                out[n + width] = 0
                n += width + 1
            i += width
    out[n : n + WIDTH + 8] = 0  # what is read behind the last word
    return n


@njit(cache=True, nogil=True)
def _hash_runs(folded: NDArray[np.uint8], end: int, out: NDArray[np.uint64]) -> int:
    count, first, inside, last = 0, 0, False, U64(0)
    for base in range(0, end + 1, WIDTH):  # a zero follows the last letter, so every word ends
        letters = letter_bits(folded, base)
        edges = letters ^ ((letters << U64(1)) | last)  # begins and ends of words, by turns
        last = letters >> U64(63)
        while edges:
            place = base + lowest_bit(edges)
            edges &= edges - U64(1)
            if inside:
                out[count] = _hash_word(folded, first, place)
                count += 1
            first = place
            inside = not inside
    return count


@njit(cache=True, nogil=True)
def _hash_characters(folded: NDArray[np.uint8], end: int, out: NDArray[np.uint64]) -> int:
    count, first = 0, 0
    for place in range(1, end + 1):
        if folded[place] & 0xC0 != 0x80:  # no continuation byte: a character, or separator, ends here
            if folded[first]:
                out[count] = _hash_word(folded, first, place)
                count += 1
            first = place
    return count


@njit(cache=True, nogil=True, inline="always")
def _hash_word(folded: NDArray[np.uint8], first: int, end: int) -> np.uint64:
    h = BASIS
    while end - first > 8:
        h = (h ^ load_lane(folded, first)) * GAMMA
        h ^= h >> U64(32)
        first += 8
    last = load_lane(folded, first) & (ONES >> U64(64 - 8 * (end - first)))
    found: np.uint64 = mix((h ^ last) * GAMMA)
    return found


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
