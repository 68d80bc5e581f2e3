"""Text to tokens over Arrow's buffers: the ids of Hugging Face `tokenizers`, many times as fast.

    encoder = Encoder.of(tokenizer_json)              # None where the tokenizer is not of our kind
    ids, stops = encoder(batch["text"])               # (tokens,) int32, and where each row ends

Only for tokenizers that `curate.tokenizer.bpe` makes: its split pattern, byte-level, no normalizer. The pattern is
written out as code, with the character classes asked of the library's own regular expressions, so that both know the
same Unicode. A word that came before is looked up; another one is merged pair by pair, the lowest rank first and the
leftmost of equals, in a heap where it is long, so that a megabyte without a space costs n log n. tests/tokenizer/
test_encode.py holds all of it equal to the library on arbitrary Unicode and on real files.
"""

import functools
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from tokenizers import Regex, normalizers

from curate.text.arrow import strings
from curate.text.kernel import inner, kernel
from curate.tokenizer.bpe import BYTE_CHARACTERS, untrained

LETTER, NUMBER, MARK, SPACE = 1, 2, 4, 8
CLASSES = {LETTER: r"\p{L}+", NUMBER: r"\p{N}+", MARK: r"\p{M}+", SPACE: r"\s+"}
SLOTS = 2**18  # of the table of known words; some ten MB a process
KNOWN_IDS, KNOWN_BYTES = 2**20, 2**22  # the tokens and bytes of known words; when one is full no word is added
LONGEST_KNOWN = 64  # bytes of a word that is remembered
SHORT = 40  # symbols up to which looking at every pair is quicker than a heap
NO_RANK = np.int64(2**62)

Ints = npt.NDArray[np.int64]


@functools.cache
def classes() -> npt.NDArray[np.uint8]:
    """Return (0x110000,) uint8: the bits of every code point, as the library's regular expressions see it."""
    points = [*range(0xD800), *range(0xE000, 0x110000)]
    everything = "".join(map(chr, points))
    table = np.zeros(0x110000, dtype=np.uint8)
    table[points] = sum(CLASSES)
    for bit, pattern in CLASSES.items():
        others = normalizers.Replace(Regex(pattern), "").normalize_str(everything)
        table[np.frombuffer(others.encode("utf-32-le"), np.uint32)] &= ~np.uint8(bit)
    return table


@dataclass(frozen=True)
class Encoder:
    """The tables of one tokenizer, and the words it has met."""

    byte_ids: npt.NDArray[np.int32]  # (256,)
    pairs: Ints  # (2^n, 3): left << 32 | right (-1 is empty), rank, id of the merged token; open addressing
    slots: Ints  # (SLOTS, 4) of known words: hash (0 is empty), first byte, first id, bytes << 32 | ids
    known_ids: npt.NDArray[np.int32]
    known_bytes: npt.NDArray[np.uint8]
    filled: Ints  # (3,) ids, bytes and number of known words so far

    @classmethod
    def of(cls, tokenizer_json: str) -> "Encoder | None":
        """Return the encoder of a `tokenizer.json`, None if it would not give the library's ids."""
        asked = json.loads(tokenizer_json)
        if not _is_ours(asked):
            return None
        vocab: dict[str, int] = asked["model"]["vocab"]
        merges = [tuple(m.split(" ")) if isinstance(m, str) else tuple(m) for m in asked["model"]["merges"]]
        byte_ids = np.array([vocab[BYTE_CHARACTERS[byte]] for byte in range(256)], dtype=np.int32)
        keys = np.array([vocab[a] << 32 | vocab[b] for a, b in merges], dtype=np.int64)
        merged = np.array([vocab[a + b] for a, b in merges], dtype=np.int64)
        pairs = np.full((2 ** max(len(merges) * 4, 4).bit_length(), 3), -1, dtype=np.int64)
        _fill_pairs(keys, merged, pairs)
        return cls(
            byte_ids,
            pairs,
            np.zeros((SLOTS, 4), dtype=np.int64),
            np.empty(KNOWN_IDS, dtype=np.int32),
            np.empty(KNOWN_BYTES, dtype=np.uint8),
            np.zeros(3, dtype=np.int64),
        )

    def __call__(self, texts: pa.Array) -> tuple[npt.NDArray[np.int32], Ints]:
        """Return the tokens of all rows one after another, and the end of each row (rows,) in them.

        Raises:
            ValueError: bytes that are not UTF-8.
        """
        texts.validate(full=True)
        found = strings(texts)
        out = np.empty(int(found.starts[-1] - found.starts[0]), dtype=np.int32)  # a token is a byte at least
        stops = np.empty(len(texts), dtype=np.int64)
        count = _encode(
            found.data, found.starts, classes(), self.byte_ids, self.pairs, self.slots, self.known_ids,
            self.known_bytes, self.filled, out, stops,
        )  # fmt: skip
        return out[:count], stops


def _is_ours(asked: dict[str, Any]) -> bool:
    """Tell whether a tokenizer differs from an untrained one of ours in what was learned only."""
    blank = json.loads(untrained().to_str())
    learned = ("vocab", "merges")
    settings = ({k: v for k, v in kind["model"].items() if k not in learned} for kind in (asked, blank))
    same = all(asked.get(part) == blank.get(part) for part in ("normalizer", "pre_tokenizer"))
    all_special = all(token["special"] for token in asked["added_tokens"])
    return same and all_special and next(settings) == next(settings)


@kernel
def _fill_pairs(keys: Ints, merged: Ints, pairs: Ints) -> None:
    for rank in range(len(keys)):
        slot = _pair_slot(keys[rank], pairs)
        if pairs[slot, 0] < 0:
            pairs[slot, 0], pairs[slot, 1], pairs[slot, 2] = keys[rank], rank, merged[rank]


@inner
def _pair_slot(key, pairs):  # type: ignore[no-untyped-def]
    mask = len(pairs) - 1
    mixed = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    slot = np.int64(mixed >> np.uint64(32)) & mask
    while pairs[slot, 0] >= 0 and pairs[slot, 0] != key:
        slot = (slot + 1) & mask
    return slot


@inner
def _rank(left, right, pairs):  # type: ignore[no-untyped-def]
    """Return the rank of a pair; NO_RANK if it is never merged."""
    slot = _pair_slot(np.int64(left) << 32 | np.int64(right), pairs)
    return pairs[slot, 1] if pairs[slot, 0] >= 0 else NO_RANK


@inner
def _merged(left, right, pairs):  # type: ignore[no-untyped-def]
    return pairs[_pair_slot(np.int64(left) << 32 | np.int64(right), pairs), 2]


@kernel
def _encode(data, starts, kinds, byte_ids, pairs, slots, known_ids, known_bytes, filled, out, stops):  # type: ignore[no-untyped-def]
    """Fill `out` and `stops`; return the number of tokens."""
    count = 0
    symbols, ranks = np.empty(SHORT, dtype=np.int64), np.empty(SHORT, dtype=np.int64)
    for row in range(len(stops)):
        at, stop = starts[row], starts[row + 1]
        while at < stop:
            end = _piece_end(data, at, stop, kinds)
            if end - at == 1:
                out[count] = byte_ids[data[at]]
                count += 1
            elif end - at > LONGEST_KNOWN:
                count += _merge_long(data, at, end, byte_ids, pairs, out, count)
            else:
                count = _known_word(
                    data, at, end, byte_ids, pairs, slots, known_ids, known_bytes, filled, symbols, ranks, out, count
                )
            at = end
        stops[row] = count
    return count


@kernel
def _known_word(data, at, end, byte_ids, pairs, slots, known_ids, known_bytes, filled, symbols, ranks, out, count):  # type: ignore[no-untyped-def]
    """Write the ids of data[at:end] to out[count:], from the table if they are there; return the new count."""
    size, hashed = end - at, np.uint64(0xCBF29CE484222325)
    for place in range(at, end):
        hashed = (hashed ^ np.uint64(data[place])) * np.uint64(0x100000001B3)
    hashed ^= hashed >> np.uint64(29)
    wanted = np.int64(hashed | np.uint64(1))  # 0 is an empty slot
    slot = np.int64((hashed * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)) & (len(slots) - 1)
    while slots[slot, 0] != 0:
        first, sizes = slots[slot, 1], slots[slot, 3]
        if slots[slot, 0] == wanted and sizes >> 32 == size:
            same = True
            for place in range(size):
                if known_bytes[first + place] != data[at + place]:
                    same = False
                    break
            if same:
                ids = sizes & 0xFFFFFFFF
                for place in range(ids):
                    out[count + place] = known_ids[slots[slot, 2] + place]
                return count + ids
        slot = (slot + 1) & (len(slots) - 1)
    if size <= SHORT:
        ids = _merge_short(data, at, end, byte_ids, pairs, symbols, ranks, out, count)
    else:
        ids = _merge_long(data, at, end, byte_ids, pairs, out, count)
    # Half of the slots stay empty, so that a search is short and always ends.
    room = filled[0] + ids <= len(known_ids) and filled[1] + size <= len(known_bytes) and filled[2] < len(slots) // 2
    if room:
        slots[slot, 0], slots[slot, 1], slots[slot, 2], slots[slot, 3] = wanted, filled[1], filled[0], size << 32 | ids
        for place in range(size):
            known_bytes[filled[1] + place] = data[at + place]
        for place in range(ids):
            known_ids[filled[0] + place] = out[count + place]
        filled[0] += ids
        filled[1] += size
        filled[2] += 1
    return count + ids


@inner
def _merge_short(data, at, end, byte_ids, pairs, symbols, ranks, out, count):  # type: ignore[no-untyped-def]
    """Merge by looking at every pair each time; return the number of ids written to out[count:]."""
    size = end - at
    for place in range(size):
        symbols[place] = byte_ids[data[at + place]]
    for place in range(size - 1):
        ranks[place] = _rank(symbols[place], symbols[place + 1], pairs)
    while size > 1:
        best = 0
        for place in range(1, size - 1):
            if ranks[place] < ranks[best]:
                best = place
        if ranks[best] == NO_RANK:
            break
        symbols[best] = _merged(symbols[best], symbols[best + 1], pairs)
        size -= 1
        for place in range(best + 1, size):
            symbols[place] = symbols[place + 1]
        for place in range(best, size - 1):
            ranks[place] = ranks[place + 1]
        if best > 0:
            ranks[best - 1] = _rank(symbols[best - 1], symbols[best], pairs)
        if best < size - 1:
            ranks[best] = _rank(symbols[best], symbols[best + 1], pairs)
    for place in range(size):
        out[count + place] = symbols[place]
    return size


@kernel
def _merge_long(data, at, end, byte_ids, pairs, out, count):  # type: ignore[no-untyped-def]
    """Merge with a heap of (rank, place) over a linked list; return the number of ids written to out[count:]."""
    size = end - at
    symbols, after, before = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.int64)
    for place in range(size):
        symbols[place] = byte_ids[data[at + place]]
        after[place], before[place] = place + 1, place - 1
    heap, length = np.empty(3 * size, np.int64), 0  # rank << 32 | place; at most two new pairs a merge
    for place in range(size - 1):
        length = _push(heap, length, _rank(symbols[place], symbols[place + 1], pairs), place)
    while length > 0:
        rank, place = heap[0] >> 32, heap[0] & 0xFFFFFFFF
        length = _pop(heap, length)
        right = after[place]
        if symbols[place] < 0 or right >= size or _rank(symbols[place], symbols[right], pairs) != rank:
            continue  # merged away since, or another pair by now
        symbols[place] = _merged(symbols[place], symbols[right], pairs)
        symbols[right] = -1
        after[place] = after[right]
        if after[place] < size:
            before[after[place]] = place
            length = _push(heap, length, _rank(symbols[place], symbols[after[place]], pairs), place)
        if before[place] >= 0:
            length = _push(heap, length, _rank(symbols[before[place]], symbols[place], pairs), before[place])
    written = 0
    for place in range(size):
        if symbols[place] >= 0:
            out[count + written] = symbols[place]
            written += 1
    return written


@inner
def _push(heap, length, rank, place):  # type: ignore[no-untyped-def]
    if rank == NO_RANK:
        return length
    key, child = rank << 32 | place, length
    while child > 0 and heap[(child - 1) >> 1] > key:
        heap[child] = heap[(child - 1) >> 1]
        child = (child - 1) >> 1
    heap[child] = key
    return length + 1


@inner
def _pop(heap, length):  # type: ignore[no-untyped-def]
    length -= 1
    key, parent = heap[length], 0
    while 2 * parent + 1 < length:
        child = 2 * parent + 1
        if child + 1 < length and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= key:
            break
        heap[parent] = heap[child]
        parent = child
    heap[parent] = key
    return length


@inner
def _piece_end(data, at, stop, kinds):  # type: ignore[no-untyped-def]
    """Return the end of the piece that PATTERN matches at `at`, its alternatives in their order."""
    point, end = _character(data, at)
    kind = kinds[point]
    if point == 39:  # 's 't 're 've 'm 'll 'd, in any case
        short = _contraction(data, at, stop)
        if short > 0:
            return at + short
    # a word, with one character before it that is no letter, digit or line end
    begin = at if kind & (LETTER | NUMBER) or point == 10 or point == 13 else end
    word = _run(data, begin, stop, kinds, LETTER | MARK, True)
    if word > begin:
        return word
    if kind & MARK:
        return end
    if kind & NUMBER:
        return end
    # signs, with a space before and line ends after them
    begin = end if point == 32 else at
    signs = _run(data, begin, stop, kinds, SPACE | LETTER | NUMBER, False)
    if signs > begin:
        while signs < stop and (data[signs] == 10 or data[signs] == 13):
            signs += 1
        return signs
    # white space: up to its last line end; all of it at the end of the text; all but its last character; that one
    last, line_end = at, at
    where = at
    while where < stop:
        point, after = _character(data, where)
        if not kinds[point] & SPACE:
            break
        if point == 10 or point == 13:
            line_end = after
        last, where = where, after
    if line_end > at:
        return line_end
    return where if where == stop or last == at else last


@inner
def _run(data, at, stop, kinds, wanted, inside):  # type: ignore[no-untyped-def]
    """Return the end of the run from `at` on of characters that have one of the `wanted` bits, or have none."""
    while at < stop:
        point, end = _character(data, at)
        if (kinds[point] & wanted != 0) != inside:
            break
        at = end
    return at


@inner
def _contraction(data, at, stop):  # type: ignore[no-untyped-def]
    """Return the bytes of a contraction at an apostrophe, 0 if there is none; the long s is an s in another case."""
    if at + 1 >= stop:
        return 0
    one = data[at + 1] | 0x20
    if one == 115 or one == 116 or one == 109 or one == 100:  # s t m d
        return 2
    if at + 2 >= stop:
        return 0
    if data[at + 1] == 0xC5 and data[at + 2] == 0xBF:
        return 3
    two = data[at + 2] | 0x20
    if (one == 114 and two == 101) or (one == 118 and two == 101) or (one == 108 and two == 108):  # re ve ll
        return 3
    return 0


@inner
def _character(data, at):  # type: ignore[no-untyped-def]
    """Return the code point at a byte of valid UTF-8, and where the next one begins."""
    first = np.int64(data[at])
    if first < 0x80:
        return first, at + 1
    if first < 0xE0:
        return (first & 0x1F) << 6 | np.int64(data[at + 1]) & 0x3F, at + 2
    if first < 0xF0:
        return (first & 0x0F) << 12 | (np.int64(data[at + 1]) & 0x3F) << 6 | np.int64(data[at + 2]) & 0x3F, at + 3
    point = (first & 0x07) << 18 | (np.int64(data[at + 1]) & 0x3F) << 12
    return point | (np.int64(data[at + 2]) & 0x3F) << 6 | np.int64(data[at + 3]) & 0x3F, at + 4
