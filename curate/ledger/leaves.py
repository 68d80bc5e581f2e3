"""Every document of a run once, where it left: what all corpora dropped, and what the last one kept.

    chain = Chain.of("runs/edu")             # 1-clean -> 2-scored -> 4-edu
    for leaf in chain.leaves(): ...          # files of rows that left there, or stayed to the end

Each corpus reads what the one before kept, and a row keeps the columns measured so far. So the rows dropped anywhere
and those kept at the end are all documents of the input, each once and with everything that was ever measured of it:
what a replay decides again and a diff compares, without a join. Positions number the stages through the whole chain: a
row that left at position p has passed the stages up to p, and has the columns that these gave.
"""

import itertools
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

from curate.corpus import DROPPED, QUARANTINE, Corpus
from curate.ledger.runs import Recipe, corpora, family, recipe


@dataclass(frozen=True)
class Link:
    """One corpus of a chain; `recipe` is None for a folder of Parquet that no run made."""

    name: str
    path: str
    recipe: Recipe | None
    offset: int  # stages before it in the chain

    @property
    def num_stages(self) -> int:
        return len(self.recipe.steps) - 1 if self.recipe else 0

    def position(self, dropped_by: Sequence[str], *, by_language: bool = False) -> int:
        """Return the position at which a row with these marks left; the corpus' beginning if that cannot be told."""
        assert self.recipe is not None, "only a run drops rows"
        return self.offset + (self.recipe.step_of(dropped_by, by_language=by_language) or 0)


@dataclass(frozen=True)
class Leaf:
    """Files of one fate in one corpus."""

    link: Link
    fate: str  # "kept", "dropped" or "quarantine"

    @property
    def folder(self) -> str:
        return self.link.path if self.fate == "kept" else posixpath.join(self.link.path, self.fate)

    def corpus(self) -> Corpus | None:
        """Return its files; None where there are none."""
        corpus = Corpus(self.folder)
        try:
            return corpus if corpus.files else None
        except FileNotFoundError:
            return None


@dataclass(frozen=True)
class Chain:
    """Corpora of which each reads what the one before kept."""

    links: tuple[Link, ...]

    @classmethod
    def of(cls, run: str) -> "Chain":
        """Find the chain below a folder; a folder of Parquet that no run made is a chain of one.

        So is a corpus of files put together; where one ends a run, the chain ends before it, with the files.

        Raises:
            ValueError: the corpora are not one chain.
        """
        try:
            paths = corpora(run)
        except FileNotFoundError:
            whole = Corpus(run)
            assert whole.files
            return cls((Link(posixpath.basename(whole.path), whole.path, None, 0),))
        families = {family(name) for name in paths}
        if len(families) > 1:
            raise ValueError(f"{run} holds several lines of corpora ({', '.join(sorted(families))}); give one of them")
        recipes = {name: recipe(path) for name, path in paths.items()}
        while (last := recipes[name := next(reversed(recipes))]) is not None and last.joins:
            if len(recipes) == 1:
                return cls((Link(name, paths[name], None, 0),))
            del recipes[name], paths[name]
        if joined := [paths[name] for name, made in recipes.items() if made and made.joins]:
            raise ValueError(f"{joined[0]} is of files put together, so what follows is another chain; give one corpus")
        offsets = itertools.accumulate((len(made.steps) - 1 for made in recipes.values() if made), initial=0)
        links = tuple(Link(name, paths[name], recipes[name], at) for name, at in zip(paths, offsets, strict=False))
        for before, after in itertools.pairwise(links):
            _refuse_gap(before, after)
        return cls(links)

    @property
    def end(self) -> int:
        """The position of what was kept to the end: one more than the last stage's."""
        return self.links[-1].offset + self.links[-1].num_stages + 1

    def leaves(self) -> list[Leaf]:
        """Return where documents left, in order, and at last where they stayed."""
        left = [Leaf(link, fate) for link in self.links if link.recipe for fate in (DROPPED, QUARANTINE)]
        return [*left, Leaf(self.links[-1], "kept")]

    def first_exit(self) -> int:
        """Return the position at which the first document left."""
        marks = [(link, name) for link in self.links if link.recipe for name in link.recipe.tally.broken]
        return min((link.position([name]) for link, name in marks), default=self.end)

    def since(self) -> dict[str, int]:
        """Return column -> the position from which a row has it; the input's columns are not here."""
        found: dict[str, int] = {}
        for link in self.links:
            if link.recipe:
                found = {name: link.offset + step for name, step in link.recipe.since.items()} | found
        return found

    def rewriting(self) -> list[int]:
        """Return the positions of the stages that changed texts, as far as counts tell; see `Recipe.rewriting`."""
        return [link.offset + step for link in self.links if link.recipe for step in link.recipe.rewriting]


def _refuse_gap(before: Link, after: Link) -> None:
    assert before.recipe is not None
    assert after.recipe is not None
    left, read = before.recipe.tally.rows_out, after.recipe.tally.rows_in
    if left != read:
        raise ValueError(
            f"{after.path} does not read what {before.path} kept ({read:,} documents, and {left:,} were kept): they "
            "are not one chain; give the folder of one corpus"
        )
