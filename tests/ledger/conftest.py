"""Runs made by hand, whose every outcome can be told by looking at the id."""

from pathlib import Path

import pyarrow as pa
import pytest

from curate.corpus import Corpus, write_corpus
from curate.document import QUARANTINED, Batch, with_columns
from curate.run import run
from curate.stage import Keep, Measure, Rule, mark

CHARS = Rule("t.chars", at_least=100, at_most=100_000, source="a test; page 1")


def chars(batch: Batch) -> dict[str, pa.Array]:
    return {"t.chars": pa.array([len(text) for text in batch["text"].to_pylist()], pa.int64())}


def last_digit(batch: Batch) -> dict[str, pa.Array]:
    return {"t.digit": pa.array([int(i[-1]) for i in batch["id"].to_pylist()], pa.int64())}


def scored(batch: Batch) -> Batch:
    return with_columns(batch, {"score": pa.array([float(i[-1]) for i in batch["id"].to_pylist()], pa.float32())})


def poisoned(batch: Batch) -> Batch:
    """The page with number 39 cannot be read."""
    bad = [None if not i.endswith("39") else "OddError: bad byte" for i in batch["id"].to_pylist()]
    return with_columns(batch, {QUARANTINED: pa.array(bad, pa.string())})


def copies(batch: Batch) -> Batch:
    """Pages whose id ends in 7 are copies of doc-001."""
    left = [i.endswith("7") for i in batch["id"].to_pylist()]
    survivor = pa.array(["doc-001" if copy else None for copy in left], pa.string())
    similarity = pa.array([0.9 if copy else None for copy in left], pa.float32())
    band = pa.array([3 if copy else None for copy in left], pa.int32())
    columns = {"dedup.survivor": survivor, "dedup.similarity": similarity, "dedup.band": band}
    return mark(with_columns(batch, columns), [("dedup.near", pa.array(left).to_numpy(zero_copy_only=False))])


@pytest.fixture
def source(tmp_path: Path, pages: pa.Table) -> Corpus:
    """Forty pages in four shards; every fourth one is short."""
    return write_corpus(tmp_path / "in", pages.to_batches(max_chunksize=10), shard_rows=10)


@pytest.fixture
def finished(tmp_path: Path, source: Corpus) -> str:
    """Page 39 is in quarantine; short pages leave in the first corpus, copies and low scores in the second.

    Of forty pages ten are short (0, 4, ..., 36) and 29 stay; of these 4 are copies (7, 17, 27, 37) and 6 score low
    (1, 10, 11, 21, 30, 31), so 19 stay.
    """
    first = (poisoned, Measure((chars, last_digit)), Keep((CHARS,)))
    run(first, source, f"{tmp_path}/run/1-clean", keep_text=True)
    second = (copies, scored, Keep((Rule("score", at_least=2, source="a cut"),)))
    run(second, Corpus(tmp_path / "run/1-clean"), f"{tmp_path}/run/2-scored")
    return f"{tmp_path}/run"
