"""Files between two phases: one task writes a file of numbered parts, another reads one part of many such files.

    scatter("work/entries/0.arrow", [part_0, part_1, ...])
    gather(["work/entries/0.arrow", "work/entries/1.arrow"], part=1)      a table

    write_rows("work/signed", "00000", schema, batches)
    read_rows("work/signed/00000.parquet", ["id"])                                a table

Each part is a record batch at a place that the file's end tells, so a reader seeks to its bytes and reads nothing else.
Files appear whole under their names, which makes them the marks of a resumed run; they are scratch, and not forced to
disk, so each part has a checksum: what a power cut has left in the place of a file is an error, not a decision. What is
read by columns and as a whole is Parquet instead. A run that holds its small corpus in this process holds all of them
as well, under names that begin with `HELD`.
"""

import os
import posixpath
import struct
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import IO, Any
from zlib import crc32

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from curate.parquet import open_parquet
from curate.storage import info, is_remote, open_binary, read_bytes, upload
from curate.writer import ShardWriter

COUNTS = struct.Struct("<QQQ")  # parts of one piece, parts of all pieces, bytes of the schema
PLACE_BYTES = 3 * 8  # of one part of one piece: where it starts, its size and its checksum
CRC_BYTES = 8  # multiples of 8 keep arrays aligned
HELD = "held:"
WORK = "_work"  # the folder of scratch in the output's
_held: dict[str, pa.Buffer] = {}
_held_rows: dict[str, pa.Table] = {}


def write_rows(folder: str, name: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    """Write the Parquet file `name` of a folder."""
    if folder.startswith(HELD):
        _held_rows[f"{folder}/{name}.parquet"] = pa.Table.from_batches(batches, schema)
        return
    with ShardWriter(folder, name, schema) as writer:
        for batch in batches:
            writer.write(batch)
        writer.commit({})


def read_rows(path: str, columns: Sequence[str], *, most: int | None = None) -> pa.Table:
    """Read some columns of a Parquet file anywhere: all rows, or some number from the first on."""
    if path.startswith(HELD):
        return _held_rows[path].select(columns).slice(0, most)
    with opened(path) as file:
        if most is None:
            return file.read(columns=list(columns))
        first = next(file.iter_batches(most, columns=list(columns)), None)
        schema = pa.schema([file.schema_arrow.field(name) for name in columns])
        return pa.Table.from_batches([] if first is None else [first], schema.remove_metadata())


def scatter(path: str, parts: Sequence[pa.RecordBatch]) -> None:
    """Write a file whose part i is parts[i]; all have one schema."""
    scatter_pieces(path, [parts])


def scatter_pieces(path: str, pieces: Iterable[Sequence[pa.RecordBatch]]) -> None:
    """Write a file piece by piece, of what is too large to be held at once; part i is parts i of all pieces."""

    def write(file: IO[bytes]) -> None:
        every = iter(pieces)
        first = next(every)
        places, start = [], 0
        for batch in chain(first, chain.from_iterable(every)):
            data = batch.serialize()
            file.write(data)
            places.append((start, data.size, crc32(data)))
            start += data.size
        schema = first[0].schema.serialize().to_pybytes()
        counts = COUNTS.pack(len(first), len(places), len(schema))
        end = np.array(places, dtype=np.uint64).tobytes() + schema + counts
        file.write(end + crc32(end).to_bytes(CRC_BYTES, "little"))

    put(path, write)


def gather(paths: Iterable[str], part: int) -> pa.Table:
    """Read one part of many files, in their order."""
    return pa.concat_tables([read_part(path, part) for path in paths])


def read_part(path: str, part: int) -> pa.Table:
    """Read one part of one file.

    Raises:
        ValueError: the file is damaged.
    """
    with _open(path) as file:
        num_parts, places, schema = _end(path, file)
        batches = []
        for start, size, checksum in places[part::num_parts].tolist():
            data = _range(path, file, start, size, checksum)
            batches.append(pa.ipc.read_record_batch(pa.py_buffer(data), schema))
    return pa.Table.from_batches(batches, schema)


def _end(path: str, file: Any) -> tuple[int, NDArray[np.uint64], pa.Schema]:
    """Return the number of parts, (pieces, 3) start, size and checksum of each, and the schema."""
    stop = file.seek(0, 2) - COUNTS.size - CRC_BYTES
    tail = _range(path, file, stop, COUNTS.size + CRC_BYTES)
    num_parts, num_places, num_schema = COUNTS.unpack_from(tail)
    length = num_places * PLACE_BYTES + num_schema
    end = _range(path, file, stop - length, length)
    if crc32(end + tail[: COUNTS.size]) != int.from_bytes(tail[COUNTS.size :], "little"):
        raise damaged(path)
    places = np.frombuffer(end, np.uint64, 3 * num_places).reshape(-1, 3)
    return num_parts, places, pa.ipc.read_schema(pa.py_buffer(end[num_places * PLACE_BYTES :]))


def _range(path: str, file: Any, start: int, size: int, checksum: int | None = None) -> bytes:
    data = b""
    if start >= 0:
        file.seek(start)
        data = file.read(size)
    if len(data) != size or (checksum is not None and crc32(data) != checksum):
        raise damaged(path)
    return data


def damaged(path: str) -> ValueError:
    """Return the error of a file that is not as it was written: a disk or a power cut has spoiled it."""
    if f"/{WORK}/" in path:
        work = path[: path.index(f"/{WORK}/") + len(WORK) + 1]
        return ValueError(f"{path} is damaged, a file of scratch; delete the folder {work} and run the same again")
    return ValueError(
        f"{path} is damaged, a file of an index; put a copy of it back, or make a new index of the same corpora in turn"
    )


@contextmanager
def opened(path: str) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file of scratch or of an index.

    Raises:
        ValueError: it is damaged; says what to do about such a file. Any ValueError of the block is taken for that.
    """
    try:
        with open_parquet(path) as file:
            yield file
    except ValueError as error:
        raise damaged(path) from error


def _open(path: str) -> Any:
    if path.startswith(HELD):
        return pa.BufferReader(_held[path])
    fs, name = fsspec.core.url_to_fs(path)
    return open_binary(path, 0) if is_remote(fs) else pa.OSFile(name)


def save(path: str, array: NDArray[Any]) -> None:
    """Write an array's bytes, and their checksum."""
    data = np.ascontiguousarray(array).data

    def write(file: IO[bytes]) -> None:
        file.write(data)
        file.write(crc32(data).to_bytes(CRC_BYTES, "little"))

    put(path, write)


def load(path: str, dtype: type[Any] = np.uint32) -> NDArray[Any]:
    """Open an array: mapped into memory where the file is local, so that tasks on one machine share it.

    Raises:
        ValueError: the file is damaged.
    """
    if path.startswith(HELD):
        return np.frombuffer(memoryview(_held[path])[:-CRC_BYTES], dtype)
    fs, name = fsspec.core.url_to_fs(path)
    if is_remote(fs):
        return _checked(path, np.frombuffer(read_bytes(path), np.uint8)).view(dtype)
    known = os.stat(name)  # noqa: PTH116  a name, not a path
    return _mapped(path, name, known.st_ino, known.st_mtime_ns, known.st_size).view(dtype)


@lru_cache(maxsize=16)
def _mapped(path: str, name: str, inode: int, changed_ns: int, size: int) -> NDArray[np.uint8]:
    """Map a file, and hold it against its checksum once in this process, as long as it is the same file."""
    return _checked(path, np.asarray(np.memmap(name, np.uint8, "r")) if size else np.zeros(0, np.uint8))


def _checked(path: str, data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    array = data[: max(0, len(data) - CRC_BYTES)]
    if len(data) < CRC_BYTES or crc32(array.data) != int.from_bytes(data[-CRC_BYTES:].tobytes(), "little"):
        raise damaged(path)
    return array


def put(path: str, write: Any) -> None:
    """Let `write` fill a temporary file, and give it its name."""
    if path.startswith(HELD):
        stream = pa.BufferOutputStream()
        write(stream)
        _held[path] = stream.getvalue()
        return
    fs, name = fsspec.core.url_to_fs(path)
    folder = posixpath.dirname(name)
    fs.makedirs(folder, exist_ok=True)
    remote = is_remote(fs)
    temporary = Path(tempfile.gettempdir() if remote else folder, f".{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("wb") as file:
            write(file)
        if remote:
            upload(temporary, path)
        else:
            temporary.replace(name)
    finally:
        temporary.unlink(missing_ok=True)


def exists(path: str) -> bool:
    """Tell whether a file is there, and so whole."""
    if path.startswith(HELD):
        return path in _held or path in _held_rows
    return info(path) is not None


def forget() -> None:
    """Let go of the files that are held in this process."""
    _held.clear()
    _held_rows.clear()
    _mapped.cache_clear()


def cut(sorted_parts: NDArray[Any], num_parts: int) -> list[slice]:
    """Return the slice of each part, given each row's part in ascending order."""
    bounds = np.searchsorted(sorted_parts, np.arange(num_parts + 1))
    return [slice(a, b) for a, b in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)]


def fixed(column: pa.ChunkedArray | pa.Array, width: int) -> NDArray[np.uint64]:
    """Return (N, width) uint64 of a column of fixed-size binary."""
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    found = [
        np.frombuffer(c.buffers()[1], np.uint64)[c.offset * width : (c.offset + len(c)) * width] for c in chunks if c
    ]
    return np.concatenate([np.zeros(0, dtype=np.uint64), *found]).reshape(-1, width)


def column(table: pa.Table, name: str) -> NDArray[Any]:
    """Return a column without nulls as an array."""
    return np.asarray(table[name].to_numpy())
