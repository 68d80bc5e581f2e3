"""Find one document among millions by id or URL: the rows of Parquet files that hold it.

    rows = find(files, "https://example.org/a")        # (file, row without its text), in the order of the files

A file's Bloom filters (`curate.ledger.bloom`) name the row groups that may hold the value; only their ids are read,
and only the rows that match are read whole. A file without filters, which we did not write, has its ids read: a quarter
of a second for a million rows on one core.
"""

import functools
import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curate.document import ID, TEXT, URL
from curate.ledger.bloom import has_filter, may_hold
from curate.parquet import open_parquet

NUM_THREADS = 8  # files at a time; remote reads wait, and Arrow decodes without the GIL


@dataclass(frozen=True)
class Found:
    """The rows of one file that hold a value, and what it took."""

    file: str
    rows: list[dict[str, Any]]  # every column but the text
    num_rows: int  # in the file
    num_read: int  # rows whose ids were read because no filter spoke for them
    columns: tuple[str, ...]


def find(files: Sequence[str], value: str, *, keys: Sequence[str] = (ID, URL)) -> list[Found]:
    """Return what each file holds of a document with this id or URL, in the order of the files."""
    with ThreadPoolExecutor(NUM_THREADS) as pool:
        return list(pool.map(lambda file: _find_in(file, value, keys), files))


def _find_in(path: str, value: str, keys: Sequence[str]) -> Found:
    opened = open_parquet(path)
    with opened as parquet:
        footer, schema = parquet.metadata, parquet.schema_arrow
        here = [key for key in keys if key in schema.names]
        light = [f.name for f in schema if f.name != TEXT and not _is_raw(f.type)]
        groups = sorted({group for key in here for group in may_hold(footer, opened.file, key, value)})
        rows: list[dict[str, Any]] = []
        for group in groups:
            matches = _equal(parquet.read_row_group(group, columns=here), value)
            if pc.any(matches).as_py():
                rows += parquet.read_row_group(group, columns=light).filter(matches).to_pylist()
        unindexed = not all(has_filter(footer, key) for key in here)
        read = sum(footer.row_group(group).num_rows for group in groups) if unindexed else 0
        return Found(path, rows, footer.num_rows, read, tuple(schema.names))


def _equal(table: pa.Table, value: str) -> pa.ChunkedArray:
    """Tell for each row whether any column of a table is `value`; null is no."""
    wanted = _scalar(value)
    return functools.reduce(pc.or_kleene, [pc.equal(pc.cast(column, pa.string()), wanted) for column in table.columns])


def _scalar(value: str) -> pa.Scalar:
    """Return `pa.scalar(value)`, for which Arrow would import all of pandas, half of the time of an answer."""
    data = value.encode()
    ends = struct.pack("<2i", 0, len(data))
    return pa.StringArray.from_buffers(1, pa.py_buffer(ends), pa.py_buffer(data))[0]


def containing(files: Sequence[str], part: str, most: int) -> list[str]:
    """Return some ids and URLs that contain `part`, in any case: reads the ids of all files, up to `most` hits."""
    found: dict[str, None] = {}
    for path in files:
        with open_parquet(path) as parquet:
            here = [key for key in (ID, URL) if key in parquet.schema_arrow.names]
            for batch in parquet.iter_batches(2**16, columns=here):
                for column in batch.columns:
                    texts = pc.cast(column, pa.string())
                    hits = pc.match_substring(texts, part, ignore_case=True)
                    found |= dict.fromkeys(texts.filter(hits).slice(0, most).to_pylist())
        if len(found) >= most:
            break
    return list(found)[:most]


def _is_raw(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))
