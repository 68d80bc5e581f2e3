"""`ray job submit -- python pipelines/fineweb_edu.py` against a running Ray, as on a cluster."""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from curate.corpus import Corpus
from pipelines.bare_machine import project_pages, topic_pages, write_warc

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"},
    "PATH": f"{BIN}:{os.environ['PATH']}",  # the job's `python`
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """The dashboard's address of a head node of our own, on ports of its own."""
    port, dashboard, agent = free_port(), free_port(), free_port()
    options = {
        "--port": port,
        "--dashboard-host": "127.0.0.1",
        "--dashboard-port": dashboard,
        "--dashboard-agent-listen-port": agent,
        "--num-cpus": 2,
    }
    command = [str(BIN / "ray"), "start", "--head", "--block", *(f"{k}={v}" for k, v in options.items())]
    with (tmp_path / "head.log").open("w") as log:
        head = subprocess.Popen(command, stdout=log, stderr=log, env=ENVIRONMENT)
        yield f"http://127.0.0.1:{dashboard}"
        head.terminate()  # it ends what it started
        head.wait(60)


def test_a_submitted_job_runs_the_pipeline_on_the_cluster(cluster: str, tmp_path: Path) -> None:
    pages = [*project_pages(), *topic_pages()]
    (tmp_path / "crawl").mkdir()
    for part in range(3):
        write_warc(tmp_path / f"crawl/part-{part}.warc.gz", pages[part::3])
    pipeline = f"python pipelines/fineweb_edu.py --input {tmp_path}/crawl --output {tmp_path}/edu --threshold 1"
    submit = [str(BIN / "ray"), "job", "submit", "--address", cluster, "--working-dir", str(ROOT), "--"]
    for _ in range(30):  # a head takes jobs some seconds after it is up
        done = subprocess.run(
            [*submit, *pipeline.split()], capture_output=True, text=True, check=False, env=ENVIRONMENT
        )
        if "Failed to connect" not in done.stderr and "No available agent" not in done.stderr:
            break
        time.sleep(2)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "succeeded" in done.stdout + done.stderr
    assert f"{tmp_path}/edu/1-clean: 3/3 splits, " in done.stdout + done.stderr, "the job's log says how far it is"
    assert sorted(Corpus(tmp_path / "edu/1-clean").receipts()) == ["part-0", "part-1", "part-2"]
    assert min(Corpus(tmp_path / "edu/4-edu").table(["int_score"])["int_score"].to_pylist()) >= 1
