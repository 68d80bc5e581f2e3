"""Stores that fail: the same corpus in the end, or a clear error; a body cut short is never the end of a file."""

import contextlib
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from curate.corpus import Corpus, write_corpus
from tests.here import python
from tests.storage.faults import FAULTS, FaultProxy

RUN = """
import sys
from dataclasses import dataclass
import pyarrow as pa
from curate.readers import open_source
from curate.run import run
from curate.stage import Keep, Measure, Rule

@dataclass(frozen=True)
class Chars:
    def __call__(self, batch):
        return {"t.chars": pa.array([len(t) for t in batch["text"].to_pylist()], pa.int64())}

if __name__ == "__main__":
    source, out = sys.argv[1:]
    run((Measure((Chars(),)), Keep((Rule("t.chars", at_least=100),))), open_source(source), out)
"""
READ = """
import hashlib, sys
from curate.storage import open_binary
with open_binary(sys.argv[1], 10_000) as file:
    print(hashlib.sha256(file.read()).hexdigest())
"""


PATIENCE_S = 300  # of a program on a busy machine


class Started(subprocess.Popen[str]):
    """A Python program under way, with an environment of its own."""

    def __init__(self, program: str, *arguments: str, environment: dict[str, str]) -> None:
        command = [sys.executable, "-c", program, *arguments]
        super().__init__(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)

    def end(self) -> subprocess.CompletedProcess[str]:
        """Wait for it, and return what it said."""
        try:
            said = self.communicate(timeout=PATIENCE_S)
        finally:
            self.kill()
        return subprocess.CompletedProcess(self.args, self.returncode, *said)


def objects(client: Any, bucket: str, prefix: str) -> dict[str, bytes]:
    name = bucket.removeprefix("s3://")
    listed = client.list_objects_v2(Bucket=name, Prefix=prefix).get("Contents", [])
    keys = [item["Key"] for item in listed if "/_log/" not in item["Key"]]
    bodies = {key: client.get_object(Bucket=name, Key=key)["Body"].read() for key in keys}
    return {key.removeprefix(prefix): body for key, body in bodies.items()}


def fill(client: Any, bucket: str, pages: pa.Table) -> None:
    """Twelve shards, and the same documents as six JSONL files."""
    write_corpus(f"{bucket}/parquet", pages.to_batches(max_chunksize=4), shard_rows=4)
    for part in range(6):
        lines = "".join(json.dumps(row) + "\n" for row in pages.slice(part * 6, 6).to_pylist())
        client.put_object(Bucket=bucket.removeprefix("s3://"), Key=f"jsonl/{part}.jsonl", Body=lines.encode())


@pytest.mark.parametrize(("source", "seed"), [("parquet", 0), ("parquet", 1), ("jsonl", 2)])
def test_a_sixth_of_requests_failing_in_seven_ways_leaves_the_same_bytes(
    here: None,
    client: Any,
    bucket: str,
    pages: pa.Table,
    environment: dict[str, str],
    server: int,
    source: str,
    seed: int,
    tmp_path: Path,
) -> None:
    fill(client, bucket, pages)
    (tmp_path / "run.py").write_text(RUN)
    whole = python(tmp_path / "run.py", f"{bucket}/{source}", f"{bucket}/whole")
    assert whole.returncode == 0, whole.stderr[-2000:]
    with FaultProxy(server, share=1 / 6, seed=seed) as proxy:
        through = environment | {"AWS_ENDPOINT_URL": proxy.url}
        done = Started(RUN, f"{bucket}/{source}", f"{bucket}/through", environment=through).end()
    assert done.returncode == 0, done.stderr[-2000:]
    assert sum(proxy.done[fault] for fault in FAULTS) >= 5
    assert objects(client, bucket, "through/") == objects(client, bucket, "whole/")
    assert client.list_multipart_uploads(Bucket=bucket.removeprefix("s3://")).get("Uploads", []) == []


def test_a_store_that_always_fails_is_a_clear_error(
    here: None, client: Any, bucket: str, pages: pa.Table, environment: dict[str, str], server: int
) -> None:
    """In three ways side by side: each waits between its attempts."""
    fill(client, bucket, pages)
    with contextlib.ExitStack() as open_until_all_end:
        runs = {}
        for fault in ("500", "503", "reset"):
            proxy = open_until_all_end.enter_context(FaultProxy(server, share=1, faults=(fault,)))
            through = environment | {"AWS_ENDPOINT_URL": proxy.url, "AWS_MAX_ATTEMPTS": "1"}
            runs[fault] = Started(RUN, f"{bucket}/parquet", f"{bucket}/{fault}", environment=through)
        ends = {fault: run.end() for fault, run in runs.items()}
    for fault, done in ends.items():
        assert done.returncode != 0
        assert "could not be" in done.stderr
        assert "attempts" in done.stderr
        assert "attempt 2 of" in done.stderr, "each further attempt is told"
        assert objects(client, bucket, f"{fault}/") == {}


def test_short_bodies_that_claim_to_be_whole_are_asked_for_again(
    here: None, client: Any, bucket: str, environment: dict[str, str], server: int
) -> None:
    data = bytes(range(256)) * 400
    client.put_object(Bucket=bucket.removeprefix("s3://"), Key="f", Body=data)
    with FaultProxy(server, share=0.4, seed=3, faults=("short",)) as proxy:
        done = Started(READ, f"{bucket}/f", environment=environment | {"AWS_ENDPOINT_URL": proxy.url}).end()
    assert done.stdout.strip() == hashlib.sha256(data).hexdigest(), done.stderr[-1000:]
    assert proxy.done["short"] > 0
    assert "bytes came of" in done.stderr
    with FaultProxy(server, share=1, faults=("short",)) as proxy:
        never = Started(READ, f"{bucket}/f", environment=environment | {"AWS_ENDPOINT_URL": proxy.url}).end()
    assert never.returncode != 0
    assert "could not be read in 5 attempts" in never.stderr


def test_the_corpus_of_a_failing_store_never_looks_absent(
    here: None, bucket: str, pages: pa.Table, environment: dict[str, str], server: int
) -> None:
    write_corpus(f"{bucket}/c", pages.to_batches())
    assert Corpus(f"{bucket}/c").num_rows == 40
    show = "import sys; from curate.storage import info; print(info(sys.argv[1]))"
    with FaultProxy(server, share=1, faults=("500",)) as proxy:
        through = environment | {"AWS_ENDPOINT_URL": proxy.url, "AWS_MAX_ATTEMPTS": "1"}
        done = Started(show, f"{bucket}/c/00000.parquet", environment=through).end()
    assert done.returncode != 0
    assert "None" not in done.stdout
    assert "could not be looked up" in done.stderr
