"""Killed at any moment and run again with another number of workers, a run writes the same bytes."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest

from curate.corpus import write_corpus

RUN = """
import sys, time
from dataclasses import dataclass
import pyarrow as pa
from curate.corpus import Corpus
from curate.document import with_columns
from curate.run import run
from curate.stage import Keep, Measure, Rule

@dataclass(frozen=True)
class Slow:
    seconds: float
    def __call__(self, batch):
        time.sleep(self.seconds * batch.num_rows)
        return batch
    def __repr__(self):
        return "Slow()"

@dataclass(frozen=True)
class Chars:
    def __call__(self, batch):
        return {"t.chars": pa.array([len(t) for t in batch["text"].to_pylist()], pa.int64())}

if __name__ == "__main__":
    source, out, seconds, ray, workers = sys.argv[1:]
    stages = (Slow(float(seconds)), Measure((Chars(),)), Keep((Rule("t.chars", at_least=100),)))
    print("started", flush=True)
    run(stages, Corpus(source), out, ray=ray, workers=int(workers))
"""
KILLS = 20


def shards(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*.parquet"))}


@pytest.fixture
def script(tmp_path: Path, pages: pa.Table) -> Path:
    table = pa.concat_tables([pages] * 9)
    ids = pa.array([f"doc-{i:04}" for i in range(table.num_rows)])
    table = table.set_column(1, "id", ids).combine_chunks()
    write_corpus(tmp_path / "in", table.to_batches(max_chunksize=5), shard_rows=10)
    path = tmp_path / "run_slowly.py"
    path.write_text(RUN)
    return path


def command(script: Path, out: str, seconds: float, ray: str = "none", workers: int = 1) -> list[str]:
    folder = script.parent
    return [sys.executable, str(script), str(folder / "in"), str(folder / out), str(seconds), ray, str(workers)]


def kill_in_its_midst(seconds: float, arguments: list[str]) -> bool:
    """Start a run and kill it, with all it started, some seconds after its work began; tell whether it still ran."""
    process = subprocess.Popen(arguments, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        time.sleep(seconds)
        running = process.poll() is None
        if running:
            os.killpg(process.pid, signal.SIGKILL)
    return running


def test_twenty_kills_at_random_moments_leave_the_uninterrupted_result(script: Path) -> None:
    subprocess.run(command(script, "whole", 0.0), check=True, capture_output=True)
    moments, killed = random.Random(0), 0
    for _ in range(10 * KILLS):
        if kill_in_its_midst(moments.uniform(0, 0.3), command(script, "cut", 0.01)):
            killed += 1
        else:  # on a busy machine the moment came too late; from the beginning, then
            shutil.rmtree(script.parent / "cut")
        if killed == KILLS:
            break
    assert killed == KILLS, "the run must be slow enough to be killed in its midst"
    subprocess.run(command(script, "cut", 0.0), check=True, capture_output=True)
    assert shards(script.parent / "cut") == shards(script.parent / "whole")
    assert list((script.parent / "cut").rglob("*.tmp")) == []


def test_a_run_killed_here_resumes_on_ray_with_two_workers(script: Path) -> None:
    subprocess.run(command(script, "whole", 0.0), check=True, capture_output=True)
    assert kill_in_its_midst(0.3, command(script, "cut", 0.1))
    subprocess.run(command(script, "cut", 0.0, "local", 2), check=True, capture_output=True)
    assert shards(script.parent / "cut") == shards(script.parent / "whole")
