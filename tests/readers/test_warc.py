"""Web archives: every response is a row or an error; half a file is never taken for a whole one."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from curate.readers.warc import SCHEMA, Warc

PAGE = b"<html><body><p>Leaves turn light into sugar.</p></body></html>"


def message(body: bytes = PAGE, status: str = "200 OK", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def record(number: int, block: bytes, kind: str = "response", named: bool = True) -> bytes:
    lines = [
        "WARC/1.0",
        f"WARC-Type: {kind}",
        "WARC-Date: 2026-01-02T03:04:05Z",
        f"WARC-Target-URI: http://127.0.0.1/{number}",
        f"Content-Type: application/http; msgtype={kind}",
        f"Content-Length: {len(block)}",
    ]
    lines += [f"WARC-Record-ID: <urn:uuid:{number}>"] if named else []
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + block + b"\r\n\r\n"


def html(number: int) -> bytes:
    return record(number, message(Content_Type="text/html; charset=utf-8"))


def rows(source: Warc) -> list[dict[str, Any]]:
    found = [batch for split in source.splits() for batch in source.read(split)]
    assert all(batch.schema == SCHEMA for batch in found)
    return [row for batch in found for row in batch.to_pylist()]


def test_a_response_becomes_a_row_with_its_html(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    packed = gzip.compress(record(0, b"software: x", "warcinfo")) + gzip.compress(html(1))
    (tmp_path / "a" / "one.warc.gz").write_bytes(packed)
    source = Warc(str(tmp_path), dump="D")
    assert [split.name for split in source.splits()] == ["a/one"]
    (row,) = rows(source)
    assert row == {
        "html": PAGE,
        "id": "urn:uuid:1",
        "dump": "D",
        "url": "http://127.0.0.1/1",
        "date": "2026-01-02T03:04:05Z",
        "file_path": "a/one.warc.gz",
        "dropped_by": None,
        "quarantined": None,
    }


def test_an_address_in_angle_brackets_as_older_wgets_write_it_is_the_address(tmp_path: Path) -> None:
    packed = html(1).replace(b"http://127.0.0.1/1", b"<http://127.0.0.1/1>")
    (tmp_path / "a.warc").write_bytes(packed)
    (row,) = rows(Warc(str(tmp_path)))
    assert row["url"] == "http://127.0.0.1/1"


def test_texts_without_their_pages_are_an_error_and_a_file_of_metadata_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.warc.wet.gz").write_bytes(gzip.compress(record(1, b"some text", "conversion")))
    with pytest.raises(ValueError, match=r"a\.warc\.wet\.gz holds 1 texts \(WET\) and no HTTP response; give the WARC"):
        rows(Warc(str(tmp_path / "a.warc.wet.gz")))
    (tmp_path / "meta.warc").write_bytes(record(0, b"software: x", "warcinfo") + record(1, b"x", "metadata"))
    assert rows(Warc(str(tmp_path / "meta.warc"))) == []


def test_a_record_without_an_id_is_named_by_folder_file_and_number(tmp_path: Path) -> None:
    (tmp_path / "one.warc").write_bytes(html(0) + record(1, message(Content_Type="text/html"), named=False))
    assert [row["id"] for row in rows(Warc(str(tmp_path)))] == ["urn:uuid:0", f"{tmp_path.name}/one/1"]


@pytest.mark.parametrize(
    ("block", "broken"),
    [
        (message(Content_Type="application/xhtml+xml"), None),
        (message(), None),  # no declared type, looks like HTML
        (message(b"%PDF-1.7"), ["warc.content_type"]),
        (message(Content_Type="image/png"), ["warc.content_type"]),
        (message(status="404 Not Found", Content_Type="text/html"), ["warc.status"]),
        (message(status="301 Moved", Content_Type="image/png"), ["warc.status", "warc.content_type"]),
    ],
)
def test_a_response_that_is_no_page_is_marked_and_not_lost(
    tmp_path: Path, block: bytes, broken: list[str] | None
) -> None:
    (tmp_path / "one.warc").write_bytes(record(1, block))
    (row,) = rows(Warc(str(tmp_path)))
    assert row["dropped_by"] == broken
    assert row["html"] == (None if broken else PAGE)


@pytest.mark.parametrize(
    "block",
    [
        message(gzip.compress(PAGE), Content_Type="text/html", Content_Encoding="gzip"),
        message(b"%x\r\n%s\r\n0\r\n\r\n" % (len(PAGE), PAGE), Content_Type="text/html", Transfer_Encoding="chunked"),
    ],
)
def test_transfer_and_content_encoding_are_undone(tmp_path: Path, block: bytes) -> None:
    (tmp_path / "one.warc").write_bytes(record(1, block))
    assert rows(Warc(str(tmp_path)))[0]["html"] == PAGE


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (message(b"no gzip", Content_Encoding="gzip"), "broken HTTP message: one.warc, record 1: Gzip"),
        (b"<p>no HTTP at all</p>", "broken HTTP message: one.warc, record 1: no HTTP status line"),
        (message(b"x" * 2000), "record too large: one.warc, record 1 has 2,019 of at most 1,000 bytes"),
    ],
)
def test_a_damaged_record_is_quarantined_and_reading_goes_on(tmp_path: Path, block: bytes, reason: str) -> None:
    (tmp_path / "one.warc").write_bytes(html(0) + record(1, block) + html(2))
    before, poison, after = rows(Warc(str(tmp_path), max_record_bytes=1000))
    assert poison["quarantined"].startswith(reason)
    assert (before["html"], after["html"]) == (PAGE, PAGE)


def test_a_plain_file_cut_anywhere_inside_a_record_is_an_error(tmp_path: Path) -> None:
    whole = html(0) + html(1)
    file = tmp_path / "one.warc"
    end_of_block = len(whole) - 4  # after it only the two empty lines that separate records
    for cut in range(len(html(0)) + 1, end_of_block):
        file.write_bytes(whole[:cut])
        with pytest.raises(ValueError, match=r"one\.warc cannot be read from about record 1 on .*; fetch the file"):
            rows(Warc(str(tmp_path)))


def test_a_gzip_file_cut_inside_a_member_is_an_error(tmp_path: Path) -> None:
    first, second = gzip.compress(html(0), mtime=0), gzip.compress(html(1), mtime=0)
    file = tmp_path / "one.warc.gz"
    for cut in range(len(first) + 1, len(first) + len(second)):
        file.write_bytes((first + second)[:cut])
        with pytest.raises(ValueError, match=r"one\.warc\.gz cannot be read from about record [012] on .*fetch"):
            rows(Warc(str(tmp_path)))


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "is empty"), (b"PAR1 hello\r\n\r\n", "record 0"), (gzip.compress(b"hello" * 99), "record 0")],
)
def test_what_is_no_warc_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "one.warc.gz").write_bytes(content)
    with pytest.raises(ValueError, match=rf"one\.warc\.gz.*{message}"):
        rows(Warc(str(tmp_path)))


def test_real_pages_come_in_bounded_batches_and_twice_the_same(shared_data: Path) -> None:
    source = Warc(str(shared_data / "web" / "pages-*.warc.gz"))
    splits = source.splits()
    assert [split.name for split in splits] == ["pages-00000", "pages-00001", "pages-00002"]
    first, again = list(source.read(splits[0])), list(source.read(splits[0]))
    assert sum(batch.num_rows for batch in first) == 804
    assert max(batch.num_rows for batch in first) == 256
    assert first == again
