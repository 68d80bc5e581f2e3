"""One run as arrays: for each document a hash of its id, and what became of it. The two sides of a `diff`.

side = read_side("runs/edu", texts=False, by=("language",))
side.fates[side.fate[0]]            # ("1-clean", "c4.curly_bracket", "gopher.word_count"), or ("kept",)
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.corpus import DROPPED, QUARANTINE
from curate.document import DROPPED_BY, ID, QUARANTINED, TEXT, URL
from curate.ledger.leaves import Chain, Leaf
from curate.parquet import open_parquet

KEPT = "kept"
SPREAD = np.uint64(0x9E3779B97F4A7C15)  # an odd number: multiplying by it mixes a hash with the seed


@dataclass(frozen=True)
class Side:
    """One run, a value for each document; rows are in the order of files."""

    ids: np.ndarray  # (N,) uint64 hashes
    fate: np.ndarray  # (N,) int32 into `fates`
    fates: list[tuple[str, ...]]  # ("kept",), or the corpus and the rules that dropped it
    groups: dict[str, np.ndarray]  # column -> (N,) int32 into `names`
    names: dict[str, list[str]]
    sizes: np.ndarray  # (N,) int64 bytes of text, 0 where it was not read or is not there
    texts: np.ndarray  # (N,) uint64 hashes, 0 likewise
    files: list[tuple[str, int]]  # path, rows before it

    @property
    def kept(self) -> np.ndarray:
        """(N,) bool: which documents the run keeps."""
        kept: np.ndarray = np.array([fate == (KEPT,) for fate in self.fates], dtype=bool)[self.fate]
        return kept

    def drawn(self, rows: np.ndarray, seed: int) -> np.ndarray:
        """Return the rows in the order of a draw: random, and the same every time."""
        order: np.ndarray = rows[np.argsort((self.ids[rows] ^ np.uint64(seed)) * SPREAD)]
        return order

    def in_groups(self, rows: np.ndarray) -> Iterator[tuple[str, Iterator[tuple[int, np.ndarray, np.ndarray]]]]:
        """Yield files, and for each (row group, places in `rows`, rows inside the group); `rows` ascend."""
        starts = [start for _, start in self.files]
        cuts = [*np.searchsorted(rows, starts), len(rows)]
        for (file, start), low, high in zip(self.files, cuts[:-1], cuts[1:], strict=True):
            if low < high:
                yield file, _by_group(file, rows[low:high] - start, int(low))

    def names_of(self, rows: np.ndarray) -> list[tuple[str, str]]:
        """Read the ids and URLs of some rows."""
        order = np.argsort(rows)
        found = [("", "")] * len(rows)
        for file, groups in self.in_groups(rows[order]):
            with open_parquet(file) as parquet:
                columns = [name for name in (ID, URL) if name in parquet.schema_arrow.names]
                for group, places, inside in groups:
                    table = parquet.read_row_group(group, columns=columns).take(inside)
                    for place, row in zip(places, table.to_pylist(), strict=True):
                        found[order[place]] = (f"{row[ID]}", row.get(URL) or "")
        return found


def _by_group(file: str, rows: np.ndarray, first: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    with open_parquet(file) as parquet:
        sizes = [parquet.metadata.row_group(group).num_rows for group in range(parquet.num_row_groups)]
    starts = np.cumsum([0, *sizes])
    cuts = np.searchsorted(rows, starts)
    for group, (low, high) in enumerate(itertools.pairwise(cuts)):
        if low < high:
            yield group, first + np.arange(low, high), rows[low:high] - starts[group]


def read_side(run: str, texts: bool, by: Sequence[str]) -> Side:
    """Read what became of every document of a run."""
    return read_leaves(Chain.of(run).leaves(), texts, by)


def read_leaves(leaves: Sequence[Leaf], texts: bool = False, by: Sequence[str] = ()) -> Side:
    """Read the documents of some leaves; with `texts`, the bytes and hashes of kept texts too."""
    from curate.ledger.ids import hash_ids  # a compiled kernel, loaded where it is used

    fates: dict[tuple[str, ...], int] = {}
    names: dict[str, dict[str, int]] = {column: {} for column in by}
    parts: list[tuple[np.ndarray, ...]] = []
    files: list[tuple[str, int]] = []
    rows = 0
    for leaf in leaves:
        corpus = leaf.corpus()
        for file in corpus.files if corpus else ():
            files.append((file, rows))
            for table in _tables(file, leaf, texts, by):
                rows += table.num_rows
                hashes = hash_ids(table[ID])
                groups = [_codes(table, column, names[column]) for column in by]
                parts.append((hashes, _fates(table, leaf, fates), *_texts(table), *groups))
    ids, fate, sizes, text, *groups = _joined(parts, len(by))
    by_column = {column: group for column, group in zip(by, groups, strict=True) if set(names[column]) - {""}}
    return Side(ids, fate, list(fates), by_column, {c: list(names[c]) for c in by_column}, sizes, text, files)


def _joined(parts: Sequence[tuple[np.ndarray, ...]], num_groups: int) -> list[np.ndarray]:
    kinds = (np.uint64, np.int32, np.int64, np.uint64, *[np.int32] * num_groups)
    return [np.concatenate([np.zeros(0, kind), *(part[i] for part in parts)]) for i, kind in enumerate(kinds)]


def _tables(file: str, leaf: Leaf, texts: bool, by: Sequence[str]) -> Iterator[pa.Table]:
    """Yield a file's row groups, the needed columns of each."""
    with open_parquet(file) as parquet:
        names = parquet.schema_arrow.names
        if ID not in names:
            raise ValueError(f"{file} has no column {ID!r} to compare documents by; it has {', '.join(names)}")
        asked = [ID, *by, DROPPED_BY, QUARANTINED, *([TEXT] if texts and leaf.fate == KEPT else [])]
        for group in range(parquet.num_row_groups):
            yield parquet.read_row_group(group, columns=[name for name in asked if name in names])


def _fates(table: pa.Table, leaf: Leaf, fates: dict[tuple[str, ...], int]) -> np.ndarray:
    """Return (N,) int32: the number of each row's fate, new ones numbered in `fates`."""
    if leaf.fate == DROPPED:
        said = pc.binary_join(table[DROPPED_BY], "\n")
    elif leaf.fate == QUARANTINE:
        said = pc.list_element(pc.split_pattern(table[QUARANTINED], ":", max_splits=1), 0)
    else:
        return np.full(table.num_rows, fates.setdefault((KEPT,), len(fates)), np.int32)
    coded = said.combine_chunks().dictionary_encode()
    found = [(leaf.link.name, *(marks or "").split("\n")) for marks in coded.dictionary.to_pylist()]
    numbers = np.array([fates.setdefault(fate, len(fates)) for fate in found], np.int32)
    codes: np.ndarray = numbers[np.asarray(coded.indices)]
    return codes


def _texts(table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Return the bytes and a hash of each text: (N,) int64, (N,) uint64; zeros where there is none."""
    from curate.ledger.ids import hash_ids

    if TEXT not in table.column_names:
        return np.zeros(table.num_rows, np.int64), np.zeros(table.num_rows, np.uint64)
    sizes = pc.fill_null(pc.binary_length(table[TEXT]), 0)
    return sizes.to_numpy().astype(np.int64), hash_ids(table[TEXT])


def _codes(table: pa.Table, column: str, names: dict[str, int]) -> np.ndarray:
    """Return (N,) int32: the number of each row's value, "" where it has none, new ones numbered in `names`."""
    if column not in table.column_names:
        return np.full(table.num_rows, names.setdefault("", len(names)), np.int32)
    coded = pc.fill_null(pc.cast(table[column], pa.string()), "").combine_chunks().dictionary_encode()
    numbers = np.array([names.setdefault(value, len(names)) for value in coded.dictionary.to_pylist()], np.int32)
    codes: np.ndarray = numbers[np.asarray(coded.indices)]
    return codes
