"""A Parquet file anywhere, opened so that what is wrong with it is told with its name; the receipt in its footer.

    with open_parquet("s3://bucket/edu/00000.parquet") as file:
        file.metadata.num_rows

Every page that has a checksum is held against it.
"""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from curate.document import Batch
from curate.storage import is_remote, open_binary

LOCAL_READ = {"pre_buffer": False, "buffer_size": 2**20}  # bytes of a column at a time, not its whole row group
RECEIPT_KEY = b"curate.receipt"
SCHEMA_KEY = b"ARROW:schema"  # under which Arrow writes its own schema beside Parquet's


@contextmanager
def _named(path: str, rows: str = "") -> Iterator[None]:
    """Turn what Arrow says of damaged bytes into an error that names the file; the store's own errors stay."""
    try:
        yield
    except ConnectionError:
        raise
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"{path}{rows} is damaged ({error}); fetch or make it again") from error


class _ParquetFile(pq.ParquetFile):  # type: ignore[misc]  # pyarrow has no types
    """A Parquet file whose damage is told with its name."""

    path = ""

    def read(self, *args: Any, **options: Any) -> pa.Table:
        with _named(self.path):
            return super().read(*args, **options)

    def read_row_group(self, i: int, *args: Any, **options: Any) -> pa.Table:
        with _named(self.path, f", row group {i},"):
            return super().read_row_group(i, *args, **options)

    def read_row_groups(self, row_groups: Sequence[int], *args: Any, **options: Any) -> pa.Table:
        with _named(self.path, _of(row_groups)):
            return super().read_row_groups(row_groups, *args, **options)

    def iter_batches(self, *args: Any, row_groups: Sequence[int] | None = None, **options: Any) -> Iterator[Batch]:
        batches = super().iter_batches(*args, row_groups=row_groups, **options)
        while True:
            with _named(self.path, _of(row_groups)):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch


def _of(row_groups: Sequence[int] | None) -> str:
    return f", row groups {row_groups[0]}-{row_groups[-1] + 1}," if row_groups else ""


class open_parquet:  # noqa: N801  reads like open()
    """Open a Parquet file anywhere for reading, as a context; an unreadable one is named in the error.

    While it is open, `file` is the plain file.
    """

    def __init__(self, path: str) -> None:
        self.path = path

    def __enter__(self) -> pq.ParquetFile:
        fs, _ = fsspec.core.url_to_fs(self.path)
        self.file: IO[bytes] = open_binary(self.path, 0)
        try:
            # Elsewhere than on this machine one large read of a row group is worth its memory.
            options = {"pre_buffer": True} if is_remote(fs) else LOCAL_READ
            found = _ParquetFile(self.file, page_checksum_verification=True, **options)
        except ConnectionError:
            self.file.close()
            raise
        except (pa.ArrowInvalid, OSError) as error:
            self.file.close()
            raise ValueError(f"{self.path} is not a readable Parquet file ({error}); fetch or make it again") from error
        found.path = self.path
        return found

    def __exit__(self, *_: object) -> None:
        self.file.close()


def own_metadata(footer: pq.FileMetaData) -> Mapping[bytes, bytes]:
    """Return what a footer says in keys; nothing where those of one of our shards were carried over into another file.

    `pq.ParquetFile(shard).read()` takes them for metadata of the table, so a file that is written of it has them in its
    Arrow schema too, where we write none.
    """
    found: Mapping[bytes, bytes] = footer.metadata or {}
    try:
        schema = pa.ipc.read_schema(pa.BufferReader(base64.b64decode(found.get(SCHEMA_KEY, b""))))
    except (ValueError, OSError):  # none, or one that is told as damaged by who reads the columns
        return found
    return {} if RECEIPT_KEY in (schema.metadata or {}) else found


def read_receipt(path: str) -> dict[str, Any] | None:
    """Return the receipt in a shard's footer, None if it has none.

    Raises:
        ValueError: it cannot be read.
    """
    with open_parquet(path) as file:
        found = own_metadata(file.metadata).get(RECEIPT_KEY)
    try:
        return None if found is None else dict(json.loads(found))
    except ValueError as error:
        raise ValueError(f"{path} is damaged: its receipt cannot be read ({error}); delete it and run again") from error
