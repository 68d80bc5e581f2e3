"""Full disks, damaged files, two runs at once, wrong clocks: equal output or a clear error, nothing half-written."""

import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.corpus import Corpus, write_corpus
from curate.document import Batch
from curate.parquet import read_receipt
from curate.run import RunError, run
from curate.stage import Keep, Measure, Rule
from curate.writer import ShardWriter


@dataclass(frozen=True)
class Chars:
    def __call__(self, batch: Batch) -> dict[str, pa.Array]:
        return {"t.chars": pa.array([len(t) for t in batch["text"].to_pylist()], pa.int64())}


def stages(at_least: int = 100) -> tuple[Measure, Keep]:
    return Measure((Chars(),)), Keep((Rule("t.chars", at_least=at_least),))


def shards(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*.parquet"))}


def flip(path: Path, place: int) -> None:
    """Turn round the bits of one byte."""
    data = bytearray(path.read_bytes())
    data[place] ^= 0xFF
    path.write_bytes(data)


@pytest.fixture
def source(tmp_path: Path, pages: pa.Table) -> Corpus:
    return write_corpus(tmp_path / "in", pages.to_batches(max_chunksize=5), shard_rows=10)


@pytest.fixture
def whole(tmp_path: Path, source: Corpus) -> dict[str, bytes]:
    run(stages(), source, f"{tmp_path}/whole")
    return shards(tmp_path / "whole")


WRITE = """
import resource, sys
import pyarrow as pa
from curate.writer import ShardWriter
if len(sys.argv) > 2:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
batch = pa.RecordBatch.from_pydict({"text": [str(i * 7919 % 100_003) * 30 for i in range(50_000)]})
with ShardWriter(sys.argv[1], "a", batch.schema) as writer:
    for start in range(0, 50_000, 500):
        writer.write(batch.slice(start, 500))
    writer.commit({"made": "here"})
"""


@pytest.mark.parametrize("room", [0, 1_000, 200_000])
def test_a_full_disk_is_an_error_that_says_where_and_leaves_nothing(tmp_path: Path, room: int) -> None:
    def write(*options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", WRITE, str(tmp_path), *options]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    full = write(str(room))
    assert full.returncode != 0
    assert f"{tmp_path} has no room for {tmp_path}/a.parquet; free space there and run again" in full.stderr
    assert list(tmp_path.iterdir()) == []
    assert write().returncode == 0
    assert Corpus(tmp_path).num_rows == 50_000


def test_a_full_temporary_folder_is_an_error_and_uploads_nothing(
    tmp_path: Path, bucket: str, client: object, environment: dict[str, str]
) -> None:
    command = [sys.executable, "-c", WRITE, f"{bucket}/c", "200000"]
    here = environment | {"TMPDIR": str(tmp_path)}
    full = subprocess.run(command, capture_output=True, text=True, check=False, env=here)
    assert full.returncode != 0
    assert f"{tmp_path} has no room for {bucket}/c/a.parquet" in full.stderr
    assert list(tmp_path.iterdir()) == []
    assert client.list_objects_v2(Bucket=bucket.removeprefix("s3://"))["KeyCount"] == 0  # type: ignore[attr-defined]


def test_a_truncated_input_is_named_before_any_work(tmp_path: Path, source: Corpus) -> None:
    third = tmp_path / "in/00002.parquet"
    third.write_bytes(third.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"00002\.parquet is not a readable Parquet file .* fetch or make it again"):
        run(stages(), Corpus(source.path), f"{tmp_path}/out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("place", [50, 80, 110])
def test_a_flipped_byte_in_a_page_fails_its_split_alone_and_mending_it_gives_the_whole(
    tmp_path: Path, source: Corpus, whole: dict[str, bytes], place: int
) -> None:
    second = tmp_path / "in/00001.parquet"
    before = second.read_bytes()
    flip(second, place)
    with pytest.raises(RunError, match=r"1 of 4 splits failed.*00001\.parquet.*is damaged"):
        run(stages(), Corpus(source.path), f"{tmp_path}/out")
    assert sorted(path.stem for path in (tmp_path / "out").glob("*.parquet")) == ["00000", "00002", "00003"]
    second.write_bytes(before)
    run(stages(), Corpus(source.path), f"{tmp_path}/out")
    assert shards(tmp_path / "out") == whole


def test_every_flipped_byte_of_a_shard_is_an_error_or_changes_no_row(tmp_path: Path, pages: pa.Table) -> None:
    write_corpus(tmp_path / "c", pages.to_batches(), receipt={"a": 1})
    path = tmp_path / "c/00000.parquet"
    before, found = path.read_bytes(), {"error": 0, "same": 0}
    for place in range(0, len(before), 13):
        data = bytearray(before)
        data[place] ^= 0x10
        path.write_bytes(data)
        try:
            rows = [row for split in Corpus(path).splits() for row in (b for b in Corpus(path).read(split))]
            table = pa.Table.from_batches(rows)
        except (ValueError, OSError):
            found["error"] += 1
            continue
        found["same"] += table.equals(pages.combine_chunks())
    assert sum(found.values()) >= 0.95 * len(range(0, len(before), 13)), found  # the footer has no checksum
    assert found["error"] > found["same"] / 4


@pytest.mark.parametrize("damage", ["truncated", "empty", "other schema"])
def test_a_damaged_shard_of_ours_is_an_error_that_names_it_and_deleting_it_gives_the_whole(
    tmp_path: Path, source: Corpus, whole: dict[str, bytes], damage: str
) -> None:
    out = tmp_path / "out"
    run(stages(), source, str(out))
    ours = out / "00002.parquet"
    if damage == "other schema":
        pq.write_table(pa.table({"x": [1]}), ours)
    else:
        ours.write_bytes(ours.read_bytes()[: 200 if damage == "truncated" else 0])
    with pytest.raises((ValueError, RunError), match=r"out/00002\.parquet"):
        run(stages(), source, str(out))
    ours.unlink()
    run(stages(), source, str(out))
    assert shards(out) == whole


@pytest.mark.parametrize("inside", [b'"format"', b'"num_bytes"', b"curate.receipt"])
def test_a_flipped_bit_in_a_receipt_is_damage_and_not_another_recipe(
    tmp_path: Path, source: Corpus, whole: dict[str, bytes], inside: bytes
) -> None:
    out = tmp_path / "out"
    run(stages(), source, str(out))
    ours = out / "00002.parquet"
    flip(ours, ours.read_bytes().rindex(inside))
    with pytest.raises((ValueError, RunError), match=r"out/00002\.parquet is damaged: .*; delete it and run again"):
        run(stages(), source, str(out))
    ours.unlink()
    run(stages(), source, str(out))
    assert shards(out) == whole


@pytest.mark.parametrize("together", [2, 4])
def test_runs_of_one_recipe_into_one_folder_at_once_all_end_well(
    tmp_path: Path, source: Corpus, whole: dict[str, bytes], together: int
) -> None:
    errors: list[BaseException] = []

    def once() -> None:
        try:
            run(stages(), source, f"{tmp_path}/out")
        except BaseException as error:  # noqa: BLE001  of a thread, looked at below
            errors.append(error)

    threads = [threading.Thread(target=once) for _ in range(together)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert shards(tmp_path / "out") == whole
    assert list((tmp_path / "out").rglob("*.tmp")) == []


def test_a_writer_whose_temporary_file_another_run_has_swept_finds_the_same_shard(
    tmp_path: Path, pages: pa.Table
) -> None:
    with ShardWriter(tmp_path, "a", pages.schema) as slow:
        slow.write(pages.to_batches()[0])
        with ShardWriter(tmp_path, "a", pages.schema) as quick:
            quick.write(pages.to_batches()[0])
            quick.commit({"recipe": 1}, once=True)
        for leftover in tmp_path.glob(".*.tmp"):
            leftover.unlink()
        slow.commit({"recipe": 1}, once=True)
    assert Corpus(tmp_path).num_rows == pages.num_rows


def test_of_two_recipes_in_one_folder_the_second_is_told_and_changes_nothing(tmp_path: Path, pages: pa.Table) -> None:
    with ShardWriter(tmp_path, "a", pages.schema) as slow:
        slow.write(pages.to_batches()[0])
        with ShardWriter(tmp_path, "a", pages.schema) as quick:
            quick.write(pages.to_batches()[0])
            quick.commit({"recipe": 1}, once=True)
        with pytest.raises(ValueError, match=r"a\.parquet was written meanwhile by another run of other stages"):
            slow.commit({"recipe": 2}, once=True)
    assert read_receipt(f"{tmp_path}/a.parquet") == {"recipe": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"]


@pytest.mark.parametrize("when", [0, 2**32])
def test_clocks_decide_nothing(tmp_path: Path, source: Corpus, whole: dict[str, bytes], when: int) -> None:
    out = tmp_path / "out"
    run(stages(), source, str(out))
    (out / "00001.parquet").unlink()
    for file in [*out.rglob("*.parquet"), *Path(source.path).rglob("*.parquet")]:
        os.utime(file, (when, when))
    inodes = {file: file.stat().st_ino for file in out.glob("*.parquet")}
    run(stages(), source, str(out))
    assert shards(out) == whole
    assert {file: file.stat().st_ino for file in inodes} == inodes, "what is whole is not written again"
