"""A damaged input file fails its own split, which is named; the rest is done, and with the file mended the whole."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from curate.corpus import Corpus
from curate.readers import open_source
from curate.readers.html import Extract
from curate.run import RunError, run
from curate.stage import Stage
from pipelines.bare_machine import page, write_warc

NAMES = ["a", "b", "c"]
TEXT = "<p>" + "The cells of a leaf turn light into sugar. " * 20 + "</p>"


def cut(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


def flipped(data: bytes) -> bytes:
    return data[:-40] + bytes([data[-40] ^ 16]) + data[-39:]


def empty(data: bytes) -> bytes:
    return b""


def crawl(folder: Path) -> tuple[Stage, ...]:
    """Three WARC files, which a stage makes text of."""
    for name in NAMES:
        pages = [(f"http://{name}.example/{i}", page(f"{name} {i}", TEXT)) for i in range(6)]
        write_warc(folder / f"{name}.warc.gz", pages)
    return (Extract(),)


def lines(folder: Path) -> tuple[Stage, ...]:
    """Three compressed JSONL files."""
    for name in NAMES:
        rows = [{"id": f"{name}-{i}", "text": f"{TEXT} {name} {i}"} for i in range(300)]
        data = "".join(json.dumps(row) + "\n" for row in rows).encode()
        (folder / f"{name}.jsonl.gz").write_bytes(gzip.compress(data, mtime=0))
    return ()


def shards(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.parquet")}


@pytest.mark.parametrize("make", [crawl, lines])
@pytest.mark.parametrize("damage", [cut, flipped, empty])
def test_a_damaged_file_is_named_the_rest_is_done_and_mended_it_gives_the_whole(
    tmp_path: Path, make: Callable[[Path], tuple[Stage, ...]], damage: Callable[[bytes], bytes]
) -> None:
    (tmp_path / "in").mkdir()
    stages = make(tmp_path / "in")
    run(stages, open_source(f"{tmp_path}/in"), f"{tmp_path}/whole")
    (file,) = (tmp_path / "in").glob("b.*")
    before = file.read_bytes()
    file.write_bytes(damage(before))
    with pytest.raises(RunError, match=rf"1 of 3 splits failed \(b\); the rest are done.*{file}"):
        run(stages, open_source(f"{tmp_path}/in"), f"{tmp_path}/out")
    assert sorted(Corpus(f"{tmp_path}/out").receipts()) == ["a", "c"]
    file.write_bytes(before)
    run(stages, open_source(f"{tmp_path}/in"), f"{tmp_path}/out")
    assert shards(tmp_path / "out") == shards(tmp_path / "whole")
    assert list(tmp_path.rglob("*.tmp")) == []
