"""What do rules cost? Per rule, how many documents that it dropped score high: FineWeb's `{` and LaTeX is the classic.

    for loss in lost("runs/edu/1-clean", scorer, at_least=2.5): print(loss.rule, loss.broke, loss.alone)

Of each rule's documents, and of those that broke nothing else (which come back if the rule falls), the first `most` in
the order of their hashed ids are scored: by the score on record, else by `scorer` from the text in `dropped/`
(keep_text). They are a random sample of the rule's documents, so a number comes with a 95 % interval, except where all
were scored. The interval is Wilson's (1927), which stays inside [0, 1]; it covers the draw, not the scorer's mistakes.
Duplicates and samples are no rules, and a cut on a score drops no high ones: they are left out.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from curate.corpus import DROPPED
from curate.document import ID, TEXT, Batch
from curate.ledger.leaves import Chain, Leaf
from curate.ledger.replay import is_cut
from curate.ledger.runs import Recipe
from curate.ledger.sides import Side, read_leaves
from curate.parquet import open_parquet

SCORE, LANGUAGE = "score", "language"  # the language may choose a calibration
Z = 1.959964  # of a 95 % interval
Scorer = Callable[[Batch], np.ndarray]


@dataclass(frozen=True)
class Share:
    """How many of `documents` score high, from a random sample of them."""

    documents: int
    sampled: int
    high: int

    @property
    def rate(self) -> float:
        return self.high / self.sampled if self.sampled else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """95 % of the rate; the rate itself if all were scored."""
        n, p = self.sampled, self.rate
        if not n or n == self.documents:
            return p, p
        middle, half = p + Z**2 / (2 * n), Z * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n * n))
        return (middle - half) / (1 + Z**2 / n), (middle + half) / (1 + Z**2 / n)

    def __str__(self) -> str:
        """Documents that score high: "51", or "412 [380, 447]" where only a sample was scored."""
        if not self.sampled:
            return "-" if self.documents else "0"
        low, high = (self.documents * bound for bound in self.interval)
        point = f"{self.documents * self.rate:,.0f}"
        return point if self.sampled == self.documents else f"{point} [{low:,.0f}, {high:,.0f}]"


@dataclass(frozen=True)
class Loss:
    """What one rule dropped: all documents that broke it, and those that broke nothing else."""

    corpus: str
    rule: str
    broke: Share
    alone: Share


def lost(run: str, scorer: Scorer | None, *, at_least: float = 2.5, most: int = 2000, seed: int = 0) -> list[Loss]:
    """Return each rule's cost in documents that score `at_least`, the dearest first.

    Args:
        run: folder of a run whose corpora read one another, or of one corpus.
        scorer: (N,) scores of a batch with `text`, where no score is on record; None: only those are counted.
        at_least: raw score from which a document counts as high.
        most: documents to score of each rule, and of those that broke it alone.
        seed: of the draw.

    Raises:
        LookupError: no dropped document has a score or a text.
    """
    losses: list[Loss] = []
    for link in Chain.of(run).links:
        leaf = Leaf(link, DROPPED)
        if link.recipe and _can_score(leaf, scorer is not None):
            is_rule = functools.partial(_is_rule, link.recipe)
            losses += _losses(read_leaves([leaf]), is_rule, scorer, at_least, most, seed)
    if not losses:
        raise LookupError(f"no document that {run} dropped has a score or a text; run the filter with --keep-text")
    return sorted(losses, key=lambda loss: (-loss.alone.documents * _known(loss.alone.rate), loss.rule))


def _is_rule(made: Recipe, mark: str) -> bool:
    step = made.step_of([mark])
    return not is_cut(mark) and step is not None and made.steps[step].startswith("Keep")


def _can_score(leaf: Leaf, from_text: bool) -> bool:
    corpus = leaf.corpus()
    names = corpus.schema.names if corpus else []
    return SCORE in names or (from_text and TEXT in names)


def _losses(
    dropped: Side, is_rule: Callable[[str], bool], scorer: Scorer | None, at_least: float, most: int, seed: int
) -> list[Loss]:
    rules = [rule for rule in dict.fromkeys(rule for _, *marks in dropped.fates for rule in marks) if is_rule(rule)]
    order = dropped.drawn(np.arange(len(dropped.ids)), seed)
    drawn: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for rule in rules:
        hit = np.array([rule in marks for _, *marks in dropped.fates])
        only = np.array([marks == [rule] for _, *marks in dropped.fates])
        drawn[rule] = (order[hit[dropped.fate[order]]], order[only[dropped.fate[order]]])
    rows = np.unique(
        np.concatenate([np.zeros(0, np.int64), *(part[:most] for pair in drawn.values() for part in pair)])
    )
    scores = dict(zip(rows.tolist(), _scores(dropped, rows, scorer).tolist(), strict=True))
    corpus = dropped.fates[0][0] if dropped.fates else ""
    return [
        Loss(corpus, rule, *(_share(part, most, scores, at_least) for part in pair)) for rule, pair in drawn.items()
    ]


def _share(rows: np.ndarray, most: int, scores: Mapping[int, float], at_least: float) -> Share:
    known = [scores[row] for row in rows[:most].tolist() if not math.isnan(scores[row])]
    return Share(len(rows), len(known), sum(score >= at_least for score in known))


def _scores(dropped: Side, rows: np.ndarray, scorer: Scorer | None) -> np.ndarray:
    """Return (N,) float64 scores of some rows, ascending: on record or by the scorer; NaN where neither is possible."""
    found = np.full(len(rows), np.nan)
    for file, groups in dropped.in_groups(rows):
        with open_parquet(file) as parquet:
            names = [name for name in (ID, SCORE, TEXT, LANGUAGE) if name in parquet.schema_arrow.names]
            for group, places, inside in groups:
                batch = parquet.read_row_group(group, columns=names).take(inside).combine_chunks().to_batches()[0]
                found[places] = _score(batch, scorer)
    return found


def _score(batch: Batch, scorer: Scorer | None) -> np.ndarray:
    scores = np.full(batch.num_rows, np.nan)
    if SCORE in batch.schema.names:
        scores = batch[SCORE].cast("float64").to_numpy(zero_copy_only=False).copy()
    missing = np.flatnonzero(np.isnan(scores))
    if len(missing) and scorer is not None and TEXT in batch.schema.names:
        scores[missing] = scorer(batch.take(missing))
    return scores


def _known(rate: float) -> float:
    return 0.0 if math.isnan(rate) else rate


def table(losses: Sequence[Loss], label: str) -> list[tuple[str, ...]]:
    """Return the losses as cells, heads first; `label` says what a high score is."""
    head = ("rule", "dropped by it", f"with {label}", "share", "by it alone", f"with {label}", "share")
    rows = [(loss.rule, *(cell for share in (loss.broke, loss.alone) for cell in _cells(share))) for loss in losses]
    return [head, *rows]


def _cells(share: Share) -> tuple[str, str, str]:
    return f"{share.documents:,}", str(share), f"{share.rate:.0%}" if share.sampled else "-"
