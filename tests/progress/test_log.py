"""What a run writes down: one file each time, whole lines, at a place that readers of the corpus leave out."""

import json
import logging
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import fsspec
import pyarrow as pa
import pytest
from datasets import load_dataset

from curate.corpus import Corpus, write_corpus
from curate.document import Batch, with_columns
from curate.progress import LOG, Failure, Progress, RunLog, events, read_log
from curate.progress.log import PART_SHARE
from curate.run import RunError, run
from curate.stage import Keep, Measure, Rule


def lengths(batch: Batch) -> dict[str, pa.Array]:
    return {"t.chars": pa.array([len(text) for text in batch["text"].to_pylist()], pa.int64())}


@dataclass(frozen=True)
class Broken:
    """Fails on the first document of the second shard, whatever is done."""

    def __call__(self, batch: Batch) -> Batch:
        if "doc-010" in batch["id"].to_pylist():
            raise OSError("the model's file\nis gone")
        return with_columns(batch, {"t.seen": pa.array([True] * batch.num_rows, pa.bool_())})


STAGES = (Measure((lengths,)), Keep((Rule("t.chars", at_least=100),)))


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def source(tmp_path: Path, pages: pa.Table) -> Corpus:
    """40 documents in four shards; those of every fourth are shorter than 100 characters."""
    return write_corpus(tmp_path / "in", pages.to_batches(max_chunksize=5), shard_rows=10)


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """A folder of a store that can only write whole files."""
    folder = f"memory://{uuid.uuid4().hex}"
    yield folder
    fsspec.filesystem("memory").rm(folder, recursive=True)


def test_a_run_tells_its_start_each_split_and_its_end(tmp_path: Path, source: Corpus) -> None:
    run(STAGES, source, str(tmp_path / "out"))
    (told,) = read_log(str(tmp_path / "out"))
    assert (told.start["verb"], told.start["splits"]) == ("run", 4)
    assert told.start["recipe"]["stages"][1] == "Keep(100 <= t.chars)"
    assert {"python", "curate", "pyarrow", "ray"} == set(told.start["versions"])
    assert told.start["bytes"] == sum(split.num_bytes for split in source.splits())
    assert sorted(unit["name"] for unit in told.units) == ["00000", "00001", "00002", "00003"]
    third = next(unit for unit in told.units if unit["name"] == "00002")
    kept = [f"doc-{i:03}" for i in range(20, 30) if i % 4]
    assert third["rows"] == {"in": 10, "kept": len(kept), "dropped": 10 - len(kept), "quarantined": 0}
    files = [tmp_path / "out/00002.parquet", tmp_path / "out/dropped/00002.parquet"]
    assert third["bytes_out"] == sum(file.stat().st_size for file in files)
    assert third["text_bytes"][0] == sum(len(row["text"]) for row in source.table().slice(20, 10).to_pylist())
    assert third["worker"].endswith(f":{os.getpid()}")
    assert third["peak_bytes"] > 2**20
    assert told.end is not None
    assert told.end["state"] == "done"
    assert told.end["splits"] == {"done": 4, "resumed": 0, "failed": 0, "left": 0}
    assert told.end["rows"] == {"in": 40, "kept": 30, "dropped": 10, "quarantined": 0}


def test_the_parts_of_a_split_are_reading_its_stages_and_writing_and_no_more_than_the_whole(
    tmp_path: Path, source: Corpus
) -> None:
    run(STAGES, source, str(tmp_path / "out"))
    for unit in read_log(str(tmp_path / "out"))[0].units:
        assert [part[0] for part in unit["parts"]] == ["reading", "Measure", "Keep", "writing"]
        assert [part[3] for part in unit["parts"]] == [10, 10, 10, 10]
        assert unit["parts"][1][4] == unit["text_bytes"][0]
        assert 0 < sum(part[1] for part in unit["parts"]) <= unit["seconds"]
        assert all(0 <= first <= seconds for _, seconds, _, _, _, first in unit["parts"])


def test_every_invocation_has_a_file_and_a_resumed_split_is_told_as_such(tmp_path: Path, source: Corpus) -> None:
    out = tmp_path / "out"
    run(STAGES, source, str(out))
    before = {file.name: file.read_bytes() for file in out.glob("**/*.parquet")}
    (out / "00003.parquet").unlink()
    run(STAGES, source, str(out))
    first, second = read_log(str(out))
    assert first.start["unix"] < second.start["unix"]
    assert {unit["name"]: unit.get("resumed", False) for unit in second.units} == {
        "00000": True, "00001": True, "00002": True, "00003": False,
    }  # fmt: skip
    assert second.end is not None
    assert second.end["splits"] == {"done": 1, "resumed": 3, "failed": 0, "left": 0}
    assert {file.name: file.read_bytes() for file in out.glob("**/*.parquet")} == before


def test_a_failed_split_tells_its_stage_its_error_in_one_line_and_its_traceback(tmp_path: Path, source: Corpus) -> None:
    with pytest.raises(RunError) as raised:
        run((*STAGES, Broken()), source, str(tmp_path / "out"))
    (told,) = read_log(str(tmp_path / "out"))
    (failed,) = told.failures
    assert (failed["name"], failed["stage"]) == ("00001", "Broken")
    assert failed["error"] == "the model's file is gone"
    assert "raise OSError" in failed["traceback"]
    assert told.end is not None
    assert (told.end["state"], told.end["splits"]["failed"]) == ("failed", 1)
    assert raised.value.failures == {"00001": Failure(failed["error"], "Broken", failed["traceback"])}
    assert raised.value.log == f"{tmp_path}/out/{LOG}/{told.id}.log"
    assert Path(raised.value.log).exists()


def test_a_run_that_is_refused_before_any_work_leaves_nothing(tmp_path: Path, source: Corpus) -> None:
    with pytest.raises(ValueError, match="need an engine"):
        run(STAGES, source, str(tmp_path / "out"), workers=4)
    assert not (tmp_path / "out").exists()


def test_readers_of_the_corpus_do_not_see_the_log(tmp_path: Path, source: Corpus) -> None:
    for _ in range(3):  # more logs than shards of documents in the folder itself
        run(STAGES, write_corpus(tmp_path / "one", source.batches(), shard_rows=100), str(tmp_path / "out"))
    assert len(list((tmp_path / "out" / LOG).iterdir())) == 3
    assert Corpus(tmp_path / "out").num_rows == 30
    count = duckdb.sql(f"select count(*) from '{tmp_path}/out/*.parquet'").fetchall()
    assert count == [(30,)]
    for file in (tmp_path / "out/dropped").iterdir():  # evidence, which `datasets` does not know for what it is
        file.unlink()
    found = load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert found["train"].num_rows == 30


KILLED = """
import os, signal, sys
from curate.progress import Progress, RunLog
log = RunLog(sys.argv[1], "run")
log.start(splits=3)
progress = Progress("x", 3, 3, log=log)
progress.split(1, 5, name="a", rows={"in": 5})
progress.split(1, 7, name="b", rows={"in": 7})
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_has_told_all_that_was_done(tmp_path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False).returncode == -9
    (told,) = read_log(str(tmp_path))
    assert [(unit["name"], unit["rows"]) for unit in told.units] == [("a", {"in": 5}), ("b", {"in": 7})]
    assert told.end is None


def test_half_a_line_at_the_end_is_left_out_and_damage_elsewhere_is_named(tmp_path: Path) -> None:
    file = tmp_path / LOG / "20261121T130000Z-00000000.log"
    file.parent.mkdir()
    whole = b'{"event": "start", "at": 0.0}\n{"event": "split", "at": 1.0, "name": "a"}\n'
    for cut in range(len(whole)):
        file.write_bytes(whole[:cut])
        assert len(list(events(str(file)))) == whole[:cut].count(b"}")
    file.write_bytes(b'{"event": "sta\n' + whole)
    with pytest.raises(ValueError, match=r"00000000\.log, line 1 is no JSON"):
        read_log(str(tmp_path))


def test_a_folder_without_a_log_has_no_runs(tmp_path: Path) -> None:
    assert read_log(str(tmp_path)) == []


def test_a_log_that_cannot_be_written_is_told_once_and_stops_nothing(
    tmp_path: Path, source: Corpus, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / LOG).write_text("a file where the folder should be")
    assert run(STAGES, source, str(out)).rows_out == 30
    (warning,) = [record for record in caplog.records if record.name.startswith("curate.progress")]
    assert "no further log of this run can be written" in warning.getMessage()
    assert "the run itself goes on" in warning.getMessage()


def test_a_full_disk_ends_the_log_alone(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    log = RunLog(str(tmp_path), "run")
    log.start()
    log.begin()
    (file,) = (tmp_path / LOG).iterdir()
    log.close()
    full = RunLog(str(tmp_path), "run")
    full._file = Path("/dev/full").open("ab", buffering=0)  # noqa: SIM115  closed with the log
    with caplog.at_level(logging.WARNING):
        for name in "abc":
            full.write("split", name=name)
    full.close()
    assert len(caplog.records) == 1
    assert [line["event"] for line in events(str(file))] == ["start"]


def test_elsewhere_parts_are_written_once_each_ever_more_rarely_and_read_as_one(elsewhere: str) -> None:
    clock = Clock()
    log = RunLog(elsewhere, "run", clock)
    log.start(splits=5000)
    for number in range(5000):  # a split every 30 seconds: almost two days
        clock.now += 30
        log.write("split", name=f"{number}")
        log.flush()
    log.close()
    parts = fsspec.filesystem("memory").find(f"{elsewhere}/{LOG}")
    # one every ten minutes until that is 1 % of the time, then at each 1.01-fold of it
    assert len(parts) < 60000 / 600 + 1 + 1 / PART_SHARE
    (told,) = read_log(elsewhere)
    assert [unit["name"] for unit in told.units] == [f"{number}" for number in range(5000)]


def test_a_run_elsewhere_is_logged_there(elsewhere: str, source: Corpus) -> None:
    run(STAGES, source, f"{elsewhere}/out")
    (told,) = read_log(f"{elsewhere}/out")
    assert len(told.units) == 4
    assert told.end is not None
    assert Corpus(f"{elsewhere}/out").num_rows == 30


def test_phases_are_told_apart(tmp_path: Path) -> None:
    log = RunLog(str(tmp_path), "dedup")
    log.start()
    with log:
        for phase in ("signing", "writing"):
            with Progress("x", 2, 2, log=log, phase=phase) as progress:
                progress.split(1, 10, name=f"{phase} 0")
                progress.split(1, 10, name=f"{phase} 1")
    (told,) = read_log(str(tmp_path))
    assert [(unit["phase"], unit["name"]) for unit in told.units][:2] == [
        ("signing", "signing 0"),
        ("signing", "signing 1"),
    ]
    assert [phase["phase"] for phase in told.phases] == ["signing", "writing"]
    assert told.end is not None
    assert told.end["state"] == "done"
    lines = [json.loads(line) for line in next((tmp_path / LOG).iterdir()).read_text().splitlines()]
    assert [line["event"] for line in lines] == ["start", *["phase", "split", "split", "phase_end"] * 2, "end"]
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)
