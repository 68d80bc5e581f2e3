"""Deduplication from a sample to the whole: what stays does not grow with the input, and what decides does not either.

Near-copies find each other, so a smaller share stays of the whole than of a sample (`curate.plan.copies`). Signing and
writing are work by split, like any step. The decision takes what it took on the sample, and for each further document
the seconds in `curate.dedup.plan`, times how much slower or faster this machine signed the sample than that says.
"""

from dataclasses import replace

import numpy as np

from curate.corpus import DROPPED, Corpus
from curate.dedup.plan import DECIDE_S, NUM_PAIRS, PAIR_S, READ_S, SETTLE_S, SIGN_S, WRITE_S
from curate.document import ID
from curate.plan.copies import Growth, clusters_by_pieces, growth
from curate.plan.draw import Drawn
from curate.plan.fit import DRAWS, Floats
from curate.plan.numbers import Numbers, piece_of

Z = 1.645  # 95 % of a normal distribution is below
SLOWEST, FASTEST = 50.0, 0.1  # times the seconds on paper; beyond, a sample this small says nothing of them


def stays(folder: str, drawn: Drawn, seed: int) -> Floats:
    """Return (1 + DRAWS,) how many documents of the whole stay for each that a sum over samples would say.

    Args:
        folder: of the sample's deduplication.
    """
    found = growth_of(folder, drawn)
    deviations = np.random.default_rng(seed + 1).normal(size=DRAWS) / Z
    side = np.where(deviations > 0, found.high - found.kept, found.kept - found.low)
    kept = np.concatenate([[found.kept], np.clip(found.kept + side * deviations, found.low / 2, found.now)])
    return np.asarray(kept / found.now)


def growth_of(folder: str, drawn: Drawn) -> Growth:
    """Return how many entries stay in the whole, from who replaced whom in the sample."""
    numbers = {split.name: at for at, split in enumerate(drawn.pieces)}
    members: list[tuple[str, str]] = []
    for place, column in ((folder, ID), (f"{folder}/{DROPPED}", "dedup.survivor")):
        try:
            corpus = Corpus(place)
            splits = corpus.splits()
        except FileNotFoundError:  # nothing was dropped
            continue
        for split in splits:
            at = piece_of(split.name, numbers)
            if at is not None:
                for batch in corpus.read(split, [column]):
                    members += [(str(cluster), drawn.pieces[at].name) for cluster in batch[column].to_pylist()]
    return growth(clusters_by_pieces(members), drawn=len(drawn.pieces), of=drawn.num_pieces)


def deduplicated(numbers: Numbers, less: Floats) -> Numbers:
    """Return a deduplication's numbers: what stays is `less` of them, what leaves is the rest."""
    values, step = dict(numbers.values), numbers.step
    left, kept = values["rows_in"] - values["rows_out"], values["disk"] - values["evidence"]
    values |= {what: values[what] * less for what in ("rows_out", "text_out")}
    leaving = values["rows_in"] - values["rows_out"]
    values["evidence"] = values["evidence"] * np.where(left > 0, leaving / np.where(left > 0, left, 1), 1.0)
    values["disk"] = kept * less + values["evidence"]
    values["together"] = sum(step.phases.values()) + _more_seconds(numbers)
    at_work = min(step.phases_cpu / max(sum(step.phases.values()), 1e-9), 1.0)  # the rest is waiting
    values["cpu_seconds"] = values["cpu_seconds"] + at_work * values["together"]
    note = f"{less[0]:.1%} of what a sum of samples would keep stays: near-copies find each other in the whole"
    return replace(numbers, values=values, notes=(note,) if less[0] < 0.9995 else ())


def _more_seconds(numbers: Numbers) -> Floats:
    """Return the seconds of the decision on the documents that the sample has not."""
    step = numbers.step
    megabytes = sum(unit.text_in for unit in step.units.values()) / 1e6
    on_paper = megabytes * (SIGN_S + 2 * READ_S + WRITE_S)
    speed = float(np.clip(step.total("seconds") / max(on_paper, 1e-9), FASTEST, SLOWEST))
    more = np.maximum(numbers.values["rows_in"] - step.total("rows_in"), 0.0)
    return np.asarray(more * (DECIDE_S + NUM_PAIRS * PAIR_S + SETTLE_S) * speed)
