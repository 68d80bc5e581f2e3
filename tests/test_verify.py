"""`curate verify` finds whatever is not as it was written, and what it says to delete is made again."""

import subprocess
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.corpus import Corpus, write_corpus
from curate.document import Batch
from curate.run import run
from curate.stage import Keep, Measure, Rule
from curate.verify import verify
from tests.here import python


def chars(batch: Batch) -> dict[str, pa.Array]:
    return {"t.chars": pa.array([len(text) for text in batch["text"].to_pylist()], pa.int64())}


STAGES = (Measure((chars,)), Keep((Rule("t.chars", at_least=100),)))


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 4
    path.write_bytes(data)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.parquet")}


@pytest.fixture
def done(tmp_path: Path, pages: pa.Table) -> Path:
    """A run of four shards into `out`, in folders below it, with evidence beside each."""
    write_corpus(tmp_path / "in/a", pages.to_batches(max_chunksize=5), shard_rows=10)
    run(STAGES, Corpus(tmp_path / "in"), f"{tmp_path}/run/out")
    return tmp_path / "run/out"


def test_what_is_whole_is_said_to_be(done: Path) -> None:
    found = verify([str(done), str(done.parents[1] / "in")])
    assert (found.num_files, found.num_unsealed, found.damaged) == (12, 0, {})
    assert str(found).endswith("every byte is as it was written")


@pytest.mark.parametrize("name", ["a/00001", "dropped/a/00001"])
@pytest.mark.parametrize("damage", ["cut", "page", "footer", "lost"])
def test_damage_is_named_and_what_is_to_be_deleted_is_made_again(done: Path, name: str, damage: str) -> None:
    before, path = files(done), done / f"{name}.parquet"
    size = path.stat().st_size
    if damage == "lost":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[: size // 2])
    else:
        flip(path, 60 if damage == "page" else size - 40)
    found = verify([str(done)])
    assert list(found.damaged) == [str(path)]
    assert str(found).endswith(f"\n  {found.delete[-1]}" if found.delete else "\nrun the command that made them again")
    for doomed in found.delete:
        Path(doomed).unlink()
    run(STAGES, Corpus(done.parents[1] / "in"), str(done))
    assert files(done) == before
    assert verify([str(done)]).damaged == {}


def test_evidence_of_other_rows_than_the_receipt_counts_is_named(done: Path) -> None:
    evidence = done / "dropped/a/00002.parquet"
    pq.write_table(pq.read_table(evidence).slice(1), evidence)
    (reason,) = verify([str(done)]).damaged.values()
    assert reason.startswith("has 2 rows where the receipt of ")
    assert reason.endswith("counts 3")


@pytest.mark.parametrize("above", ["dropped", "quarantine"])
def test_a_corpus_below_a_folder_of_such_a_name_is_held_against_its_receipts(done: Path, above: str) -> None:
    moved = done.parents[1] / above / "run"
    moved.parent.mkdir()
    done.rename(moved)
    (moved / "dropped/a/00001.parquet").unlink()
    other = moved.parents[1] / "run/a/00000.parquet"  # where a shard of its name would be, were its folder evidence
    other.parent.mkdir(parents=True, exist_ok=True)
    other.write_bytes((moved / "a/00000.parquet").read_bytes())
    (moved / "a/00000.parquet").write_bytes(b"PAR1")
    found = verify([str(moved)])
    assert list(found.damaged) == [f"{moved}/a/00000.parquet", f"{moved}/dropped/a/00001.parquet"]
    assert found.delete == (f"{moved}/a/00000.parquet", f"{moved}/a/00001.parquet")


def test_a_table_of_ones_own_that_carried_our_keys_over_is_neither_damaged_nor_a_runs_shard(done: Path) -> None:
    own = done.parents[1] / "own/a/00000.parquet"
    own.parent.mkdir(parents=True)
    pq.write_table(pq.ParquetFile(done / "a/00000.parquet").read().slice(1), own)
    assert b"curate.crc32" in pq.read_metadata(own).metadata
    found = verify([str(own.parents[1])])
    assert (found.damaged, found.num_unsealed) == ({}, 1)
    assert Corpus(own.parents[1]).receipts() == {"a/00000": None}
    assert Corpus(own.parents[1]).splits()[0].checksum is None


def test_pages_of_a_file_without_a_seal_are_read(tmp_path: Path, pages: pa.Table) -> None:
    pq.write_table(pages, tmp_path / "theirs.parquet", write_page_checksum=True)
    assert verify([str(tmp_path)]).num_unsealed == 1
    flip(tmp_path / "theirs.parquet", 60)
    assert list(verify([str(tmp_path)]).damaged) == [f"{tmp_path}/theirs.parquet"]


def test_the_command_line_ends_with_one_and_says_what_to_delete(done: Path, tmp_path: Path) -> None:
    def curate(*arguments: str) -> subprocess.CompletedProcess[str]:
        return python("-m", "curate.cli", "verify", *arguments)

    assert curate(str(done.parent)).returncode == 0
    flip(done / "dropped/a/00003.parquet", 60)
    said = curate(str(done.parent))
    assert said.returncode == 1
    assert "1 damaged" in said.stderr
    assert f"run the command that made them again:\n  {done}/a/00003.parquet\n  {done}/dropped/a/00003.parquet" in (
        said.stderr
    )
    (tmp_path / "empty").mkdir()
    assert "holds no .parquet file" in curate(str(tmp_path / "empty")).stderr
