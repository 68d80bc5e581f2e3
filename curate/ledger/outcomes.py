"""The ledger as something a run can read: every document of another run as it left, and the stages of a replay.

    source = Outcomes("runs/edu", Chain.of("runs/edu"))
    run((Keep(RULES), Unmeasured(needs)), source, "runs/other")

Rows come without text, with three columns more: the position at which they left (`curate.ledger.leaves`), by which
marks, and from which shard. See `curate.ledger.replay`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.corpus import DROPPED, Corpus, Source, Split
from curate.document import DROPPED_BY, ID, TEXT, Batch, with_columns
from curate.ledger.broken import BROKEN
from curate.ledger.leaves import Chain, Leaf
from curate.stage import mark

LEFT, WAS, SHARD = "replay.left", "replay.dropped_by", "replay.shard"
ADDED = {LEFT: pa.int32(), WAS: pa.list_(pa.string()), SHARD: pa.string()}
UNMEASURED = "unmeasured."
SIGNAL_ROWS, TEXT_ROWS = 2**16, 2**12  # rows of a batch without and with text


@dataclass(frozen=True)
class Outcomes:
    """A source of every document of a run, as it left; with the text of those that stayed if asked."""

    path: str
    chain: Chain = field(repr=False)
    with_text: bool = False

    @cached_property
    def leaves(self) -> dict[str, tuple[Leaf, Corpus]]:
        """Where rows are, by the first part of the names of splits: `kept`, `left.1-clean`."""
        found = {}
        for leaf in self.chain.leaves():
            corpus = leaf.corpus() if leaf.fate in ("kept", DROPPED) else None
            if corpus is not None:
                found["kept" if leaf.fate == "kept" else f"left.{leaf.link.name}"] = (leaf, corpus)
        return found

    @cached_property
    def schema(self) -> pa.Schema:
        """All columns that any row has, without what is as heavy as text."""
        columns: dict[str, pa.DataType] = {}
        for _, corpus in reversed(self.leaves.values()):
            columns = {f.name: f.type for f in corpus.schema if _is_light(f)} | columns
        if LEFT in columns:
            raise ValueError(f"{self.path} is itself a replay; replay the run that it was made from")
        columns.pop(DROPPED_BY, None)
        if self.with_text:
            kept = self.leaves["kept"][1].schema
            if TEXT not in kept.names:
                raise ValueError(f"{self.path} kept no text, so a replay with text is not possible")
            columns = {TEXT: kept.field(TEXT).type} | columns
        return pa.schema([*columns.items(), *ADDED.items()])

    def splits(self) -> list[Split]:
        return [
            replace(split, name=f"{place}/{split.name}")
            for place, (_, corpus) in self.leaves.items()
            for split in corpus.splits()
        ]

    def read(self, split: Split) -> Iterator[Batch]:
        leaf, corpus = self.leaves[split.name.split("/")[0]]
        columns = [name for name in (*self.schema.names, DROPPED_BY) if name in corpus.schema.names]
        if leaf.fate != "kept":
            columns = [name for name in columns if name != TEXT]  # fetched later, for those that stay now
        rows = TEXT_ROWS if self.with_text else SIGNAL_ROWS
        for batch in corpus.read(split, columns, batch_rows=rows):
            yield self._conform(batch, leaf, split.name)

    def _conform(self, batch: Batch, leaf: Leaf, shard: str) -> Batch:
        have = dict(zip(batch.schema.names, batch.columns, strict=True))
        have[SHARD] = pa.repeat(pa.scalar(shard), batch.num_rows)
        have[LEFT] = pa.repeat(pa.scalar(self.chain.end, pa.int32()), batch.num_rows)
        if leaf.fate != "kept":
            have[WAS] = have.pop(DROPPED_BY)
            by_language = have[BROKEN].is_valid() if BROKEN in have else pa.repeat(False, batch.num_rows)
            have[LEFT] = self._positions(have[WAS], by_language, leaf)
        arrays = [
            have[f.name].cast(f.type) if f.name in have else pa.nulls(batch.num_rows, f.type) for f in self.schema
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _positions(self, marks: pa.Array, by_language: pa.Array, leaf: Leaf) -> pa.Array:
        joined = pc.dictionary_encode(pc.binary_join(marks, "\n"))
        found = [
            pa.array([leaf.link.position(names.split("\n"), by_language=by) for names in joined.dictionary.to_pylist()])
            for by in (True, False)
        ]
        own, plain = (positions.cast(pa.int32()).take(joined.indices) for positions in found)
        return pc.if_else(by_language, own, plain)


@dataclass(frozen=True)
class AsBefore:
    """Mark the rows that a stage without known rules took out, as it did: `name` stood at `position`."""

    name: str
    position: int

    def __call__(self, batch: Batch) -> Batch:
        there = pc.equal(batch[LEFT], self.position)
        marks = pc.if_else(there, batch[WAS], pa.scalar(None, ADDED[WAS]))
        return with_columns(batch, {DROPPED_BY: marks})


@dataclass(frozen=True)
class Unmeasured:
    """Mark the rows that left before something was known of them: `needs` pairs a column with its position."""

    needs: tuple[tuple[str, int], ...]

    def __call__(self, batch: Batch) -> Batch:
        left = np.asarray(batch[LEFT])
        return mark(batch, [(f"{UNMEASURED}{name}", left < position) for name, position in self.needs])


@dataclass(frozen=True)
class Texts:
    """Give rows without text theirs, by id: from the file that kept it when they left, or from the run's input.

    A row is marked `unmeasured.text` if its text there is not what the run would have kept: a stage rewrote it before
    the row left, or would have after.
    """

    source: Outcomes
    texts: Source | None

    def __repr__(self) -> str:
        """Return which texts are meant: those found in another input are others, or more."""
        if self.texts is None:
            return f"Texts(source={self.source!r})"
        path = getattr(self.texts, "path", "")
        return f"Texts(source={self.source!r}, texts={type(self.texts).__name__}({path!r}))"

    def __call__(self, batch: Batch) -> Batch:
        rewriting = self.source.chain.rewriting()
        last, first = max(rewriting, default=0), min(rewriting, default=self.source.chain.end)
        left, texts = np.asarray(batch[LEFT]), batch[TEXT].to_pylist()
        unknown = np.zeros(batch.num_rows, dtype=bool)
        shards, ids = batch[SHARD].to_pylist(), batch[ID].to_pylist()
        for shard in sorted({shard for shard, row in zip(shards, left, strict=True) if row < self.source.chain.end}):
            rows = [row for row, name in enumerate(shards) if name == shard]
            kept = TEXT in self.source.leaves[shard.split("/")[0]][1].schema.names
            wanted = {ids[row] for row in rows if left[row] >= last and (kept or left[row] < first)}
            found = dict(self._fetch(shard, wanted, kept))
            for row in rows:
                texts[row] = found.get(ids[row])
                unknown[row] = ids[row] not in found
        return mark(with_columns(batch, {TEXT: pa.array(texts, batch[TEXT].type)}), [(f"{UNMEASURED}{TEXT}", unknown)])

    def _fetch(self, shard: str, wanted: set[str], kept: bool) -> Iterator[tuple[str, str]]:
        place, _, name = shard.partition("/")
        leaf, corpus = self.source.leaves[place]
        if not wanted:
            return iter(())
        if kept:
            splits = [split for split in corpus.splits() if split.name == name]
            return _texts((b for s in splits for b in corpus.read(s, [ID, TEXT])), wanted)
        if self.texts is None:
            raise ValueError(
                f"{leaf.folder} holds no text for {len(wanted):,} newly kept documents; say where the run's input is "
                "(--texts), or run the filter with --keep-text"
            )
        splits = [split for split in self.texts.splits() if name == split.name or name.startswith(f"{split.name}.")]
        source = self.texts
        return _texts((batch for split in splits for batch in source.read(split)), wanted)


def _texts(batches: Iterable[Batch], wanted: set[str]) -> Iterator[tuple[str, str]]:
    """Yield (id, text) of the wanted ids; read no further than the last of them."""
    left = set(wanted)
    for batch in batches:
        rows = np.flatnonzero(pc.is_in(batch[ID], value_set=pa.array(sorted(left), batch[ID].type)))
        for row in rows:
            yield batch[ID][row].as_py(), batch[TEXT][row].as_py()
        left -= set(batch[ID].take(pa.array(rows)).to_pylist())
        if not left:
            return


def _is_light(column: pa.Field) -> bool:
    raw = pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)
    return column.name != TEXT and not raw
