"""Is this corpus like the documents that the labels were drawn from? The population stability index.

    for shift in drift(model, "scored"):
        print(shift)            # web_edu.gate: PSI 0.31 (large shift) ...

PSI = sum over bins of (p - q) ln(p / q), with bins that each hold a tenth of the labelled documents: the symmetric
Kullback-Leibler divergence of credit scoring. Below 0.1 is read as no shift, above 0.25 as a large one (Siddiqi 2006,
*Credit Risk Scorecards*). A small corpus differs by chance alone: without any shift the index times
1 / (1 / n + 1 / m) is about chi-squared with bins - 1 degrees of freedom (Yurdakul 2018), so what chance explains in 95
of 100 corpora is not reported as a shift. Compared are the gate's score and the length of the text, which every scored
row has, and, where both sides know it, the language. A certificate holds for documents like those labelled and for no
others.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from curate.classify.annotations import LANGUAGE
from curate.classify.model import Model
from curate.classify.score import find, gate_column, size_column
from curate.corpus import DROPPED, Corpus

BINS = 10
SOME, LARGE = 0.1, 0.25  # Siddiqi 2006
MAX_ROWS = 1_000_000  # about so many are compared, from the beginning of every split; more change no digit
OTHER = "other"


@dataclass(frozen=True)
class Shift:
    """How far one property of a corpus lies from the labelled documents."""

    name: str
    psi: float
    by_chance: float  # what a corpus of this size without any shift stays below in 95 of 100 cases
    labelled: str  # what is usual there, in words
    here: str
    labelled_rows: int
    rows: int

    @property
    def level(self) -> str:
        """Return "none", "some" or "large"."""
        if self.psi <= max(SOME, self.by_chance):
            return "none"
        return "some" if self.psi <= LARGE else "large"

    def __str__(self) -> str:
        return (
            f"{self.name}: PSI {self.psi:.2f}, {self.level} shift (chance explains {self.by_chance:.2f}); "
            f"{self.here} here, {self.labelled} among the labels"
        )


def drift(model: Model, scored: str | Path) -> list[Shift]:
    """Compare a corpus that `Score` or a cascade wrote, dropped rows included, with the labelled documents.

    Returns: a shift for each property that both sides have, the largest first.

    Raises:
        ValueError: the corpus has no column of this classifier's gate.
    """
    gate, size = gate_column(model.classifier), size_column(model.classifier)
    found = _columns(scored, gate, size)
    held_out, measured = model.held_out, model.held_out.weights > 0
    weights = held_out.weights[measured]
    shifts = [
        numbers(gate, held_out.gate[measured], weights, found[gate]),
        numbers(size, held_out.sizes[measured], weights, found[size]),
    ]
    languages: Mapping[str, int] = model.about.get("languages", {})
    here = Counter(name for name in found[LANGUAGE] if name)
    if languages and here:
        shifts.append(names("language", languages, here))
    return sorted(shifts, key=lambda shift: -shift.psi)


def report_drift(classifier: str | Path, scored: str | Path) -> str:
    """Return in words how a scored corpus compares with the classifier's labels; a warning names every shift."""
    model, _ = find(classifier)
    try:
        shifts = drift(model, scored)
    except ValueError as error:
        return f"not compared with the labelled documents: {error}"
    found = [shift for shift in shifts if shift.level != "none"]
    if not found and shifts[0].by_chance > LARGE:
        rows = shifts[0].rows
        return f"{model.classifier}: {rows:,} documents are too few to say whether they are like the labelled ones"
    if not found:
        largest = f"{shifts[0].name} has PSI {shifts[0].psi:.2f}"
        return (
            f"{model.classifier}: the corpus is like the labelled documents ({largest}, the largest of {len(shifts)})"
        )
    lines = [
        f"warning: this corpus is unlike the documents that {model.classifier} was fitted to; promises may not hold"
    ]
    lines += [f"  {shift}" for shift in found]
    return "\n".join([*lines, "  grade a random sample of it (curate annotate) and fit again (curate fit)"])


def numbers(name: str, labelled: np.ndarray, weights: np.ndarray, here: np.ndarray) -> Shift:
    """Compare a number by the deciles of the labelled documents."""
    order = np.argsort(labelled, kind="stable")
    share = np.cumsum(weights[order]) / weights.sum()
    edges = np.unique(labelled[order][np.searchsorted(share, np.arange(1, BINS) / BINS)])
    there = np.bincount(np.searchsorted(edges, labelled, "right"), weights, minlength=len(edges) + 1)
    counts = np.bincount(np.searchsorted(edges, here, "right"), minlength=len(edges) + 1)
    medians = [f"median {np.median(values):,.4g}" for values in (labelled, here)]
    return _shift(name, there, counts, medians[0], medians[1])


def names(name: str, labelled: Mapping[str, int], here: Mapping[str, int]) -> Shift:
    """Compare names in any case: those of at least a twentieth of the labels each for itself, the rest together."""
    spelt = {key.casefold(): key for key in reversed(list(labelled))}  # as the labels spell it first
    total = sum(labelled.values())
    known = [key for key, count in labelled.items() if count >= total / 20]
    keys = [*known, OTHER]
    sides = []
    for counts in (labelled, here):
        bins: Counter[str] = Counter()
        for key, count in counts.items():
            own = spelt.get(key.casefold(), key)
            bins[own if own in known else OTHER] += count
        sides.append(np.array([bins[key] for key in keys], dtype=np.float64))
    shares = [side / max(side.sum(), 1) for side in sides]
    moved = int(np.argmax(np.abs(shares[0] - shares[1])))  # the name whose share differs most
    usual = [f"{share[moved]:.0%} {keys[moved]}" for share in shares]
    return _shift(name, sides[0], sides[1], usual[0], usual[1])


def psi(labelled: np.ndarray, here: np.ndarray) -> float:
    """Return the index of two histograms, half a document added to each bin so that empty ones stay finite."""
    p, q = ((side + 0.5) / (side.sum() + 0.5 * len(side)) for side in (labelled, here))
    return float(((p - q) * np.log(p / q)).sum())


def _shift(name: str, labelled: np.ndarray, here: np.ndarray, usual: str, usual_here: str) -> Shift:
    from scipy.stats import chi2

    rows, labelled_rows = int(here.sum()), round(float(labelled.sum()))
    by_chance = chi2.ppf(0.95, max(len(here) - 1, 1)) * (1 / max(rows, 1) + 1 / max(labelled_rows, 1))
    return Shift(name, psi(labelled, here), float(by_chance), usual, usual_here, labelled_rows, rows)


def _columns(scored: str | Path, gate: str, size: str) -> dict[str, np.ndarray]:
    """Return the gate's scores, sizes and languages of rows from every shard, kept and dropped."""
    parts: dict[str, list[np.ndarray]] = {gate: [], size: [], LANGUAGE: []}
    for path in (str(scored), f"{scored}/{DROPPED}"):
        try:
            corpus = Corpus(path)
            there, splits = corpus.schema.names, corpus.splits()
        except FileNotFoundError:
            continue  # nothing was kept, or nothing dropped
        if gate not in there:
            raise ValueError(f"{path} has no column {gate!r}; score it with a part that uses the gate")
        for split in splits:
            for rows, batch in enumerate(corpus.read(split, [name for name in parts if name in there])):
                if rows * batch.num_rows > MAX_ROWS / len(splits):
                    break
                for name in batch.schema.names:
                    parts[name].append(batch[name].drop_null().to_numpy(zero_copy_only=False))
    empty = np.zeros(0)
    return {name: np.concatenate(arrays) if arrays else empty for name, arrays in parts.items()}
