"""A sample of a source, read by its file's name like the source itself."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from curate.corpus import Corpus, read_split, write_corpus
from curate.readers import open_source
from curate.readers.chosen import write_chosen


def test_some_splits_of_a_corpus_are_read_as_a_source_of_their_own(tmp_path: Path, pages: pa.Table) -> None:
    whole = write_corpus(
        tmp_path / "in", (pages.slice(at, 10).to_batches()[0] for at in range(0, 40, 10)), shard_rows=10
    )
    some = [whole.splits()[3], replace(whole.splits()[1], limit=2)]
    write_chosen(str(tmp_path / "some.chosen.json"), str(tmp_path / "in"), None, some)
    source = open_source(tmp_path / "some.chosen.json")
    assert source.schema == whole.schema
    assert source.splits() == some
    rows = [row for split in source.splits() for batch in read_split(source, split) for row in batch["id"].to_pylist()]
    assert rows == [f"doc-{at:03}" for at in (*range(30, 40), 10, 11)]


def test_a_file_that_names_no_splits_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "x.chosen.json").write_text('{"source": "docs"}')
    with pytest.raises(ValueError, match=r"x\.chosen\.json names no splits of a source"):
        open_source(tmp_path / "x.chosen.json")


def test_a_sample_of_a_source_that_is_gone_says_so(tmp_path: Path) -> None:
    write_chosen(str(tmp_path / "x.chosen.json"), str(tmp_path / "gone"), None, [])
    with pytest.raises(FileNotFoundError, match="gone does not exist"):
        open_source(tmp_path / "x.chosen.json")


def test_a_corpus_is_not_disturbed_by_a_sample_beside_it(tmp_path: Path, pages: pa.Table) -> None:
    write_corpus(tmp_path, pages.to_batches())
    write_chosen(str(tmp_path / "x.chosen.json"), str(tmp_path), None, [])
    assert isinstance(open_source(tmp_path), Corpus)
