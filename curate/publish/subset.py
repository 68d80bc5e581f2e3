"""What is published: a corpus and, as the receipts prove it, the corpora it was made from.

    subsets("runs/edu")          the corpus at the end of the run
    subsets("runs/edu/4-edu")    this one, with 1-clean, 2-scored and 3-unique as its history
    subsets("runs/demo")         one subset for each line of production: web, code

A receipt names the split it was made from by shard, rows and bytes. So one corpus was made from another exactly if the
splits its receipts name are splits of that other: whatever the folders are called, and whoever copied them. A corpus
that lacks some of those splits, without a limit having been asked for, is not finished.
"""

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import fsspec

from curate.corpus import Corpus
from curate.ledger.leaves import Chain, Link
from curate.ledger.runs import corpora, in_order, plain, recipe
from curate.parquet import open_parquet
from curate.report.view import Part
from curate.storage import info, is_remote

DEFAULT = "default"  # the hub's name of the only subset
RANGE = re.compile(r"\.\d{5}-\d{5}$")  # of row groups, in the name of a split of a large shard


@dataclass(frozen=True)
class Size:
    """How large a corpus is."""

    rows: int
    shards: int
    file_bytes: int
    data_bytes: int  # of its columns, uncompressed, as the footers say


@dataclass(frozen=True)
class Subset:
    """One corpus to publish."""

    name: str  # as `datasets.load_dataset(..., name)` calls it
    path: str
    parts: tuple[Part, ...]  # in the order they were made, the corpus itself last; empty if no run made it
    missing: tuple[str, ...] = ()  # splits that the corpus does not have though the one before it does
    limit: int | None = None  # rows of the input that a step was asked to read no more than

    @cached_property
    def corpus(self) -> Corpus:
        return Corpus(self.path)

    @cached_property
    def stages(self) -> tuple[str, ...]:
        """Every stage that its documents went through, in order."""
        return tuple(step for part in self.parts for step in part.recipe.steps[1:])

    @property
    def folder(self) -> str:
        """Its folder in the repository."""
        return "data" if self.name == DEFAULT else f"data/{self.name}"

    @cached_property
    def size(self) -> "Size":
        """Counted from the footers, and held against the receipts.

        Raises:
            ValueError: the shards hold other rows than their receipts say.
        """
        rows = stored = data = 0
        for file in self.corpus.files:
            with open_parquet(file) as parquet:
                footer = parquet.metadata
                rows += footer.num_rows
                data += sum(footer.row_group(group).total_byte_size for group in range(footer.num_row_groups))
            stored += int((info(file) or {})["size"])
        if self.parts and rows != self.parts[-1].tally.rows_out:
            told = self.parts[-1].tally.rows_out
            raise ValueError(f"{self.path} holds {rows:,} documents, and its receipts say {told:,}; make it again")
        return Size(rows, len(self.corpus.files), stored, data)

    def ran(self, *stages: str) -> bool:
        """Tell whether a stage of one of these names is in its history."""
        return any(step.startswith(tuple(f"{stage}(" for stage in stages)) for step in self.stages)

    @property
    def is_code(self) -> bool:
        names = self.corpus.schema.names
        return "path" in names and ("repo_name" in names or "language" in names)

    def chain(self) -> Chain:
        """Return its history as the ledger reads it; of files put together that of the files."""
        links: list[Link] = []
        joined = [at for at, part in enumerate(self.parts, start=1) if part.recipe.joins]
        after = self.parts[joined[-1] :] if joined else self.parts
        for part in after or self.parts[: joined[-1] - 1 if joined else None]:
            offset = links[-1].offset + links[-1].num_stages if links else 0
            links.append(Link(part.name, part.path, part.recipe, offset))
        return Chain(tuple(links) or (Link(posixpath.basename(self.path), self.path, None, 0),))


def subsets(path: str) -> list[Subset]:
    """Return what there is to publish at a path: a run, one of its corpora, or any folder of Parquet.

    Raises:
        FileNotFoundError: there is nothing.
        ValueError: a line of production ends in several corpora, or shards disagree about their columns or stages.
    """
    path = str(path).rstrip("/")
    try:
        found = corpora(path)
    except FileNotFoundError:
        _same_columns(Corpus(path))
        return [Subset(DEFAULT, path, ())]
    known = [_known(name, there) for name, there in found.items()]
    if len(known) == 1 and _whole(known[0].part.path) == _whole(path):
        return [_subset(DEFAULT, known[0], [*known, *_siblings(known[0])])]
    families = sorted({each.part.family for each in known})
    lines = {family: [each for each in known if each.part.family == family] for family in families}
    names = {family: DEFAULT if len(families) == 1 else (family or "main").replace("/", "-") for family in families}
    return [_subset(names[family], _end(line), line) for family, line in lines.items()]


@dataclass(frozen=True)
class _Known:
    """What the footers of a corpus say: the splits it was made from, and those it can be read in."""

    part: Part
    receipts: Mapping[str, Mapping[str, Any]]
    made_from: frozenset[tuple[Any, ...]]
    splits: tuple[tuple[Any, ...], ...]


def _known(name: str, path: str) -> _Known:
    made = recipe(path)
    assert made is not None, "corpora() lists what a run made"
    corpus = Corpus(path)
    receipts = {shard: found or {} for shard, found in corpus.receipts().items()}
    made_from = frozenset(_identity(found["split"]) for found in receipts.values() if "split" in found)
    splits = tuple(_identity(split.identity()) for split in corpus.splits())
    return _Known(Part(name, path, made, None), receipts, made_from, splits)


def _identity(split: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(split[key] for key in ("name", "start", "stop", "num_rows", "num_bytes"))


def _end(line: Sequence[_Known]) -> _Known:
    """Return the corpus at the end of a line of production: the one that none of the others was made from."""
    files = [each for each in line if not each.part.recipe.joins] or line  # documents of them are to be named
    read = {before.part.path for each in files if (before := _before(each, line))}
    ends = [each for each in files if each.part.path not in read]
    if len(ends) > 1:
        names = ", ".join(each.part.name for each in ends)
        raise ValueError(f"several corpora end here ({names}); name the one to publish")
    return ends[0]


def _before(this: _Known, others: Sequence[_Known]) -> _Known | None:
    """Return the corpus that another one was made from; None if it is not among these."""
    if this.part.recipe.joins:  # receipts name none of its splits, since it does not depend on them
        came = this.part.tally.steps[0][1:]
        files = [each for each in others if not each.part.recipe.joins]
        return next((each for each in reversed(files) if each.part.tally.steps[-1][1:] == came), None)
    for other in others:
        if other.part.path != this.part.path and this.made_from <= set(other.splits):
            return other
    return None


def _subset(name: str, last: _Known, others: Sequence[_Known]) -> Subset:
    line = [last]
    while (before := _before(line[0], others)) is not None and before not in line:
        line.insert(0, before)
    _same_columns(Corpus(last.part.path))
    _same_recipe(last)
    limits = [found["split"].get("limit") for each in line for found in each.receipts.values() if "split" in found]
    asked = [limit for limit in limits if limit is not None]
    files = [each for each in line if each is not last or not last.part.recipe.joins]  # each of these reads splits
    lacks = [split[0] for split in files[-2].splits if split not in files[-1].made_from] if len(files) > 1 else []
    read = files[-1].receipts if files else {}
    limited = any(found["split"].get("limit") is not None for found in read.values())
    missing = () if limited else tuple(lacks)
    return Subset(name, last.part.path, tuple(each.part for each in line), missing, min(asked, default=None))


def _siblings(last: _Known) -> list[_Known]:
    """Return the corpora beside one that have a shard of the same name, without looking through other folders."""
    fs, _ = fsspec.core.url_to_fs(last.part.path)
    parent, own = posixpath.split(_whole(last.part.path))
    shard = next(iter(last.receipts))
    found = []
    for folder in sorted((entry["name"].rstrip("/") for entry in fs.ls(parent, detail=True)), key=in_order):
        files = [f"{folder}/{name}.parquet" for name in dict.fromkeys((shard, RANGE.sub("", shard)))]
        there = plain(fs.unstrip_protocol(folder))
        alike = _is_corpus(there) if last.part.recipe.joins else any(map(fs.exists, files))
        if posixpath.basename(folder) != own and alike and recipe(there) is not None:
            found.append(_known(posixpath.basename(folder), there))
    return found


def _is_corpus(folder: str) -> bool:
    """Tell whether a run wrote shards into this very folder, not only into some below it."""
    try:
        return list(corpora(folder).values()) == [folder]
    except FileNotFoundError:
        return False


def _whole(path: str) -> str:
    fs, name = fsspec.core.url_to_fs(path)
    return name if is_remote(fs) else str(Path(name).resolve())


def _same_columns(corpus: Corpus) -> None:
    for file in corpus.files:
        with open_parquet(file) as parquet:
            columns = parquet.schema_arrow.remove_metadata()
        if not columns.equals(corpus.schema):
            raise ValueError(
                f"{file} has other columns than {corpus.files[0]}; a published corpus has one schema: make both anew"
            )


def _same_recipe(known: _Known) -> None:
    (first, *others) = known.receipts.items()
    for name, found in [first, *others]:
        where = f"{known.part.path}/{name}.parquet"
        if "tally" not in found:
            raise ValueError(f"{where} has no receipt; it is not of the run that made {first[0]}.parquet")
        if found["recipe"].get("stages") != first[1]["recipe"].get("stages"):
            raise ValueError(f"{where} was made by other stages than {first[0]}.parquet")
