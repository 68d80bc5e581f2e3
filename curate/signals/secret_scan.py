"""Where a secret may be: two compiled passes over the bytes, so that slow looks are taken at some places in a million.

    candidates = scan(strings(batch["text"]))       # places, with what made them one

A token that tells what it is (`ghp_...`) is found by `curate.signals.secret_runs`. A secret that only its name gives
away (`db_password = "..."`) follows a word such as "pass", found as in `curate.text.search`; from there the way over
quotes, colons, types and `value=` to the value is walked here, and a value of plain words is let go.
What remains is judged by `curate.signals.secret_formats` and `curate.signals.secret_names`.
"""

from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np

from curate.signals.secret_runs import BLANK, CLASSES, DIGIT, END, GAP, LOWER, QUOTE, RUN, UPPER, letters, runs
from curate.text.arrow import Strings
from curate.text.kernel import kernel

NAMED, PLACE = 1, 2  # beside secret_runs.TOKEN
# After these words a name may end, and the value follows. A longer word goes before its own beginning.
NAMES = (
    *("pass", "pwd", "secret", "token", "key", "auth", "credential", "bearer ", "basic ", "identified by"),
    "securestring",
)
BEFORE = ("value", "default", "static")  # `name: DB_PASSWORD, value: ...`; `variable "password" { default = ... }`


class Candidates(NamedTuple):
    """Places in the bytes of a batch that deserve a look, in no order."""

    rows: np.ndarray  # (N,) int64
    kinds: np.ndarray  # (N,) int64: TOKEN, NAMED, or PLACE + the number of one of the other places
    starts: np.ndarray  # (N,) int64: where the token, the value or the word begins
    stops: np.ndarray  # (N,) int64: where the value ends; for the others, where the word ends
    names: np.ndarray  # (N,) int64: where the name begins; for the others as `starts`


def scan(text: Strings, beginnings: tuple[str, ...], ends: tuple[str, ...], places: tuple[str, ...]) -> Candidates:
    """Return the places to look at.

    Args:
        text: of a batch.
        beginnings: what tokens begin with, two characters or more, such as "ghp_".
        ends: what stands directly before the run of a token, with a dot at its end, such as "SG.".
        places: other words, in small letters, at which something is to be looked for.
    """
    room = 4096
    while True:
        out = np.empty((5, room), np.int64)
        n = runs(text, beginnings, ends, out)
        if n < room:
            where = (text.data, text.starts, text.valid, CLASSES)
            n = _words(*where, *_pattern((*NAMES, *places)), len(NAMES), letters(BEFORE)[0], n, out)
        if n < room:
            return Candidates(*out[:, :n])
        room *= 4


@cache
def _pattern(words: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return all words as bytes, their lengths, and (65536,) uint8: how far the search may go on from two bytes."""
    table, sizes = letters(words)
    shortest = min(map(len, words))
    jumps = np.full(65536, shortest - 1, np.uint8)
    for word in words:
        for i in range(shortest - 1):
            for a, b in product(*({ord(c), ord(c.upper())} for c in word[i : i + 2])):
                jumps[a | b << 8] = min(jumps[a | b << 8], shortest - 2 - i)
    return table, sizes, jumps


NEWLINE, RETURN, SPACE, APOSTROPHE, SLASH, BACKSLASH = 0x0A, 0x0D, 0x20, 0x27, 0x2F, 0x5C
EQUALS, DOT, COLON, LESS, MORE, HYPHEN = 0x3D, 0x2E, 0x3A, 0x3C, 0x3E, 0x2D
DOLLAR, OPEN, CLOSE, BRACE, PAREN = 0x24, 0x5B, 0x5D, 0x7B, 0x28
MAX_NAME, MAX_GAP, MAX_VALUE, MIN_VALUE = 60, 80, 4096, 6
WORD = DIGIT | LOWER | UPPER


@kernel
def _folded(data: np.ndarray, place: int, high: int, word: np.ndarray, size: int) -> bool:
    """Whether a word in small letters stands at `place`, in any letters."""
    if place + size > high:
        return False
    for i in range(size):
        byte = data[place + i]
        if 65 <= byte <= 90:
            byte += 32
        if byte != word[i]:
            return False
    return True


@kernel
def _words(
    data: np.ndarray,
    starts: np.ndarray,
    valid: np.ndarray,
    classes: np.ndarray,
    letters: np.ndarray,
    lengths: np.ndarray,
    jumps: np.ndarray,
    num_names: int,
    leads: np.ndarray,
    n: int,
    out: np.ndarray,
) -> int:
    """Write down the values that follow a name and the words that are looked at; return how many there are by now."""
    back = lengths.min() - 2
    for row in range(len(valid)):
        if not valid[row]:
            continue
        low, high = starts[row], starts[row + 1]
        i, last = low + back, low - 1
        while i + 1 < high:
            jump = jumps[data[i] | np.uint16(data[i + 1]) << 8]
            i += max(jump, 1)
            if jump:
                continue
            place = i - 1 - back
            for word in range(len(lengths)):
                if not _folded(data, place, high, letters[word], lengths[word]):
                    continue
                if n == out.shape[1]:
                    return n
                end = place + lengths[word]
                if word >= num_names:
                    out[0, n], out[1, n], out[2, n], out[3, n] = row, PLACE + word - num_names, place, end
                    out[4, n] = place
                    n += 1
                    continue
                start = _value_start(data, end, high, classes, leads)
                if start < 0 or start == last:
                    continue
                stop = _value_stop(data, start, low, high, classes)
                if stop - start >= MIN_VALUE and _remarkable(data, start, stop, classes):
                    last = start
                    name = place
                    while name > low and place - name < MAX_NAME and classes[data[name - 1]] & RUN:
                        name -= 1
                    out[0, n], out[1, n], out[2, n], out[3, n], out[4, n] = row, NAMED, start, stop, name
                    n += 1
    return n


@kernel
def _call_of_literal(data: np.ndarray, place: int, limit: int, classes: np.ndarray) -> bool:
    """Whether a name, an opening parenthesis and a quote stand here."""
    while place < limit and (classes[data[place]] & RUN or data[place] == DOT):
        place += 1
    return bool(place + 1 < limit and data[place] == PAREN and classes[data[place + 1]] & QUOTE)


@kernel
def _value_start(data: np.ndarray, place: int, high: int, classes: np.ndarray, leads: np.ndarray) -> int:
    """Walk from within a name over what may part it from its value; return where that begins, -1 if there is none."""
    limit = min(high, place + MAX_NAME)
    while place < limit and classes[data[place]] & RUN and data[place - 1] != SPACE:  # not after `Bearer `
        place += 1
    limit = min(high, place + MAX_GAP)
    hops, tags = 0, False
    first = place
    while place < limit:
        byte = data[place]
        if classes[byte] & GAP:
            if byte == BACKSLASH and place + 1 < limit and not classes[data[place + 1]] & QUOTE:
                return place
            place += 1
        elif byte == LESS and place + 1 < limit and data[place + 1] == HYPHEN:  # R: password <- "..."
            place += 2
        elif byte == LESS and (tags or data[place - 1] == MORE or data[min(place + 1, high - 1)] == SLASH):  # a tag
            while place < limit and data[place] != MORE:
                place += 1
            tags = True
        elif byte in (NEWLINE, RETURN):
            after = place
            while after < limit and classes[data[after]] & BLANK:
                after += 1
            if (
                not tags
                and data[place - 1] != MORE
                and not (_folded(data, after, high, leads[0], 5) or _folded(data, after, high, leads[1], 7))
            ):
                return -1
            place = after
        elif byte == DOLLAR and place + 1 < limit and data[place + 1] == BRACE:  # ${NAME:default}
            after = place + 2
            while after < limit and (classes[data[after]] & RUN or data[after] == DOT):
                after += 1
            if after >= limit or data[after] != COLON:
                return place
            place = after + 1
        elif data[place - 1] == OPEN and classes[byte] & DIGIT:  # char password[32]
            while place < limit and classes[data[place]] & DIGIT:
                place += 1
            if place >= limit or data[place] != CLOSE:
                return -1
        elif place > first and classes[byte] & WORD and place + 1 < limit and classes[data[place + 1]] & QUOTE:
            place += 1  # b"...", u"..."
        elif classes[byte] & WORD and _call_of_literal(data, place, limit, classes):  # []byte("...")
            while data[place] != PAREN:
                place += 1
        elif _folded(data, place, high, leads[2], 6) and data[place - 1] == APOSTROPHE:  # &'static str
            place += 6
        else:  # a value, or a word before it: a type, `value=`
            stop = place
            while stop < limit and classes[data[stop]] & RUN:
                stop += 1
            after = stop
            while after < limit and (data[after] == SPACE or classes[data[after]] & QUOTE):
                after += 1
            assigned = after + 1 < high and data[after] == EQUALS and data[after + 1] not in (EQUALS, MORE)
            named = after < high and data[after] == COLON and stop - place in (5, 7)
            if named:
                named = _folded(data, place, high, leads[0], 5) or _folded(data, place, high, leads[1], 7)
            if not (assigned or named) or stop == place or stop - place > 24 or hops == 2:
                return place if place > first or data[first - 1] == SPACE else -1
            place, hops = after, hops + 1
    return -1


@kernel
def _value_stop(data: np.ndarray, start: int, low: int, high: int, classes: np.ndarray) -> int:
    """Return where a value ends: at the quote that began it, or where a bare word does."""
    quote = data[start - 1] if start > low and classes[data[start - 1]] & QUOTE else 0
    escaped = quote != 0 and start - 1 > low and data[start - 2] == BACKSLASH
    limit = min(high, start + MAX_VALUE)
    place = start
    while place < limit:
        byte = data[place]
        if quote:
            if byte in (quote, NEWLINE):
                break
            if byte == BACKSLASH and place + 1 < limit:
                if escaped and data[place + 1] == quote:
                    break
                place += 1
        elif classes[byte] & END:
            break
        place += 1
    return min(place, limit)


@kernel
def _remarkable(data: np.ndarray, start: int, stop: int, classes: np.ndarray) -> bool:
    """Whether a value is more than words: a digit, an unusual sign, or capitals amid small letters."""
    turns = 0
    for place in range(start, stop):
        kind = classes[data[place]]
        if kind & DIGIT:
            return True
        if not kind & WORD and data[place] in (33, 35, 37, 38, 42, 43, 61, 64, 94, 126, 36):  # ! # % & * + = @ ^ ~ $
            return True
        if place > start and (kind ^ classes[data[place - 1]]) & WORD and kind & WORD:
            turns += 1
    return turns * 4 >= stop - start
