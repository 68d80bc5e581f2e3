"""Parquet with other people's column names.

    Parquet("the-stack/")       content, hexsha, max_stars_repo_name, ...  ->  text, id, repo_name, ...
    Parquet("stack-edu/")       blob_id, length_bytes, ...                 ->  id, size, ...; the text is to be fetched

A folder with our names already is a `curate.corpus.Corpus` and needs none of this. Columns that are neither
ours nor in `curate.code.stack.ALIASES` come through under their own names, and lists of detected licences too, whose
members, all of which hold, are one expression in `license`. Without any id column a row is named source/file/row.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

import fsspec
import pyarrow as pa

from curate.code.spdx import join
from curate.code.stack import ALIASES, KEPT_LISTS
from curate.corpus import SPLIT_BYTES, Corpus, Split, shard_name
from curate.document import CODE, ID, TEXT, WEB, Batch
from curate.parquet import open_parquet

TYPES = {field.name: field.type for schema in (WEB, CODE) for field in schema}


@dataclass(frozen=True)
class Parquet:
    """A corpus whose columns are renamed to ours and cast to our types.

    Raises:
        ValueError: on reading, no column is the text, nor Software Heritage's name of one.
    """

    path: str
    split_bytes: int = SPLIT_BYTES

    @cached_property
    def corpus(self) -> Corpus:
        return Corpus(self.path, self.split_bytes)

    @cached_property
    def renamed(self) -> dict[str, str]:
        """Our name by theirs, for the columns that change."""
        names = self.corpus.schema.names
        found = {ours: next((name for name in theirs if name in names), None) for ours, theirs in ALIASES.items()}
        return {theirs: ours for ours, theirs in found.items() if theirs is not None and ours not in names}

    @property
    def renames(self) -> bool:
        """Tell whether anything comes other than it lies there; dictionaries (pandas' categories) come as values."""
        there = self.corpus.schema
        return self.schema.names != there.names or any(map(pa.types.is_dictionary, there.types))

    @cached_property
    def schema(self) -> pa.Schema:
        fields = [(self.renamed.get(f.name, f.name), _values(f.type)) for f in self.corpus.schema]
        names = [name for name, _ in fields]
        if TEXT not in names and "blob_id" not in self.corpus.schema.names:
            raise ValueError(
                f"{self.path} has no column with the text ({', '.join((TEXT, *ALIASES[TEXT]))}), and no blob_id to "
                f"fetch it by; it has {', '.join(names)}. Rename the column, or fetch what these rows point to"
            )
        kept = [(f.name, f.type) for f in self.corpus.schema if self._comes_twice(f)]
        without_id = [] if ID in names else [(ID, pa.string())]
        return pa.schema([(name, TYPES.get(name, kind)) for name, kind in fields] + kept + without_id)

    def _comes_twice(self, field: pa.Field) -> bool:
        return field.name in self.renamed and field.name in KEPT_LISTS and pa.types.is_list(field.type)

    def splits(self) -> list[Split]:
        return self.corpus.splits()

    def read(self, split: Split) -> Iterator[Batch]:
        """Yield the split's rows in order."""
        row = self._first_row(split)
        for batch in self.corpus.read(split):
            arrays = {name: batch[name] for name in batch.schema.names if name in self.schema.names}
            arrays |= {ours: batch[theirs] for theirs, ours in self.renamed.items()}
            numbers = range(row, row := row + batch.num_rows)
            if ID not in arrays:
                arrays[ID] = pa.array([f"{self._file_id(split)}/{number}" for number in numbers])
            columns = [as_type(arrays[field.name], field.type) for field in self.schema]
            yield pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _first_row(self, split: Split) -> int:
        with open_parquet(split.path) as file:
            return sum(file.metadata.row_group(group).num_rows for group in range(split.start))

    def _file_id(self, split: Split) -> str:
        root = PurePosixPath(fsspec.core.url_to_fs(self.corpus.root)[1])
        source = root.parent.name if root.suffix == ".parquet" else root.name
        return f"{source}/{shard_name(split.path, self.corpus.root)}"


def _values(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def as_type(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Cast; a list of licences becomes one expression, of which all hold."""
    if (pa.types.is_list(array.type) or pa.types.is_large_list(array.type)) and pa.types.is_string(kind):
        return pa.array([None if names is None else join(names) for names in array.to_pylist()], kind)
    return array.cast(kind)
