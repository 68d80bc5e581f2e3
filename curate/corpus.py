"""A corpus is a folder of Parquet shards, on a local path or any fsspec URL (`s3://`, `gs://`, `hf://`).

    corpus = Corpus("runs/edu/clean")
    for split in corpus.splits():
        for batch in corpus.read(split): ...

Finishing, resuming and counting are all "look at the files": a shard appears under its final name only when it is
whole, and its footer holds the receipt that says how it was made. Folders named `dropped` and `quarantine`, and names
that start with `.` or `_`, are evidence and scratch, not documents.
"""

import errno
import json
import os
import posixpath
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol, Self

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import curate.checksum as checksum
from curate.document import ID, URL, Batch
from curate.storage import find, info, is_remote, open_binary, upload

DROPPED, QUARANTINE = "dropped", "quarantine"  # evidence folders inside a corpus
SPLIT_BYTES = 128 * 2**20  # uncompressed bytes of row groups that one unit of work reads
BATCH_ROWS, BATCH_BYTES = (
    512,
    32 * 2**20,
)  # a stage sees at most this much at once (one larger row is a batch of its own)
GROUP_ROWS, GROUP_BYTES = 4096, 32 * 2**20  # a written row group; small enough for loaders that read one at a time
LOCAL_READ = {"pre_buffer": False, "buffer_size": 2**20}  # bytes of a column at a time, not its whole row group
BLOOM = {"ndv": GROUP_ROWS, "fpp": 0.01}  # of ids and URLs, 2 bytes a row each: to find one document among millions
LEVEL = 1  # of zstd: writes web text 1.8 times as fast as 3 and 14 % larger, still a quarter below Snappy
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)  # of file systems without hard links
RECEIPT_KEY = b"curate.receipt"


@dataclass(frozen=True)
class Split:
    """One unit of work: a range of one input file.

    `start` and `stop` count row groups in Parquet, bytes in text files, files in a folder of code; -1 is the end.
    """

    name: str  # the output shard's path below its corpus, without ".parquet"
    path: str
    start: int
    stop: int
    num_rows: int | None  # None where counting would mean reading
    num_bytes: int  # of input, for progress and for largest-first order
    limit: int | None = None  # read no more rows than this

    def identity(self) -> dict[str, Any]:
        """Return what tells this input from another one, wherever its folder lies."""
        return {key: value for key, value in asdict(self).items() if key != "path"}


class Source(Protocol):
    """Anything documents are read from; a `Corpus` and every reader is one."""

    @property
    def schema(self) -> pa.Schema: ...

    def splits(self) -> list[Split]: ...

    def read(self, split: Split) -> Iterator[Batch]: ...


@dataclass(frozen=True)
class Corpus:
    """A folder of Parquet shards, or a single Parquet file.

    Raises:
        FileNotFoundError: nothing is at `path`, or it is a folder without shards.
        ValueError: a file is not Parquet.
    """

    path: str
    split_bytes: int = SPLIT_BYTES

    def __init__(self, path: str | os.PathLike[str], split_bytes: int = SPLIT_BYTES) -> None:
        object.__setattr__(self, "path", str(path).rstrip("/"))
        object.__setattr__(self, "split_bytes", split_bytes)

    @cached_property
    def files(self) -> list[str]:
        """Full paths of the shards, sorted by name."""
        fs, root = fsspec.core.url_to_fs(self.path)
        known = info(self.path)
        if known is None:
            raise FileNotFoundError(f"{self.path} does not exist; give a folder of Parquet shards or one Parquet file")
        if known["type"] == "file":
            return [fs.unstrip_protocol(root) if is_remote(fs) else root]
        found = [name for name in find(self.path) if is_shard(_relative(name, root))]
        if not found:
            raise FileNotFoundError(f"{self.path} holds no .parquet shard; was the step that writes it run?")
        return [fs.unstrip_protocol(name) if is_remote(fs) else name for name in found]

    @cached_property
    def schema(self) -> pa.Schema:
        """Schema of the first shard; shards of one corpus agree."""
        with open_parquet(self.files[0]) as file:
            return file.schema_arrow.remove_metadata()

    @property
    def num_rows(self) -> int:
        return sum(split.num_rows or 0 for split in self.splits())

    def splits(self) -> list[Split]:
        """One split per `split_bytes` of row groups; the same for any number of workers."""
        with ThreadPoolExecutor(16) as pool:  # footers are small and remote reads wait
            return [split for splits in pool.map(self._split_file, self.files) for split in splits]

    def _split_file(self, path: str) -> list[Split]:
        with open_parquet(path) as file:
            footer = file.metadata
        name = shard_name(path, self.path)
        if not footer.num_row_groups:
            return [Split(name, path, 0, 0, 0, 0)]
        sizes = [footer.row_group(g).total_byte_size for g in range(footer.num_row_groups)]
        rows = [footer.row_group(g).num_rows for g in range(footer.num_row_groups)]
        ranges = _ranges(sizes, self.split_bytes)
        names = [name] if len(ranges) == 1 else [f"{name}.{lo:05d}-{hi:05d}" for lo, hi in ranges]
        return [
            Split(part, path, lo, hi, sum(rows[lo:hi]), sum(sizes[lo:hi]))
            for part, (lo, hi) in zip(names, ranges, strict=True)
        ]

    def read(self, split: Split, columns: Sequence[str] | None = None, batch_rows: int = BATCH_ROWS) -> Iterator[Batch]:
        """Yield the split's rows in order, in batches bounded in rows and bytes."""
        with open_parquet(split.path) as file:
            groups = list(range(split.start, split.stop))
            for batch in file.iter_batches(batch_rows, row_groups=groups, columns=columns):
                yield from bounded(batch, BATCH_BYTES)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[Batch]:
        """Yield the whole corpus in order."""
        for split in self.splits():
            yield from self.read(split, columns)

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Read the whole corpus into memory; for small ones."""
        schema = self.schema if columns is None else pa.schema([self.schema.field(name) for name in columns])
        return pa.Table.from_batches(self.batches(columns), schema)

    def receipts(self) -> dict[str, dict[str, Any] | None]:
        """Return each shard's receipt by shard name; None for a shard that we did not write."""
        with ThreadPoolExecutor(16) as pool:
            found = pool.map(read_receipt, self.files)
            return {shard_name(path, self.path): receipt for path, receipt in zip(self.files, found, strict=True)}


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


def write_corpus(
    folder: str | os.PathLike[str],
    batches: Iterable[Batch],
    *,
    schema: pa.Schema | None = None,
    shard_rows: int = 100_000,
    receipt: Mapping[str, Any] | None = None,
) -> Corpus:
    """Write a small corpus from this process: shards `00000`, `00001`, ... of about `shard_rows` rows."""
    iterator = iter(batches)
    first = next(iterator, None)
    if first is None and schema is None:
        raise ValueError(f"no batch to write into {folder}; pass schema= to write an empty corpus")
    schema = schema or (first.schema if first is not None else None)
    assert schema is not None
    shard, pending = 0, first
    while shard == 0 or pending is not None:
        with ShardWriter(folder, f"{shard:05d}", schema) as writer:
            while pending is not None and writer.num_rows < shard_rows:
                writer.write(pending)
                pending = next(iterator, None)
            writer.commit(receipt or {})
        shard += 1
    return Corpus(folder)


def limited(splits: Sequence[Split], limit: int | None) -> list[Split]:
    """Return the first splits that hold `limit` rows between them.

    Where a split does not know its number of rows, it may use up all that is left of the limit, so that a run over
    WARC or JSONL reads its first file only.
    """
    if limit is None:
        return list(splits)
    chosen: list[Split] = []
    for split in splits:
        if limit <= 0:
            break
        rows = limit if split.num_rows is None else min(split.num_rows, limit)
        chosen.append(Split(split.name, split.path, split.start, split.stop, split.num_rows, split.num_bytes, rows))
        limit -= rows
    return chosen


def read_split(source: Source, split: Split) -> Iterator[Batch]:
    """Read a split of any source, no further than its limit."""
    left = split.limit
    for batch in source.read(split):
        if left is not None:
            batch = batch.slice(0, left)
            left -= batch.num_rows
        if batch.num_rows:
            yield batch
        if left == 0:
            return


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


def bounded(batch: Batch, max_bytes: int) -> Iterator[Batch]:
    """Halve a batch until each piece is within `max_bytes` or a single row."""
    if batch.num_rows <= 1 or batch.nbytes <= max_bytes:
        yield batch
        return
    half = batch.num_rows // 2
    yield from bounded(batch.slice(0, half), max_bytes)
    yield from bounded(batch.slice(half), max_bytes)


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


def read_receipt(path: str) -> dict[str, Any] | None:
    """Return the receipt in a shard's footer, None if it has none.

    Raises:
        ValueError: it cannot be read.
    """
    with open_parquet(path) as file:
        found = (file.metadata.metadata or {}).get(RECEIPT_KEY)
    try:
        return None if found is None else dict(json.loads(found))
    except ValueError as error:
        raise ValueError(f"{path} is damaged: its receipt cannot be read ({error}); delete it and run again") from error


def is_shard(relative: str) -> bool:
    """Tell a shard of documents from evidence (`dropped/`, `quarantine/`) and scratch (`.name`, `_name`)."""
    return relative.endswith(".parquet") and is_document(relative)


def is_document(relative: str) -> bool:
    """Tell whether a path below a source is neither evidence nor scratch."""
    parts = relative.split("/")
    return not any(part.startswith((".", "_")) or part in (DROPPED, QUARANTINE) for part in parts)


def shard_name(path: str, root: str) -> str:
    """Return a shard's path below its corpus without the ending: its identity through every later step."""
    _, plain = fsspec.core.url_to_fs(path)
    _, base = fsspec.core.url_to_fs(root)
    relative = posixpath.basename(plain) if plain == base else _relative(plain, base)
    return relative.removesuffix(".parquet")


def _relative(path: str, root: str) -> str:
    return path.removeprefix(root.rstrip("/") + "/")


def _ranges(sizes: Sequence[int], target: int) -> list[tuple[int, int]]:
    """Cut consecutive row groups into ranges of at least `target` bytes (the last may be smaller)."""
    ranges, start, total = [], 0, 0
    for group, size in enumerate(sizes):
        total += size
        if total >= target:
            ranges.append((start, group + 1))
            start, total = group + 1, 0
    if start < len(sizes):
        ranges.append((start, len(sizes)))
    return ranges
