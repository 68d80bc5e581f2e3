"""Annotation against a real server process that bills, fails 30 % of requests, and outlives its client."""

import json
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pyarrow as pa
import pytest

from curate.corpus import Corpus, write_corpus

ROOT = Path(__file__).parents[2]
N, IN_FLIGHT = 400, 16
RUN = f"""
import sys
from curate.corpus import Corpus
from curate.teacher.annotate import annotate
from curate.teacher.client import OpenAITeacher
from curate.teacher.rubric import WEB_EDU
corpus, out, url = sys.argv[1:]
teacher = OpenAITeacher(url, "m", max_in_flight={IN_FLIGHT}, max_retries=20, backoff_s=0.001)
print(annotate(Corpus(corpus), out, rubric=WEB_EDU, teacher=teacher, n={N}, chunk_rows=64))
"""


@pytest.fixture
def serve():
    processes = []

    def start(*options):
        command = [sys.executable, "-m", "curate.teacher.fake_server", *options]
        processes.append(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True))
        return processes[-1].stdout.readline().strip()

    yield start
    for process in processes:
        process.terminate()
        process.stdout.close()
        process.wait()


def bill(url):
    with urllib.request.urlopen(url.removesuffix("/v1") + "/bill") as response:
        return json.load(response)


def start(tmp_path, url):
    texts = [f"Page {i}." for i in range(N)]
    if not (tmp_path / "corpus").exists():
        write_corpus(tmp_path / "corpus", pa.table({"text": texts, "id": texts}).to_batches())
    command = [sys.executable, "-c", RUN, str(tmp_path / "corpus"), str(tmp_path / "labels"), url]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def stop(process, url, number, after):
    """Send a signal once the server billed `after` prompts; return (exit status, stderr)."""
    while bill(url)["prompts"] < after:
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    process.send_signal(number)
    _, errors = process.communicate(timeout=300)
    return process.returncode, errors


def finished(tmp_path, url):
    process = start(tmp_path, url)
    shown, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    table = Corpus(str(tmp_path / "labels")).table()
    assert sorted(table["id"].to_pylist()) == sorted(f"Page {i}." for i in range(N))  # each once, none lost
    assert table["score"].null_count == 0
    return table, shown


def test_killed_twice_each_document_is_annotated_once_and_billed_once_where_keys_are_honoured(tmp_path, serve):
    url = serve("--fail", "0.3", "--idempotent", "--delay-s", "0.01")
    for after in (N // 3, 2 * N // 3):
        assert stop(start(tmp_path, url), url, signal.SIGKILL, after)[0] == -signal.SIGKILL
    table, _ = finished(tmp_path, url)
    paid = bill(url)
    assert (paid["billed"], paid["billed_again"]) == (N, 0)
    assert paid["faults"]["lost"] > 0  # answers that were billed and never arrived, sent again for nothing
    assert sum(table["unknown_tries"].to_pylist()) >= paid["faults"]["lost"]


def test_where_keys_are_ignored_no_more_is_paid_twice_than_is_reported(tmp_path, serve):
    url = serve("--fail", "0.3", "--delay-s", "0.01")
    for after in (N // 3, 2 * N // 3):
        stop(start(tmp_path, url), url, signal.SIGKILL, after)
    table, shown = finished(tmp_path, url)
    paid, unknown = bill(url), sum(table["unknown_tries"].to_pylist())
    assert 0 < paid["billed_again"] <= unknown
    assert paid["billed_again"] <= paid["faults"]["lost"] + 2 * IN_FLIGHT
    assert f"{unknown:,} requests had no known end" in shown


def test_without_faults_a_kill_costs_at_most_what_was_on_the_wire(tmp_path, serve):
    url = serve("--delay-s", "0.02")
    stop(start(tmp_path, url), url, signal.SIGKILL, N // 2)
    table, _ = finished(tmp_path, url)
    unknown = sum(table["unknown_tries"].to_pylist())
    assert bill(url)["billed_again"] <= unknown <= IN_FLIGHT


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, -signal.SIGINT)])
def test_a_polite_stop_waits_for_the_wire_and_loses_nothing_even_without_keys(tmp_path, serve, number, status):
    url = serve("--delay-s", "0.05")
    left, errors = stop(start(tmp_path, url), url, number, N // 3)
    assert left in (status, 128 + number, 1)
    assert "answers on the wire; once more to leave at once" in errors
    halfway = Corpus(str(tmp_path / "labels")).table(["weight"])
    assert N // 3 <= len(halfway) == bill(url)["billed"] < N
    assert sum(halfway["weight"].to_pylist()) == pytest.approx(N)  # what is there stands for the whole corpus
    table, shown = finished(tmp_path, url)
    paid = bill(url)
    assert (paid["billed"], paid["billed_again"]) == (N, 0)
    assert set(table["weight"].to_pylist()) == {1.0}
    assert "no known end" not in shown
