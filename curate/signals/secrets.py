"""Keys, tokens and passwords in source files and pages: found, counted, and replaced so that code stays code.

    Measure((Secrets(),))     secrets.keys, secrets.passwords, secrets.found; the text as it is
    ReplaceSecrets()          the same columns, and `<KEY>` or `<PASSWORD>` in the text, as StarCoder's data have them

`secrets.found` has an entry for each replacement: its kind, line, column and length, never the secret; `curate why`
shows it. A secret is one of three: a token whose letters say what it is (`secret_formats`), a value that its name gives
away (`secret_names`), or what stands where a URL, a PEM block or a command has it (`secret_places`). Compiled passes
(`secret_scan`) find where to look.

What stays: placeholders (Amazon's AKIAIOSFODNN7EXAMPLE too), words as passwords, hashes, ids, UUIDs, public keys. Test
fixtures with real key material do not stay. A secret in pieces (`"abc" + "def"`) is not found.

Where no quotes stand around a secret, or the file is markup, the placeholder has no brackets, so that a shell script or
an XML file remains one.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from curate.document import TEXT, Batch, with_columns
from curate.signals.pii import ReplaceAddresses
from curate.signals.secret_formats import ENDS, beginnings, tokens
from curate.signals.secret_names import Span, named
from curate.signals.secret_places import PLACES, at_place
from curate.signals.secret_runs import TOKEN
from curate.signals.secret_scan import NAMED, PLACE, scan
from curate.signals.secret_shapes import is_random
from curate.stage import Stage
from curate.text.arrow import Strings, strings

PASSWORDS = ("password", "url_password", "basic_auth")
FIELDS = [("kind", pa.string()), ("line", pa.int32()), ("column", pa.int32()), ("chars", pa.int32())]
FOUND = pa.list_(pa.struct(FIELDS))
NEAR = 400  # bytes around: an AWS access key, for its secret half; a secret, for the quotes it stands in
AWS_SECRET = re.compile(rb"(?<![A-Za-z0-9/+=_.-])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=_-])")


@dataclass(frozen=True)
class Secrets:
    """Count the keys and the passwords in each document, and say where they are."""

    def __call__(self, batch: Batch) -> Mapping[str, pa.Array]:
        text = _own(batch[TEXT])
        return _columns(text, dict(find_secrets(text)))


@dataclass(frozen=True)
class ReplaceSecrets:
    """Count them and put words in their place; a document without any is not touched."""

    key: str = "KEY"
    password: str = "PASSWORD"
    counted = ("secrets.found",)  # columns that a run sums up, by kind

    def __call__(self, batch: Batch) -> Batch:
        text = _own(batch[TEXT])
        found = dict(find_secrets(text))
        columns = _columns(text, found)
        if found:
            texts = batch[TEXT].to_pylist()
            for row, spans in found.items():
                texts[row] = self._replaced(_document(text, row), spans).decode()
            columns[TEXT] = pa.array(texts, batch[TEXT].type)
        return with_columns(batch, columns)

    def __repr__(self) -> str:
        words = "" if self == ReplaceSecrets() else f"key={self.key!r}, password={self.password!r}"
        return f"ReplaceSecrets({words})"

    def _replaced(self, data: bytes, spans: list[Span]) -> bytes:
        pieces, place = [], 0
        markup = re.match(rb"\s*<", data) is not None
        for kind, start, stop in spans:
            word = self.password if kind in PASSWORDS else self.key
            safe = not markup and _in_quotes(data, start, stop)
            pieces += [data[place:start], f"<{word}>".encode() if safe else word.encode()]
            place = stop
        return b"".join((*pieces, data[place:]))


# What a corpus goes through last: secrets first, since the password of a URL and its host look like an e-mail address.
PRIVACY: tuple[Stage, ...] = (ReplaceSecrets(), ReplaceAddresses())
CODE_PRIVACY: tuple[Stage, ...] = (ReplaceSecrets(), ReplaceAddresses(code=True))


def find_secrets(text: Strings) -> Iterator[tuple[int, list[Span]]]:
    """Yield the rows that hold secrets, and these in order, as bytes of the row; no two overlap."""
    candidates = scan(text, beginnings(), ENDS, PLACES)
    order = np.argsort(candidates.rows, kind="stable")
    rows, firsts = np.unique(candidates.rows[order], return_index=True)
    for row, chosen in zip(rows.tolist(), np.split(order, firsts[1:]), strict=False):
        data, low = _document(text, row), int(text.starts[row])
        columns = (candidates.kinds, candidates.starts - low, candidates.stops - low, candidates.names - low)
        places = zip(*(column[chosen].tolist() for column in columns), strict=True)
        spans = _apart([span for place in places for span in _look(data, *place)])
        if spans:
            yield row, spans


def _look(data: bytes, kind: int, start: int, stop: int, name: int) -> Iterator[Span]:
    """Yield what is secret at one candidate."""
    if kind == TOKEN:
        for found in tokens(data, start):
            yield Span(*found)
            if found[0] == "aws_access_key":
                yield from _aws_secret(data, start)
    elif kind == NAMED:
        span = named(data, name, start, stop)
        if span is not None:
            yield span
    else:
        yield from at_place(PLACES[kind - PLACE], data, start)


def _aws_secret(data: bytes, place: int) -> Iterator[Span]:
    """Yield the forty letters near an access key that are its other half."""
    for match in AWS_SECRET.finditer(data, max(place - NEAR, 0), place + NEAR):
        if is_random(match[0].decode()) and re.search(rb"[A-Z]", match[0]) and re.search(rb"[g-z]", match[0]):
            yield Span("aws_secret_key", *match.span())


def _apart(spans: list[Span]) -> list[Span]:
    """Return spans in order without those that overlap an earlier or, from the same place, a longer one."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.stop)):
        if not kept or span.start >= kept[-1].stop:
            kept.append(span)
    return kept


def _in_quotes(data: bytes, start: int, stop: int) -> bool:
    """Whether the same quote stands before and after on the line, not far away."""
    before = data[max(start - NEAR, 0) : start].rpartition(b"\n")[2]
    after = data[stop : stop + NEAR].partition(b"\n")[0]
    place, quote = max((before.rfind(quote), quote) for quote in (b"'", b'"', b"`"))
    return place >= 0 and quote in after


def _columns(text: Strings, found: dict[int, list[Span]]) -> dict[str, pa.Array]:
    """Return the counts and places of each row, null where the text is."""
    rows = len(text.valid)
    keys, passwords = np.zeros((2, rows), np.int64)
    places: list[list[dict[str, object]] | None] = [[] if valid else None for valid in text.valid]
    for row, spans in found.items():
        passwords[row] = sum(span.kind in PASSWORDS for span in spans)
        keys[row] = len(spans) - passwords[row]
        places[row] = _places(_document(text, row), spans)
    missing = ~text.valid
    counts = {"secrets.keys": pa.array(keys, mask=missing), "secrets.passwords": pa.array(passwords, mask=missing)}
    return {**counts, "secrets.found": pa.array(places, FOUND)}


def _places(data: bytes, spans: list[Span]) -> list[dict[str, object]]:
    """Return kind, line and column (from 1) and characters of each."""
    found: list[dict[str, object]] = []
    line, column, place = 1, 1, 0  # the place in bytes is at this line and column
    for kind, start, stop in spans:
        between = data[place:start]
        breaks = between.count(b"\n")
        line, column = line + breaks, len(between.rpartition(b"\n")[2].decode()) + (1 if breaks else column)
        place = start
        found.append({"kind": kind, "line": line, "column": column, "chars": len(data[start:stop].decode())})
    return found


def _own(texts: pa.Array) -> Strings:
    """Return the text of a batch alone, where a slice would come with all bytes around it."""
    text = strings(texts)
    low, high = int(text.starts[0]), int(text.starts[-1])
    return Strings(text.data[low:high], text.starts - low, text.valid)


def _document(text: Strings, row: int) -> bytes:
    return text.data[text.starts[row] : text.starts[row + 1]].tobytes()
