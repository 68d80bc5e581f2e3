"""A corpus is a folder of Parquet shards, on a local path or any fsspec URL (`s3://`, `gs://`, `hf://`).

    corpus = Corpus("runs/edu/clean")
    for split in corpus.splits():
        for batch in corpus.read(split): ...

Finishing, resuming and counting are all "look at the files": a shard that is there is whole (`curate.writer`), and its
footer holds the receipt that says how it was made. Folders named `dropped` and `quarantine`, and names
that start with `.` or `_`, are evidence and scratch, not documents.
"""

import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import fsspec
import pyarrow as pa

import curate.checksum as checksum
from curate.document import Batch
from curate.parquet import open_parquet, own_metadata, read_receipt
from curate.storage import folder_of, is_remote, listed, means
from curate.writer import ShardWriter

DROPPED, QUARANTINE = "dropped", "quarantine"  # evidence folders inside a corpus
SPLIT_BYTES = 128 * 2**20  # uncompressed bytes of row groups that one unit of work reads
BATCH_ROWS, BATCH_BYTES = 512, 32 * 2**20  # a stage sees no more at once (one larger row is a batch of its own)


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
    checksum: str | None = None  # of the file, which those that we write hold

    def identity(self) -> dict[str, Any]:
        """Return what tells this input from another one, wherever its folder lies.

        A file of ours is told by all its bytes, any other by its name and sizes: to know more it would have to be read.
        """
        told = asdict(self)
        return {key: told[key] for key in told if key != "path" and (key, told[key]) != ("checksum", None)}


class Source(Protocol):
    """Anything documents are read from; a `Corpus` and every reader is one."""

    @property
    def schema(self) -> pa.Schema: ...

    def splits(self) -> list[Split]: ...

    def read(self, split: Split) -> Iterator[Batch]: ...


@dataclass(frozen=True)
class Corpus:
    """A folder of Parquet shards, a single Parquet file, or those that a glob matches: `data/train-*.parquet`.

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
        fs, root = fsspec.core.url_to_fs(self.root)
        there = listed(self.path)
        if there is None:
            raise FileNotFoundError(f"{self.path} does not exist; give a folder of Parquet shards or one Parquet file")
        found = sorted(name for name in there.sizes if name == root or is_shard(_relative(name, root)))
        if not found:
            raise FileNotFoundError(f"{self.path} holds no .parquet shard; was the step that writes it run?")
        return [fs.unstrip_protocol(name) if is_remote(fs) else name for name in found]

    @cached_property
    def root(self) -> str:
        """What the shards are named below: `path`, or the folder that a glob searches."""
        return folder_of(self.path)

    @cached_property
    def schema(self) -> pa.Schema:
        """Schema of the first shard; shards of one corpus agree.

        A column without any value there has the type of the first shard that has one: pandas writes none without.
        """
        schema = _schema_of(self.files[0])
        if not any(map(_is_untyped, schema.types)):
            return schema
        with ThreadPoolExecutor(16) as pool:
            for other in pool.map(_schema_of, self.files[1:]):
                schema = pa.schema([_typed_as(field, other) for field in schema])
                if not any(map(_is_untyped, schema.types)):
                    break
            pool.shutdown(cancel_futures=True)
        return schema

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
        name = shard_name(path, self.root)
        sealed = own_metadata(footer).get(checksum.KEY, b"").decode() or None
        if not footer.num_row_groups:
            return [Split(name, path, 0, 0, 0, 0, checksum=sealed)]
        sizes = [footer.row_group(g).total_byte_size for g in range(footer.num_row_groups)]
        rows = [footer.row_group(g).num_rows for g in range(footer.num_row_groups)]
        ranges = _ranges(sizes, self.split_bytes)
        names = [name] if len(ranges) == 1 else [f"{name}.{lo:05d}-{hi:05d}" for lo, hi in ranges]
        return [
            Split(part, path, lo, hi, sum(rows[lo:hi]), sum(sizes[lo:hi]), checksum=sealed)
            for part, (lo, hi) in zip(names, ranges, strict=True)
        ]

    def read(self, split: Split, columns: Sequence[str] | None = None, batch_rows: int = BATCH_ROWS) -> Iterator[Batch]:
        """Yield the split's rows in order, in batches bounded in rows and bytes.

        Raises:
            ValueError: all columns are read, and the shard has others than the first one of the corpus.
        """
        with open_parquet(split.path) as file:
            if columns is None:
                self._refuse_other_columns(split.path, file.schema_arrow.names)
            groups = list(range(split.start, split.stop))
            for batch in file.iter_batches(batch_rows, row_groups=groups, columns=columns):
                yield from bounded(self._typed(batch), BATCH_BYTES)

    def _typed(self, batch: Batch) -> Batch:
        """Give the type that the corpus has for it to a column that has no value in this shard, and so no type."""
        if not any(map(_is_untyped, batch.schema.types)):
            return batch
        return batch.cast(pa.schema([_typed_as(field, self.schema) for field in batch.schema]))

    def _refuse_other_columns(self, path: str, names: Sequence[str]) -> None:
        lacking = [name for name in self.schema.names if name not in names]
        more = [name for name in names if name not in self.schema.names]
        if lacking or more:
            told = [f"lacks {', '.join(lacking)}"] if lacking else []
            told += [f"has {', '.join(more)} besides"] if more else []
            raise ValueError(
                f"{path} has other columns than {self.files[0]}: it {' and '.join(told)}, so some would be lost; "
                "give files of one kind at a time"
            )

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
            return {shard_name(path, self.root): receipt for path, receipt in zip(self.files, found, strict=True)}


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
    if limit < 1:
        raise ValueError(f"a limit of {limit} rows leaves nothing to read; give 1 or more, or leave it out to read all")
    chosen: list[Split] = []
    for split in splits:
        if limit <= 0:
            break
        rows = limit if split.num_rows is None else min(split.num_rows, limit)
        chosen.append(replace(split, limit=rows))
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


def bounded(batch: Batch, max_bytes: int) -> Iterator[Batch]:
    """Halve a batch until each piece is within `max_bytes` or a single row."""
    if batch.num_rows <= 1 or batch.nbytes <= max_bytes:
        yield batch
        return
    half = batch.num_rows // 2
    yield from bounded(batch.slice(0, half), max_bytes)
    yield from bounded(batch.slice(half), max_bytes)


def refuse_own_input(path: str, out: str, names: Iterable[str]) -> None:
    """Raise if shards of these names in `out` would lie among the Parquet files at `path`.

    Started again, what writes them would read its own.
    """
    own, target, files = _full(path), _full(out), [f"{out}/{name}.parquet" for name in names]
    if own == target or own in map(_full, files):
        raise ValueError(f"the output folder {out} is the input; choose another one")
    inside = target.startswith(f"{own}/") and is_document(target.removeprefix(f"{own}/"))
    if inside or _matches(path, files):
        raise ValueError(
            f"the output folder {out} is inside of the input and would become part of it; choose another one"
        )


def _full(path: str) -> str:
    fs, plain = fsspec.core.url_to_fs(path)
    return str(fs.unstrip_protocol(plain)).rstrip("/")


def _matches(path: str, files: Iterable[str]) -> bool:
    """Tell whether one of these files, were it there, would be a shard of the corpus at `path`, if that is a glob."""
    root = folder_of(path)
    return root != path and any(means(path, file) and is_shard(f"{shard_name(file, root)}.parquet") for file in files)


def _schema_of(path: str) -> pa.Schema:
    with open_parquet(path) as file:
        return file.schema_arrow.remove_metadata()


def _is_untyped(kind: pa.DataType) -> bool:
    """Tell a column that only has nulls, or lists or structs of them, as it is written where no type is known."""
    return pa.types.is_null(kind) or any(_is_untyped(kind.field(at).type) for at in range(kind.num_fields))


def _typed_as(field: pa.Field, other: pa.Schema) -> pa.Field:
    """Return the other schema's field of this name, where this one has no type."""
    return other.field(field.name) if _is_untyped(field.type) and field.name in other.names else field


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
    if plain != base:
        return _relative(plain, base).removesuffix(".parquet")
    return posixpath.basename(plain).removesuffix(".parquet").lstrip("._") or "input"  # a shard of it is no scratch


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
