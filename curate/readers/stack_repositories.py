"""The Stack v2 by repositories: a row has a list `files`, and each file becomes a row of its own.

    StackRepositories("the-stack-v2-train-smol-ids/")      repo_name, files=[{blob_id, path, ...}]  ->  a row per file

These are the tables that StarCoder2 was trained from. What a repository says (star_events_count, revision_id, ...)
stands in the row of each of its files; the contents are to be fetched (`FetchContents`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from curate.code.stack import ALIASES, KEPT_LISTS
from curate.corpus import BATCH_BYTES, SPLIT_BYTES, Corpus, Split, bounded
from curate.document import Batch
from curate.readers.parquet import TYPES, as_type

FILES = "files"


@dataclass(frozen=True)
class StackRepositories:
    """Rows of files out of rows of repositories, with our column names."""

    path: str
    split_bytes: int = SPLIT_BYTES

    @cached_property
    def corpus(self) -> Corpus:
        return Corpus(self.path, self.split_bytes)

    @cached_property
    def schema(self) -> pa.Schema:
        return self._rows(pa.RecordBatch.from_pylist([], schema=self.corpus.schema)).schema

    def splits(self) -> list[Split]:
        return [replace(split, num_rows=None) for split in self.corpus.splits()]

    def read(self, split: Split) -> Iterator[Batch]:
        """Yield the files of the split's repositories, in order."""
        for batch in self.corpus.read(split, batch_rows=32):  # a repository may have thousands
            yield from bounded(self._rows(batch), BATCH_BYTES)

    def _rows(self, batch: Batch) -> Batch:
        parents = pc.list_parent_indices(batch[FILES])
        files = batch[FILES].flatten()
        of_files = dict(zip((f.name for f in files.type), files.flatten(), strict=True))
        above = {name: batch[name].take(parents) for name in batch.schema.names if name not in (FILES, *of_files)}
        columns = of_files | above
        renamed = {ours: next((n for n in theirs if n in columns), None) for ours, theirs in ALIASES.items()}
        made = {ours: columns[theirs] for ours, theirs in renamed.items() if theirs and ours not in columns}
        gone = {theirs for ours, theirs in renamed.items() if ours in made} - set(KEPT_LISTS)
        arrays = made | {name: array for name, array in columns.items() if name not in gone}
        arrays = {name: as_type(array, TYPES.get(name, array.type)) for name, array in arrays.items()}
        return pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))


def is_by_repository(schema: pa.Schema) -> bool:
    """Tell The Stack v2's tables of repositories: a list of structs with blob ids."""
    if FILES not in schema.names:
        return False
    kind = schema.field(FILES).type
    listed = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return bool(listed and pa.types.is_struct(kind.value_type) and kind.value_type.get_field_index("blob_id") >= 0)
