"""Where is a page from? Block lists of domains and addresses, and words in the URL: FineWeb's first filter.

    Measure((Urls(),)), Keep(urls.RULES)                         the small lists of this file
    Measure((Urls.at("blacklists/adult"),)), Keep(urls.RULES)    UT1's `domains` and `urls`, or any others

RefinedWeb's scheme (arXiv 2306.01116, appendix G.1), which FineWeb took over: listed domains and addresses; *hard*
words, one of which is enough; *soft* words, of which it takes two; *subwords*, anywhere in the URL's letters and
digits. Words are compared in small letters, also where the URL has capitals, where datatrove misses them.

A listed domain stands for all below it, as UT1's squidGuard reads its lists: `evil.com` blocks `a.b.evil.com` and not
`notevil.com`. No list of public suffixes is needed. datatrove asks for the registered and the full name only, and
misses `b.evil.com` listed for `a.b.evil.com`. A listed address stands for all below it too (`site.org/~bad` blocks
`site.org/~bad/1.html`); datatrove compares whole URLs, scheme included, which its own list never has. A name without
a dot (`porn`, in UT1) is passed over, an IP address stands for itself, and scheme, user, port, `www.` and a final dot
or slash do not matter. Names in other scripts are compared as IDNA. A page without URL has nulls, which break no rule.

What given lists hold is part of the name of the stage: with a list that has changed, a run into the same folder is
another run.
"""

import functools
import gzip
import hashlib
import posixpath
import re
import urllib.parse
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import NamedTuple, Self

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.document import URL, Batch
from curate.stage import Rule
from curate.text.arrow import strings
from curate.text.kernel import kernel

# A start, in English; real work wants a real list. Words were chosen to be rare in the names of honest pages: no
# "sex" (education, Essex), "adult", "drug" or "casino" (a town) among those of which one is enough.
DOMAINS = (
    "pornhub.com xvideos.com xnxx.com xhamster.com redtube.com youporn.com spankbang.com chaturbate.com stripchat.com "
    "onlyfans.com bongacams.com livejasmin.com adultfriendfinder.com bet365.com pokerstars.com 888casino.com "
    "thepiratebay.org 1337x.to"
)
HARD_WORDS = (
    "porn porno pornography xxx hentai milf milfs gangbang creampie blowjob blowjobs handjob cumshot cumshots bukkake "
    "upskirt camgirl camgirls camsex sexcam sexcams fuck fucking fucks pussy slut sluts whore whores titties shemale "
    "shemales deepthroat masturbation orgy escorts viagra cialis"
)
SOFT_WORDS = (
    "sex sexy adult nude nudes naked erotic erotica escort cam cams webcam webcams dating hookup girls babes boobs "
    "tits ass anal teen teens lesbian lesbians fetish bdsm amateur hardcore swinger swingers strip stripper "
    "casino casinos poker slots betting gambling bet jackpot roulette pills pharmacy torrent torrents warez crack "
    "keygen serial nulled"
)
SUBWORDS = (
    "pornhub xvideos xhamster redtube freeporn pornvideo pornstar sexvideo sexcam livesex hotmilf bigtits bigboobs "
    "gangbang hentai camgirl onlinecasino casinobonus freeslots buyviagra cheapviagra viagraonline cialisonline"
)


@dataclass(frozen=True)
class Urls:
    """Measure `url.domains`, `url.addresses` (1 where listed), `url.hard_words`, `url.soft_words`, `url.subwords`.

    Each attribute is files of one entry a line, local or any fsspec URL (`hf://datasets/...`, `.gz` as well), where `#`
    begins a comment; () means the words and domains of this module. Words are counted once each.
    """

    domains: tuple[str, ...] = ()  # or lines of a hosts file, `0.0.0.0 evil.com`
    addresses: tuple[str, ...] = ()
    hard_words: tuple[str, ...] = ()
    soft_words: tuple[str, ...] = ()
    subwords: tuple[str, ...] = ()

    @classmethod
    def at(cls, path: str) -> Self:
        """Take a file as list of domains; below a folder every file called `domains` or `urls`, as UT1 has them.

        Raises:
            FileNotFoundError: there is no such file.
        """
        fs, root = fsspec.core.url_to_fs(path)
        if fs.isfile(root):
            return cls(domains=(path,))
        if not fs.exists(root):
            raise FileNotFoundError(f"{path} does not exist; give a list of domains, or a folder of UT1's lists")
        found = sorted(fs.find(root))
        named = {
            name: tuple(fs.unstrip_protocol(file).removeprefix("file://") for file in found if _called(file) == name)
            for name in ("domains", "urls")
        }
        if not named["domains"] and not named["urls"]:
            raise FileNotFoundError(f"{path} holds no file called domains or urls; give a list, or a folder of UT1's")
        return cls(domains=named["domains"], addresses=named["urls"])

    def __call__(self, batch: Batch) -> Mapping[str, pa.Array]:
        lists = _load(self)
        urls = _ascii(batch[URL])
        text = strings(urls)
        known = np.asarray(pc.fill_null(pc.greater(pc.binary_length(urls), 0), False))
        counts = np.zeros((5, len(urls)), np.int64)
        seen = np.full(len(lists.words), -1, np.int64)  # at a word's number, the last row that had it
        _measure(text.data, text.starts, known, *lists, seen, counts)
        return {name: pa.array(column, mask=~known) for name, column in zip(COLUMNS, counts, strict=True)}

    def __repr__(self) -> str:
        given = [(f.name, getattr(self, f.name)) for f in fields(self) if getattr(self, f.name)]
        told = [f"{name}={paths!r}" for name, paths in given]
        if given:
            told.append(f"content={_digest(tuple(path for _, paths in given for path in paths))}")
        return f"Urls({', '.join(told)})"


COLUMNS = ("url.domains", "url.addresses", "url.hard_words", "url.soft_words", "url.subwords")
SOURCE = "RefinedWeb, appendix G.1; datatrove URLFilter"
RULES = (
    Rule("url.domains", at_most=0, source=SOURCE),
    Rule("url.addresses", at_most=0, source=SOURCE),
    Rule("url.hard_words", at_most=0, source=SOURCE),
    Rule("url.soft_words", at_most=1, source=SOURCE),  # dropped from two on
    Rule("url.subwords", at_most=0, source=SOURCE),
)


class Lists(NamedTuple):
    """Lists as hashes, in the order in which the kernel takes them."""

    domains: np.ndarray  # (slots,) uint64, an open hash table
    addresses: np.ndarray  # the same
    words: np.ndarray  # the same, hard and soft ones
    numbers: np.ndarray  # (slots,) int64, a word's place among the hard and soft ones
    letters: np.ndarray  # uint8, all subwords one after the other, sorted
    sizes: np.ndarray  # (subwords,) int64
    by_pair: np.ndarray  # (2^16 + 1,) int64, where the subwords that begin with two bytes lie
    num_hard: int


@functools.cache
def _load(urls: Urls) -> Lists:
    """Read the lists, once per process."""
    hosts = [_host_hashes(_read(path)) for path in urls.domains] or [_host_hashes(DOMAINS.replace(" ", "\n").encode())]
    addresses = [_address(line) for path in urls.addresses for line in _entries(_text(_read(path)))]
    hard = _words(urls.hard_words, HARD_WORDS)
    soft = [word for word in _words(urls.soft_words, SOFT_WORDS) if word not in set(hard)]
    subwords = sorted(word for word in _words(urls.subwords, SUBWORDS) if len(word) > 1)
    letters = np.frombuffer("".join(subwords).encode(), np.uint8)
    sizes = np.array([len(word) for word in subwords], np.int64)
    pairs = np.array([ord(word[0]) << 8 | ord(word[1]) for word in subwords], np.int64)
    bounds = np.searchsorted(pairs, np.arange(2**16 + 1))
    listed = _hashes([address.encode() for address in addresses if address])
    words = _hashes([word.encode() for word in (*hard, *soft)])
    tables = (*_table(np.concatenate(hosts))[:1], *_table(listed)[:1], *_table(words))
    return Lists(*tables, letters, sizes, bounds, len(hard))


def _digest(paths: tuple[str, ...]) -> str:
    """Return 12 hexadecimal digits of what the lists hold; "none" where no run can be, since one cannot be opened."""
    try:
        return _digest_of(paths)
    except (FileNotFoundError, PermissionError, ImportError):  # a report tells of runs of another machine as well
        return "none"


@functools.cache
def _digest_of(paths: tuple[str, ...]) -> str:
    found = hashlib.sha256()
    for path in paths:
        found.update(hashlib.sha256(_read(path)).digest())
    return found.hexdigest()[:12]


def _called(path: str) -> str:
    return posixpath.basename(path).removesuffix(".gz").removesuffix(".txt")


def _read(path: str) -> bytes:
    try:
        with fsspec.open(path, "rb", compression="infer") as file:
            content: bytes = file.read()
            return content
    except (gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ValueError(f"{path} is not compressed as its name says, or cut short: {error}; fetch it again") from error


def _text(content: bytes) -> str:
    return content.decode(errors="replace")  # one odd byte in a list of millions costs its own entry, not the list


def _entries(text: str) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def _words(paths: tuple[str, ...], otherwise: str) -> list[str]:
    entries = [entry for path in paths for entry in _entries(_text(_read(path)))] if paths else otherwise.split()
    bare = (re.sub("[^a-z0-9]", "", entry.lower()) for entry in entries)
    return list(dict.fromkeys(word for word in bare if word))


def _address(line: str) -> str:
    """Return a listed address in the form that the kernel gives URLs."""
    host, slash, path = line.partition("://")[2 * ("://" in line)].partition("/")
    name = (host if host.isascii() else idna(host)).lower().strip(".").removeprefix("www.")
    return f"{name}{slash}{path}".rstrip("/")


def idna(host: str) -> str:
    """Return the ASCII form of a name in another script, `xn--...`; the name itself where it has none."""
    import idna as idna_

    try:
        return idna_.encode(host, uts46=True).decode()
    except idna_.IDNAError:
        return host


AUTHORITY = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?(?://)?(?:[^/?#]*@)?([^/?#:\[\]]*)")


def _ascii(urls: pa.Array) -> pa.Array:
    """Return the URLs with the hosts of the few that are not plain ASCII as IDNA."""
    odd = pc.or_(pc.invert(pc.string_is_ascii(urls)), pc.match_substring(urls, "%"))
    rows = np.flatnonzero(np.asarray(pc.fill_null(odd, False)))
    if not len(rows):
        return urls
    plain = [_ascii_host(url) for url in urls.take(pa.array(rows)).to_pylist()]
    mask = np.zeros(len(urls), bool)
    mask[rows] = True
    return pc.replace_with_mask(urls, pa.array(mask), pa.array(plain, urls.type))


def _ascii_host(url: str) -> str:
    found = AUTHORITY.match(url)
    assert found is not None  # every part of the pattern may be empty
    start, stop = found.span(1)
    return f"{url[:start]}{idna(urllib.parse.unquote(url[start:stop]))}{url[stop:]}"


FNV_OFFSET = np.uint64(0xCBF29CE484222325)
FNV_PRIME = np.uint64(0x100000001B3)
MIX = np.uint64(0xFF51AFD7ED558CCD)
SHIFT = np.uint64(33)
SLASH, DOT, COLON, AT, QUERY, FRAGMENT, OPEN, CLOSE, NEWLINE = 0x2F, 0x2E, 0x3A, 0x40, 0x3F, 0x23, 0x5B, 0x5D, 0x0A


@kernel
def _mix(value: np.uint64) -> np.uint64:
    """Spread the bits; never 0, which means an empty place in a table."""
    value = (value ^ (value >> SHIFT)) * MIX
    return (value ^ (value >> SHIFT)) | np.uint64(1)


@kernel
def _lower(byte: int) -> int:
    return byte + 32 if 65 <= byte <= 90 else byte


def _host_hashes(content: bytes) -> np.ndarray:
    """Return the hash of every name in a list; names in other scripts come last: (N,) uint64."""
    if not content.isascii():
        names = [entry.split()[-1] for entry in _entries(_text(content))]
        content = "\n".join(name if name.isascii() else idna(name) for name in names).encode()
    data = np.frombuffer(content, np.uint8)
    found = np.empty(content.count(b"\n") + 1, np.uint64)
    return found[: _hash_hosts(data, found)]


@kernel
def _hash_hosts(data: np.ndarray, found: np.ndarray) -> int:
    """Hash the last word of each line, backwards and in small letters, if it has a dot inside."""
    n, start = 0, 0
    while start < len(data):
        stop = end = start
        while stop < len(data) and data[stop] != NEWLINE:
            stop += 1
        while end < stop and data[end] != FRAGMENT:
            end += 1
        start, begin = stop + 1, start
        while end > begin and (data[end - 1] <= 32 or data[end - 1] == DOT):
            end -= 1
        first = end
        while first > begin and data[first - 1] > 32:
            first -= 1
        if end - first > 4 and _is_www(data, first):
            first += 4
        value, dots = FNV_OFFSET, 0
        for j in range(end - first):
            byte = data[end - 1 - j]
            dots += byte == DOT
            value = (value ^ np.uint64(_lower(byte))) * FNV_PRIME
        if dots:
            found[n] = _mix(value)
            n += 1
    return n


@kernel
def _is_www(data: np.ndarray, start: int) -> bool:
    w = _lower(data[start]) == 119 and _lower(data[start + 1]) == 119 and _lower(data[start + 2]) == 119
    return bool(w and data[start + 3] == DOT)


def _hashes(entries: list[bytes]) -> np.ndarray:
    """Return the hash of each entry: (N,) uint64."""
    data = np.frombuffer(b"".join(entries), np.uint8)
    starts = np.zeros(len(entries) + 1, np.int64)
    np.cumsum([len(entry) for entry in entries], out=starts[1:])
    found = np.empty(len(entries), np.uint64)
    _hash_all(data, starts, found)
    return found


@kernel
def _hash_all(data: np.ndarray, starts: np.ndarray, found: np.ndarray) -> None:
    for i in range(len(found)):
        value = FNV_OFFSET
        for place in range(starts[i], starts[i + 1]):
            value = (value ^ np.uint64(data[place])) * FNV_PRIME
        found[i] = _mix(value)


def _table(hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return an open hash table, half empty: (slots,) uint64 hashes, and (slots,) int64 places in `hashes`."""
    slots = np.zeros(1 << max(4, (2 * len(hashes)).bit_length()), np.uint64)
    places = np.zeros(len(slots), np.int64)
    _fill(hashes, slots, places)
    return slots, places


@kernel
def _fill(hashes: np.ndarray, slots: np.ndarray, places: np.ndarray) -> None:
    for i in range(len(hashes)):
        at = _find(hashes[i], slots)
        slots[at] = hashes[i]
        places[at] = i


@kernel
def _find(value: np.uint64, slots: np.ndarray) -> int:
    """Return the slot of a hash, or the empty one where it would be."""
    last = len(slots) - 1
    at = np.int64(value >> np.uint64(1)) & last
    while slots[at] != 0 and slots[at] != value:
        at = (at + 1) & last
    return int(at)


@kernel
def _host(data: np.ndarray, start: int, stop: int) -> tuple[int, int, int]:
    """Return where the host begins and ends, and where the path begins."""
    place = start
    while place < stop and data[place] != COLON and data[place] != SLASH and data[place] != DOT:
        place += 1
    if place + 2 < stop and data[place] == COLON and data[place + 1] == SLASH and data[place + 2] == SLASH:
        start = place + 3
    elif place == start and place + 1 < stop and data[place] == SLASH and data[place + 1] == SLASH:
        start += 2
    path = start
    while path < stop and data[path] != SLASH and data[path] != QUERY and data[path] != FRAGMENT:
        path += 1
    for place in range(start, path):
        if data[place] == AT:
            start = place + 1
    end = path
    if start < path and data[start] == OPEN:  # an IPv6 address
        start += 1
        end = start
        while end < path and data[end] != CLOSE:
            end += 1
    else:
        end = start
        while end < path and data[end] != COLON:
            end += 1
        while end > start and data[end - 1] == DOT:
            end -= 1
    if end - start > 4 and _is_www(data, start):
        start += 4
    return start, end, path


@kernel
def _listed_host(data: np.ndarray, start: int, end: int, slots: np.ndarray) -> bool:
    """Whether the host, or a name above it, is in the table; an IP address has none above it."""
    number = end > start and 48 <= data[end - 1] <= 57
    for place in range(start, end):
        if data[place] == DOT:
            number = True if place + 1 == end else 48 <= data[place + 1] <= 57
    value = FNV_OFFSET
    for j in range(end - start):
        place = end - 1 - j
        if data[place] == DOT and not number and slots[_find(_mix(value), slots)] != 0:
            return True
        value = (value ^ np.uint64(_lower(data[place]))) * FNV_PRIME
    return bool(end > start and slots[_find(_mix(value), slots)] != 0)


@kernel
def _listed_address(data: np.ndarray, start: int, end: int, path: int, stop: int, slots: np.ndarray) -> bool:
    """Whether the address, or one above it, is in the table."""
    value = FNV_OFFSET
    for place in range(start, end):
        value = (value ^ np.uint64(_lower(data[place]))) * FNV_PRIME
    for place in range(path, stop):
        ends = data[place] == SLASH or data[place] == QUERY or data[place] == FRAGMENT
        if ends and slots[_find(_mix(value), slots)] != 0:
            return True
        value = (value ^ np.uint64(data[place])) * FNV_PRIME
    return bool(slots[_find(_mix(value), slots)] != 0)


@kernel
def _measure(
    data: np.ndarray,
    starts: np.ndarray,
    known: np.ndarray,
    domains: np.ndarray,
    addresses: np.ndarray,
    words: np.ndarray,
    numbers: np.ndarray,
    letters: np.ndarray,
    sizes: np.ndarray,
    by_pair: np.ndarray,
    num_hard: int,
    seen: np.ndarray,
    counts: np.ndarray,
) -> None:
    begins = np.zeros(len(sizes) + 1, np.int64)  # of each subword in `letters`
    for i in range(len(sizes)):
        begins[i + 1] = begins[i] + sizes[i]
    bare = np.empty(256, np.uint8)  # the URL's letters and digits alone
    subword_in = np.full(len(sizes), -1, np.int64)
    for row in range(len(known)):
        if not known[row]:
            continue
        first, stop = starts[row], starts[row + 1]
        host, end, path = _host(data, first, stop)
        counts[0, row] = _listed_host(data, host, end, domains)
        counts[1, row] = _listed_address(data, host, end, path, stop, addresses)
        if stop - first > len(bare):
            bare = np.empty(2 * (stop - first), np.uint8)
        size, value, in_word = 0, FNV_OFFSET, False
        for place in range(first, stop + 1):
            byte = _lower(data[place]) if place < stop else 0
            if 97 <= byte <= 122 or 48 <= byte <= 57:
                bare[size] = byte
                size += 1
                value = (value ^ np.uint64(byte)) * FNV_PRIME
                in_word = True
            elif in_word:
                slot = _find(_mix(value), words)
                if words[slot] != 0 and seen[numbers[slot]] != row:
                    seen[numbers[slot]] = row
                    counts[2 if numbers[slot] < num_hard else 3, row] += 1
                value, in_word = FNV_OFFSET, False
        for place in range(size - 1):
            pair = np.int64(bare[place]) << 8 | np.int64(bare[place + 1])
            for i in range(by_pair[pair], by_pair[pair + 1]):
                if place + sizes[i] > size or subword_in[i] == row:
                    continue
                same = 2
                while same < sizes[i] and bare[place + same] == letters[begins[i] + same]:
                    same += 1
                if same == sizes[i]:
                    subword_in[i] = row
                    counts[4, row] += 1
