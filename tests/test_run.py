import json
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate import ledger
from curate.corpus import Corpus, write_corpus
from curate.document import Batch, with_columns
from curate.parquet import read_receipt
from curate.readers.jsonl import Jsonl
from curate.run import RunError, run
from curate.stage import Keep, Measure, Rule
from curate.tally import Tally


def lengths(batch: Batch) -> dict[str, pa.Array]:
    texts = batch["text"].to_pylist()
    return {
        "t.chars": pa.array([len(t) for t in texts], pa.int64()),
        "t.words": pa.array([len(t.split()) for t in texts], pa.int64()),
    }


@dataclass(frozen=True)
class Poisoned:
    """Fails on any batch that holds one of some ids."""

    ids: tuple[str, ...]

    def __call__(self, batch: Batch) -> Batch:
        if set(self.ids) & set(batch["id"].to_pylist()):
            raise ZeroDivisionError("division by zero")
        return with_columns(batch, {"t.seen": pa.array([True] * batch.num_rows, pa.bool_())})


STAGES = (Measure((lengths,)), Keep((Rule("t.chars", at_least=100), Rule("t.words", at_least=10))))


@pytest.fixture
def source(tmp_path: Path, pages: pa.Table) -> Corpus:
    return write_corpus(tmp_path / "in", pages.to_batches(max_chunksize=5), shard_rows=10)


def shards(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*.parquet"))}


def test_kept_and_dropped_together_are_the_input(tmp_path: Path, source: Corpus, pages: pa.Table) -> None:
    tally = run(STAGES, source, str(tmp_path / "out"))
    kept, dropped = Corpus(tmp_path / "out").table(), pq.read_table(tmp_path / "out/dropped")
    assert sorted(kept["id"].to_pylist() + dropped["id"].to_pylist()) == pages["id"].to_pylist()
    assert kept["id"].to_pylist() == [f"doc-{i:03}" for i in range(40) if i % 4]
    assert (tally.rows_in, tally.rows_out, tally.num_dropped) == (40, 30, 10)


def test_a_dropped_document_keeps_every_signal_and_every_broken_rule(tmp_path: Path, source: Corpus) -> None:
    run(STAGES, source, str(tmp_path / "out"))
    first = pq.read_table(tmp_path / "out/dropped").to_pylist()[0]
    assert first == {
        "id": "doc-000", "url": "http://127.0.0.1/0", "t.chars": 9, "t.words": 3, "dropped_by": ["t.chars", "t.words"]
    }  # fmt: skip


def test_the_text_of_dropped_documents_is_kept_on_request(tmp_path: Path, source: Corpus) -> None:
    run(STAGES, source, str(tmp_path / "out"), keep_text=True)
    assert pq.read_table(tmp_path / "out/dropped")["text"].to_pylist()[0] == "Buy now 0"


def test_tallies_count_overlaps_and_add_up_from_the_receipts(tmp_path: Path, source: Corpus) -> None:
    tally = run(STAGES, source, str(tmp_path / "out"))
    assert tally.broken == {"t.chars": 10, "t.words": 10}
    assert tally.alone == {}
    assert tally.together == {"t.chars & t.words": 10}
    assert ledger.tally(str(tmp_path / "out")) == tally
    assert Tally.from_json(json.loads(json.dumps(tally.to_json()))) == tally


def test_the_second_run_finds_everything_done(tmp_path: Path, source: Corpus) -> None:
    first = run(STAGES, source, str(tmp_path / "out"))
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "out").rglob("*.parquet")}
    assert run(STAGES, source, str(tmp_path / "out")) == first
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "out").rglob("*.parquet")} == before


def test_a_deleted_shard_is_made_again_with_the_same_bytes(tmp_path: Path, source: Corpus) -> None:
    run(STAGES, source, str(tmp_path / "out"))
    before = shards(tmp_path / "out")
    (tmp_path / "out/00001.parquet").unlink()
    run(STAGES, source, str(tmp_path / "out"))
    assert shards(tmp_path / "out") == before


def test_ray_with_two_workers_writes_the_same_bytes_as_this_process(
    tmp_path: Path, source: Corpus, local_ray: str
) -> None:
    here = run(STAGES, source, str(tmp_path / "here"))
    there = run(STAGES, source, str(tmp_path / "there"), ray=local_ray, workers=2)
    assert here == there
    assert shards(tmp_path / "here") == shards(tmp_path / "there")


def test_a_file_added_to_the_input_is_only_added(tmp_path: Path, source: Corpus, pages: pa.Table) -> None:
    run(STAGES, source, str(tmp_path / "out"))
    pq.write_table(pages, tmp_path / "in" / "more.parquet")
    assert run(STAGES, Corpus(tmp_path / "in"), str(tmp_path / "out")).rows_in == 80


def test_other_stages_into_the_same_folder_are_an_error(tmp_path: Path, source: Corpus) -> None:
    run(STAGES, source, str(tmp_path / "out"))
    with pytest.raises(ValueError, match=r"made by other stages; choose another output folder"):
        run(STAGES[:1], source, str(tmp_path / "out"))


def test_another_bound_into_the_same_folder_is_an_error_however_small_the_difference(
    tmp_path: Path, source: Corpus
) -> None:
    run((STAGES[0], Keep((Rule("t.chars", at_most=1_048_576),))), source, str(tmp_path / "out"))
    with pytest.raises(ValueError, match="made by other stages"):
        run((STAGES[0], Keep((Rule("t.chars", at_most=1_048_577),))), source, str(tmp_path / "out"))


def test_a_reader_with_other_settings_into_the_same_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a short text", "body": "a long text"}\n')
    run((Measure((lengths,)),), Jsonl(f"{tmp_path}/a.jsonl"), str(tmp_path / "out"))
    assert "source" not in (read_receipt(f"{tmp_path}/out/a.parquet") or {})["recipe"]
    with pytest.raises(ValueError, match=r"made by other stages(.|\n)*asked: .*'source': {'text_key': \"'body'\"}"):
        run((Measure((lengths,)),), Jsonl(f"{tmp_path}/a.jsonl", text_key="body"), str(tmp_path / "out"))
    own = str(tmp_path / "body")
    for _ in range(2):  # the second time finds it done
        assert run((Measure((lengths,)),), Jsonl(f"{tmp_path}/a.jsonl", text_key="body"), own).rows_out == 1


@pytest.mark.parametrize("below", ["in/clean", "in/clean/one"])
def test_an_output_inside_of_the_input_would_be_read_the_next_time_and_is_refused(
    tmp_path: Path, source: Corpus, below: str
) -> None:
    with pytest.raises(ValueError, match="is inside of the input and would become part of it; choose another one"):
        run(STAGES, source, f"{tmp_path}/{below}")
    assert [path.name for path in (tmp_path / "in").iterdir() if path.is_dir()] == []
    assert run(STAGES, source, f"{tmp_path}/in/_scratch").rows_out == 30  # which no reader takes for documents


def test_the_input_is_no_output(tmp_path: Path, source: Corpus) -> None:
    for same in (source, Corpus(source.files[0])):
        with pytest.raises(ValueError, match="is the input; choose another one"):
            run(STAGES, same, f"{tmp_path}/in/")


def test_a_file_with_a_hidden_name_becomes_a_shard_that_is_not_hidden(tmp_path: Path, pages: pa.Table) -> None:
    for name in ("_pages", ".pages"):
        pq.write_table(pages, tmp_path / f"{name}.parquet")
        run(STAGES, Corpus(tmp_path / f"{name}.parquet"), f"{tmp_path}/out{name}")
        assert sorted(Corpus(f"{tmp_path}/out{name}").receipts()) == ["pages"]


def test_another_input_into_the_same_folder_is_an_error(tmp_path: Path, source: Corpus, pages: pa.Table) -> None:
    run(STAGES, source, str(tmp_path / "out"))
    other = write_corpus(tmp_path / "other", pages.slice(0, 20).to_batches(), shard_rows=20)
    with pytest.raises(ValueError, match="3 shards that this input does not make"):
        run(STAGES, other, str(tmp_path / "out"))


def test_a_poison_record_is_quarantined_and_the_rest_goes_on(tmp_path: Path, source: Corpus) -> None:
    tally = run((Poisoned(("doc-007", "doc-023")), *STAGES), source, str(tmp_path / "out"))
    held = pq.read_table(tmp_path / "out/quarantine").to_pylist()
    assert [row["id"] for row in held] == ["doc-007", "doc-023"]
    assert held[0]["quarantined"] == "ZeroDivisionError in Poisoned: division by zero"
    assert (tally.num_quarantined, tally.rows_out) == (2, 28)
    assert Corpus(tmp_path / "out").table()["id"].to_pylist() == [
        f"doc-{i:03}" for i in range(40) if i % 4 and i not in (7, 23)
    ]


def test_a_stage_that_fails_on_every_row_fails_the_run_and_names_shard_stage_and_id(
    tmp_path: Path, source: Corpus, pages: pa.Table
) -> None:
    with pytest.raises(RunError, match=r"shard 00000, rows 0-10 \(first id doc-000\): Poisoned") as failed:
        run((Poisoned(tuple(pages["id"].to_pylist())),), source, str(tmp_path / "out"))
    assert len(failed.value.failures) == 4


def test_one_failed_split_leaves_the_others_done(tmp_path: Path, source: Corpus) -> None:
    poison = Poisoned(tuple(f"doc-{i:03}" for i in range(10, 20)))
    with pytest.raises(RunError, match="1 of 4 splits failed"):
        run((poison,), source, str(tmp_path / "out"))
    assert sorted(Corpus(tmp_path / "out").receipts()) == ["00000", "00002", "00003"]


def test_many_poison_records_are_a_fault_of_the_run(tmp_path: Path, source: Corpus) -> None:
    poison = Poisoned(tuple(f"doc-{i:03}" for i in range(0, 40, 3)))
    with pytest.raises(RunError, match=r"14 of 40 records are in .*quarantine: 14 x ZeroDivisionError"):
        run((poison,), source, str(tmp_path / "out"))


def test_keeping_nothing_is_an_error_unless_allowed(tmp_path: Path, source: Corpus) -> None:
    stages = (Measure((lengths,)), Keep((Rule("t.chars", at_least=10**9),)))
    with pytest.raises(RunError, match=r"no document was kept.*--allow-empty"):
        run(stages, source, str(tmp_path / "out"))
    assert run(stages, source, str(tmp_path / "out"), allow_empty=True).rows_out == 0
    assert Corpus(tmp_path / "out").schema.names == ["text", "id", "url", "t.chars", "t.words"]


def test_a_missing_column_shows_before_any_work(tmp_path: Path, source: Corpus) -> None:
    with pytest.raises(ValueError, match=r"no column 'web\.score'.*Its columns are: text, id, url"):
        run((Keep((Rule("web.score", at_least=3),)),), source, str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_limit_reads_no_more(tmp_path: Path, source: Corpus) -> None:
    assert run(STAGES, source, str(tmp_path / "out"), limit=13).rows_in == 13


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_that_leaves_nothing_is_refused(tmp_path: Path, source: Corpus, limit: int) -> None:
    with pytest.raises(ValueError, match=f"a limit of {limit} rows leaves nothing to read"):
        run(STAGES, source, str(tmp_path / "out"), limit=limit)


def test_the_receipt_says_how_the_shard_was_made(tmp_path: Path, source: Corpus) -> None:
    run(STAGES, source, str(tmp_path / "out"))
    receipt = read_receipt(str(tmp_path / "out/00002.parquet"))
    assert receipt is not None
    assert receipt["recipe"]["stages"][1] == "Keep(100 <= t.chars, 10 <= t.words)"
    assert receipt["split"]["num_rows"] == 10
