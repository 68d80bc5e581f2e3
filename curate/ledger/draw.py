"""Random documents of a corpus, or of what a rule dropped; the same ones every time.

    sample("runs/edu/1-clean", dropped_by="c4.curly_bracket", score=">=3", n=20, seed=7)
    sample("runs/edu", where=["gopher.word_count<50"], near="web_edu.score=2.5")

A row's place in the draw is a hash of the seed and its id, so the order of files does not matter, and a larger n goes
on where a smaller one stopped. The columns asked about are read first, without the text, and only in row groups whose
statistics allow a hit; then the chosen rows alone are read whole.
"""

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.corpus import DROPPED, QUARANTINE, Corpus
from curate.document import DROPPED_BY, ID
from curate.ledger.conditions import Condition, numbers, parse, refuse_unknown
from curate.ledger.runs import corpora, family, tally
from curate.parquet import open_parquet

SCORE = "score"


@dataclass(frozen=True)
class Ask:
    """Which rows are wanted, and in which order."""

    dropped_by: str | None
    conditions: tuple[Condition, ...]
    near: Condition | None  # the closest to a value first, instead of random ones
    seed: int

    @property
    def columns(self) -> list[str]:
        """The columns that deciding takes."""
        asked = [condition.column for condition in (*self.conditions, *filter(None, (self.near,)))]
        return list(dict.fromkeys([ID, *([DROPPED_BY] if self.dropped_by else []), *asked]))

    def __str__(self) -> str:
        by = [f"dropped by {self.dropped_by}"] if self.dropped_by else []
        return " and ".join([*by, *map(str, self.conditions)])


def sample(
    corpus: str,
    *,
    dropped_by: str | None = None,
    score: str | None = None,
    where: Sequence[str] = (),
    near: str | None = None,
    n: int = 20,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Return `n` rows: kept ones, or those that a rule dropped.

    Args:
        corpus: a corpus, its evidence (`CORPUS/dropped`), a Parquet file, or the folder of a run: its last corpus, or
            all that the rule dropped in it.
        dropped_by: a rule's name as in the funnel, such as `gopher.word_count`; "any" is every rule.
        score: a condition on the score, such as ">=3" or "<1.5".
        where: conditions on any columns of numbers, such as "gopher.word_count<50"; all must hold.
        near: "web_edu.score=2.5" takes the rows closest to a value, instead of random ones.
        seed: of the draw.

    Raises:
        LookupError: no row is like that.
        ValueError: a condition does not read, or a column or a rule is not there.
    """
    if n < 1:
        raise ValueError(f"-n is {n}; ask for one document or more")
    conditions = [parse(said) for said in where] + ([parse(score, column=SCORE)] if score else [])
    ask = Ask(dropped_by, tuple(conditions), parse(near) if near else None, seed)
    files = [file for folder in _folders(corpus, dropped_by) for file in _files(folder)]
    places = _best(files, ask, n)
    if not places:
        raise LookupError(f"{corpus} has no row that is {ask}" if str(ask) else f"{corpus} kept no document")
    return _read(places)


def _folders(corpus: str, dropped_by: str | None) -> list[str]:
    """Return the folders to draw from.

    Raises:
        ValueError: no rule of this name dropped anything; names those that did.
    """
    own = posixpath.basename(corpus.rstrip("/"))
    if own == DROPPED or (own == QUARANTINE and not dropped_by):
        return [corpus]
    try:
        made = corpora(corpus)
    except FileNotFoundError:  # no run wrote it
        return [f"{corpus.rstrip('/')}/{DROPPED}" if dropped_by else corpus]
    if dropped_by is None:
        last = {family(name): path for name, path in made.items()}
        return list(last.values())
    broken = {path: tally(path).broken for path in made.values()}
    folders = [path for path, rules in broken.items() if dropped_by in rules or (dropped_by == "any" and rules)]
    if not folders:
        rules = sorted({rule for found in broken.values() for rule in found})
        raise ValueError(f"no rule {dropped_by!r} dropped anything in {corpus}; {', '.join(rules) or 'none'} did")
    return [posixpath.join(path, DROPPED) for path in folders]


def _files(folder: str) -> list[str]:
    return Corpus(folder).files


Place = tuple[float, int, str, int, int]  # distance, hash, file, row group, row


def _best(files: Sequence[str], ask: Ask, n: int) -> list[Place]:
    """Return the places of the `n` first rows of the draw."""
    best: list[Place] = []
    for file in files:
        with open_parquet(file) as parquet:
            refuse_unknown([name for name in ask.columns if name not in (ID, DROPPED_BY)], parquet.schema_arrow, file)
            for group in _groups(parquet.metadata, ask):
                best += _best_of(parquet.read_row_group(group, columns=ask.columns), ask, n, file, group)
                best = sorted(best)[:n]
    return best


def _best_of(table: pa.Table, ask: Ask, n: int, file: str, group: int) -> Iterator[Place]:
    from curate.ledger.ids import hash_ids  # a compiled kernel, loaded where it is used

    far = np.abs(numbers(table, ask.near.column) - ask.near.number) if ask.near else np.zeros(table.num_rows)
    rows = np.flatnonzero(_wanted(table, ask) & ~np.isnan(far))
    hashes, far = hash_ids(table[ID].take(pa.array(rows)), ask.seed), far[rows]
    for i in np.lexsort((hashes, far))[:n]:
        yield float(far[i]), int(hashes[i]), file, group, int(rows[i])


def _wanted(table: pa.Table, ask: Ask) -> np.ndarray:
    wanted = np.ones(table.num_rows, dtype=bool)
    for condition in ask.conditions:
        wanted &= condition.holds(table)
    if ask.dropped_by not in (None, "any"):
        wanted &= marked(table[DROPPED_BY], ask.dropped_by)
    return wanted


def marked(dropped_by: pa.ChunkedArray | pa.Array, rule: str | None) -> np.ndarray:
    """Tell for each row whether a rule is among its marks: (N,) bool."""
    lists = dropped_by.combine_chunks() if isinstance(dropped_by, pa.ChunkedArray) else dropped_by
    hits = pc.list_parent_indices(lists).filter(pc.equal(pc.list_flatten(lists), rule))
    found = np.zeros(len(lists), dtype=bool)
    found[np.asarray(hits)] = True
    return found


def _groups(footer: pq.FileMetaData, ask: Ask) -> list[int]:
    """Return the row groups whose statistics allow a hit."""
    places = {footer.schema.column(i).path: i for i in range(footer.num_columns)}
    return [
        group
        for group in range(footer.num_row_groups)
        if all(c.possible(footer.row_group(group).column(places[c.column]).statistics) for c in ask.conditions)
    ]


def _read(places: Sequence[Place]) -> list[dict[str, Any]]:
    """Read the chosen rows whole, each row group once, in the order of the draw."""
    found: dict[Place, dict[str, Any]] = {}
    for file in sorted({place[2] for place in places}):
        here = [place for place in places if place[2] == file]
        with open_parquet(file) as parquet:
            for group in sorted({place[3] for place in here}):
                chosen = [place for place in here if place[3] == group]
                table = parquet.read_row_group(group).take([place[4] for place in chosen])
                found |= dict(zip(chosen, table.to_pylist(), strict=True))
    return [found[place] for place in places]
