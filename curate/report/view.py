"""A run as its page sees it: corpora in lines of production, and where the texts of what they dropped may be read.

    view = View.of("runs/edu")
    for part in view.parts: print(part.name, part.recipe.tally.rows_out)

A line of production (`web`, `code`; one of no name where there is one alone) is what the ledger calls a family: corpora
of which each reads what the one before kept.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.corpus import DROPPED, QUARANTINE, Corpus
from curate.document import ID, TEXT, Batch
from curate.ledger.bloom import may_hold
from curate.ledger.runs import Recipe, corpora, family, recipe
from curate.parquet import open_parquet
from curate.tally import Tally
from curate.train.log import LOG

MAX_CHARS = 200_000  # of a text that the page looks at
COUNT_ROWS = 65_536  # rows of a few columns at a time


@dataclass(frozen=True)
class Part:
    """One corpus of a run."""

    name: str
    path: str
    recipe: Recipe
    before: str | None  # the corpus whose kept documents it read, if it is in the run

    @property
    def tally(self) -> Tally:
        return self.recipe.tally

    @property
    def family(self) -> str:
        return family(self.name)

    def files(self, *fates: str) -> list[str]:
        """Return its files of some fates: "kept", "dropped", "quarantine"."""
        found = []
        for fate in fates:
            corpus = Corpus(self.path if fate == "kept" else f"{self.path}/{fate}")
            try:
                found += corpus.files
            except FileNotFoundError:  # nothing left there
                continue
        return found

    def columns(self, names: Sequence[str], *fates: str) -> Iterator[Batch]:
        """Yield some columns of all rows, those of a file that it has; never the text."""
        for file in self.files(*fates):
            with open_parquet(file) as parquet:
                here = [name for name in names if name in parquet.schema_arrow.names]
                if here:
                    yield from parquet.iter_batches(COUNT_ROWS, columns=here)

    @cached_property
    def names(self) -> list[str]:
        """The columns of kept rows."""
        return list(Corpus(self.path).schema.names)


@dataclass(frozen=True)
class View:
    """What a run's folder holds."""

    folder: str
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, run: str) -> "View":
        """Read the receipts below a folder.

        Raises:
            FileNotFoundError: there is neither a corpus nor a training.
        """
        parts: list[Part] = []
        try:
            named = corpora(run)
        except FileNotFoundError:
            if not any(Path(run).rglob(LOG)):
                raise
            named = {}  # trainings alone have a page too
        for name, path in named.items():
            made = recipe(path)
            if made is None:
                continue
            earlier = [part for part in parts if part.family == family(name)]
            parts.append(Part(name, path, made, _read_by(path, made, earlier)))
        return cls(run.rstrip("/"), tuple(parts))

    @property
    def name(self) -> str:
        return self.folder.rpartition("/")[2] or self.folder

    @property
    def local(self) -> Path | None:
        """The folder, where it is on this machine: trainings and evaluations are looked for there only."""
        return Path(self.folder) if Path(self.folder).is_dir() else None

    @property
    def families(self) -> dict[str, list[Part]]:
        """Lines of production, each in order."""
        found: dict[str, list[Part]] = {}
        for part in self.parts:
            found.setdefault(part.family, []).append(part)
        return found


def _read_by(path: str, made: Recipe, earlier: Sequence[Part]) -> str | None:
    """Return which of the corpora before a corpus read: of those that left as many documents, the one of its splits."""
    found = [part.path for part in earlier[::-1] if part.tally.rows_out == made.tally.rows_in]
    if len(found) < 2:
        return found[0] if found else None
    told = [receipt["split"] for receipt in Corpus(path).receipts().values() if receipt]
    read = Counter((split["num_rows"], split["num_bytes"]) for split in told)
    same = (
        one for one in found if Counter((split.num_rows, split.num_bytes) for split in Corpus(one).splits()) == read
    )
    return next(same, found[0])


def texts(path: str | None, ids: Sequence[str]) -> dict[str, str]:
    """Read the texts of a few documents by id, cut at MAX_CHARS; those that `path` does not hold are left out."""
    found: dict[str, str] = {}
    if path is None or not ids:
        return found
    try:
        files = Corpus(path).files
    except FileNotFoundError:
        return found
    for file in files:
        opened = open_parquet(file)
        with opened as parquet:
            if not {ID, TEXT} <= set(parquet.schema_arrow.names):
                continue
            wanted = [identity for identity in ids if identity not in found]
            groups = {g for identity in wanted for g in may_hold(parquet.metadata, opened.file, ID, identity)}
            for group in sorted(groups):
                found |= _in_group(parquet, group, wanted)
    return found


def _in_group(parquet: pq.ParquetFile, group: int, wanted: Sequence[str]) -> dict[str, str]:
    hits = pc.is_in(pc.cast(parquet.read_row_group(group, columns=[ID])[ID], pa.string()), pa.array(wanted))
    if not pc.any(hits).as_py():
        return {}
    rows = parquet.read_row_group(group, columns=[ID, TEXT]).filter(hits)
    return {f"{row[ID]}": (row[TEXT] or "")[:MAX_CHARS] for row in rows.to_pylist()}


EVERY = ("kept", DROPPED, QUARANTINE)
