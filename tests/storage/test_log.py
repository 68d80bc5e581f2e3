"""The log of a run whose output is on an object store: whole parts beside the shards, and no obstacle to the run."""

from pathlib import Path

import pyarrow as pa
import pytest

from curate.corpus import Corpus, write_corpus
from curate.progress import read_log
from curate.run import run
from curate.stage import Keep, Rule
from curate.stage import Measure as Signals


def lengths(batch: pa.RecordBatch) -> dict[str, pa.Array]:
    return {"t.chars": pa.array([len(text) for text in batch["text"].to_pylist()], pa.int64())}


@pytest.mark.usefixtures("here")
def test_a_run_into_a_bucket_is_logged_there(bucket: str, tmp_path: Path, pages: pa.Table) -> None:
    source = write_corpus(tmp_path / "in", pages.to_batches(max_chunksize=5), shard_rows=10)
    stages = (Signals((lengths,)), Keep((Rule("t.chars", at_least=100),)))
    for _ in range(2):
        run(stages, source, f"{bucket}/out")
    first, second = read_log(f"{bucket}/out")
    assert [len(first.units), len(second.units)] == [4, 4]
    assert all(unit["bytes_out"] > 0 for unit in first.units)
    assert second.end is not None
    assert second.end["splits"] == {"done": 0, "resumed": 4, "failed": 0, "left": 0}
    assert Corpus(f"{bucket}/out").num_rows == 30
