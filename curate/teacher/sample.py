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

Rows without a text have nothing to judge and are not counted. Of rows that share an id one is drawn; ids are expected
to be unique, for otherwise the sizes count such rows twice.
"""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curate.corpus import Corpus, Source, read_split
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
) -> Drawn:
    """Draw `n` documents; fewer if there are no more.

    Args:
        strata: what to divide the source by.
        at_least: documents of each stratum, or all it has.
        allocation: of the others: by the strata's sizes, or by size times the spread of column `score` (Neyman).
        leave_out: sorted hashes (`hashes`) of drawn documents whose texts are not needed again.
        scratch: folder in which to make the folder of scratch files; the system's temporary one by default.

    Raises:
        ValueError: there is no text, id or stratum column, an id is null, not one row has a text, or n is too small for
            the strata.
    """
    if n < 1:
        raise ValueError(f"n={n}: draw at least one document")
    counts = _count(source, n, seed, strata, allocation)
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
        num_waiting = _copy(source, chosen, seed, strata, leave_out, folder, num_piles)
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


def _count(source: Source, n: int, seed: int, strata: Sequence[By], allocation: Allocation) -> dict[str, Count]:
    counts: dict[str, Count] = {}
    spread_of = "score" if allocation == "neyman" else None
    if spread_of and spread_of not in source.schema.names:
        raise ValueError(f"Neyman's allocation needs a cheap score in column 'score'; there is {source.schema.names}")
    for batch in _batches(source, strata, [spread_of] if spread_of else []):
        found = hashes(batch[ID].to_pylist(), seed)
        scores = np.full(len(found), np.nan)
        if spread_of:
            scores = pc.cast(batch[spread_of], pa.float64()).to_numpy(zero_copy_only=False)
        names = pc.dictionary_encode(labels(batch, strata))
        codes = names.indices.to_numpy(zero_copy_only=False)
        for code, name in enumerate(names.dictionary.to_pylist()):
            counts.setdefault(name, Count(n)).add(found[codes == code], scores[codes == code])
    if spread_of:
        _fill_spreads(counts)
    return counts


def _fill_spreads(counts: dict[str, Count]) -> None:
    missing = [name for name, count in counts.items() if not count.scores]
    if missing:
        raise ValueError(f"Neyman's allocation: stratum {missing[0]!r} has no score at all; score the source first")


def _copy(
    source: Source,
    chosen: dict[str, Stratum],
    seed: int,
    strata: Sequence[By],
    leave_out: Hashes | None,
    folder: Path,
    num_piles: int,
) -> int:
    """Copy the chosen rows to scratch files, one for each range of ranks; return how many there are."""
    copied = 0
    with ExitStack() as files:
        piles: dict[int, pa.ipc.RecordBatchStreamWriter] = {}
        for batch in _batches(source, strata):
            found = hashes(batch[ID].to_pylist(), seed)
            names = pc.dictionary_encode(labels(batch, strata))
            bounds = np.array([chosen[name].bound for name in names.dictionary.to_pylist()], dtype=np.float64)
            # float64 rounds 64-bit hashes: compare whole numbers, divide only for the order
            whole = np.array([max(0, chosen[name].bound) for name in names.dictionary.to_pylist()], dtype=np.uint64)
            codes = names.indices.to_numpy(zero_copy_only=False)
            taken = (found <= whole[codes]) & (bounds[codes] >= 0)
            if leave_out is not None and len(leave_out):
                taken &= ~np.isin(found, leave_out)
            rows = np.flatnonzero(taken)
            if not len(rows):
                continue
            order = found[rows] / np.maximum(bounds[codes[rows]], 1.0)  # in [0, 1]
            pile_of = np.minimum((order * num_piles).astype(np.int64), num_piles - 1)
            picked = batch.take(pa.array(rows))
            columns = [
                pc.cast(picked[ID], pa.string()),
                pc.cast(picked[TEXT], pa.large_string()),
                pc.take(names.dictionary, pa.array(codes[rows])),
                pa.array(order),
            ]
            table = pa.Table.from_arrays(columns, schema=SCRATCH)
            for pile in np.unique(pile_of).tolist():
                if pile not in piles:
                    file = files.enter_context(pa.OSFile(str(folder / f"{pile}.arrow"), "wb"))
                    piles[pile] = files.enter_context(pa.ipc.new_stream(file, SCRATCH))
                piles[pile].write_table(table.filter(pa.array(pile_of == pile)))
            copied += len(rows)
    return copied


def _batches(source: Source, strata: Sequence[By], more: Sequence[str] = ()) -> Iterator[Batch]:
    """Yield the rows that have a text, with the columns needed."""
    schema = source.schema
    missing = [name for name in (TEXT, ID) if name not in schema.names]
    if missing:
        raise ValueError(f"the source has no column {missing[0]!r} to grade; it has {schema.names}")
    wanted = {TEXT, ID, *more, *(name for key in strata for name in key.columns(schema))}
    columns = [name for name in schema.names if name in wanted | {QUARANTINED}]
    for split in source.splits():
        read = source.read(split, columns) if isinstance(source, Corpus) else read_split(source, split)
        for batch in read:
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
