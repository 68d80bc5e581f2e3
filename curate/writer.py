"""One shard: it appears under its name only when it is whole, and its footer says how it was made, in a receipt.

    with ShardWriter("runs/edu/clean", "00000", schema) as writer:
        writer.write(batch)
        writer.commit(receipt)

Whoever is killed before leaves a hidden file, which `sweep` takes away once all shards are there.
"""

import errno
import json
import os
import posixpath
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import curate.checksum as checksum
from curate.document import ID, URL, Batch
from curate.parquet import RECEIPT_KEY, read_receipt
from curate.storage import info, is_remote, upload

GROUP_ROWS, GROUP_BYTES = 4096, 32 * 2**20  # a written row group; small enough for loaders that read one at a time
BLOOM = {"ndv": GROUP_ROWS, "fpp": 0.01}  # of ids and URLs, 2 bytes a row each: to find one document among millions
LEVEL = 1  # of zstd: writes web text 1.8 times as fast as 3 and 14 % larger, still a quarter below Snappy
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)  # of file systems without hard links


class ShardWriter:
    """Write one shard; it appears under its name only at `commit`, whole, with its receipt in the footer.

    Locally the rows go to a hidden file beside the target, which is renamed; elsewhere to a local temporary file,
    which is uploaded (the finished upload is the atomic act; `TMPDIR` says where there is room for it). Leaving
    without `commit` leaves nothing. Every page has a checksum, which `Corpus.read` verifies, and the file has one that
    `curate verify` does.
    """

    def __init__(self, folder: str | os.PathLike[str], name: str, schema: pa.Schema) -> None:
        self.fs, root = fsspec.core.url_to_fs(str(folder))
        self.path = posixpath.join(str(folder), f"{name}.parquet")
        self.target = posixpath.join(root, f"{name}.parquet")
        self.schema = schema.remove_metadata()
        self.num_rows = self.num_bytes = 0  # written; bytes of the file, once it is whole
        self._pending: list[Batch] = []
        self._pending_rows = self._pending_bytes = 0

    def __enter__(self) -> Self:
        self.fs.makedirs(posixpath.dirname(self.target), exist_ok=True)
        local = not is_remote(self.fs)
        folder = posixpath.dirname(self.target) if local else tempfile.gettempdir()
        self._temporary = Path(folder, f".{posixpath.basename(self.target)}.{uuid.uuid4().hex}.tmp")
        blooms = {name: BLOOM for name in (ID, URL) if name in self.schema.names}
        with self._room():
            self._writer = pq.ParquetWriter(
                self._temporary,
                self.schema,
                compression="zstd",
                compression_level=LEVEL,
                bloom_filter_options=blooms,
                write_page_checksum=True,  # 3 % of the time to write, unmeasurable to verify
            )
        return self

    def write(self, batch: Batch) -> None:
        if not batch.schema.equals(self.schema):
            batch = batch.select(self.schema.names).cast(self.schema)
        self._pending.append(batch)
        self.num_rows += batch.num_rows
        self._pending_rows += batch.num_rows
        self._pending_bytes += size_of_values(batch)
        if self._pending_rows >= GROUP_ROWS or self._pending_bytes >= GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._pending_rows:
            table = pa.Table.from_batches(self._pending, self.schema)
            with self._room():
                self._writer.write_table(table, row_group_size=GROUP_ROWS)
        self._pending.clear()
        self._pending_rows = self._pending_bytes = 0

    def commit(self, receipt: Mapping[str, Any], *, once: bool = False) -> None:
        """Put the shard in place; the same rows and receipt give the same bytes.

        Args:
            once: leave a shard with the same receipt as it is: another run of the same recipe was quicker.

        Raises:
            ValueError: with `once`, a shard with another receipt is there.
            OSError: there is no room, or the store fails.
        """
        self._flush()
        self._writer.add_key_value_metadata(
            {RECEIPT_KEY: json.dumps(receipt, sort_keys=True), checksum.KEY: checksum.ZEROS}
        )
        with self._room():
            self._writer.close()
        try:
            with self._room():
                checksum.seal(self._temporary)
            self.num_bytes = self._temporary.stat().st_size
            self._place(once)
        except (FileExistsError, FileNotFoundError):  # not found: the quicker run has swept our temporary file away
            if not once or info(self.path) is None:
                raise
            if read_receipt(self.path) != json.loads(json.dumps(receipt)):
                raise ValueError(
                    f"{self.path} was written meanwhile by another run of other stages or input, and is left as it "
                    "is; let one run at a time write into a folder, and this one into another"
                ) from None

    def _place(self, once: bool) -> None:
        if is_remote(self.fs):
            return upload(self._temporary, self.path, create=once)
        with self._temporary.open("rb") as file:
            os.fsync(file.fileno())
        if once:
            try:  # a link, unlike a rename, never takes the place of another file
                return os.link(self._temporary, self.target)
            except OSError as error:
                if error.errno not in NO_LINKS:
                    raise
        self._temporary.replace(self.target)
        return None

    @contextmanager
    def _room(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            self._temporary.unlink(missing_ok=True)
            raise OSError(
                error.errno, f"{self._temporary.parent} has no room for {self.path}; free space there and run again"
            ) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._writer.close()
        except OSError:
            if error is None:
                raise
        finally:
            self._temporary.unlink(missing_ok=True)


def sweep(folder: str) -> None:
    """Delete what killed writers left below a local corpus; to be called when all its shards are whole."""
    fs, root = fsspec.core.url_to_fs(folder)
    if not is_remote(fs):
        for path in Path(root).rglob(".*.parquet.*.tmp"):
            path.unlink(missing_ok=True)


def size_of_values(batch: Batch) -> int:
    """Return the bytes of a batch's values; `nbytes` counts buffers, and tells a copy from what it was copied from."""
    return sum(map(_size_of_array, batch.columns))


def _size_of_array(array: pa.Array) -> int:
    kind = array.type
    if _is_one(kind, "string", "large_string", "binary", "large_binary", "fixed_size_binary"):
        return 4 * len(array) + int(pc.sum(pc.binary_length(array)).as_py() or 0)
    if pa.types.is_primitive(kind):
        return len(array) * int(kind.bit_width) // 8
    if pa.types.is_struct(kind):
        return sum(map(_size_of_array, array.flatten()))
    if _is_one(kind, "list", "large_list", "fixed_size_list"):
        return 4 * len(array) + _size_of_array(array.flatten())
    return 16 * len(array)  # what documents have no columns of: decimals, maps, dictionaries


def _is_one(kind: pa.DataType, *names: str) -> bool:
    return any(getattr(pa.types, f"is_{name}")(kind) for name in names)
