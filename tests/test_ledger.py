from pathlib import Path

import pyarrow as pa
import pytest

from curate import ledger
from curate.corpus import Corpus, write_corpus
from curate.document import Batch, with_columns
from curate.run import run
from curate.stage import Keep, Measure, Rule


def chars(batch: Batch) -> dict[str, pa.Array]:
    return {"t.chars": pa.array([len(text) for text in batch["text"].to_pylist()], pa.int64())}


def scored(batch: Batch) -> Batch:
    return with_columns(batch, {"score": pa.array([float(i[-1]) for i in batch["id"].to_pylist()], pa.float32())})


@pytest.fixture
def finished(tmp_path: Path, pages: pa.Table) -> str:
    """A run of two steps: short pages leave in the first, those whose id ends in 0 or 1 in the second."""
    source = write_corpus(tmp_path / "in", pages.to_batches(max_chunksize=10), shard_rows=10)
    first = (Measure((chars,)), Keep((Rule("t.chars", at_least=100),)))
    run(first, source, f"{tmp_path}/run/1-clean", keep_text=True)
    second = (scored, Keep((Rule("score", at_least=2),)))
    run(second, Corpus(tmp_path / "run/1-clean"), f"{tmp_path}/run/2-scored")
    return f"{tmp_path}/run"


def test_the_funnel_has_a_line_for_each_step_that_dropped(finished: str) -> None:
    lines = [(line.corpus, line.documents) for line in ledger.funnel(finished)]
    assert lines == [("1-clean", 40), ("1-clean", 30), ("2-scored", 24)]


def test_why_tells_a_document_s_way_through_every_corpus(finished: str) -> None:
    events = [(event.corpus, event.decision) for event in ledger.why("doc-011", finished)]
    assert events == [("1-clean", "kept"), ("2-scored", "dropped")]
    (last,) = [event for event in ledger.why("doc-011", finished) if event.corpus == "2-scored"]
    assert last.row["dropped_by"] == ["score"]
    assert last.row["score"] == 1.0
    assert last.row["t.chars"] > 100


def test_why_finds_a_document_by_its_url(finished: str) -> None:
    (event,) = ledger.why("http://127.0.0.1/4", finished)
    assert (event.decision, event.row["id"], event.row["t.chars"]) == ("dropped", "doc-004", 9)


def test_an_unknown_document_is_said_to_be_unknown(finished: str) -> None:
    with pytest.raises(LookupError, match="no document with id or url 'doc-9'"):
        ledger.why("doc-9", finished)


def test_a_sample_of_what_a_rule_dropped_has_text_and_reason(finished: str) -> None:
    rows = ledger.sample(f"{finished}/1-clean", dropped_by="t.chars", n=3)
    assert len(rows) == 3
    assert all(row["text"].startswith("Buy now") and row["dropped_by"] == ["t.chars"] for row in rows)
    assert ledger.sample(f"{finished}/1-clean", dropped_by="t.chars", n=3) == rows


@pytest.mark.parametrize(("score", "expected"), [(">=9", {9.0}), ("<3", {2.0}), ("==5", {5.0})])
def test_a_sample_by_score_holds_its_condition(finished: str, score: str, expected: set[float]) -> None:
    assert {row["score"] for row in ledger.sample(f"{finished}/2-scored", score=score)} == expected


def test_a_condition_that_does_not_read_is_explained(finished: str) -> None:
    with pytest.raises(ValueError, match="should look like '>=3'"):
        ledger.sample(f"{finished}/2-scored", score="three")


def test_a_folder_without_runs_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no corpus that a run of curate wrote"):
        ledger.funnel(str(tmp_path))
