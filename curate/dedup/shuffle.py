"""Files between two phases: one task writes a file of numbered parts, another reads one part of many such files.

    scatter("work/entries/0.arrow", [part_0, part_1, ...])
    gather(["work/entries/0.arrow", "work/entries/1.arrow"], part=1)      a table

    write_rows("work/signed", "00000", schema, batches)
    read_rows("work/signed/00000.parquet", ["id"])                                a table

Each part is one record batch of an Arrow IPC file, so a reader seeks to its bytes and reads nothing else. Files appear
whole under their names, which makes them the marks of a resumed run; they are scratch, and not forced to disk. What is
read by columns and as a whole is Parquet instead. A run that holds its small corpus in this process holds all of them
as well, under names that begin with `HELD`.
"""

import posixpath
import tempfile
import uuid
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import IO, Any

import fsspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.corpus import ShardWriter, open_parquet
from curate.storage import info, is_remote, open_binary, read_bytes, upload

PARTS = b"parts"  # of one piece of a file written in pieces
HELD = "held:"
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
    with open_parquet(path) as file:
        if most is None:
            return file.read(columns=list(columns))
        first = next(file.iter_batches(most, columns=list(columns)), None)
        schema = pa.schema([file.schema_arrow.field(name) for name in columns])
        return pa.Table.from_batches([] if first is None else [first], schema.remove_metadata())


def scatter(path: str, parts: Sequence[pa.RecordBatch]) -> None:
    """Write a file whose part i is parts[i]; all have one schema."""

    def write(file: IO[bytes]) -> None:
        with pa.ipc.new_file(file, parts[0].schema) as writer:
            for part in parts:
                writer.write_batch(part)

    put(path, write)


def scatter_pieces(path: str, pieces: Iterable[Sequence[pa.RecordBatch]]) -> None:
    """Write a file piece by piece, of what is too large to be held at once; part i is parts i of all pieces."""

    def write(file: IO[bytes]) -> None:
        every = iter(pieces)
        first = next(every)
        schema = first[0].schema.with_metadata({PARTS: str(len(first))})
        with pa.ipc.new_file(file, schema) as writer:
            for part in chain(first, chain.from_iterable(every)):
                writer.write_batch(part)

    put(path, write)


def gather(paths: Iterable[str], part: int) -> pa.Table:
    """Read one part of many files, in their order."""
    return pa.concat_tables([read_part(path, part) for path in paths])


def read_part(path: str, part: int) -> pa.Table:
    """Read one part of one file."""
    with _open(path) as file:
        reader = pa.ipc.open_file(file)
        num_parts = int((reader.schema.metadata or {}).get(PARTS, reader.num_record_batches))
        batches = [reader.get_batch(i) for i in range(part, reader.num_record_batches, num_parts)]
        return pa.Table.from_batches(batches).replace_schema_metadata(None)


def _open(path: str) -> Any:
    if path.startswith(HELD):
        return pa.BufferReader(_held[path])
    fs, name = fsspec.core.url_to_fs(path)
    return open_binary(path, 0) if is_remote(fs) else pa.OSFile(name)


def save(path: str, array: NDArray[Any]) -> None:
    """Write an array's bytes."""
    put(path, lambda file: file.write(np.ascontiguousarray(array).data))


def load(path: str, dtype: type[Any] = np.uint32) -> NDArray[Any]:
    """Open an array: mapped into memory where the file is local, so that tasks on one machine share it."""
    if path.startswith(HELD):
        return np.frombuffer(_held[path], dtype)
    fs, name = fsspec.core.url_to_fs(path)
    if is_remote(fs):
        return np.frombuffer(read_bytes(path), dtype)
    return np.asarray(np.memmap(name, dtype, "r")) if fs.size(name) else np.zeros(0, dtype)


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
