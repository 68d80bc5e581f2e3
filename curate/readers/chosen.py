"""Some splits of another source, named by a small file: a sample that every verb reads as it reads the whole.

    write_chosen("tenth.chosen.json", "crawl/", None, splits)
    curate score tenth.chosen.json -o scored

The splits may be finer than the source's own, and may have limits; the documents, and the time to read them, are the
source's.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import fsspec
import pyarrow as pa

from curate.corpus import Source, Split
from curate.document import Batch
from curate.storage import read_bytes

ENDING = ".chosen.json"


@dataclass(frozen=True)
class Chosen:
    """Some splits of a source."""

    path: str
    source: Source
    chosen: tuple[Split, ...]

    @property
    def schema(self) -> pa.Schema:
        return self.source.schema

    def splits(self) -> list[Split]:
        return list(self.chosen)

    def read(self, split: Split) -> Iterator[Batch]:
        return self.source.read(split)


def write_chosen(path: str, source: str, kind: str | None, splits: Sequence[Split]) -> None:
    """Write down which splits of the source at `source` are meant; `kind` as in `open_source`."""
    with fsspec.open(path, "w") as file:
        json.dump({"source": source, "kind": kind, "splits": [asdict(split) for split in splits]}, file)


def open_chosen(path: str) -> Chosen:
    """Open what `write_chosen` wrote.

    Raises:
        ValueError: the file is something else.
    """
    from curate.readers import open_source

    try:
        said = json.loads(read_bytes(path))
        splits = tuple(Split(**split) for split in said["splits"])
        source, kind = said["source"], said["kind"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} names no splits of a source ({error}); `curate plan` writes such files") from error
    return Chosen(path, open_source(source, kind=kind), splits)
