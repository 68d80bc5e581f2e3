"""A random sample of a corpus that no order or number of shards can change, stratified if asked, in bounded memory.

    with draw(Corpus("clean"), 2000, seed=0, strata=parse("source,length,score")) as sample:
        sample.strata               # {"edu | 2000-8000 | 3": Stratum(size=812, drawn=9), ...}
        for document in sample.documents(): ...

Of each stratum the documents with the smallest hash of (seed, id): every document of a stratum has the same chance,
and a larger sample contains the smaller one. Two passes: the first counts the strata and keeps hashes (8 bytes for each
candidate, at most n a stratum), the second copies the chosen texts to scratch files on disk, from which they come in
the order of their rank within their stratum. So whatever stops the questions early (a budget), what was graded by then
is a sample in the same proportions. A document stands for size / drawn of its stratum: the weight of Horvitz and
Thompson (1952), the inverse of its chance to be drawn.

Both passes go split by split, on Ray if asked: what the workers send is counts, hashes and the chosen rows.

Rows without a text have nothing to judge and are not counted. Of rows that share an id one is drawn; ids are expected
to be unique, for otherwise the sizes count such rows twice.
"""

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NoReturn, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.cluster import map_stream
from curate.corpus import Corpus, Source, Split, read_split
from curate.document import ID, QUARANTINED, TEXT, Batch
from curate.stage import id_hash
from curate.teacher.strata import WHOLE, By, allocate, labels

Hashes = npt.NDArray[np.uint64]
Allocation = Literal["proportional", "neyman"]

PILE_ROWS, MAX_PILES = 2048, 256  # documents read into memory at once, unless there are more than half a million
SCRATCH = pa.schema([(ID, pa.string()), (TEXT, pa.large_string()), ("stratum", pa.string()), ("order", pa.float64())])


@dataclass(frozen=True)
class Document:
    """A drawn document; it stands for `weight` documents of the corpus."""

    id: str
    text: str
    stratum: str = WHOLE
    weight: float = 1.0


@dataclass(frozen=True)
class Stratum:
    """A part of the corpus: documents in it, documents drawn from it, and the largest hash drawn."""

    size: int
    drawn: int
    bound: int


@dataclass
class Drawn:
    """A sample, its texts in scratch files until it is closed."""

    strata: dict[str, Stratum]
    folder: Path
    num_waiting: int  # documents to come: drawn and not left out
    num_piles: int

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def documents(self) -> Iterator[Document]:
        """Yield the documents by their rank within their stratum: any beginning is a sample in the same proportions."""
        weights = {name: stratum.size / stratum.drawn for name, stratum in self.strata.items() if stratum.drawn}
        for pile in range(self.num_piles):
            path = self.folder / f"{pile}.arrow"
            if not path.exists():
                continue
            with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as stream:
                table = stream.read_all()
            held: set[str] = set()
            for row in np.argsort(table["order"].to_numpy(), kind="stable").tolist():
                document_id, stratum = table[ID][row].as_py(), table["stratum"][row].as_py()
                if document_id not in held:  # of rows that share an id the first in the order of the source
                    held.add(document_id)
                    yield Document(document_id, table[TEXT][row].as_py(), stratum, weights[stratum])


def draw(
    source: Source,
    n: int,
    *,
    seed: int,
    strata: Sequence[By] = (),
    at_least: int = 2,
    allocation: Allocation = "proportional",
    leave_out: Hashes | None = None,
    scratch: Path | None = None,
    ray: str | None = None,
    workers: int | None = None,
) -> Drawn:
    """Draw `n` documents; fewer if there are no more.

    Args:
        strata: what to divide the source by.
        at_least: documents of each stratum, or all it has.
        allocation: of the others: by the strata's sizes, or by size times the spread of column `score` (Neyman).
        leave_out: sorted hashes (`hashes`) of drawn documents whose texts are not needed again.
        scratch: folder in which to make the folder of scratch files; the system's temporary one by default.
        ray, workers: where the source is read, both times; see `curate.cluster.map_units`. The draw is the same.

    Raises:
        ValueError: there is no text, id or stratum column, an id is null, not one row has a text, or n is too small for
            the strata.
    """
    if n < 1:
        raise ValueError(f"n={n}: draw at least one document")
    engine = {"ray": ray, "workers": workers}
    counts = _count(Counting(source, n, seed, tuple(strata), allocation), engine)
    if not counts:
        raise ValueError(f"no document to draw: the source has no row with a text (n={n})")
    sizes = {name: count.size for name, count in sorted(counts.items())}
    spreads = {name: counts[name].spread for name in sizes} if allocation == "neyman" else None
    # one stratum needs no least number
    share = allocate(sizes, n, at_least=at_least if strata else 0, spreads=spreads)
    found = {name: counts[name].smallest(share[name]) for name in sizes}
    chosen = {name: Stratum(sizes[name], len(kept), int(kept[-1]) if len(kept) else -1) for name, kept in found.items()}
    folder = Path(tempfile.mkdtemp(prefix=".sample-", dir=scratch))
    num_piles = max(1, min(MAX_PILES, sum(len(kept) for kept in found.values()) // PILE_ROWS))
    try:
        num_waiting = _copy(Choosing(source, chosen, seed, tuple(strata), leave_out), folder, num_piles, engine)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return Drawn(chosen, folder, num_waiting, num_piles)


def hashes(ids: Sequence[str], seed: int) -> Hashes:
    """Hash ids in a way of our own: `Sample` and train/test splits cut by hash too, and must not line up with this."""
    return np.fromiter((id_hash(f"annotate\0{name}", seed) for name in ids), dtype=np.uint64, count=len(ids))


@dataclass
class Count:
    """What the first pass learns of a stratum: its size, its smallest hashes, the moments of its score."""

    limit: int
    size: int = 0
    kept: Hashes = field(default_factory=lambda: np.empty(0, np.uint64))
    scores: int = 0
    total: float = 0.0
    squares: float = 0.0
    _new: list[Hashes] = field(default_factory=list)
    _num_new: int = 0

    def add(self, found: Hashes, scores: npt.NDArray[np.float64]) -> None:
        self.size += len(found)
        known = scores[~np.isnan(scores)]
        self.scores, self.total = self.scores + len(known), self.total + float(known.sum())
        self.squares += float((known**2).sum())
        self._consider(found)

    def merge(self, other: "Count") -> None:
        """Add what was counted elsewhere."""
        self.size, self.scores = self.size + other.size, self.scores + other.scores
        self.total, self.squares = self.total + other.total, self.squares + other.squares
        self._consider(other.smallest(self.limit))

    def _consider(self, found: Hashes) -> None:
        if len(self.kept) >= self.limit:
            found = found[found < self.kept[-1]]
        self._new.append(found)
        self._num_new += len(found)
        if self._num_new > self.limit + 4096:
            self._fold()

    def smallest(self, n: int) -> Hashes:
        """Return the `n` smallest, sorted; the same id counts once."""
        self._fold()
        return self.kept[:n]

    @property
    def spread(self) -> float:
        """Standard deviation of the score; NaN without one."""
        if not self.scores:
            return float("nan")
        mean = self.total / self.scores
        return float(np.sqrt(max(0.0, self.squares / self.scores - mean**2)))

    def _fold(self) -> None:
        self.kept = np.unique(np.concatenate([self.kept, *self._new]))[: self.limit]
        self._new, self._num_new = [], 0


@dataclass(frozen=True)
class Counting:
    """The first pass over some splits."""

    source: Source
    n: int
    seed: int
    strata: tuple[By, ...]
    allocation: Allocation

    def __call__(self, splits: Iterable[Split]) -> Iterator[dict[str, Count]]:
        """Yield what each split has of each stratum."""
        return map(self._count, splits)

    def _count(self, split: Split) -> dict[str, Count]:
        counts: dict[str, Count] = {}
        spread_of = "score" if self.allocation == "neyman" else None
        for batch in _batches(self.source, split, self.strata, [spread_of] if spread_of else []):
            found = hashes(batch[ID].to_pylist(), self.seed)
            scores = np.full(len(found), np.nan)
            if spread_of:
                scores = pc.cast(batch[spread_of], pa.float64()).to_numpy(zero_copy_only=False)
            names = pc.dictionary_encode(labels(batch, self.strata))
            codes = names.indices.to_numpy(zero_copy_only=False)
            for code, name in enumerate(names.dictionary.to_pylist()):
                counts.setdefault(name, Count(self.n)).add(found[codes == code], scores[codes == code])
        for count in counts.values():
            count.smallest(0)  # here, and not where all splits are added up
        return counts


def _count(counting: Counting, engine: Mapping[str, Any]) -> dict[str, Count]:
    """Count all splits, one after the other or on the engine; added up in their order, so to the last bit alike."""
    source, by_score = counting.source, counting.allocation == "neyman"
    _require_columns(source)
    for key in counting.strata:
        key.columns(source.schema)
    if by_score and "score" not in source.schema.names:
        raise ValueError(f"Neyman's allocation needs a cheap score in column 'score'; there is {source.schema.names}")
    counts: dict[str, Count] = {}
    for some in map_stream(counting, source.splits(), lost=_lost, **engine):
        for name, count in some.items():
            counts.setdefault(name, Count(counting.n)).merge(count)
    if by_score:
        _fill_spreads(counts)
    return counts


def _lost(reason: str) -> NoReturn:
    raise RuntimeError(f"the sample could not be drawn: a worker that read the source was lost ({reason}); run again")


def _fill_spreads(counts: dict[str, Count]) -> None:
    missing = [name for name, count in counts.items() if not count.scores]
    if missing:
        raise ValueError(f"Neyman's allocation: stratum {missing[0]!r} has no score at all; score the source first")


@dataclass(frozen=True)
class Choosing:
    """The second pass over some splits."""

    source: Source
    chosen: Mapping[str, Stratum]
    seed: int
    strata: tuple[By, ...]
    leave_out: Hashes | None

    def __call__(self, splits: Iterable[Split]) -> Iterator[list[pa.Table]]:
        """Yield the chosen rows of each split, in the schema SCRATCH."""
        return map(self._choose, splits)

    def _choose(self, split: Split) -> list[pa.Table]:
        tables = (self._rows(batch) for batch in _batches(self.source, split, self.strata))
        return [table for table in tables if len(table)]

    def _rows(self, batch: Batch) -> pa.Table:
        found = hashes(batch[ID].to_pylist(), self.seed)
        names = pc.dictionary_encode(labels(batch, self.strata))
        last = [self.chosen[name].bound for name in names.dictionary.to_pylist()]
        bounds = np.array(last, dtype=np.float64)
        # float64 rounds 64-bit hashes: compare whole numbers, divide only for the order
        whole = np.array([max(0, bound) for bound in last], dtype=np.uint64)
        codes = names.indices.to_numpy(zero_copy_only=False)
        taken = (found <= whole[codes]) & (bounds[codes] >= 0)
        if self.leave_out is not None and len(self.leave_out):
            taken &= ~np.isin(found, self.leave_out)
        rows = np.flatnonzero(taken)
        order = found[rows] / np.maximum(bounds[codes[rows]], 1.0)  # in [0, 1]
        picked = batch.take(pa.array(rows))
        columns = [
            pc.cast(picked[ID], pa.string()),
            pc.cast(picked[TEXT], pa.large_string()),
            pc.take(names.dictionary, pa.array(codes[rows])),
            pa.array(order),
        ]
        return pa.Table.from_arrays(columns, schema=SCRATCH)


def _copy(choosing: Choosing, folder: Path, num_piles: int, engine: Mapping[str, Any]) -> int:
    """Copy the chosen rows to scratch files, one for each range of ranks; return how many there are."""
    copied = 0
    with ExitStack() as files:
        piles: dict[int, pa.ipc.RecordBatchStreamWriter] = {}
        for tables in map_stream(choosing, choosing.source.splits(), lost=_lost, **engine):
            for table in tables:
                pile_of = np.minimum((table["order"].to_numpy() * num_piles).astype(np.int64), num_piles - 1)
                for pile in np.unique(pile_of).tolist():
                    if pile not in piles:
                        file = files.enter_context(pa.OSFile(str(folder / f"{pile}.arrow"), "wb"))
                        piles[pile] = files.enter_context(pa.ipc.new_stream(file, SCRATCH))
                    piles[pile].write_table(table.filter(pa.array(pile_of == pile)))
                copied += len(table)
    return copied


def _require_columns(source: Source) -> None:
    missing = [name for name in (TEXT, ID) if name not in source.schema.names]
    if missing:
        raise ValueError(f"the source has no column {missing[0]!r} to grade; it has {source.schema.names}")


def _batches(source: Source, split: Split, strata: Sequence[By], more: Sequence[str] = ()) -> Iterator[Batch]:
    """Yield the rows of a split that have a text, with the columns needed."""
    schema = source.schema
    wanted = {TEXT, ID, *more, *(name for key in strata for name in key.columns(schema))}
    columns = [name for name in schema.names if name in wanted | {QUARANTINED}]
    for batch in source.read(split, columns) if isinstance(source, Corpus) else read_split(source, split):
        names = [name for name in batch.schema.names if name in wanted | {QUARANTINED}]
        chosen = _judgeable(batch.select(names))
        if chosen[ID].null_count:
            raise ValueError("a row of the source has no id, so it cannot be drawn; give every document an id")
        if chosen.num_rows:
            yield chosen


def _judgeable(batch: Batch) -> Batch:
    """Return the rows that hold more than white space and are not poison."""
    text = batch[TEXT]
    kept = pc.and_(pc.is_valid(text), pc.greater(pc.binary_length(text), 0))
    kept = pc.and_(kept, pc.invert(pc.fill_null(pc.utf8_is_space(text), False)))
    if QUARANTINED in batch.schema.names:
        kept = pc.and_(kept, pc.is_null(batch[QUARANTINED]))
    return batch.filter(kept)
