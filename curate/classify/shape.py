"""What a text looks like, whatever it is about: 72 numbers from its bytes, for prose and for source code.

    shapes(["# Loops\\n\\nA loop repeats ..."])       # (1, 72) float32

Lengths of text, lines and words; indentation and blank lines; how rich the vocabulary is; how many words are a
keyword such as `def`; and how often each sign of ASCII occurs. N-grams say what a page is about, this says whether it
is an even column of prose with exercises or a menu, a documented function or a table of constants. On code, F1 of the
grades rose from .64 to .67 with it, on web pages from .84 to .86, and with whole sources held out from .83 to .85.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.text.arrow import strings
from curate.text.kernel import kernel

SIGNS = bytes([9, *range(33, 65), *range(91, 97), *range(123, 127)])  # ASCII that is no letter or space; digits too
KEYWORDS = (b"def", b"class", b"import", b"from", b"return", b"print", b"self", b"__name__", b"if", b"for", b"you")
MEASURES = (
    "bytes read, log",
    "bytes of the whole text, log",
    "lines, log",
    "mean length of lines that are not blank, log",
    "longest line, log",
    "spread of line lengths, relative",
    "share of blank lines",
    "mean indentation",
    "spread of indentation",
    "different words per word",
    "mean length of words",
    "share of words with a capital",
    "share of words that are numbers",
    "lines that start with #",
    "lines that start with a bullet or a digit",
    "triple quotes per line",
    "ends of sentences per word",
    "bytes beyond ASCII, root of the share",
)
NUM_SHAPES = len(MEASURES) + len(KEYWORDS) + len(SIGNS)

FNV_OFFSET, FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
SEEN_BITS = 14  # slots for different words: 700 words of a page share some 15 of them
SPACE, NEWLINE, HASH = 32, 10, 35


def shapes(texts: Sequence[str] | pa.Array, max_chars: int) -> np.ndarray:
    """Return (N, NUM_SHAPES) float32 of the first `max_chars` characters of each text; a null counts as empty."""
    array = pc.fill_null(texts if isinstance(texts, pa.Array) else pa.array(texts, pa.large_string()), "")
    data, starts, _ = strings(pc.utf8_slice_codeunits(array, 0, max_chars))
    whole = pc.binary_length(array).to_numpy(zero_copy_only=False).astype(np.float64)
    keywords = np.array([_hash(word) for word in KEYWORDS], dtype=np.uint64)
    sign_of = np.full(256, -1, np.int64)
    sign_of[list(SIGNS)] = np.arange(len(SIGNS))
    return _shapes(data if len(data) else np.zeros(1, np.uint8), starts, whole, keywords, sign_of)


def _hash(word: bytes) -> int:
    value = int(FNV_OFFSET)
    for byte in word:
        value = (value ^ byte) * int(FNV_PRIME) % 2**64
    return value


@kernel
def _shapes(
    data: np.ndarray, starts: np.ndarray, whole: np.ndarray, keywords: np.ndarray, sign_of: np.ndarray
) -> np.ndarray:
    rows = len(starts) - 1
    num_keywords, num_signs = len(keywords), sign_of.max() + 1
    out = np.zeros((rows, 18 + num_keywords + num_signs), np.float32)
    seen = np.full(1 << SEEN_BITS, -1, np.int64)  # the row that last had a word in this slot
    for row in range(rows):
        start, end = starts[row], starts[row + 1]
        size = end - start
        signs = np.zeros(num_signs + 1, np.int64)  # the last one: beyond ASCII
        known = np.zeros(num_keywords, np.int64)
        lines, filled, line_sum, line_squares, longest = 0, 0, 0.0, 0.0, 0
        indent_sum, indent_squares, hashes, bullets, quotes, ends = 0.0, 0.0, 0, 0, 0, 0
        words, different, letters, capitals, numbers = 0, 0, 0, 0, 0
        line_start, first = start, -1  # first: where the line's first visible byte is
        word, word_start, digits = FNV_OFFSET, -1, 0
        for i in range(start, end + 1):
            byte = np.int64(data[i]) if i < end else NEWLINE
            inside = 97 <= byte <= 122 or 65 <= byte <= 90 or 48 <= byte <= 57 or byte == 95 or byte >= 128
            if inside:
                if word_start < 0:
                    word, word_start, digits = FNV_OFFSET, i, 0
                word = (word ^ np.uint64(byte)) * FNV_PRIME
                if 48 <= byte <= 57:
                    digits += 1
            elif word_start >= 0:
                words += 1
                letters += i - word_start
                capitals += 65 <= data[word_start] <= 90
                if digits == i - word_start:
                    numbers += 1
                slot = np.int64((word * FNV_PRIME) >> np.uint64(64 - SEEN_BITS))
                if seen[slot] != row:
                    seen[slot] = row
                    different += 1
                for k in range(num_keywords):
                    if keywords[k] == word:
                        known[k] += 1
                word_start = -1
            if byte == NEWLINE:
                lines += 1
                if first >= 0:
                    length, indent = i - line_start, min(first - line_start, 40)
                    filled += 1
                    line_sum += length
                    line_squares += float(length) * length
                    longest = max(longest, length)
                    indent_sum += indent
                    indent_squares += float(indent) * indent
                    mark = np.int64(data[first])
                    hashes += mark == HASH
                    if mark == 45 or mark == 42 or 48 <= mark <= 57 or mark == 0xE2:
                        bullets += 1
                line_start, first = i + 1, -1
                if i > start:
                    before = np.int64(data[i - 1])
                    ends += before == 46 or before == 33 or before == 63
            elif byte > SPACE and first < 0:
                first = i
            if i < end:
                if byte >= 128:
                    signs[num_signs] += 1
                elif sign_of[byte] >= 0:
                    signs[sign_of[byte]] += 1
                if byte == SPACE and i > start:
                    before = np.int64(data[i - 1])
                    ends += before == 46 or before == 33 or before == 63
                if i >= start + 2 and (byte == 34 or byte == 39) and data[i - 1] == byte and data[i - 2] == byte:
                    quotes += 1
        n, w = filled + 1.0, words + 1.0
        mean, indent_mean = line_sum / n, indent_sum / n
        values = out[row]
        values[0] = np.log(size + 1.0)
        values[1] = np.log(whole[row] + 1.0)
        values[2] = np.log(lines + 0.0)
        values[3] = np.log(mean + 1)
        values[4] = np.log(longest + 1.0)
        values[5] = np.sqrt(max(line_squares / n - mean * mean, 0.0)) / (mean + 1)
        values[6] = 1 - filled / lines
        values[7] = indent_mean
        values[8] = np.sqrt(max(indent_squares / n - indent_mean * indent_mean, 0.0))
        values[9] = different / w
        values[10] = letters / w
        values[11] = capitals / w
        values[12] = numbers / w
        values[13] = hashes / n
        values[14] = bullets / n
        values[15] = quotes / n
        values[16] = ends / w
        values[17] = np.sqrt(signs[num_signs] / (size + 1.0))
        for k in range(num_keywords):
            values[18 + k] = np.sqrt(known[k] / w)
        for k in range(num_signs):
            values[18 + num_keywords + k] = np.sqrt(signs[k] / (size + 1.0))
    return out
