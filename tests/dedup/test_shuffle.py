"""Scratch files: what is read is what was written, or an error that says what to delete."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curate.dedup.shuffle import gather, load, read_part, read_rows, save, scatter, scatter_pieces, write_rows


def batch(*numbers: int) -> pa.RecordBatch:
    return pa.record_batch({"n": pa.array(numbers, pa.int64()), "s": pa.array([str(n) for n in numbers], pa.string())})


def test_parts_of_pieces_come_back_in_order(tmp_path: Path) -> None:
    scatter(f"{tmp_path}/a", [batch(1, 2), batch(), batch(3)])
    scatter_pieces(f"{tmp_path}/b", iter([[batch(4), batch()], [batch(5), batch(6)]]))
    assert [read_part(f"{tmp_path}/a", part)["n"].to_pylist() for part in range(3)] == [[1, 2], [], [3]]
    assert [read_part(f"{tmp_path}/b", part)["s"].to_pylist() for part in range(2)] == [["4", "5"], ["6"]]
    assert gather([f"{tmp_path}/a", f"{tmp_path}/b"], 0)["n"].to_pylist() == [1, 2, 4, 5]


def test_an_array_comes_back_whatever_its_length_and_type(tmp_path: Path) -> None:
    for length in (0, 1, 7):
        for kind in (np.uint32, np.float32, np.uint64):
            array = np.arange(length, dtype=kind)
            save(f"{tmp_path}/x", array)
            assert load(f"{tmp_path}/x", kind).tolist() == array.tolist()


@pytest.mark.parametrize("kind", ["parts", "array"])
def test_a_file_cut_short_or_with_a_flipped_bit_is_an_error_that_says_what_to_delete(tmp_path: Path, kind: str) -> None:
    path, chance = f"{tmp_path}/_work/1234/file", random.Random(0)
    read: Callable[[], object]
    if kind == "parts":
        scatter(path, [batch(*range(9)), batch(8, 9)])
        read = lambda: (read_part(path, 0).to_pydict(), read_part(path, 1).to_pydict())  # noqa: E731
    else:
        save(path, np.arange(50, dtype=np.uint32))
        read = lambda: load(path).tolist()  # noqa: E731
    whole, before = read(), Path(path).read_bytes()
    flips = [before[:i] + bytes([before[i] ^ 1 << chance.randrange(8)]) + before[i + 1 :] for i in range(len(before))]
    for data in [*flips, *(before[:size] for size in range(0, len(before), 7))]:
        Path(path).unlink()
        Path(path).write_bytes(data)
        with pytest.raises(ValueError, match=f"is damaged.*delete the folder {tmp_path}/_work and run the same again"):
            read()
    Path(path).write_bytes(before)
    assert read() == whole


@pytest.mark.parametrize(
    ("folder", "what_to_do"),
    [
        ("out/_work/0f/signed", "delete the folder .*out/_work and run the same again"),
        ("index/1e/documents", "put a copy"),
    ],
)
@pytest.mark.parametrize("spoiled", ["a page", "the end"])
def test_a_damaged_parquet_file_is_named_with_what_to_do(
    tmp_path: Path, folder: str, what_to_do: str, spoiled: str
) -> None:
    schema = pa.schema([("id", pa.string())])
    write_rows(str(tmp_path / folder), "00000", schema, [pa.record_batch({"id": list(map(str, range(1000)))})])
    path = tmp_path / folder / "00000.parquet"
    data = bytearray(path.read_bytes())
    data[100] ^= 8
    path.write_bytes(data if spoiled == "a page" else data[:-9])
    with pytest.raises(ValueError, match=f"^{path} is damaged, .*{what_to_do}"):
        read_rows(str(path), ["id"])


def test_a_file_that_is_gone_is_not_called_damaged(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_rows(str(tmp_path / "index/documents/00000.parquet"), ["id"])
