"""JSON lines: the same rows for any splitting, and a damaged line costs itself only."""

import gzip
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.readers import open_source
from curate.readers.jsonl import SCHEMA, Jsonl, lines


def rows(source: Jsonl) -> list[dict[str, Any]]:
    found = [batch for split in source.splits() for batch in source.read(split)]
    assert all(batch.schema == SCHEMA for batch in found)
    return [row for batch in found for row in batch.to_pylist()]


def read(folder: Path, content: bytes, name: str = "a.jsonl", **options: Any) -> list[dict[str, Any]]:
    (folder / name).write_bytes(content)
    return rows(Jsonl(str(folder), **options))


def test_known_fields_become_columns_and_the_rest_one_string(tmp_path: Path) -> None:
    line = {"text": "t", "id": 7, "url": "http://127.0.0.1", "language_score": 1, "stars": 3, "date": {"y": 1}}
    (row,) = read(tmp_path, json.dumps(line).encode())
    assert (row["text"], row["id"], row["url"], row["language_score"]) == ("t", "7", "http://127.0.0.1", 1.0)
    assert json.loads(row["metadata"]) == {"stars": 3, "date": {"y": 1}}
    assert row["date"] is None


def test_a_nested_metadata_object_is_flattened(tmp_path: Path) -> None:
    line = {"text": "t", "id": "a", "metadata": {"url": "u", "dump": "CC-1", "file_path": "s3://f", "minhash": 2}}
    (row,) = read(tmp_path, json.dumps(line).encode())
    assert (row["url"], row["dump"], row["file_path"], row["metadata"]) == ("u", "CC-1", "s3://f", '{"minhash":2}')


def test_a_line_without_id_is_named_by_folder_file_and_offset(tmp_path: Path) -> None:
    found = read(tmp_path, b'{"text": "a"}\n{"text": "b"}\n')
    assert [row["id"] for row in found] == [f"{tmp_path.name}/a/0", f"{tmp_path.name}/a/14"]
    assert {row["file_path"] for row in found} == {"a.jsonl"}


def test_the_text_may_have_another_key(tmp_path: Path) -> None:
    assert read(tmp_path, b'{"content": "a"}', text_key="content")[0]["text"] == "a"


def test_byte_order_mark_windows_line_ends_blank_lines_and_no_last_newline(tmp_path: Path) -> None:
    found = read(tmp_path, b'\xef\xbb\xbf{"text": "a"}\r\n\r\n  \n{"text": "b\\u0000"}')
    assert [row["text"] for row in found] == ["a", "b\0"]
    assert [row["quarantined"] for row in found] == [None, None]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{not json}", "not valid JSON: a.jsonl, byte 14: "),
        (b'{"text": "\xff\xfe"}', "not valid JSON: a.jsonl, byte 14: "),
        (b'{"text": "\0"}', "not valid JSON: a.jsonl, byte 14: "),
        (b'{"body": "x"}', "no 'text' that is a string: a.jsonl, byte 14: it has body"),
        (b'{"text": null}', "no 'text' that is a string: a.jsonl, byte 14: it has text"),
        (b'["text"]', "no 'text' that is a string: a.jsonl, byte 14: it is no object"),
        (b'{"text": "%s"}' % (b"x" * 999), "line too long: a.jsonl, byte 14: over 100 bytes"),
    ],
)
def test_a_damaged_line_is_quarantined_and_reading_goes_on(tmp_path: Path, line: bytes, reason: str) -> None:
    found = read(tmp_path, b'{"text": "a"}\n' + line + b'\n{"text": "b"}\n', max_line_bytes=100)
    assert [row["text"] for row in found] == ["a", None, "b"]
    assert found[1]["quarantined"].startswith(reason)
    assert found[1]["id"].endswith("/14")


def test_every_split_size_gives_the_same_rows(tmp_path: Path) -> None:
    content = b'\n{"text": "a"}\r\n{"text": "%s"}\n\n{bad\n{"text": "\xc3\xbc"}\n{"text": "end"}' % (b"x" * 70)
    whole = read(tmp_path, content, max_line_bytes=50)
    assert [row["text"] for row in whole] == ["a", None, None, "ü", "end"]
    for size in range(1, len(content) + 2):
        assert rows(Jsonl(str(tmp_path), max_line_bytes=50, split_bytes=size)) == whole


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=9), max_size=9), st.lists(st.integers(0, 99), max_size=4), st.integers(1, 8))
def test_any_cuts_share_the_lines_out_exactly_once(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], cuts: list[int], max_bytes: int
) -> None:
    file = tmp_path_factory.getbasetemp() / "cuts.jsonl"
    content = b"\n".join(pieces)
    file.write_bytes(content)
    edges = sorted({0, len(content), *(cut for cut in cuts if cut < len(content))})
    parts = [lines(str(file), lo, hi, max_bytes) for lo, hi in pairwise(edges)]
    assert [line for part in parts for line in part] == list(lines(str(file), 0, -1, max_bytes))


def test_compressed_files_give_the_rows_of_the_plain_one(tmp_path: Path) -> None:
    content = b"".join(b'{"text": "%d", "url": "u"}\n' % number for number in range(2000))
    folders = {"a.jsonl": content, "a.jsonl.gz": gzip.compress(content), "a.jsonl.zst": zstandard.compress(content)}
    found = []
    for number, (name, packed) in enumerate(folders.items()):
        folder = tmp_path / str(number) / "in"
        folder.mkdir(parents=True)
        found.append([row | {"file_path": ""} for row in read(folder, packed, name)])
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == 2000


@pytest.mark.parametrize("ending", ["gz", "zst"])
def test_a_compressed_file_that_breaks_off_is_an_error(tmp_path: Path, ending: str) -> None:
    content = b"".join(b'{"text": "%d"}\n' % (number * 7919 % 104729) for number in range(5000))
    packed = gzip.compress(content) if ending == "gz" else zstandard.compress(content)
    for kept in (packed[: len(packed) // 2], packed[:-1]):
        with pytest.raises(ValueError, match=rf"a\.jsonl\.{ending} cannot be read after byte \d+.*fetch the file"):
            read(tmp_path, kept, f"a.jsonl.{ending}")
    with pytest.raises(ValueError, match="is empty"):
        read(tmp_path, b"", f"a.jsonl.{ending}")


def test_names_of_splits_are_relative_and_numbered_only_where_a_file_has_several(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b c.jsonl").write_bytes(b'{"text": "a"}\n')
    (tmp_path / "big.ndjson").write_bytes(b'{"text": "a"}\n' * 3)
    (tmp_path / "dropped").mkdir()
    (tmp_path / "dropped" / "x.jsonl").write_bytes(b"{}")
    names = [split.name for split in Jsonl(str(tmp_path), split_bytes=20).splits()]
    assert names == ["big.00000", "big.00001", "big.00002", "sub/b-c"]


def test_a_remote_file_reads_as_a_local_one(tmp_path: Path) -> None:
    import fsspec

    content = b'{"text": "a"}\n{"text": "b"}\n'
    with fsspec.open("memory://jsonl-test/in/a.jsonl", "wb") as file:
        file.write(content)
    found = rows(Jsonl("memory://jsonl-test/in", split_bytes=10))
    assert [row["text"] for row in found] == ["a", "b"]
    assert found[0]["file_path"].startswith("memory://")


def test_real_benchmark_lines_read_whole(shared_data: Path) -> None:
    found = rows(Jsonl(str(shared_data / "eval" / "lambada_openai.jsonl"), split_bytes=10**5, text_key="context"))
    assert len(found) == (shared_data / "eval" / "lambada_openai.jsonl").read_bytes().count(b"\n")
    assert all(row["quarantined"] is None for row in found)


def test_the_text_of_a_page_may_be_called_as_in_parquet(tmp_path: Path) -> None:
    good = b'{"content": "a", "url": "http://x"}\n{"raw_content": "b"}\n{"text": "c", "content": "other"}\n'
    (tmp_path / "a.jsonl").write_bytes(good + b'{"content": 1}\n')
    source = open_source(tmp_path)
    assert isinstance(source, Jsonl)
    found = rows(source)
    assert [row["text"] for row in found] == ["a", "b", "c", None]
    assert found[0]["url"] == "http://x"
    assert [row["metadata"] for row in found[:3]] == [None, None, '{"content":"other"}']
    assert found[3]["quarantined"].startswith("no 'text' that is a string")
    assert read(tmp_path, b'{"content": "a"}\n', text_key="body")[0]["text"] is None
