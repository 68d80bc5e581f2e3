"""A batch of documents as words and lines: split once, shared by every signal.

    pages = read_pages(batch["text"])
    pages.words.total(pages.words.chars)        # characters in words, per document
    pages.lines.count(BULLET) / pages.counts["lines"]

Everything is a flat NumPy array over all words (or lines) of the batch, with `bounds` saying which are whose, so that a
heuristic is one line of arithmetic over documents. A batch of b bytes takes about 4 b while it is measured.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa

from curate.text import split
from curate.text.arrow import Strings, strings
from curate.text.characters import kinds
from curate.text.kernel import kernel

STARTS_PARAGRAPH = split.STARTS_PARAGRAPH
PARAGRAPH_STEP = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Parts:
    """The words, lines or paragraphs of all documents, one after the other."""

    bounds: np.ndarray  # (rows + 1,) int64: those of document i are bounds[i]:bounds[i + 1]
    hash: np.ndarray  # uint64; equal text has equal hashes, and two of a document collide once in 2^64 pairs
    chars: np.ndarray  # int32, in characters, not bytes
    bits: np.ndarray  # uint8, see curate.text.split

    @cached_property
    def num(self) -> np.ndarray:
        """How many each document has: (rows,) int64."""
        return np.diff(self.bounds)

    def total(self, values: np.ndarray) -> np.ndarray:
        """Sum one value per part to one per document: (rows,) int64."""
        sums = np.zeros(len(self.num), dtype=np.int64)
        _total(values, self.bounds, sums)
        return sums

    def where(self, kept: np.ndarray) -> "Parts":
        """Return only the parts for which `kept` is true."""
        before = np.zeros(len(kept) + 1, dtype=np.int64)
        np.cumsum(kept, out=before[1:])
        return Parts(before[self.bounds], self.hash[kept], self.chars[kept], self.bits[kept])

    def count(self, bit: int) -> np.ndarray:
        """How many of each document's parts have `bit`: (rows,) int64."""
        return self.total(self.bits & bit != 0)


@dataclass(frozen=True)
class Lines(Parts):
    """The lines that are not empty; those of white space have the bit BLANK."""

    sentences: np.ndarray  # int32
    chunks: np.ndarray  # int32, runs without white space: len(line.split())
    longest_chunk: np.ndarray  # int32, in characters
    starts: np.ndarray  # int64, the first byte in `Strings.data`
    stops: np.ndarray  # int64, one past the last byte, line break excluded


@dataclass(frozen=True)
class Pages:
    """All that signals measure of a batch of documents."""

    text: Strings = field(repr=False)
    words: Parts
    lines: Lines
    counts: dict[str, np.ndarray]  # (rows,) int64 each; the names are `split.COUNTS`

    @cached_property
    def paragraphs(self) -> Parts:
        """Runs of lines with no empty line between them."""
        lines = self.lines
        size = len(lines.hash)
        hashes, chars = np.empty(size, np.uint64), np.empty(size, np.int32)
        bounds = np.zeros_like(lines.bounds)
        n = _join_lines(lines.hash, lines.chars, lines.bits, lines.bounds, hashes, chars, bounds)
        return Parts(bounds, hashes[:n], chars[:n], np.zeros(n, np.uint8))


def read_pages(texts: pa.Array) -> Pages:
    """Split every document of `texts`; a null reads as an empty document.

    Raises:
        ValueError: a text is not UTF-8.
    """
    text = strings(texts)
    rows = len(texts)
    # Room for the worst case, one word per byte. Untouched memory is never given to us by the system.
    room = int(text.starts[-1] - text.starts[0])
    words = (np.empty(room, np.uint64), np.empty(room, np.int32), np.empty(room, np.uint8))
    kinds_of_line = (np.uint64, np.int32, np.uint8, np.int32, np.int32, np.int32, np.int64, np.int64)
    lines = tuple(np.empty(room, dtype) for dtype in kinds_of_line)
    word_bounds, line_bounds = np.zeros(rows + 1, np.int64), np.zeros(rows + 1, np.int64)
    counts = np.zeros((rows, len(split.COUNTS)), np.int64)
    split.split(text.data, text.starts, text.valid, kinds(), words, word_bounds, lines, line_bounds, counts)
    invalid = np.flatnonzero(counts[:, split.INVALID])
    if len(invalid):
        stray = counts[invalid[0], split.INVALID]
        raise ValueError(f"the text is not UTF-8: {stray} stray bytes in row {invalid[0]}; decode it where it is read")
    return Pages(
        text,
        Parts(word_bounds, *(array[: word_bounds[-1]] for array in words)),
        Lines(line_bounds, *(array[: line_bounds[-1]] for array in lines)),
        dict(zip(split.COUNTS, counts.T, strict=True)),
    )


def word_hash(word: str) -> np.uint64:
    """Return the hash that `word` has among the words of a document."""
    points = np.array([ord(character) for character in word], dtype=np.uint32)
    return np.uint64(split.hash_points(points, 0, len(points)))


@kernel
def _total(values: np.ndarray, bounds: np.ndarray, sums: np.ndarray) -> None:
    for row in range(len(sums)):
        for i in range(bounds[row], bounds[row + 1]):
            sums[row] += values[i]


@kernel
def _join_lines(
    line_hashes: np.ndarray,
    line_chars: np.ndarray,
    line_bits: np.ndarray,
    line_bounds: np.ndarray,
    hashes: np.ndarray,
    chars: np.ndarray,
    bounds: np.ndarray,
) -> int:
    """Join lines to paragraphs, counting the line break between two lines as one character."""
    n = 0
    for row in range(len(line_bounds) - 1):
        for i in range(line_bounds[row], line_bounds[row + 1]):
            if line_bits[i] & STARTS_PARAGRAPH:
                hashes[n] = line_hashes[i]
                chars[n] = line_chars[i]
                n += 1
            else:
                mixed = (hashes[n - 1] ^ (hashes[n - 1] >> np.uint64(29))) * PARAGRAPH_STEP
                hashes[n - 1] = mixed + line_hashes[i]
                chars[n - 1] += line_chars[i] + 1
        bounds[row + 1] = n
    return n
