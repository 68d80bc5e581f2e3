"""The index: what earlier corpora kept, so that a new one is held against all of them without reading them.

    dedup(Corpus("2024-10"), "out/2024-10", index="index")
    dedup(Corpus("2024-18"), "out/2024-18", index="index")      held against 2024-10, and added
    delete("index", ["<urn:uuid:...>"])

Older documents win (keep-old): a document of the index never leaves, so every published corpus stays as it is, and the
results of corpora in turn are those of one batch in which older corpora rank first. Only kept documents are indexed;
what left for one of them is near it as well, and nothing ever needs it again.

    index.parquet                   one row for each corpus added, a layer; its footer has the settings. What it lists
                                    is the index: a layer counts from the moment this file is replaced
    LAYER/documents/NNNNN.parquet   kept documents in corpus order: rank, id, exact, bands, (url,) shingles
    LAYER/KIND/NNN.parquet          KIND near, exact, url: key, (low,) rank, ascending; file NNN has the keys whose four
                                    highest bits are NNN
    LAYER/left/NNNNN.parquet        id of each document that left, and the rank that it left for
    deleted.parquet, freed.parquet  what `delete` took out, and the documents that had left for it

Cost, at 14 bands: 12 bytes of key and rank a band, twice 8 for the band keys in `documents`, some 80 for id and hashes,
and 8 a distinct shingle: about 380 + 8 * shingles bytes a document, that is, about as much as its text. With the sets
stored, the index needs none of the earlier corpora, and verification against it is as exact as within a corpus.

Deletion takes effect for what comes later. A deleted document no longer makes anything leave; a later copy of it is a
new document. What left for it earlier is not published anywhere and does not come back by itself, because the index
does not have its text: `freed.parquet` lists it, to be run again as a corpus of its own. Ranks are never given twice.
The deleted document's hashes stay in its layer, unused, and its id, where a later corpus has it again, is a new one.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.corpus import Corpus
from curate.dedup.layout import Block, Sets
from curate.dedup.minhash import MinHash
from curate.dedup.passes import digest
from curate.dedup.shuffle import column, exists, opened, put, read_rows
from curate.document import ID
from curate.parquet import read_receipt
from curate.storage import is_remote
from curate.writer import ShardWriter

FORMAT = 3  # of the files
LAYERS = pa.schema(
    [
        ("layer", pa.string()),
        ("input", pa.string()),  # digest of the splits' identities
        ("content", pa.string()),  # digest of all ids and texts
        ("before", pa.string()),  # state of the index that the corpus was held against
        ("num_rows", pa.int64()),
        ("first_rank", pa.int64()),
        ("num_kept", pa.int64()),
    ]
)
DELETED = pa.schema([(ID, pa.string()), ("rank", pa.int64())])
FREED = pa.schema([(ID, pa.string()), ("survivor", pa.string())])


@dataclass(frozen=True)
class Index:
    """An index as it was when it was opened."""

    path: str
    layers: tuple[dict[str, Any], ...]
    deleted: tuple[int, ...]  # ranks

    @property
    def num_docs(self) -> int:
        """Ranks given so far, those of deleted documents included."""
        return sum(layer["num_kept"] for layer in self.layers)

    @property
    def state(self) -> str:
        """What a corpus is held against, in a few letters; "" while the index is empty."""
        return digest([[layer["layer"] for layer in self.layers], self.deleted]) if self.layers else ""

    def folders(self) -> tuple[str, ...]:
        return tuple(f"{self.path}/{layer['layer']}" for layer in self.layers)

    def blocks(self, num_new: int) -> Iterator[Block]:
        """Yield the files of documents, as blocks after the rows of a new corpus."""
        start = num_new
        for folder in self.folders():
            for file in _files(f"{folder}/documents"):
                with opened(file) as parquet:
                    size = parquet.metadata.num_rows
                if size:
                    yield Block((file,), (size,), start, old=True)
                start += size

    def rows(self, num_new: int) -> NDArray[np.uint32]:
        """Return (num_docs,) uint32: the row of each rank."""
        files = [file for folder in self.folders() for file in _files(f"{folder}/documents")]
        ranks = [column(read_rows(file, ["rank"]), "rank") for file in files]
        rows = np.empty(self.num_docs, dtype=np.uint32)
        rows[np.concatenate([np.zeros(0, np.uint32), *ranks])] = np.arange(
            num_new, num_new + len(rows), dtype=np.uint32
        )
        return rows


def open_index(path: str, settings: MinHash, by_url: bool) -> Index:
    """Open an index, or an empty one where there is none yet.

    Raises:
        ValueError: it was made with other settings.
    """
    path = path.rstrip("/")
    if not exists(f"{path}/index.parquet"):
        return Index(path, (), ())
    made, asked = (read_receipt(f"{path}/index.parquet") or {}).get("index"), _settings(settings, by_url)
    if made != asked:
        raise ValueError(
            f"the index {path} was made with other settings; use the same ones, or another folder for a new index.\n"
            f"  there: {made}\n  asked: {asked}"
        )
    return _open(path)


def _open(path: str) -> Index:
    layers = tuple(Corpus(f"{path}/index.parquet").table().to_pylist())
    return Index(path, layers, tuple(sorted(_table(f"{path}/deleted.parquet", DELETED)["rank"].to_pylist())))


def _settings(settings: MinHash, by_url: bool) -> dict[str, Any]:
    return {"format": FORMAT, "settings": repr(settings), "by_url": by_url}


def read_sets(file: str, rows: NDArray[np.int64]) -> Iterator[Sets]:
    """Read the shingle sets of some rows (ascending) of a file of documents, row group by row group."""
    with opened(file) as parquet:
        first = 0
        for group in range(parquet.num_row_groups):
            size = parquet.metadata.row_group(group).num_rows
            inside = rows[np.searchsorted(rows, first) : np.searchsorted(rows, first + size)]
            if len(inside):
                taken = parquet.read_row_group(group, ["shingles"])["shingles"].combine_chunks()
                sets = (taken.chunk(0) if isinstance(taken, pa.ChunkedArray) else taken).take(pa.array(inside - first))
                yield inside, np.diff(sets.offsets.to_numpy()), sets.values.to_numpy()
            first += size


def commit(index: Index, settings: MinHash, by_url: bool, layer: dict[str, Any]) -> None:
    """Make a written layer part of the index: the one act that counts.

    Raises:
        ValueError: another run has changed the index meanwhile.
    """
    with _alone(index.path):
        now = open_index(index.path, settings, by_url)
        if now.layers != index.layers or now.deleted != index.deleted:
            raise ValueError(
                f"the index {index.path} was changed by another run meanwhile, and this corpus was held against the "
                "index before that; delete its output folder and run this one again"
            )
        _replace(index.path, "index", pa.Table.from_pylist([*index.layers, layer], LAYERS), _settings(settings, by_url))


def check_writable(path: str) -> None:
    """Say before any work that an index cannot be written.

    Raises:
        ValueError: nothing can be written there.
    """
    fs, probe = fsspec.core.url_to_fs(f"{path}/.probe")
    try:
        put(f"{path}/.probe", lambda file: None)
        with suppress(FileNotFoundError):  # of another run that probes as well
            fs.rm_file(probe)
    except OSError as error:
        raise ValueError(f"the index {path} cannot be written ({error}); give a folder that can") from error


@contextmanager
def _alone(path: str) -> Iterator[None]:
    """Let one process at a time read the lists of an index and replace them; a killed one holds nothing.

    Remote file systems, and local ones without locks, go without: there two changes in the same instant may lose one.
    """
    fs, root = fsspec.core.url_to_fs(path)
    if is_remote(fs):
        yield
        return
    folder = os.open(root, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


@dataclass(frozen=True)
class Deleted:
    """What `delete` did; `print` it."""

    path: str
    num_deleted: int
    num_left: int  # ids of documents that had left: there is nothing of them to take out
    unknown: tuple[str, ...]
    num_freed: int  # documents that had left for a deleted one

    def __str__(self) -> str:
        unknown = f", {len(self.unknown):,} ids are unknown (first {self.unknown[0]})" if self.unknown else ""
        freed = f"; {self.num_freed:,} documents that had left for them are listed in {self.path}/freed.parquet"
        deleted = f"{self.num_deleted:,} documents deleted, {self.num_left:,} had left before"
        return f"{deleted}{unknown}{freed if self.num_freed else ''}"


def delete(path: str, ids: Sequence[str]) -> Deleted:
    """Take documents out of an index, for what comes later; see this module for what that means.

    Raises:
        FileNotFoundError: there is no index.
    """
    path = path.rstrip("/")
    if not exists(f"{path}/index.parquet"):
        raise FileNotFoundError(f"{path} holds no index.parquet; give the folder that `curate dedup --index` wrote")
    with _alone(path):
        return _delete(_open(path), pa.array(sorted(set(ids)), pa.string()))


def _delete(index: Index, wanted: pa.Array) -> Deleted:
    path = index.path
    kept, left = (_where(index, kind, wanted) for kind in ("documents", "left"))
    before = _table(f"{path}/deleted.parquet", DELETED)
    kept = kept.filter(pa.compute.invert(pa.compute.is_in(kept["rank"], value_set=before["rank"].combine_chunks())))
    names = dict(zip(kept["rank"].to_pylist(), kept[ID].to_pylist(), strict=True))
    freed = _left_for(index, kept["rank"].combine_chunks())
    survivors = pa.array([names[rank] for rank in freed["rank"].to_pylist()], pa.string())
    freed = pa.table([freed[ID].cast(pa.string()), survivors], schema=FREED)
    if len(kept):  # the list of freed documents first: a killed deletion is made whole by the next one
        _replace(path, "freed", _joined(_table(f"{path}/freed.parquet", FREED), freed), {})
        _replace(path, "deleted", pa.concat_tables([before, kept.cast(DELETED)]), {})
    known = {*kept[ID].to_pylist(), *left[ID].to_pylist(), *before[ID].to_pylist()}
    unknown = tuple(name for name in wanted.to_pylist() if name not in known)
    return Deleted(path, len(kept), len(left), unknown, len(freed))


def _joined(before: pa.Table, more: pa.Table) -> pa.Table:
    return pa.concat_tables([before, more]).group_by([ID, "survivor"]).aggregate([]).sort_by(ID)


def _where(index: Index, kind: str, ids: pa.Array) -> pa.Table:
    """Return id and rank of the documents with these ids."""
    found = [pa.table({ID: pa.array([], pa.string()), "rank": pa.array([], pa.int64())})]
    for folder in index.folders():
        for file in _files(f"{folder}/{kind}"):
            table = read_rows(file, [ID, "rank"])
            found.append(table.filter(pa.compute.is_in(table[ID], value_set=ids)).cast(DELETED))
    return pa.concat_tables(found)


def _left_for(index: Index, ranks: pa.Array) -> pa.Table:
    found = [pa.table({ID: pa.array([], pa.string()), "rank": pa.array([], pa.int64())})]
    for folder in index.folders():
        for file in _files(f"{folder}/left"):
            table = read_rows(file, [ID, "rank"]).cast(DELETED)
            found.append(table.filter(pa.compute.is_in(table["rank"], value_set=ranks)))
    return pa.concat_tables(found)


def _table(path: str, schema: pa.Schema) -> pa.Table:
    return Corpus(path).table().cast(schema) if exists(path) else schema.empty_table()


def _replace(folder: str, name: str, table: pa.Table, receipt: dict[str, Any]) -> None:
    with ShardWriter(folder, name, table.schema) as writer:
        for batch in table.combine_chunks().to_batches():
            writer.write(batch)
        writer.commit({"index": receipt})


def _files(folder: str) -> list[str]:
    fs, root = fsspec.core.url_to_fs(folder)
    return sorted(fs.unstrip_protocol(name) if "://" in folder else name for name in fs.glob(f"{root}/*.parquet"))
