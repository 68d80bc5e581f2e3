"""A run as the ledger sees it: the corpora below a folder, their recipes, what was left after every step.

    funnel("runs/edu")          documents and text left after each step
    corpora("runs/edu")         {"1-clean": "runs/edu/1-clean", "2-scored": ...}, in order

Everything is read from the receipts in the shards' footers; nothing is kept beside the corpora.
"""

import itertools
import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import fsspec

from curate.corpus import DROPPED, QUARANTINE, Corpus, is_shard
from curate.parquet import read_receipt
from curate.stage import Rule
from curate.tally import Tally

JOINS = "concatenate"  # the stage that makes documents of several files, and drops none


@dataclass(frozen=True)
class Line:
    """One line of a funnel: what was left after a step."""

    corpus: str  # relative to the run
    step: str
    documents: int
    text_bytes: int


@dataclass(frozen=True)
class Recipe:
    """What the receipts of one corpus say of how it was made."""

    path: str
    steps: tuple[str, ...]  # "input", then the stages
    rules: tuple[tuple[int, Rule], ...]  # each with its step
    since: dict[str, int]  # column -> the step that gave it first; the input's columns are not here

    @cached_property
    def tally(self) -> Tally:
        """The sum over all shards."""
        return tally(self.path)

    @property
    def joins(self) -> bool:
        """Whether its documents are files put together: they are not those that came in."""
        return any(joins(step) for step in self.steps)

    def step_of(self, dropped_by: Sequence[str], *, by_language: bool = False) -> int | None:
        """Return the step at which a row with these marks left; None if that cannot be told.

        It is the first step with a rule of such a name. A mark that is no rule's is a stage's own (`sample`,
        `dedup.near`): of the stages without rules, the one that took documents out, if it is alone. What only
        measures takes none out: where fewer leave a `Measure` than came, the others are in quarantine.

        Args:
            dropped_by: the marks.
            by_language: the row has `broken_rules`, so a `KeepByLanguage` marked it.
        """
        if by_language:
            return next((step for step, name in enumerate(self.steps) if name.startswith("KeepByLanguage(")), None)
        marks = set(dropped_by)
        named = [step for step, rule in self.rules if rule.column in marks]
        if named:
            return min(named)
        counts = [rows for _, rows, _ in self.tally.steps]
        others = {step for step, _ in self.rules} | {i for i, name in enumerate(self.steps) if only_measures(name)}
        left = [step for step in range(1, len(counts)) if counts[step] < counts[step - 1] and step not in others]
        return left[0] if len(left) == 1 else None

    @property
    def rewriting(self) -> list[int]:
        """Steps that changed texts: bytes grew (extraction), or changed while no document left (C4's lines)."""
        steps = [(rows, size) for _, rows, size in self.tally.steps]
        pairs = enumerate(itertools.pairwise(steps), start=1)
        return [at for at, (old, new) in pairs if new[1] > old[1] or (new[0] == old[0] and new[1] != old[1])]


def corpora(run: str) -> dict[str, str]:
    """Return name -> path of the corpora below a run's folder, in the order of their names (`1-clean`, `2-scored`).

    A name is relative to the run; a folder that is itself a corpus has its own name. Numbers in names count as numbers.

    Raises:
        FileNotFoundError: there is none.
    """
    fs, root = fsspec.core.url_to_fs(run.rstrip("/"))
    found: dict[str, str] = {}
    for file in sorted(fs.find(root)):
        relative = file.removeprefix(root).strip("/")
        if not is_shard(relative) or any(relative.startswith(f"{name}/") for name in found):
            continue
        receipt = read_receipt(fs.unstrip_protocol(file)) or {}
        if "tally" in receipt:
            path = corpus_of(file, receipt)
            name = path.removeprefix(root).strip("/") or posixpath.basename(root)
            found[name] = plain(fs.unstrip_protocol(path))
            if path == root:
                break
    if not found:
        raise FileNotFoundError(f"{run} holds no corpus that a run of curate wrote; give the folder of a run")
    return {name: found[name] for name in sorted(found, key=in_order)}


def tally(corpus: str) -> Tally:
    """Add up the receipts of one corpus."""
    total = Tally()
    for receipt in Corpus(corpus).receipts().values():
        if receipt and "tally" in receipt:
            total.add(Tally.from_json(receipt["tally"]))
    return total


def recipe(corpus: str) -> Recipe | None:
    """Return how a corpus was made; None if no run made it."""
    return recipe_of(Corpus(corpus).files[0], corpus)


def recipe_of(shard: str, corpus: str = "") -> Recipe | None:
    """Return how the corpus was made that a shard, or a file of evidence, belongs to; None if no run made it."""
    receipt = read_receipt(shard)
    if not receipt or "tally" not in receipt:
        return None
    folder = corpus or corpus_of(shard, receipt)
    known = {field.name for field in fields(Rule)}
    rules = tuple(
        (found["step"], Rule(**{key: value for key, value in found.items() if key in known}))
        for found in receipt.get("rules", [])
    )
    steps = tuple(name for name, _, _ in receipt["tally"]["steps"])
    return Recipe(folder, steps, rules, receipt.get("columns", {}))


def corpus_of(shard: str, receipt: Mapping[str, Any]) -> str:
    """Return the folder of the corpus that a shard, or a file of evidence, belongs to."""
    folder = shard.removesuffix(f"/{receipt['split']['name']}.parquet")
    return posixpath.dirname(folder) if posixpath.basename(folder) in (DROPPED, QUARANTINE) else folder


def funnel(run: str) -> list[Line]:
    """Return what was left after every step of every corpus in a run, without the steps that changed nothing.

    Corpora whose names differ in their last part only (`web/1-clean`, `web/2-scored`) are one line of production: the
    input of the second is not told again if it is what the first left.
    """
    lines: list[Line] = []
    for name, path in corpora(run).items():
        for step, rows, size in tally(path).steps:
            before = lines[-1] if lines and family(lines[-1].corpus) == family(name) else None
            if before is None or (rows, size) != (before.documents, before.text_bytes):
                lines.append(Line(name, step, rows, size))
    return lines


def joins(stage: str) -> bool:
    """Tell by its name the stage that puts files together."""
    return stage.startswith(f"{JOINS}(")


def only_measures(stage: str) -> bool:
    """Tell by its name a stage that gives columns and marks nothing."""
    return stage.startswith("Measure(")


def family(corpus: str) -> str:
    """Return what the corpora of one line of production share: all but the last part of their names."""
    return corpus.rpartition("/")[0]


def plain(path: str) -> str:
    """Return a path without `file://`, for people."""
    return path.removeprefix("file://")


def in_order(name: str) -> list[Any]:
    """Sort key under which `2-scored` comes before `10-final`."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]
