"""The pass over a batch: fold bytes to words, hash n words in a row, look each n-gram up.

    Words("Janet’s <b>ducks</b> lay 1,000&nbsp;eggs").text()      # janet s ducks lay 1000 eggs

Beyond `curate.decontaminate.folding`, what a page puts into a text ends a word without being one: tags, HTML entities,
escapes of JSON (`\\n`, `\\u2019`), GSM8K's calculations (`<<3*4=12>>`), underscores around a word. A comma between
thousands is nothing. The same is done to the benchmarks, so that a rule that takes off too much takes it off both.

In integers, mod 2^64: a word is FNV-1a over its code points, mixed (MurmurHash3's finaliser); an n-gram is the
polynomial w1 * BASE^(n-1) + ... + wn, rolled from word to word, mixed with n. It is looked up in a filter of one memory
word (two bits of 64, 1 % false), then in the table: sorted keys, found by their first bits. Two n-grams of a corpus
of 10^12 words collide with 10^7 keys once in two such corpora, and what collides is compared as text anyway.
"""

import numpy as np
import pyarrow as pa

from curate.decontaminate.folding import ALONE, END, LAST, LETTER, NOTHING, folding
from curate.text.arrow import strings
from curate.text.kernel import inner, kernel

FNV_OFFSET, FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
MIX_1, MIX_2, SHIFT = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53), np.uint64(33)
BASE = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio, odd
MOST_BLANKS = 6  # in a value of an attribute; one with more is text (`data-question="How many ..."`)
LONGEST_TAG, LONGEST_ENTITY, LONGEST_CALCULATION = 400, 10, 60  # bytes; a longer one is text


class Words:
    """One text as folded characters: words with one 0 between two of them.

    Attributes:
        points: (chars,) uint32, no 0 at either end.
        where: (chars + 1,) int64, the byte of the text that each character began at; a last word ends at the last one.
            Empty unless `placed`: of sixty thousand questions it is more than half of the memory.
        starts: (words,) int64, where each word begins in `points`; `stops`, where it ends.
        hashes: (words,) uint64.
    """

    def __init__(self, text: str, *, placed: bool = True) -> None:
        data = np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)
        room = 2 * len(data) + 8
        points, where = np.empty(room, np.uint32), np.empty(room, np.int64)
        kinds, sizes, folded = folding()
        size = _fold_text(data, kinds, sizes, folded, points, where)
        where[size] = len(data)
        size -= int(size > 0 and points[size - 1] == 0)
        self.points, self.where = points[:size].copy(), where[: size + 1 if placed else 0].copy()
        gaps = np.flatnonzero(self.points == 0)
        self.starts = np.concatenate(([0], gaps + 1)) if size else np.empty(0, np.int64)
        self.stops = np.append(gaps, size) if size else np.empty(0, np.int64)
        self.hashes = np.empty(len(self.starts), np.uint64)
        _hash_words(self.points, size, self.hashes)

    def __len__(self) -> int:
        return len(self.starts)

    def text(self, first: int = 0, stop: int | None = None) -> str:
        """Return words as text with one blank between two."""
        stop = len(self) if stop is None else min(stop, len(self))
        if first >= stop:
            return ""
        points = self.points[self.starts[first] : self.stops[stop - 1]]
        return np.where(points == 0, 32, points).astype("<u4").tobytes().decode("utf-32-le", "replace")


def ngram_hashes(words: np.ndarray, n: int) -> np.ndarray:
    """Return the keys of all n-grams of hashed words: (words - n + 1,) uint64."""
    keys = np.empty(max(len(words) - n + 1, 0), np.uint64)
    _roll(words, len(words), n, _power(n), keys)
    return keys


def scan(texts: pa.Array, table: "Table") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find every n-gram of every text that the table holds.

    Returns: rows, first words and slots of the table, (hits,) int64 each, by row and word.
    """
    text = strings(texts)
    longest = int(np.diff(text.starts).max(initial=0))
    points, where = np.empty(2 * longest + 8, np.uint32), np.empty(1, np.int64)
    words, keys = np.empty(longest + 1, np.uint64), np.empty(longest + 1, np.uint64)
    sizes = np.array(table.sizes, np.int64)
    powers = np.array([_power(n) for n in table.sizes], np.uint64)
    room = max(1024, len(texts))
    while True:
        found = np.empty((3, room), np.int64)
        room_for, lookup = (points, where, words, keys), (table.filter, table.keys, table.places)
        shift = np.uint64(table.shift)
        num = _scan(text.data, text.starts, text.valid, *folding(), *room_for, sizes, powers, *lookup, shift, found)
        if num <= room:
            order = np.lexsort((found[1, :num], found[0, :num]))
            return found[0, :num][order], found[1, :num][order], found[2, :num][order]
        room = num


class Table:
    """Sorted keys with a filter before them and the places of their first bits; `slot` is a key's number."""

    def __init__(self, keys: np.ndarray, sizes: tuple[int, ...]) -> None:
        self.keys, self.sizes = np.ascontiguousarray(keys), sizes
        bits = max(8, len(keys).bit_length())
        self.shift = 64 - bits
        edges = np.arange(2**bits, dtype=np.uint64) << np.uint64(self.shift)
        self.places = np.append(np.searchsorted(keys, edges), len(keys)).astype(np.int64)
        self.filter = np.zeros(2 ** max(bits - 2, 4), np.uint64)  # 64 bits for two to four keys
        _fill(self.keys, self.filter)


def _power(n: int) -> np.uint64:
    return np.uint64(pow(int(BASE), n, 2**64))


@inner
def _mix(value: np.uint64) -> np.uint64:
    value = (value ^ (value >> SHIFT)) * MIX_1
    value = (value ^ (value >> SHIFT)) * MIX_2
    return value ^ (value >> SHIFT)


@inner
def _is_word(byte: int) -> bool:
    return 97 <= byte <= 122 or 65 <= byte <= 90 or 48 <= byte <= 57


@inner
def _is_digit(byte: int) -> bool:
    return 48 <= byte <= 57


@inner
def _thousands(data: np.ndarray, i: int, stop: int) -> bool:
    """Whether the comma at i parts thousands: a digit before it, three and no more behind it."""
    if i + 3 >= stop or not _is_digit(data[i - 1]) or (i + 4 < stop and _is_digit(data[i + 4])):
        return False
    return _is_digit(data[i + 1]) and _is_digit(data[i + 2]) and _is_digit(data[i + 3])


@inner
def _entity(data: np.ndarray, i: int, stop: int) -> int:
    """Return the bytes from i, which follows the &, to the end of `amp;`, `#8217;`; 0 if there is no entity."""
    j = i
    if j < stop and data[j] == 35:  # #
        j += 1
    first = j
    while j < stop and j - i < LONGEST_ENTITY and _is_word(data[j]):
        j += 1
    return j + 1 - i if j - first >= 2 and j < stop and data[j] == 59 else 0


@inner
def _tag(data: np.ndarray, i: int, stop: int) -> int:
    """Return the bytes of the tag at i: `<p>`, `</b>`, `<br/>`, `<a href="x" hidden>`; 0 if it is none (`a <b and`)."""
    stop = min(stop, i + LONGEST_TAG)
    j = i + 1
    if j < stop and data[j] == 47:
        j += 1
    if j >= stop or not 97 <= (data[j] | 32) <= 122:
        return 0
    bare = 0  # names without a value, the tag's own among them; text is full of them
    while j < stop and bare < 2:
        while j < stop and (_is_word(data[j]) or data[j] == 45 or data[j] == 58 or data[j] == 95):  # a name
            j += 1
        if j + 1 < stop and data[j] == 61:  # its value
            quote = data[j + 1]
            j += 1
            if quote == 34 or quote == 39:
                j += 1
                blanks = 0
                while j < stop and data[j] != quote:
                    blanks += data[j] == 32
                    j += 1
                j += 1
                if blanks > MOST_BLANKS:
                    return 0
            else:
                while j < stop and data[j] > 32 and data[j] != 62:
                    j += 1
        else:
            bare += 1
        while j < stop and (data[j] <= 32 or data[j] == 47):
            j += 1
        if j < stop and data[j] == 62:
            return j + 1 - i
        if j >= stop or not _is_word(data[j]):
            return 0
    return 0


@inner
def _markup(data: np.ndarray, i: int, stop: int) -> int:
    """Return the bytes of the tag, entity, escape or calculation at i, or 0."""
    byte = data[i]
    if byte == 38:  # &
        size = _entity(data, i + 1, stop)
        if size == 4 and data[i + 1] == 97 and data[i + 2] == 109 and data[i + 3] == 112:  # &amp;#39; escaped twice
            return 1 + size + _entity(data, i + 1 + size, stop)
        return 1 + size if size else 0
    following = data[i + 1] if i + 1 < stop else 0
    if byte == 92:  # \n \r \t \u2019
        if following == 117 and i + 5 < stop:
            for j in range(i + 2, i + 6):
                if not (_is_digit(data[j]) or 97 <= (data[j] | 32) <= 102):
                    return 0
            return 6
        return 2 if following == 110 or following == 114 or following == 116 else 0
    if byte != 60:
        return 0
    if following == 60:  # <<48/2=24>>
        for j in range(i + 2, min(stop - 1, i + LONGEST_CALCULATION)):
            if data[j] == 62 and data[j + 1] == 62:
                return j + 2 - i
            if data[j] >= 65 or data[j] == 10 or data[j] == 60:
                return 0
        return 0
    return _tag(data, i, stop)


@inner
def _decode(data: np.ndarray, i: int, stop: int) -> tuple[int, int]:
    """Return (code point, bytes) at a byte of 0x80 or more; what is not UTF-8 is one byte that ends a word."""
    byte = np.int64(data[i])
    width = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
    if byte < 0xC2 or byte > 0xF4 or i + width > stop:
        return LAST, 1
    point = byte & (0x7F >> width)
    for j in range(1, width):
        if data[i + j] & 0xC0 != 0x80:
            return LAST, 1
        point = (point << 6) | (np.int64(data[i + j]) & 0x3F)
    return int(point), width


@inner
def _fold(
    data: np.ndarray,
    start: int,
    stop: int,
    kinds: np.ndarray,
    sizes: np.ndarray,
    folded: np.ndarray,
    points: np.ndarray,
    where: np.ndarray,
    placed: bool,
) -> int:
    """Write the folded characters of data[start:stop], a 0 behind each word, and where they were; return how many."""
    n, i = 0, start
    while i < stop:
        byte = data[i]
        if _is_word(byte):
            points[n] = byte | 32 if byte >= 65 else byte
            if placed:
                where[n] = i
            n += 1
            i += 1
            continue
        inside = n > 0 and points[n - 1] != 0
        if byte >= 0x80:
            point, width = _decode(data, i, stop)
            kind = kinds[point] if point < LAST else END
            if kind == NOTHING:
                i += width
                continue
            if inside and kind != LETTER:
                points[n] = 0
                if placed:
                    where[n] = i
                n += 1
            if kind != END:
                for j in range(sizes[point]):
                    points[n] = folded[point, j]
                    if placed:
                        where[n] = i
                    n += 1
            if kind == ALONE:
                points[n] = 0
                if placed:
                    where[n] = i + width
                n += 1
            i += width
            continue
        if inside and byte == 44 and _thousands(data, i, stop):
            i += 1
            continue
        if byte == 95 and inside:  # a_b, but not _a_
            j = i
            while j < stop and data[j] == 95:
                j += 1
            if j < stop and (_is_word(data[j]) or data[j] >= 0x80):
                points[n] = 95
                if placed:
                    where[n] = i
                n += 1
                i = j
                continue
        size = _markup(data, i, stop) if byte == 38 or byte == 60 or byte == 92 else 0
        if inside:
            points[n] = 0
            if placed:
                where[n] = i
            n += 1
        i += max(size, 1)
    return n


@kernel
def _fold_text(
    data: np.ndarray,
    kinds: np.ndarray,
    sizes: np.ndarray,
    folded: np.ndarray,
    points: np.ndarray,
    where: np.ndarray,
) -> int:
    return _fold(data, 0, len(data), kinds, sizes, folded, points, where, True)


@inner
def _hash_all(points: np.ndarray, size: int, words: np.ndarray) -> int:
    num, value, inside = 0, FNV_OFFSET, False
    for i in range(size):
        point = points[i]
        if point:
            value = (value ^ np.uint64(point)) * FNV_PRIME
            inside = True
        elif inside:
            words[num] = _mix(value)
            num += 1
            value, inside = FNV_OFFSET, False
    if inside:
        words[num] = _mix(value)
        num += 1
    return num


@kernel
def _hash_words(points: np.ndarray, size: int, words: np.ndarray) -> int:
    return _hash_all(points, size, words)


@inner
def _roll_all(words: np.ndarray, num: int, n: int, power: np.uint64, keys: np.ndarray) -> int:
    """Write the keys of all n-grams; `power` is BASE^n."""
    value, salt = np.uint64(0), np.uint64(n) * MIX_2
    for i in range(num):
        value = value * BASE + words[i]
        if i >= n:
            value -= words[i - n] * power
        if i >= n - 1:
            keys[i - n + 1] = _mix(value ^ salt)
    return max(num - n + 1, 0)


@kernel
def _roll(words: np.ndarray, num: int, n: int, power: np.uint64, keys: np.ndarray) -> int:
    return _roll_all(words, num, n, power, keys)


@inner
def _bits(key: np.uint64) -> np.uint64:
    """Return the two bits of a key in its word of the filter."""
    one = np.uint64(1)
    return (one << (key & np.uint64(63))) | (one << ((key >> np.uint64(6)) & np.uint64(63)))


@kernel
def _fill(keys: np.ndarray, filter_: np.ndarray) -> None:
    mask = np.uint64(len(filter_) - 1)
    for key in keys:
        filter_[(key >> np.uint64(16)) & mask] |= _bits(key)


@kernel
def _scan(
    data: np.ndarray,
    starts: np.ndarray,
    valid: np.ndarray,
    kinds: np.ndarray,
    fold_sizes: np.ndarray,
    folded: np.ndarray,
    points: np.ndarray,
    where: np.ndarray,
    words: np.ndarray,
    keys: np.ndarray,
    sizes: np.ndarray,
    powers: np.ndarray,
    filter_: np.ndarray,
    table: np.ndarray,
    places: np.ndarray,
    shift: np.uint64,
    found: np.ndarray,
) -> int:
    """Write (row, word, slot) of each hit as long as there is room; return how many there are."""
    mask, num, room = np.uint64(len(filter_) - 1), 0, found.shape[1]
    for row in range(len(starts) - 1):
        if not valid[row]:
            continue
        size = _fold(data, starts[row], starts[row + 1], kinds, fold_sizes, folded, points, where, False)
        total = _hash_all(points, size, words)
        for which in range(len(sizes)):
            count = _roll_all(words, total, sizes[which], powers[which], keys)
            for i in range(count):
                key = keys[i]
                bits = _bits(key)
                if filter_[(key >> np.uint64(16)) & mask] & bits != bits:
                    continue
                slot, stop = places[key >> shift], places[(key >> shift) + np.uint64(1)]
                while slot < stop and table[slot] < key:
                    slot += 1
                if slot < stop and table[slot] == key:
                    if num < room:
                        found[0, num], found[1, num], found[2, num] = row, i, slot
                    num += 1
    return num
