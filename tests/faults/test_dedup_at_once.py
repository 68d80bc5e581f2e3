"""Two deduplications into one folder at once: both end with the same bytes, or one is told.

The first is held up where it is about to read a split for the second time in a phase, until the second has ended.
"""

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pyarrow as pa
import pytest

from curate.corpus import Corpus, write_corpus
from tests.faults.nodes import FAR

PHASES = ["index", "sign", "verify", "write"]
KILL = "import os, signal; os.kill(os.getppid(), signal.SIGKILL)"
PROGRAM = """
import importlib, subprocess, sys
from curate.corpus import Corpus
from curate.dedup import dedup

importlib.import_module("curate.dedup.dedup").HELD_SHARE = 0  # as a corpus too large to be held: all through files
source, out, index, threshold, at, *other = sys.argv[1:]
readings = []

class HeldUp(Corpus):
    def read(self, split, columns=None):
        texts = "index" if "write" in readings else "verify"
        readings.append({("text",): texts, ("text", "id"): "sign"}.get(tuple(columns), "write"))
        if f"{readings[-1]} {readings.count(readings[-1])}" == at:
            done = subprocess.run([sys.executable, "-c", *other], capture_output=True, text=True)
            print(done.stderr[-3000:])
        return super().read(split, columns)

if __name__ == "__main__":
    dedup(HeldUp(source), out, index=index or None, threshold=float(threshold), max_source_loss=1.0)
    print(sorted(set(readings)))
"""


def words(random: Random, count: int) -> list[str]:
    return [f"w{random.getrandbits(30):x}" for _ in range(count)]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Sixteen documents: of each of four texts itself, an exact copy, and copies with two words and six changed."""
    random, texts = Random(0), []
    for _ in range(4):
        text = words(random, 100)
        near, far = ([*text[: -3 * count], *words(random, 3 * count)] for count in (1, 6))
        texts += [" ".join(each) for each in (text, text, near, far)]
    texts = texts[::4] + texts[1::4] + texts[2::4] + texts[3::4]
    table = pa.table({"id": [f"d{i:02}" for i in range(16)], "text": texts})
    folder = tmp_path_factory.mktemp("at-once") / "in"
    return write_corpus(folder, table.to_batches(max_chunksize=4), shard_rows=4).path


def arguments(source: str, out: Path, *, index: Path | str = "", threshold: float = 0.8) -> list[str]:
    return [PROGRAM, source, str(out), str(index), str(threshold)]


def start(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", *options], capture_output=True, text=True, check=False)


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, but for logs."""
    found = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if "_log" not in name.split("/")}


@pytest.fixture(scope="module")
def whole(source: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one alone makes, into a folder and an index."""
    folder = tmp_path_factory.mktemp("whole")
    done = start(*arguments(source, folder / "out", index=folder / "index"), "")
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == str(PHASES), "the phases in which the tests hold a run up"
    return files(folder)


@pytest.mark.parametrize("phase", ["write", "index"])
def test_two_of_the_same_at_once_end_with_the_same_bytes(
    source: str, whole: dict[str, bytes], tmp_path: Path, phase: str
) -> None:
    same = arguments(source, tmp_path / "out", index=tmp_path / "index")
    done = start(*same, f"{phase} 2", *same, "")
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert files(tmp_path) == whole


def test_two_of_the_same_without_an_index_end_with_the_same_bytes(
    source: str, whole: dict[str, bytes], tmp_path: Path
) -> None:
    same = arguments(source, tmp_path / "out")
    done = start(*same, "verify 1", *same, "")
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert files(tmp_path) == {name: data for name, data in whole.items() if name.startswith("out/")}


def test_of_two_with_other_settings_one_is_told_and_no_folder_holds_both(source: str, tmp_path: Path) -> None:
    slow, quick = (arguments(source, tmp_path / "out", threshold=threshold) for threshold in (0.8, 0.5))
    done = start(*slow, "sign 2", *quick, "")
    assert done.returncode != 0
    assert "made with other settings" in done.stderr
    recipes = {str(receipt["recipe"]) for receipt in Corpus(tmp_path / "out").receipts().values() if receipt}
    assert len(recipes) == 1, "no folder holds shards of two recipes"


def test_what_one_run_left_is_gone_on_from_whatever_its_files_times(
    source: str, whole: dict[str, bytes], tmp_path: Path
) -> None:
    for at, when in zip(("verify 1", "write 2"), FAR, strict=True):
        killed = start(*arguments(source, tmp_path / "out", index=tmp_path / "index"), at, KILL)
        assert killed.returncode == -9
        for path in [*tmp_path.rglob("*"), *Path(source).rglob("*")]:
            os.utime(path, (when, when))
    assert any(part.name == "_work" for part in tmp_path.rglob("*"))
    done = start(*arguments(source, tmp_path / "out", index=tmp_path / "index"), "")
    assert done.returncode == 0, done.stderr[-2000:]
    assert files(tmp_path) == whole


def test_damaged_scratch_is_an_error_and_deleting_it_as_told_gives_the_whole(
    source: str, whole: dict[str, bytes], tmp_path: Path
) -> None:
    run = arguments(source, tmp_path / "out", index=tmp_path / "index")
    assert start(*run, "write 1", KILL).returncode == -9
    (survivor,) = tmp_path.glob("out/_work/*/decide-*/survivor-00.bin")
    data = bytearray(survivor.read_bytes())
    data[5] ^= 8
    survivor.write_bytes(data)
    done = start(*run, "")
    assert done.returncode != 0
    told = f"{survivor} is damaged, a file of scratch; delete the folder {tmp_path}/out/_work and run the same again"
    assert told in done.stderr
    subprocess.run(["rm", "-r", str(tmp_path / "out/_work")], check=True)
    assert start(*run, "").returncode == 0
    assert files(tmp_path) == whole
