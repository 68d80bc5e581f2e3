"""What lies under a path decides which source reads it."""

import gzip
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.corpus import Corpus, Source, write_corpus
from curate.dedup import dedup
from curate.readers import needs_extract, open_source
from curate.readers.archive import CodeArchive
from curate.readers.code import CodeFolder
from curate.readers.code_jsonl import CodeJsonl
from curate.readers.html import Extract
from curate.readers.jsonl import Jsonl
from curate.readers.parquet import Parquet
from curate.readers.warc import Warc
from curate.run import run

WARC = b"WARC/1.0\r\nWARC-Type: warcinfo\r\nContent-Length: 0\r\n\r\n\r\n\r\n"
ZSTD = pa.Codec("zstd").compress(b'{"text": "t"}\n').to_pybytes()
DOCS = pa.RecordBatch.from_pydict({"text": ["t"], "id": ["1"]})


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.warc.gz", gzip.compress(WARC), Warc),
        ("a.warc", WARC, Warc),
        ("a.jsonl", b"{}", Jsonl),
        ("a.json.gz", gzip.compress(b"{}"), Jsonl),
        ("a.jsonl.zst", b"", Jsonl),
        ("a.json.zst", ZSTD, Jsonl),
        ("r/a.py", b"x", CodeFolder),
        ("r/a.ipynb", b"{}", CodeFolder),
        ("r-1.0.tar.gz", b"", CodeArchive),
        ("r.zip", b"", CodeArchive),
    ],
)
def test_a_folder_is_known_by_its_files(tmp_path: Path, name: str, content: bytes, expected: type[Source]) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(content)
    (tmp_path / "README.md").write_text("notes beside the data")
    source = open_source(tmp_path)
    assert isinstance(source, expected)
    assert needs_extract(source) == (expected is Warc)


@pytest.mark.parametrize(
    ("content", "expected"), [(gzip.compress(WARC), Warc), (WARC, Warc), (b'\xef\xbb\xbf{"text": ""}', Jsonl)]
)
def test_a_file_with_another_ending_is_known_by_its_start(
    tmp_path: Path, content: bytes, expected: type[Source]
) -> None:
    (tmp_path / "a.dump").write_bytes(content)
    source = open_source(tmp_path / "a.dump")
    assert isinstance(source, expected)
    assert [split.name for split in source.splits()] == ["a.dump"]


def test_a_corpus_is_opened_as_it_is_and_its_evidence_is_no_input(tmp_path: Path) -> None:
    write_corpus(tmp_path, [DOCS])
    (tmp_path / "quarantine").mkdir()
    (tmp_path / "quarantine" / "x.jsonl").write_bytes(b"{}")
    source = open_source(tmp_path)
    assert isinstance(source, Corpus)
    assert [split.name for split in source.splits()] == ["00000"]
    write_corpus(tmp_path / "stack", [DOCS.rename_columns(["content", "hexsha"])])
    assert isinstance(open_source(tmp_path / "stack"), Parquet)
    write_corpus(tmp_path / "bare", [DOCS.select(["text"])])
    assert isinstance(open_source(tmp_path / "bare"), Parquet)
    write_corpus(tmp_path / "textless", [DOCS.select(["id"])])
    with pytest.raises(ValueError, match="has no column with the text"):
        open_source(tmp_path / "textless")


def test_several_kinds_are_listed_and_one_can_be_chosen(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"{}")
    (tmp_path / "a.warc").write_bytes(WARC)
    (tmp_path / "b.warc").write_bytes(WARC)
    with pytest.raises(ValueError, match=r"several kinds of files \(2 warc, 1 jsonl\); say which"):
        open_source(tmp_path)
    assert isinstance(open_source(tmp_path, kind="jsonl"), Jsonl)


def test_what_cannot_be_opened_is_said_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"check the path; a data set of the .* hub is hf://datasets/no/where"):
        open_source("no/where")
    with pytest.raises(FileNotFoundError, match="is empty; is it the right folder"):
        open_source(tmp_path)
    (tmp_path / "a.csv").write_bytes(b"a,b")
    with pytest.raises(ValueError, match="holds 1 files, and none is Parquet, WARC, JSON lines, source code"):
        open_source(tmp_path)
    with pytest.raises(ValueError, match="by its name or by how it begins"):
        open_source(tmp_path / "a.csv")
    (tmp_path / "a.parquet").write_bytes(b"not parquet at all")
    with pytest.raises(ValueError, match=r"a\.parquet is not a readable Parquet file"):
        open_source(tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="no kind of input 'csv'"):
        open_source(tmp_path, kind="csv")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["fineweb edu", "HuggingFaceFW/fineweb/sample/10BT"])
def test_a_data_set_s_name_is_looked_up_on_the_hub(name: str) -> None:
    with pytest.raises((ValueError, ConnectionError), match=r"is not a data set|fineweb/sample/10BT: .* no answer"):
        open_source(name, kind="hub")


def test_real_pages_run_from_archive_to_corpus(shared_data: Path, tmp_path: Path) -> None:
    source = open_source(shared_data / "web" / "pages-00000.warc.gz")
    tally = run((Extract(),), source, str(tmp_path / "docs"), limit=50)
    assert (tally.rows_in, tally.rows_out) == (50, 50)
    assert set(Corpus(tmp_path / "docs").schema.names) == {"text", "id", "dump", "url", "date", "file_path"}


def test_a_glob_searches_below_hidden_folders_too(tmp_path: Path) -> None:
    for name in ("a", "b", ".scratch"):
        (tmp_path / ".cache" / "crawl" / name).mkdir(parents=True)
        (tmp_path / ".cache" / "crawl" / name / "part.jsonl").write_text('{"text": "t"}\n')
    source = open_source(f"{tmp_path}/.cache/crawl/*/part.jsonl")
    assert [split.name for split in source.splits()] == ["a/part", "b/part"]


def test_an_empty_first_file_does_not_hide_that_the_lines_are_code(tmp_path: Path) -> None:
    (tmp_path / "part-0.jsonl").touch()
    (tmp_path / "part-1.jsonl").write_text('{"content": "x = 1", "lang": "Python", "max_stars_repo_name": "a/b"}\n')
    source = open_source(tmp_path)
    assert isinstance(source, CodeJsonl)
    assert [split.name for split in source.splits()] == ["part-0", "part-1"]


@pytest.mark.parametrize("content", [b"no gzip", gzip.compress(b'{"text": "t"}' * 99)[:40]])
def test_a_damaged_first_file_of_lines_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.jsonl\.gz cannot be read: .*; fetch the file again"):
        open_source(tmp_path)


def linked(folder: Path, names: tuple[str, ...], content: bytes) -> Path:
    """Make a folder as the Hugging Face cache has them: each file is a link to a blob beside the folder."""
    folder.mkdir(parents=True)
    for number, name in enumerate(names):
        blob = folder.parent / f"{folder.name}-blob-{number}"
        blob.write_bytes(content)
        (folder / name).symlink_to(blob)
    return folder


def rows_of(source: Source) -> int:
    return sum(batch.num_rows for split in source.splits() for batch in source.read(split))


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "warc"])
@pytest.mark.parametrize("pattern", ["", "/*", "/part-?.*"])
def test_files_that_are_links_are_read_from_a_folder_and_by_a_glob(tmp_path: Path, kind: str, pattern: str) -> None:
    write_corpus(tmp_path / "made", [DOCS])
    page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>"
    record = b"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: %d\r\n\r\n%s\r\n\r\n" % (len(page), page)
    parquet = (tmp_path / "made/00000.parquet").read_bytes()
    content = {"jsonl": b'{"text": "t"}\n', "parquet": parquet, "warc": record}[kind]
    folder = linked(tmp_path / "snapshot", (f"part-0.{kind}", f"part-1.{kind}"), content)
    source = open_source(f"{folder}{pattern}")
    assert [(split.name, split.num_bytes > 0) for split in source.splits()] == [("part-0", True), ("part-1", True)]
    assert rows_of(source) == 2


@pytest.mark.parametrize("pattern", ["", "/*/a.jsonl"])
def test_a_link_to_a_folder_elsewhere_is_told_and_one_within_is_not_read_twice(
    tmp_path: Path, pattern: str, caplog: pytest.LogCaptureFixture
) -> None:
    for folder in ("crawl/2024-01", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.jsonl").write_text('{"text": "t"}\n')
    (tmp_path / "crawl/latest").symlink_to("2024-01")
    assert [split.name for split in open_source(f"{tmp_path}/crawl{pattern}").splits()] == ["2024-01/a"]
    assert not caplog.records
    (tmp_path / "crawl/older").symlink_to(tmp_path / "elsewhere")
    assert [split.name for split in open_source(f"{tmp_path}/crawl{pattern}").splits()] == ["2024-01/a"]
    (told,) = [record.getMessage() for record in caplog.records]
    assert told == f"{tmp_path}/crawl/older is a link to a folder and not read; to read it, give {tmp_path}/elsewhere"


def test_a_glob_of_parquet_is_a_corpus_with_the_names_of_its_folder(tmp_path: Path) -> None:
    for number in range(3):
        write_corpus(tmp_path / f"data/train-{number}", [DOCS])
        (tmp_path / f"data/train-{number}/00000.parquet").rename(tmp_path / f"data/train-{number}.parquet")
    write_corpus(tmp_path / "data/other", [DOCS])
    write_corpus(tmp_path / "data/_scratch", [DOCS])
    glob = f"{tmp_path}/data/train-*.parquet"
    source = open_source(glob)
    assert isinstance(source, Corpus)
    assert [split.name for split in source.splits()] == ["train-0", "train-1", "train-2"]
    assert run((), source, f"{tmp_path}/two", limit=2).rows_in == 2
    assert run((), source, f"{tmp_path}/out").rows_in == 3
    assert run((), source, f"{tmp_path}/out").rows_in == 3
    assert sorted(path.stem for path in (tmp_path / "out").glob("*.parquet")) == ["train-0", "train-1", "train-2"]
    deeper = open_source(f"{tmp_path}/data/*/*.parquet")
    assert [split.name for split in deeper.splits()] == ["other/00000"]
    for out in ("data", "data/again"):
        with pytest.raises(ValueError, match="is inside of the input and would become part of it"):
            run((), open_source(f"{tmp_path}/data/**/*.parquet"), f"{tmp_path}/{out}")
        with pytest.raises(ValueError, match="is inside of the input and would become part of it"):
            dedup(Corpus(f"{tmp_path}/data/**/*.parquet"), f"{tmp_path}/{out}")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        open_source(f"{tmp_path}/data/test-*.parquet")


def test_a_glob_of_parquet_elsewhere_and_without_ids(tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    for name in ("a/train-0", "a/train-1", "b/train-0", "b/test-0"):
        with memory.open(f"/globs/{name}.parquet", "wb") as file:
            pq.write_table(pa.table({"content": [name]}), file)
    source = open_source("memory://globs/*/train-*.parquet")
    found = [row for split in source.splits() for batch in source.read(split) for row in batch.to_pylist()]
    assert [(row["text"], row["id"]) for row in found] == [
        (name, f"globs/{name}/0") for name in ("a/train-0", "a/train-1", "b/train-0")
    ]
