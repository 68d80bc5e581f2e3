"""Web archives: one row per HTTP response, with its HTML as bytes.

    run((Extract(), ...), Warc("crawl/", dump="CC-MAIN-2026-04"), "docs")

Reads `.warc.gz` and `.warc` (ISO 28500), a file, a folder or a glob, local or any fsspec URL. A response that is not a
page keeps its id and URL and is marked in `dropped_by`, so a run counts it instead of losing it:

    warc.status        the HTTP status is not 2xx
    warc.content_type  the payload is not HTML or XHTML (with no declared type: does not look like it)

A record whose HTTP message cannot be decoded, or that is too large, is marked in `quarantined`. Requests, metadata and
warcinfo are no documents and leave no row; a file of extracted texts (WET) is an error, for it has no HTML at all.

FastWARC (Bevendorff et al., 2018) stops without a word where a file breaks off. So Python's gzip does the decompressing
(it checks every member's end and CRC) and every record's length is checked. That halves the speed of reading, which is
a few percent of extraction, and never takes half a file for a whole one. Only a cut between two records goes unseen.
"""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import IO, Any

import pyarrow as pa
from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from curate.corpus import Split
from curate.document import DROPPED_BY, ID, QUARANTINED, URL, WEB, Batch
from curate.readers import HTML
from curate.readers.files import InputFile, batched, listing
from curate.storage import open_binary

ENDINGS = (".warc.gz", ".warc")
HTML_TYPES = ("text/html", "application/xhtml+xml")
GZIP_MAGIC = b"\x1f\x8b"
BATCH_ROWS = 256  # pages are larger than texts
SCHEMA = pa.schema(
    [
        (HTML, pa.large_binary()),  # the HTTP payload, transfer and content encoding undone
        *(WEB.field(name) for name in (ID, "dump", URL, "date", "file_path")),
        (DROPPED_BY, pa.list_(pa.string())),
        (QUARANTINED, pa.string()),
    ]
)


@dataclass(frozen=True)
class Warc:
    """HTTP responses of web archives; one split per file, since gzip members can only be found from the start.

    Attributes:
        path: a file, a folder, or a glob.
        dump: what the `dump` column says, such as "CC-MAIN-2026-04".
        max_record_bytes: a larger record is quarantined without being read; Common Crawl cuts at 5 MiB.
    """

    path: str
    dump: str = ""
    max_record_bytes: int = 64 * 2**20

    @property
    def schema(self) -> pa.Schema:
        return SCHEMA

    @cached_property
    def files(self) -> dict[str, InputFile]:
        return {file.path: file for file in listing(self.path, ENDINGS)}

    def splits(self) -> list[Split]:
        return [Split(file.name, file.path, 0, -1, None, file.num_bytes) for file in self.files.values()]

    def read(self, split: Split) -> Iterator[Batch]:
        """Yield the rows of one file in order.

        Raises:
            ValueError: the file is empty, not a WARC, damaged, or breaks off, or has texts in place of responses.
        """
        rows = self._rows(self.files[split.path])
        yield from batched(((row, len(row.get(HTML) or b"")) for row in rows), SCHEMA, BATCH_ROWS)

    def _rows(self, file: InputFile) -> Iterator[dict[str, Any]]:
        responses = texts = 0
        for number, record, block in records(file.path, self.max_record_bytes):
            texts += record.record_type == WarcRecordType.conversion
            if record.record_type == WarcRecordType.response:
                responses += 1
                yield self._row(number, record, block, file)
        if texts and not responses:
            raise ValueError(
                f"{file.path} holds {texts:,} texts (WET) and no HTTP response; "
                "give the WARC that they were extracted from, or make JSON lines of them"
            )

    def _row(self, number: int, record: WarcRecord, block: bytes | None, file: InputFile) -> dict[str, Any]:
        header = record.headers.get
        row: dict[str, Any] = {
            ID: (header("WARC-Record-ID") or "").strip("<>") or f"{file.source}/{file.name}/{number}",
            URL: (header("WARC-Target-URI") or "").strip("<>") or None,  # Wget before 1.20 writes <http://...>
            "date": header("WARC-Date"),
            "dump": self.dump,
            "file_path": file.shown,
        }
        where = f"{file.shown}, record {number}"
        if block is None:
            allowed = f"{record.content_length:,} of at most {self.max_record_bytes:,} bytes"
            return row | {QUARANTINED: f"record too large: {where} has {allowed}"}
        try:
            return row | page(block)
        except OSError as error:
            return row | {QUARANTINED: f"broken HTTP message: {where}: {error}"}


def page(block: bytes) -> dict[str, Any]:
    """Return the HTML of an HTTP message as a column, or the marks of a message that is no page.

    Raises:
        OSError: not an HTTP message, or its transfer or content encoding is broken.
    """
    http = WarcRecord()
    http.set_bytes_content(block)
    http.is_http = True
    http.parse_http(auto_decode="all")
    status = http.http_headers.status_code
    if status is None:
        raise OSError("no HTTP status line")
    payload = http.reader.read()
    declared = (http.http_content_type or "").lower()
    is_html = declared in HTML_TYPES if declared else looks_like_html(payload)
    broken = [
        rule for rule, holds in (("warc.status", 200 <= status < 300), ("warc.content_type", is_html)) if not holds
    ]
    return {DROPPED_BY: broken} if broken else {HTML: payload}


def looks_like_html(payload: bytes) -> bool:
    """Tell by the first KB, where the doctype, html or head tag of a page stands."""
    start = payload[:1024].lower()
    return any(tag in start for tag in (b"<!doctype html", b"<html", b"<head"))


def records(path: str, max_bytes: int) -> Iterator[tuple[int, WarcRecord, bytes | None]]:
    """Yield (number from 0, record, its content) of one file; the content of a record over `max_bytes` is None."""
    number = position = 0
    try:
        with open_binary(path) as raw:
            for record in ArchiveIterator(decompressed(raw), parse_http=False):
                position = record.stream_pos
                length = record.headers.get("Content-Length") or ""
                if not length.isdigit():
                    raise OSError("its header breaks off")
                block = record.reader.read() if record.content_length <= max_bytes else None
                have = record.consume() if block is None else len(block)
                if have < int(length):
                    raise OSError(f"the file breaks off after {have:,} of its {int(length):,} bytes")
                yield number, record, block
                number += 1
    except FileNotFoundError:
        raise
    except (EOFError, OSError) as error:
        raise ValueError(
            f"{path} cannot be read from about record {number} on (byte {position} of the decompressed file): {error}; "
            "fetch the file again, or take it out of the input"
        ) from error
    if number == 0:
        raise ValueError(f"{path} is empty; fetch it again, or take it out of the input")


def decompressed(raw: IO[bytes]) -> IO[bytes]:
    """Undo gzip if the file is gzip, whatever its name."""
    magic = raw.read(2)
    raw.seek(0)
    return gzip.GzipFile(fileobj=raw) if magic == GZIP_MAGIC else raw  # type: ignore[return-value]
