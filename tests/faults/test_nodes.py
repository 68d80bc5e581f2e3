"""Nodes and drivers that die in the midst of the work of a real Ray cluster of three nodes: the same bytes in the end.

A stage holds every split up until a file appears, so that what dies dies in the midst of a split, however slow or quick
the machine is.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from curate.corpus import write_corpus
from tests.faults.nodes import Nodes, children, polled, skewing

NUM_SPLITS = 8
PROGRAM = """
import os, sys, time
from dataclasses import dataclass
from pathlib import Path
import pyarrow as pa
from curate.corpus import Corpus
from curate.document import with_columns
from curate.run import run
from curate.stage import Keep, Measure, Rule

@dataclass(frozen=True)
class Held:
    folder: str
    def __call__(self, batch):
        if batch.num_rows:
            Path(self.folder, f"began-{os.getpid()}").touch()
        while batch.num_rows and not Path(self.folder, "go").exists():
            time.sleep(0.02)
        return batch
    def __repr__(self):
        return "Held()"

@dataclass(frozen=True)
class Chars:
    def __call__(self, batch):
        return {"t.chars": pa.array([len(t) for t in batch["text"].to_pylist()], pa.int64())}

if __name__ == "__main__":
    source, out, folder, ray = sys.argv[1:]
    run((Held(folder), Measure((Chars(),)), Keep((Rule("t.chars", at_least=100),))), Corpus(source), out, ray=ray)
"""


def shards(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.parquet")}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Nodes]:
    with Nodes(2) as nodes:
        yield nodes


class Job:
    """A script, its input, what it makes undisturbed, and the file that lets it go on."""

    def __init__(self, folder: Path, pages: pa.Table) -> None:
        self.folder = folder
        write_corpus(folder / "in", pages.to_batches(max_chunksize=5), shard_rows=pages.num_rows // NUM_SPLITS)
        (folder / "job.py").write_text(PROGRAM)
        (folder / "open").mkdir()
        (folder / "open/go").touch()
        with self.start("whole", "open", "none", {**os.environ}) as undisturbed:
            assert undisturbed.wait(300) == 0, self.said()
        (folder / "held").mkdir()

    @contextlib.contextmanager
    def start(self, out: str, gate: str, ray: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
        """Run the script; it ends with this block, however that ends."""
        names = [f"{self.folder}/{name}" for name in ("job.py", "in", out, gate)]
        with (self.folder / "log").open("ab") as log:
            driver = subprocess.Popen([sys.executable, *names, ray], stdout=log, stderr=log, env=environment)
        try:
            yield driver
        finally:
            driver.kill()
            driver.wait()

    def at_work(self) -> set[int]:
        """The processes that are held up in the midst of a split."""
        return {int(path.name.removeprefix("began-")) for path in (self.folder / "held").glob("began-*")}

    def go(self) -> None:
        (self.folder / "held/go").touch()

    def said(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-3000:]


@pytest.fixture
def job(tmp_path: Path, pages: pa.Table) -> Job:
    return Job(tmp_path, pages)


def test_a_node_killed_in_the_midst_of_a_split_and_another_whose_clock_is_an_hour_off_change_nothing(
    cluster: Nodes, job: Job
) -> None:
    skew = skewing(job.folder)
    if skew is None:
        pytest.skip("no C compiler to shift a clock with")
    with job.start("out", "held", cluster.address, cluster.environment) as driver:
        for _ in polled():
            struck = [node for node in cluster.nodes if {p.pid for p in children(node)} & job.at_work()]
            if struck or driver.poll() is not None:
                break
        assert struck, job.said()
        cluster.kill(struck[0])
        cluster.add({"LD_PRELOAD": str(skew), "CLOCK_SKEW_S": "3600"})
        for _ in polled():  # a worker of the new node is in the midst of a split, too
            if {p.pid for p in children(cluster.nodes[-1])} & job.at_work() or driver.poll() is not None:
                break
        job.go()
        assert driver.wait(300) == 0, job.said()
    assert shards(job.folder / "out") == shards(job.folder / "whole")
    assert list((job.folder / "out").rglob("*.tmp")) == []


def test_a_driver_killed_with_work_under_way_and_started_again_at_once_ends_with_the_same(
    cluster: Nodes, job: Job
) -> None:
    with job.start("out", "held", cluster.address, cluster.environment) as driver:
        for _ in polled():
            if len(job.at_work()) >= 2 or driver.poll() is not None:
                break
        assert driver.poll() is None, job.said()
        driver.send_signal(signal.SIGKILL)
    orphans = job.at_work()
    with job.start("out", "held", cluster.address, cluster.environment) as driver:
        for _ in polled():
            if job.at_work() - orphans or driver.poll() is not None:
                break
        assert driver.poll() is None, job.said()
        job.go()
        assert driver.wait(300) == 0, job.said()
    assert shards(job.folder / "out") == shards(job.folder / "whole")
    assert list((job.folder / "out").rglob("*.tmp")) == []
