"""Some splits of another source, named by a small file: a sample that every verb reads as it reads the whole.

    write_chosen("tenth.chosen.json", "crawl/", None, splits, skips={"00007.r000128": 128})
    curate score tenth.chosen.json -o scored

The splits may be finer than the source's own: some of its row groups, bytes or files; or, with a limit and a number of
rows to skip, some rows in the middle of one. The documents, and the time to read them, are the source's.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
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
    skips: tuple[tuple[str, int], ...] = ()  # name of a split -> rows of it to pass over

    @property
    def schema(self) -> pa.Schema:
        return self.source.schema

    def splits(self) -> list[Split]:
        return list(self.chosen)

    def read(self, split: Split) -> Iterator[Batch]:
        left = dict(self.skips).get(split.name, 0)
        for batch in self.source.read(split):
            passed = min(left, batch.num_rows)
            left -= passed
            if passed < batch.num_rows:
                yield batch.slice(passed)


def write_chosen(
    path: str, source: str, kind: str | None, splits: Sequence[Split], skips: Mapping[str, int] | None = None
) -> None:
    """Write down which splits of the source at `source` are meant.

    Args:
        kind: as in `open_source`.
        skips: rows to pass over at the start of a split, by its name.
    """
    said = {"source": source, "kind": kind, "splits": [asdict(split) for split in splits], "skips": dict(skips or {})}
    with fsspec.open(path, "w") as file:
        json.dump(said, file)


def open_chosen(path: str) -> Chosen:
    """Open what `write_chosen` wrote.

    Raises:
        ValueError: the file is something else.
    """
    from curate.readers import open_source

    try:
        said = json.loads(read_bytes(path))
        splits = tuple(Split(**split) for split in said["splits"])
        source, kind, skips = said["source"], said["kind"], tuple(said["skips"].items())
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} names no splits of a source ({error}); `curate plan` writes such files") from error
    return Chosen(path, open_source(source, kind=kind), splits, skips)
