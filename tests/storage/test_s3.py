"""From s3:// to s3:// on a real S3 server: the same rows, receipts and answers as on this machine's own disk."""

import io
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from curate.corpus import Corpus, write_corpus
from curate.dedup import dedup
from curate.parquet import read_receipt
from curate.readers import open_source
from curate.readers.html import Extract
from curate.run import run
from curate.storage import find, info, open_binary, upload
from curate.writer import ShardWriter
from pipelines.bare_machine import project_pages, write_warc
from tests.here import python


def contents(folder: str) -> dict[str, tuple[list[dict[str, Any]], dict[str, Any] | None]]:
    """Rows and receipt of each shard, evidence too."""
    found = {}
    for kind in ("", "/dropped", "/quarantine"):
        if not any(name.endswith(".parquet") for name in find(f"{folder}{kind}")):
            continue
        corpus = Corpus(f"{folder}{kind}")
        for split in corpus.splits():
            rows = [row for batch in corpus.read(split) for row in batch.to_pylist()]
            found[f"{kind}/{split.name}"] = (rows, read_receipt(split.path))
    return found


def test_the_pipeline_from_s3_to_s3_gives_the_bytes_of_a_local_run_and_the_verbs_read_them(
    here: None, client: Any, bucket: str, tmp_path: Path
) -> None:
    (tmp_path / "crawl").mkdir()
    write_warc(tmp_path / "crawl/a.warc.gz", islice(project_pages(), 40))
    client.upload_file(f"{tmp_path}/crawl/a.warc.gz", bucket.removeprefix("s3://"), "crawl/a.warc.gz")
    for place in (str(tmp_path), bucket):
        run((Extract(),), open_source(f"{place}/crawl"), f"{place}/docs")
    file_path = pa.array([f"{bucket}/crawl/a.warc.gz"] * Corpus(f"{tmp_path}/docs").num_rows)
    ours, there = Corpus(f"{tmp_path}/docs").table(), Corpus(f"{bucket}/docs").table()
    ours = ours.set_column(ours.schema.get_field_index("file_path"), "file_path", file_path)
    assert there.to_pylist() == ours.to_pylist(), "the crawl itself; file_path tells where it lies"

    write_corpus(tmp_path / "input", there.to_batches(max_chunksize=10), shard_rows=20)
    for file in (tmp_path / "input").iterdir():
        client.upload_file(str(file), bucket.removeprefix("s3://"), f"input/{file.name}")
    for place in (str(tmp_path), bucket):
        pipeline = ["pipelines/fineweb_edu.py", "--input", f"{place}/input", "--output", f"{place}/edu"]
        done = python(*pipeline, "--threshold", "1", "--ray", "none")
        assert done.returncode == 0, done.stderr[-3000:]
    made = objects(client, bucket, "edu/")
    assert made == {str(f.relative_to(tmp_path / "edu")): f.read_bytes() for f in files(tmp_path / "edu")}
    assert any(name.startswith("4-edu/") for name in made)

    one = Corpus(f"{bucket}/edu/4-edu").table(["id"])["id"][0].as_py()
    verbs = {
        "why": [one, f"{bucket}/edu"],
        "funnel": [f"{bucket}/edu"],
        "sample": [f"{bucket}/edu/4-edu", "-n", "2"],
        "report": [f"{bucket}/edu", "--out", f"{tmp_path}/report.html"],
        "tokenize": [f"{bucket}/edu/4-edu", "--out", f"{tmp_path}/tokens", "--vocab", "300"],
    }
    for verb, arguments in verbs.items():
        done = python("-m", "curate.cli", verb, *arguments)
        assert done.returncode == 0, f"{verb}: {done.stderr[-2000:]}{done.stdout[-500:]}"


def objects(client: Any, bucket: str, prefix: str) -> dict[str, bytes]:
    name = bucket.removeprefix("s3://")
    keys = [item["Key"] for item in client.list_objects_v2(Bucket=name, Prefix=prefix)["Contents"]]
    keys = [key for key in keys if "/_log/" not in key]
    return {key.removeprefix(prefix): client.get_object(Bucket=name, Key=key)["Body"].read() for key in keys}


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.parent.name != "_log"]


def test_dedup_against_an_index_on_s3_equals_one_on_disk(
    here: None, bucket: str, tmp_path: Path, pages: pa.Table
) -> None:
    half = pages.num_rows // 2
    for place in (bucket, str(tmp_path)):
        write_corpus(f"{place}/old", pages.slice(0, half).to_batches())
        write_corpus(f"{place}/new", pages.slice(half - 4).to_batches())
        for name in ("old", "new"):
            dedup(Corpus(f"{place}/{name}"), f"{place}/{name}-unique", index=f"{place}/index")
    for name in ("old-unique", "new-unique"):
        there, ours = contents(f"{bucket}/{name}"), contents(f"{tmp_path}/{name}")
        assert {k: rows for k, (rows, _) in there.items()} == {k: rows for k, (rows, _) in ours.items()}
        assert sum(len(rows) for rows, _ in ours.values()) > 0


def test_a_listing_is_fresh_after_another_process_has_written(
    here: None, bucket: str, client: Any, pages: pa.Table
) -> None:
    write_corpus(f"{bucket}/c", pages.to_batches())
    first = Corpus(f"{bucket}/c").files
    name = bucket.removeprefix("s3://")
    client.copy_object(Bucket=name, Key="c/00001.parquet", CopySource=f"{name}/c/00000.parquet")
    assert len(Corpus(f"{bucket}/c").files) == len(first) + 1
    assert info(f"{bucket}/c/00002.parquet") is None


def test_a_file_is_read_by_ranges_as_any_file_is(here: None, bucket: str, client: Any) -> None:
    data = bytes(range(256)) * 40
    client.put_object(Bucket=bucket.removeprefix("s3://"), Key="f", Body=data)
    for buffering in (0, 100):
        with open_binary(f"{bucket}/f", buffering) as file:
            assert file.seek(-5, io.SEEK_END) == len(data) - 5
            assert file.read(100) == data[-5:]
            assert file.read(1) == b""
            assert file.seek(3) == 3
            assert file.read(700) == data[3:703]
            assert file.read() == data[703:]


KILLED = """
import sys
from itertools import islice
from pathlib import Path
from curate.storage import upload
print("started", flush=True)
upload(Path(sys.argv[1]), sys.argv[2])
"""


def test_a_large_upload_goes_in_parts_and_a_killed_one_shows_nowhere(
    here: None, bucket: str, client: Any, tmp_path: Path, environment: dict[str, str]
) -> None:
    name = bucket.removeprefix("s3://")
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(120 * 2**20)  # parts are of 50 MiB
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(large), f"{bucket}/large"], stdout=subprocess.PIPE, env=environment
    )
    with process:
        while process.poll() is None and not client.list_multipart_uploads(Bucket=name).get("Uploads"):
            time.sleep(0.01)
        process.kill()
    assert len(client.list_multipart_uploads(Bucket=name)["Uploads"]) == 1, "what a rule of the bucket clears"
    assert info(f"{bucket}/large") is None
    assert client.list_objects_v2(Bucket=name)["KeyCount"] == 0
    upload(large, f"{bucket}/large")
    assert client.head_object(Bucket=name, Key="large")["ContentLength"] == 120 * 2**20
    assert client.head_object(Bucket=name, Key="large")["ETag"].endswith('-3"'), "three parts"


def test_of_two_writers_of_one_shard_on_s3_the_second_is_told(here: None, bucket: str, pages: pa.Table) -> None:
    def write(receipt: dict[str, Any]) -> None:
        with ShardWriter(f"{bucket}/c", "a", pages.schema) as writer:
            writer.write(pages.to_batches()[0])
            writer.commit(receipt, once=True)

    write({"recipe": 1})
    write({"recipe": 1})
    with pytest.raises(ValueError, match="another run of other stages"):
        write({"recipe": 2})
    assert read_receipt(f"{bucket}/c/a.parquet") == {"recipe": 1}
