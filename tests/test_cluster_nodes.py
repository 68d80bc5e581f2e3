"""A run on a real cluster: nodes come and go, and what a GPU is for is all that a GPU is held for."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from curate.corpus import Corpus, write_corpus
from tests.faults.nodes import PATIENCE_S, SOON_DEAD, Nodes, lives, polled

RUN = """
import os, sys, time, uuid
from dataclasses import dataclass
from pathlib import Path
import pyarrow as pa
from curate.corpus import Corpus
from curate.document import with_columns
from curate.run import run
from curate.stage import Keep, Measure, Rule

@dataclass(frozen=True)
class Chars:
    def __call__(self, batch):
        return {"t.chars": pa.array([len(t) for t in batch["text"].to_pylist()], pa.int64())}

@dataclass(frozen=True)
class Seen:
    name: str
    seconds: float
    folder: str
    on_gpu: bool = False
    def __call__(self, batch):
        time.sleep(self.seconds)
        gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        if batch.num_rows and self.folder:
            Path(self.folder, f"{self.name}.{gpu}.{os.getppid()}.{uuid.uuid4().hex}").touch()
        return with_columns(batch, {f"t.{self.name}": pa.array(range(batch.num_rows), pa.int64())})
    def __repr__(self):
        return f"Seen({self.name})"

if __name__ == "__main__":
    source, out, seconds, folder, ray, num_gpus = sys.argv[1:]
    rules = Keep((Rule("t.chars", at_least=100),))
    stages = (Seen("text", float(seconds), folder), Measure((Chars(),)), rules, Seen("net", 0.0, folder, True), rules)
    run(stages, Corpus(source), out, ray=ray, num_gpus=float(num_gpus))
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Nodes]:
    """A head that has no CPU for tasks: all that runs, runs on nodes that a test adds."""
    with Nodes(0, cpus=0, settings=SOON_DEAD) as nodes:
        nodes.cpus = 1
        yield nodes


@pytest.fixture
def script(tmp_path: Path, pages: pa.Table) -> Path:
    write_corpus(tmp_path / "in", pages.to_batches(max_chunksize=2), shard_rows=2)
    path = tmp_path / "run_seen.py"
    path.write_text(RUN)
    return path


def command(script: Path, out: str, seconds: float, folder: str, ray: str = "none", num_gpus: float = 0) -> list[str]:
    arguments = [str(script.parent / "in"), str(script.parent / out), str(seconds), folder, ray, str(num_gpus)]
    return [sys.executable, str(script), *arguments]


def shards(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*.parquet"))}


def test_a_run_waits_for_the_first_node_follows_the_cluster_and_outlives_a_node(cluster: Nodes, script: Path) -> None:
    subprocess.run(command(script, "whole", 0.0, ""), check=True, capture_output=True)
    out = script.parent / "out"
    with subprocess.Popen(
        command(script, "out", 0.5, "", cluster.address), env=cluster.environment, stderr=subprocess.PIPE, text=True
    ) as run:
        for _ in polled():
            if list(out.glob("_log/*")):  # it has joined, and its tasks wait
                break
            assert run.poll() is None
        assert not list(out.rglob("*.parquet"))
        first = cluster.add()
        for _ in polled():
            if len(list(out.glob("*.parquet"))) >= 2:
                break
        second = cluster.add()
        for _ in polled():
            if cluster.busy(second):
                break
        cluster.kill(first)
        _, told = run.communicate(timeout=PATIENCE_S)
        assert run.returncode == 0, told[-2000:]
    assert not lives(first)
    assert shards(out) == shards(script.parent / "whole")
    assert len(Corpus(out).files) == 20


def test_reading_and_the_stages_before_hold_no_gpu_and_the_bytes_are_the_same(cluster: Nodes, script: Path) -> None:
    subprocess.run(command(script, "whole", 0.0, ""), check=True, capture_output=True)
    seen = script.parent / "seen"
    seen.mkdir()
    node = cluster.add(None, "--num-gpus=1")
    done = subprocess.run(
        command(script, "out", 0.0, str(seen), cluster.address, 1),
        env=cluster.environment, stderr=subprocess.PIPE, text=True, check=False, timeout=PATIENCE_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = [path.name.split(".")[:3] for path in seen.iterdir()]
    assert {gpu for name, gpu, _ in found if name == "text"} <= {"", "NoDevFiles"}
    assert {(gpu, int(parent)) for name, gpu, parent in found if name == "net"} == {("0", node.pid)}
    assert shards(script.parent / "out") == shards(script.parent / "whole")
