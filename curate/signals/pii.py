"""Personal addresses in text: e-mail and public IP, counted and replaced as FineWeb replaced them.

    Measure((Addresses(),))      pii.emails and pii.ips, the text as it is
    ReplaceAddresses()           the same two columns, and harmless addresses in the text; FineWeb's last step
    ReplaceAddresses(code=True)  in source code, where most of what looks like an address is none: `pii_code`

One compiled pass over the bytes finds the candidates (an `@`, a digit before a dot, a hexadecimal digit before a
colon); the standard library's `ipaddress` says which numbers are public. What an e-mail is follows datatrove's regular
expression, and RFC 5321's limit of 64 characters before the `@`, which keeps a megabyte of base64 from taking hours.
Private, reserved and documentation addresses stay. An address is whole: `1.2.3.4` in `1.2.3.4.5` or `1.2.3.400` is part
of a version or a number, and stays, where datatrove writes into it. IPv6, which FineWeb left, is replaced as well, if
it lies in the one range given out to the public (2000::/3), so `std::a::b` is safe.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from curate.document import TEXT, Batch, with_columns
from curate.signals.pii_code import in_code
from curate.text.arrow import Strings, strings
from curate.text.characters import ALNUM, kinds
from curate.text.kernel import kernel

EMAIL, IPV4, IPV6 = 0, 1, 2
# FineWeb's (datatrove PIIFormatter): reserved names, and addresses that answered no ping when they were chosen.
EMAILS = ("email@example.com", "firstname.lastname@example.org")
IPV4S = (
    "22.214.171.124",
    "126.96.36.199",
    "188.8.131.52",
    "184.108.40.206",
    "220.127.116.11",
    "18.104.22.168",
)
IPV6S = ("2001:db8::1", "2001:db8::2")  # the range for documentation, RFC 3849
PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")  # IANA's global unicast
MAX_LOCAL = 64  # octets before the @, RFC 5321, section 4.5.3.1.1


@dataclass(frozen=True)
class Found:
    """Addresses in a batch of texts, in order: places in the bytes of `text`, not overlapping."""

    text: Strings
    rows: np.ndarray  # (N,) int64
    starts: np.ndarray  # (N,) int64, first byte in text.data
    stops: np.ndarray  # (N,) int64, one past the last
    kinds: np.ndarray  # (N,) uint8: EMAIL, IPV4 or IPV6

    def columns(self) -> dict[str, pa.Array]:
        """Return how many each document has, null where the text is."""
        rows = len(self.text.valid)
        emails = np.bincount(self.rows[self.kinds == EMAIL], minlength=rows)
        ips = np.bincount(self.rows[self.kinds != EMAIL], minlength=rows)
        missing = ~self.text.valid
        return {"pii.emails": pa.array(emails, mask=missing), "pii.ips": pa.array(ips, mask=missing)}


@dataclass(frozen=True)
class Addresses:
    """Count e-mail addresses and public IP addresses; with `code`, those that are some in source code."""

    code: bool = False

    def __call__(self, batch: Batch) -> Mapping[str, pa.Array]:
        return find_addresses(batch[TEXT], code=self.code).columns()

    def __repr__(self) -> str:
        return f"Addresses({'code=True' if self.code else ''})"


@dataclass(frozen=True)
class ReplaceAddresses:
    """Count the addresses and put others in their place, in turn, beginning anew with each document.

    datatrove goes on through the list from one document to the next, so its text depends on the order of documents.
    """

    emails: tuple[str, ...] = EMAILS
    ipv4: tuple[str, ...] = IPV4S
    ipv6: tuple[str, ...] = IPV6S
    code: bool = False
    counted = ("pii.emails", "pii.ips")  # columns that a run sums up

    def __post_init__(self) -> None:
        if not (self.emails and self.ipv4 and self.ipv6):
            raise ValueError("ReplaceAddresses needs at least one address of each kind to write")

    def __call__(self, batch: Batch) -> Batch:
        found = find_addresses(batch[TEXT], code=self.code)
        columns = found.columns()
        if len(found.rows):
            columns[TEXT] = replace(found, batch[TEXT], (self.emails, self.ipv4, self.ipv6))
        return with_columns(batch, columns)

    def __repr__(self) -> str:
        default = self == ReplaceAddresses(code=self.code)
        lists = [] if default else [f"emails={self.emails}, ipv4={self.ipv4}, ipv6={self.ipv6}"]
        return f"ReplaceAddresses({', '.join(lists + ['code=True'] * self.code)})"


def find_addresses(texts: pa.Array, *, code: bool = False) -> Found:
    """Return where the addresses are; with `code`, without what is a version, a package or a login in source code."""
    text = strings(texts)
    # Room for the worst case, `a@b.c` and no more. Untouched memory is never given to us by the system.
    room = int(text.starts[-1] - text.starts[0]) // 5 + 1
    rows, starts, stops = (np.empty(room, np.int64) for _ in range(3))
    kind = np.empty(room, np.uint8)
    n = _scan(text.data, text.starts, text.valid, kinds(), rows, starts, stops, kind)
    rows, starts, stops, kind = rows[:n], starts[:n], stops[:n], kind[:n]
    kept = np.ones(n, bool)
    for i in np.flatnonzero(kind != EMAIL):
        kept[i] = is_public(text.data[starts[i] : stops[i]].tobytes().decode())
    if code:
        for i in np.flatnonzero(kept):
            before = text.data[max(starts[i] - 40, text.starts[rows[i]]) : starts[i]].tobytes()
            start = in_code(text.data[starts[i] : stops[i]].tobytes(), before, is_email=kind[i] == EMAIL)
            kept[i], starts[i] = start >= 0, starts[i] + max(start, 0)
    return Found(text, rows[kept], starts[kept], stops[kept], kind[kept])


def is_public(address: str) -> bool:
    """Tell whether this is an IP address that the whole Internet can reach."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return ip.is_global and (ip.version == 4 or ip in PUBLIC_IPV6)


def replace(found: Found, texts: pa.Array, lists: tuple[tuple[str, ...], ...]) -> pa.Array:
    """Return the texts with `lists[kind]` in place of the addresses, in turn within each document."""
    data = found.text.data.data
    written = [[address.encode() for address in addresses] for addresses in lists]
    place = int(found.text.starts[0])
    pieces: list[bytes | memoryview] = []
    grown = np.zeros(len(texts) + 1, np.int64)
    row, turn = -1, [0, 0, 0]
    for at, start, stop, kind in zip(found.rows, found.starts, found.stops, found.kinds, strict=True):
        if at != row:
            row, turn = at, [0, 0, 0]
        new = written[kind][turn[kind] % len(written[kind])]
        turn[kind] += 1
        pieces += (data[place:start], new)
        grown[at + 1] += len(new) - (stop - start)
        place = stop
    pieces.append(data[place : int(found.text.starts[-1])])
    large = pa.types.is_large_string(texts.type)
    offsets = found.text.starts - found.text.starts[0] + np.cumsum(grown)
    if not large and offsets[-1] > np.iinfo(np.int32).max:
        raise ValueError("a batch of text grew beyond 2 GiB; read smaller batches")
    buffers = [pa.py_buffer(offsets.astype(np.int64 if large else np.int32)), pa.py_buffer(b"".join(pieces))]
    bits = None if found.text.valid.all() else pa.py_buffer(np.packbits(found.text.valid, bitorder="little"))
    return pa.Array.from_buffers(texts.type, len(texts), [bits, *buffers])


AT, DOT, COLON, HYPHEN, UNDERSCORE, OPEN, CLOSE = 0x40, 0x2E, 0x3A, 0x2D, 0x5F, 0x5B, 0x5D
DIGIT, LETTER, HEX, LOCAL = 1, 2, 4, 8
_CLASSES = np.zeros(256, np.uint8)
_CLASSES[list(b"0123456789")] |= DIGIT | HEX | LOCAL
_CLASSES[list(b"abcdefABCDEF")] |= HEX
_CLASSES[list(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")] |= LETTER | LOCAL
_CLASSES[list(b"!#$%&'*+/=?^_`{|}~-")] |= LOCAL  # RFC 5322's atoms


@kernel
def _word_before(data: np.ndarray, low: int, at: int, kinds: np.ndarray) -> bool:
    """Whether the character that ends before `at` is a letter, digit or underscore, as for `\\b`."""
    if at <= low:
        return False
    first = at - 1
    while first > low and at - first < 4 and (data[first] & 0xC0) == 0x80:
        first -= 1
    lead = np.int64(data[first])
    if lead < 0x80:
        return bool(lead == UNDERSCORE or (_CLASSES[lead] & (DIGIT | LETTER)) != 0)
    point = lead & (0x1F if lead < 0xE0 else 0x0F if lead < 0xF0 else 0x07)
    for i in range(first + 1, at):
        point = (point << 6) | (np.int64(data[i]) & 0x3F)
    return bool(point < len(kinds) and (kinds[point] & ALNUM) != 0)


@kernel
def _email_start(data: np.ndarray, begin: int, low: int, at: int, kinds: np.ndarray) -> int:
    """Return where the local part of the address with its @ at `at` begins, not before `low`; -1 if there is none."""
    first = at
    while first > low and at - first <= MAX_LOCAL:
        byte = data[first - 1]
        if not (_CLASSES[byte] & LOCAL or (byte == DOT and first < at and data[first] != DOT)):
            break
        first -= 1
    if at - first > MAX_LOCAL:  # a longer run of such characters is no address
        return -1
    while first < at and data[first] == DOT:
        first += 1
    while first < at:  # the first place in the run with a word boundary, where an atom can begin
        if data[first] != DOT:
            word = data[first] == UNDERSCORE or (_CLASSES[data[first]] & (DIGIT | LETTER)) != 0
            if word != _word_before(data, begin, first, kinds):
                return first
        first += 1
    return -1


@kernel
def _email_stop(data: np.ndarray, at: int, high: int) -> int:
    """Return where the domain after the @ at `at` ends, -1 if there is none."""
    place = at + 1
    if place < high and data[place] == OPEN:
        stop = _quad_stop(data, place + 1, high)
        return stop + 1 if stop > 0 and stop < high and data[stop] == CLOSE else -1
    labels, stop = 0, -1
    while place < high and _CLASSES[data[place]] & (DIGIT | LETTER):
        last = place
        while place < high and (_CLASSES[data[place]] & (DIGIT | LETTER) or data[place] == HYPHEN):
            if data[place] != HYPHEN:
                last = place
            place += 1
        labels += 1
        stop = last + 1
        if stop != place or place + 1 >= high or data[place] != DOT:
            break
        place += 1
    return stop if labels >= 2 else -1


@kernel
def _quad_stop(data: np.ndarray, place: int, high: int) -> int:
    """Return where four numbers of one to three digits with dots between them end, -1 if they are not there."""
    for part in range(4):
        first = place
        while place < high and place - first < 4 and _CLASSES[data[place]] & DIGIT:
            place += 1
        if place == first or place - first > 3:
            return -1
        if part < 3:
            if place >= high or data[place] != DOT:
                return -1
            place += 1
    return place


@kernel
def _ipv6_stop(data: np.ndarray, place: int, high: int) -> int:
    """Return where a run of hexadecimal digits, colons and dots ends, -1 if it has fewer than three colons.

    With two it is a slice (`a[2000::2]`) or a slip of the pen (`in 2019::`); an address of two groups is not in use.
    """
    first, colons = place, 0
    while place < high and (_CLASSES[data[place]] & HEX or data[place] == COLON or data[place] == DOT):
        colons += data[place] == COLON
        place += 1
    while place > first and data[place - 1] == DOT:  # the end of a sentence
        place -= 1
    if place > first + 1 and data[place - 1] == COLON and data[place - 2] != COLON:
        place -= 1  # `see 2a00::1:`
        colons -= 1
    return place if colons >= 3 and place - first <= 45 else -1


@kernel
def _run_start(data: np.ndarray, low: int, place: int, bits: int, most: int) -> int:
    """Return where the at most `most` characters of a class that end before `place` begin."""
    start = place - 1
    while start > low and place - start < most and _CLASSES[data[start - 1]] & bits:
        start -= 1
    return start


@kernel
def _part_of_more(data: np.ndarray, begin: int, start: int, mark: int, kinds: np.ndarray) -> bool:
    """Whether what begins at `start` goes on to the left: a longer number, a version, a name, a path of names."""
    if _word_before(data, begin, start, kinds):
        return True
    return start > begin and data[start - 1] == mark and _word_before(data, begin, start - 1, kinds)


@kernel
def _goes_on(data: np.ndarray, stop: int, high: int, mark: int) -> bool:
    """Whether what ends at `stop` goes on to the right."""
    if stop < 0 or stop >= high:
        return False
    after = data[stop]
    if after in (AT, UNDERSCORE) or _CLASSES[after] & (DIGIT | LETTER):
        return True
    return after == mark and stop + 1 < high and (_CLASSES[data[stop + 1]] & (DIGIT | LETTER)) != 0


@kernel
def _scan(
    data: np.ndarray,
    starts: np.ndarray,
    valid: np.ndarray,
    kinds: np.ndarray,
    rows: np.ndarray,
    firsts: np.ndarray,
    lasts: np.ndarray,
    found: np.ndarray,
) -> int:
    """Write down every candidate in the order of the text; return how many there are."""
    n = 0
    for row in range(len(valid)):
        if not valid[row]:
            continue
        begin, high = starts[row], starts[row + 1]
        low = place = begin
        while place < high:
            byte = data[place]
            start, stop, kind = -1, -1, EMAIL
            if byte == AT:
                start = _email_start(data, begin, low, place, kinds)
                stop = _email_stop(data, place, high) if start >= 0 else -1
            elif byte == DOT and place > low and _CLASSES[data[place - 1]] & DIGIT:
                kind, start = IPV4, _run_start(data, low, place, DIGIT, 3)
                if not _part_of_more(data, begin, start, DOT, kinds):
                    stop = _quad_stop(data, start, high)
                    stop = -1 if _goes_on(data, stop, high, DOT) else stop
            elif byte == COLON and place > low and _CLASSES[data[place - 1]] & HEX:
                kind, start = IPV6, _run_start(data, low, place, HEX, 4)
                if not _part_of_more(data, begin, start, COLON, kinds):
                    stop = _ipv6_stop(data, start, high)
                    stop = -1 if _goes_on(data, stop, high, COLON) else stop
            if stop > 0:
                rows[n], firsts[n], lasts[n], found[n] = row, start, stop, kind
                n += 1
                low = place = stop  # an address is not part of another
            else:
                place += 1
    return n
