"""Parquet of other people: their columns under our names."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.readers import open_source
from curate.readers.parquet import Parquet


def test_the_stack_s_columns_get_our_names_and_types(tmp_path: Path) -> None:
    table = pa.table(
        {
            "hexsha": ["a1", "b2"],
            "size": pa.array([3, 4], pa.int32()),
            "lang": ["Python", "C"],
            "max_stars_repo_path": ["src/a.py", "b.c"],
            "max_stars_repo_name": ["x/y", "x/z"],
            "max_stars_repo_licenses": [["MIT", "Apache-2.0"], []],
            "content": pa.array(["abc", "abcd"], pa.large_string()),
            "stars": [1, None],
        }
    )
    pq.write_table(table, tmp_path / "0.parquet")
    source = Parquet(str(tmp_path))
    (batch,) = [batch for split in source.splits() for batch in source.read(split)]
    assert batch.schema == source.schema
    assert batch.to_pylist()[0] == {
        "id": "a1",
        "size": 3,
        "language": "Python",
        "path": "src/a.py",
        "repo_name": "x/y",
        "license": "MIT AND Apache-2.0",
        "text": "abc",
        "stars": 1,
        "max_stars_repo_licenses": ["MIT", "Apache-2.0"],
    }
    assert batch["license"].to_pylist() == ["MIT AND Apache-2.0", ""]


def test_our_own_name_wins_over_an_alias(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["ours"], "content": ["theirs"], "id": ["1"]}), tmp_path / "0.parquet")
    source = Parquet(str(tmp_path))
    (batch,) = source.read(source.splits()[0])
    assert batch.to_pylist() == [{"text": "ours", "content": "theirs", "id": "1"}]


def test_rows_without_id_are_numbered_through_the_file_however_it_is_split(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    pq.write_table(pa.table({"text": list("abcdefg")}), folder / "0.parquet", row_group_size=3)
    source = Parquet(str(folder), split_bytes=1)
    assert len(source.splits()) == 3
    ids = [name for split in source.splits() for batch in source.read(split) for name in batch["id"].to_pylist()]
    assert ids == [f"docs/0/{row}" for row in range(7)]


def test_no_text_column_is_said_with_the_columns_there_are(tmp_path: Path) -> None:
    pq.write_table(pa.table({"hexsha": ["1"], "path": ["a.py"]}), tmp_path / "0.parquet")
    with pytest.raises(ValueError, match=r"no column with the text .*; it has id, path\. Rename"):
        _ = Parquet(str(tmp_path)).schema


def test_categories_come_as_their_values(tmp_path: Path) -> None:
    table = pa.table({"text": pa.array(["one", "two", "one"]).dictionary_encode(), "id": ["a", "b", "c"]})
    pq.write_table(table, tmp_path / "0.parquet")
    source = open_source(str(tmp_path))
    assert source.schema.field("text").type == pa.string()
    (batch,) = source.read(source.splits()[0])
    assert batch["text"].to_pylist() == ["one", "two", "one"]
