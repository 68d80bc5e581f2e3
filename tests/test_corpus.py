from collections.abc import Callable
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.corpus import Corpus, bounded, limited, write_corpus
from curate.parquet import open_parquet, read_receipt
from curate.writer import ShardWriter


def test_a_shard_with_other_columns_is_refused_where_all_are_read(tmp_path: Path) -> None:
    write_corpus(tmp_path / "c/a", [pa.RecordBatch.from_pydict({"id": ["a"], "text": ["x"]})])
    write_corpus(tmp_path / "c/b", [pa.RecordBatch.from_pydict({"text": ["y"], "url": ["http://y"]})])
    corpus = Corpus(tmp_path / "c")
    with pytest.raises(ValueError, match=r"b/00000.parquet has other columns .* lacks id and has url besides"):
        list(corpus.batches())
    assert corpus.table(["text"])["text"].to_pylist() == ["x", "y"]


def test_a_corpus_made_anew_is_another_input_and_a_moved_one_is_not(tmp_path: Path) -> None:
    def identity(folder: str, score: float) -> dict[str, object]:
        corpus = write_corpus(tmp_path / folder, [pa.RecordBatch.from_pydict({"id": ["a"], "score": [score]})])
        (split,) = corpus.splits()
        return split.identity()

    first, moved, anew = identity("a", 1.0), identity("b", 1.0), identity("c", 2.0)
    assert first == moved
    assert first["checksum"] != anew["checksum"]
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "theirs.parquet")
    assert "checksum" not in Corpus(tmp_path / "theirs.parquet").splits()[0].identity()


def test_a_corpus_reads_back_what_was_written(tmp_path: Path, pages: pa.Table) -> None:
    corpus = write_corpus(tmp_path / "c", pages.to_batches(max_chunksize=7), shard_rows=14)
    assert [Path(file).name for file in corpus.files] == ["00000.parquet", "00001.parquet", "00002.parquet"]
    assert corpus.table().equals(pages.combine_chunks())
    assert corpus.num_rows == 40


def test_row_groups_of_one_large_file_become_several_splits_with_every_row_once(
    tmp_path: Path, pages: pa.Table
) -> None:
    pq.write_table(pages, tmp_path / "big.parquet", row_group_size=4)
    corpus = Corpus(tmp_path, split_bytes=3000)
    splits = corpus.splits()
    assert len(splits) > 2
    assert splits[0].name.startswith("big.00000-")
    rows = [row["id"] for split in splits for batch in corpus.read(split) for row in batch.to_pylist()]
    assert rows == pages["id"].to_pylist()


def test_evidence_and_scratch_are_not_documents(tmp_path: Path, pages: pa.Table) -> None:
    for name in ("a", "dropped/a", "quarantine/a", "_work/a", "sub/b"):
        write_corpus(tmp_path / Path(name).parent, pages.to_batches())
        (tmp_path / Path(name).parent / "00000.parquet").rename(tmp_path / f"{name}.parquet")
    assert [split.name for split in Corpus(tmp_path).splits()] == ["a", "sub/b"]


def test_leaving_a_writer_without_commit_leaves_nothing(tmp_path: Path, pages: pa.Table) -> None:
    with pytest.raises(RuntimeError, match="stop"), ShardWriter(tmp_path, "a", pages.schema) as writer:  # noqa: PT012
        writer.write(pages.to_batches()[0])
        raise RuntimeError("stop")
    assert list(tmp_path.iterdir()) == []


def test_the_same_rows_and_receipt_give_the_same_bytes(tmp_path: Path, pages: pa.Table) -> None:
    for name in ("a", "b"):
        with ShardWriter(tmp_path, name, pages.schema) as writer:
            for batch in pages.to_batches(max_chunksize=3):
                writer.write(batch)
            writer.commit({"made": "here"})
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert read_receipt(str(tmp_path / "a.parquet")) == {"made": "here"}


def test_a_corpus_lives_on_any_fsspec_url(pages: pa.Table) -> None:
    url = "memory://bucket/corpus"
    assert write_corpus(url, pages.to_batches(), receipt={"n": 1}).table().equals(pages.combine_chunks())
    assert Corpus(url).receipts() == {"00000": {"n": 1}}
    fsspec.filesystem("memory").rm("/bucket", recursive=True)


def test_a_limit_stops_at_exactly_that_many_rows_where_counts_are_known(tmp_path: Path, pages: pa.Table) -> None:
    splits = write_corpus(tmp_path, pages.to_batches(max_chunksize=10), shard_rows=10).splits()
    assert [split.limit for split in limited(splits, 25)] == [10, 10, 5]


def test_a_large_batch_is_cut_until_it_is_within_bounds() -> None:
    batch = pa.RecordBatch.from_pydict({"text": ["x" * 100] * 64})
    pieces = list(bounded(batch, 1000))
    assert max(piece.nbytes for piece in pieces) <= 1000
    assert pa.Table.from_batches(pieces).num_rows == 64


def test_bad_input_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        Corpus(tmp_path / "nowhere").splits()
    with pytest.raises(FileNotFoundError, match=r"holds no \.parquet shard"):
        Corpus(tmp_path).splits()
    (tmp_path / "page.parquet").write_bytes(b"<html>not Parquet</html>")
    with pytest.raises(ValueError, match=r"page\.parquet is not a readable Parquet file"):
        Corpus(tmp_path).splits()


def test_whatever_is_read_of_a_damaged_file_names_it(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "in", [pa.record_batch({"text": [f"{n} words" for n in range(1000)]})])
    (path,) = corpus.files
    data = bytearray(Path(path).read_bytes())
    data[100] ^= 8
    Path(path).write_bytes(data)
    readings: list[tuple[str, Callable[[pq.ParquetFile], object]]] = [
        ("", lambda file: file.read()),
        (", row group 0,", lambda file: file.read_row_group(0)),
        (", row groups 0-1,", lambda file: file.read_row_groups([0], columns=["text"])),
        (", row groups 0-1,", lambda file: list(file.iter_batches(100, row_groups=[0]))),
    ]
    for where, reading in readings:
        with open_parquet(path) as file, pytest.raises(ValueError, match=f"^{path}{where} is damaged .*again$"):
            reading(file)


def test_a_column_without_a_value_has_the_type_of_the_first_shard_that_has_one(tmp_path: Path) -> None:
    nothing = pa.table({"text": ["a"], "date": pa.nulls(1), "tags": pa.array([[]], pa.list_(pa.null())), "no": [None]})
    something = pa.table({"text": ["b"], "date": ["2024"], "tags": [["x"]], "no": [None]})
    for name, table in (("0", nothing), ("1", something), ("2", nothing)):
        pq.write_table(table, tmp_path / f"{name}.parquet")
    corpus = Corpus(tmp_path)
    assert corpus.schema.types == [pa.string(), pa.string(), pa.list_(pa.string()), pa.null()]
    assert corpus.table().drop_columns(["no"]).to_pydict() == {
        "text": ["a", "b", "a"],
        "date": [None, "2024", None],
        "tags": [[], ["x"], []],
    }
    assert corpus.table(["date"])["date"].to_pylist() == [None, "2024", None]
