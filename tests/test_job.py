"""Jobs on a cluster: head, worker and job as docker/compose.yaml says, and `ray job submit` of a working tree.

They are started on this machine's free ports in place of the containers' own.
"""

import http.client
import json
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from curate.corpus import Corpus
from pipelines.bare_machine import gather, project_pages, topic_pages, write_warc
from tests.ports import free_port
from tests.test_docker import BIN, COMPOSE, DOCKER, ROOT, commands

# --- the health check ------------------------------------------------------------------------------------------------


def check(*ports: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(DOCKER / "healthy.py"), *map(str, ports)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_node_that_does_not_answer_is_not_healthy() -> None:
    port = free_port()
    done = check(port)
    assert done.returncode == 1
    assert f"port {port}: ConnectionRefusedError" in done.stdout


def test_a_node_that_says_it_is_ill_is_not_healthy_though_its_dashboard_is() -> None:
    class Ill(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503 if self.path == "/api/healthz" else 200)
            self.end_headers()
            self.wfile.write(b"raylet: Local Raylet failed")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Ill) as server:
        answering = Thread(target=server.serve_forever)
        answering.start()
        done = check(server.server_port, server.server_port)
        server.shutdown()
        answering.join()
    assert done.returncode == 1
    assert done.stdout == f"port {server.server_port}: 503 raylet: Local Raylet failed\n"


# --- the cluster ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cluster:
    """Where the containers' addresses are on this machine, and the secret that compose would mount."""

    gcs: int
    dashboard: int
    head_agent: int
    worker_agent: int
    environment: dict[str, str]

    def command(self, words: list[str], agent: int | None = None) -> list[str]:
        """A service's command, with this machine's addresses in place of the containers'."""
        swaps = {
            "--port=6379": f"--port={self.gcs}",
            "--address=head:6379": f"--address=127.0.0.1:{self.gcs}",
            "--dashboard-host=0.0.0.0": "--dashboard-host=127.0.0.1",
            "--dashboard-port=8265": f"--dashboard-port={self.dashboard}",
            "--dashboard-agent-listen-port=52365": f"--dashboard-agent-listen-port={agent or self.head_agent}",
            "--address=http://head:8265": f"--address=http://127.0.0.1:{self.dashboard}",
        }
        defaults = [re.sub(r"\$\{\w+:-(\w*)\}", r"\1", word) for word in words]
        return [swaps.get(word, word) for word in defaults]

    def run(self, words: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(words), cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False
        )


def wait_until_healthy(node: subprocess.Popen[bytes], log: Path, *ports: int) -> None:
    for _ in range(180):
        if check(*ports).returncode == 0:
            return
        if node.poll() is not None:
            break
        time.sleep(0.5)
    pytest.fail(f"a node did not become healthy: {check(*ports).stdout}{log.read_text()[-3000:]}")


def wait_until_listed(up: Cluster, nodes: int) -> None:
    """`ray status` prints the head's last report, which a node that already answers may not have reached yet."""
    for _ in range(60):
        asked = up.run(["ray", "status", f"--address=127.0.0.1:{up.gcs}"])
        if len(re.findall(r"1 node_", asked.stdout)) == nodes:
            return
        time.sleep(1)
    pytest.fail(f"the cluster does not list {nodes} nodes: {asked.stdout}{asked.stderr}")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A head and a worker, started as compose.yaml starts them, in its order; both end with the tests."""
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "ray_token").write_text(secrets.token_hex(32))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment |= COMPOSE["services"]["head"]["environment"]
    environment |= {"RAY_AUTH_TOKEN_PATH": str(folder / "ray_token"), "PATH": f"{BIN}:{os.environ['PATH']}"}
    up = Cluster(free_port(), free_port(), free_port(), free_port(), environment)
    nodes: list[subprocess.Popen[bytes]] = []
    try:
        for name, agent in (("head", up.head_agent), ("worker", up.worker_agent)):
            log = folder / f"{name}.log"
            with log.open("w") as out:
                command = up.command(COMPOSE["services"][name]["command"], agent)
                nodes.append(subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out, env=environment))
            wait_until_healthy(nodes[-1], log, agent, *([up.dashboard] if name == "head" else []))
        wait_until_listed(up, 2)
        yield up
    finally:
        for node in reversed(nodes):
            node.terminate()  # what tini hands on when a container is stopped
            node.wait(60)


def test_the_health_checks_of_head_and_worker_pass(cluster: Cluster) -> None:
    test = COMPOSE["services"]["head"]["healthcheck"]["test"]
    assert test == ["CMD", "python", "healthy.py", "52365", "8265"]
    assert check(cluster.head_agent, cluster.dashboard).stdout == "healthy\n"
    assert check(cluster.worker_agent).returncode == 0


def test_the_workers_alone_have_processors_for_splits(cluster: Cluster) -> None:
    asked = cluster.run(["ray", "status", f"--address=127.0.0.1:{cluster.gcs}"])
    assert re.search(r"/2\.0 CPU", asked.stdout), asked.stdout + asked.stderr  # the worker's WORKER_CPUS, the head's 0
    assert len(re.findall(r"1 node_", asked.stdout)) == 2


def test_the_dashboard_takes_no_job_without_the_token(cluster: Cluster) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", cluster.dashboard, timeout=60)
    connection.request("POST", "/api/jobs/", body=json.dumps({"entrypoint": "true"}))
    assert connection.getresponse().status == 401
    connection.close()


def test_the_job_of_the_readme_writes_the_corpus(cluster: Cluster, tmp_path: Path) -> None:
    gather(tmp_path / "runs/demo/input", num_modules=150, num_files=1)  # what the demo leaves
    (line,) = [line for line in commands() if "pipelines/fineweb_edu.py" in line]
    submit = [f"{tmp_path}/{word}" if word.startswith("runs/") else word for word in line[line.index("ray") :]]
    done = cluster.run(submit)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert Corpus(tmp_path / "runs/edu/4-edu").num_rows > 0


def test_the_demo_service_submits_a_job_that_finds_the_pipeline(cluster: Cluster) -> None:
    done = cluster.run([*COMPOSE["services"]["demo"]["command"], "--help"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Curate pages and code into a corpus" in done.stdout


# --- a working tree --------------------------------------------------------------------------------------------------


@pytest.fixture
def head(tmp_path: Path) -> Iterator[Cluster]:
    """One node for all: two nodes of one machine unpack what a job brings into the same folder, one over the other."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    environment["PATH"] = f"{BIN}:{os.environ['PATH']}"  # the job's `python`
    up = Cluster(free_port(), free_port(), free_port(), 0, environment)
    log = tmp_path / "head.log"
    command = up.command([*COMPOSE["services"]["head"]["command"], "--num-cpus=2"])
    with log.open("w") as out:
        node = subprocess.Popen(command, stdout=out, stderr=out, env=environment)
    try:
        wait_until_healthy(node, log, up.head_agent, up.dashboard)
        yield up
    finally:
        node.terminate()  # it ends what it started
        node.wait(60)


def test_a_submitted_job_brings_its_files_and_says_how_far_it_is(head: Cluster, tmp_path: Path) -> None:
    pages = [*project_pages(), *topic_pages()]
    (tmp_path / "crawl").mkdir()
    for part in range(3):
        write_warc(tmp_path / f"crawl/part-{part}.warc.gz", pages[part::3])
    submit = ["ray", "job", "submit", "--address=http://head:8265", "--working-dir", str(ROOT), "--"]
    places = ["--input", f"{tmp_path}/crawl", "--output", f"{tmp_path}/edu"]
    done = head.run([*submit, "python", "pipelines/fineweb_edu.py", *places, "--threshold", "1"])
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "succeeded" in done.stdout + done.stderr
    assert f"{tmp_path}/edu/1-clean: 3/3 splits, " in done.stdout + done.stderr, "the job's log says how far it is"
    assert sorted(Corpus(tmp_path / "edu/1-clean").receipts()) == ["part-0", "part-1", "part-2"]
    assert min(Corpus(tmp_path / "edu/4-edu").table(["int_score"])["int_score"].to_pylist()) >= 1
