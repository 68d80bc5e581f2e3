"""Gate, then encoder where it can matter, with a cut that keeps its promise of recall.

    certificate = certify(model.held_out, recall=0.9, reach=model.reach)
    print(certificate)              # cut, positives, misses, bound, what it saves

*Two steps, one score.* The encoder may move the gate's grade by no more than its `reach` (up, down): as far as it moved
all but 2 % of the graded documents. The cascade's score is therefore clip(mean, gate - down, gate + up), and whether it
lies above a cut needs the encoder only where the gate is within reach of that cut. The rest is decided thousands of
times faster, and both ways: what the gate is sure of is kept as well as dropped.

*The promise.* "With 95 % confidence at least r of the documents that the teacher would grade 3 or more are kept." The
cut is the (k + 1)-th smallest score among the n graded positives, where k, the number of misses allowed, depends on
nothing but n and r: the largest with P(Binomial(n, 1 - r) <= k) <= 5 %. An order statistic is a tolerance limit (Wilks
1941): more than 1 - r of the positives score below it only if at most k of n drew a score below the (1 - r) quantile,
which has just that probability, whatever the distribution. So nothing is chosen by looking at the result, no label is
spent on choosing, and the exact bound (Clopper & Pearson 1934) of n - k out of n is r or more. `reach` is learnt from
scores and not from grades. A one-dimensional family of cuts is what makes this possible: searching two cuts freely and
certifying on the same labels would break the bound.

*What it rests on.* The labels are a random sample of the documents the cut is used on (see `drift`). Unequal weights
are turned back into a random sample by keeping a row with probability proportional to its weight, which costs rows;
rows of weight 0 do not count. Near-copies are one draw, with the lowest of their scores. And the scores come from
cross-validation: each by a model that had not seen the document, learnt from four fifths of what the final model learnt
from. The final model is a little better, so the promise errs to the safe side, though nothing proves it;
`fit(held_out=...)` sets documents aside for an exact one. tests/classify/test_cascade.py draws labels again and again:
the true recall is below the promise in no more than 5 % of the draws.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from curate.classify.metrics import recall_bound

CONFIDENCE = 0.95
WITHIN_REACH = 0.98  # F1 on web grades .876 with .98, .872 with .95, .878 with the encoder everywhere


@dataclass(frozen=True)
class Reach:
    """How far the encoder may move the gate's grade."""

    up: float
    down: float

    def join(self, gate: np.ndarray, mean: np.ndarray) -> np.ndarray:
        """Return (N,) scores of the cascade."""
        joined: np.ndarray = np.clip(mean, gate - np.float32(self.down), gate + np.float32(self.up))
        return joined

    def unsure(self, gate: np.ndarray, cut: float) -> np.ndarray:
        """Return (N,) bool: where the encoder can still decide whether the score is `cut` or more."""
        return (gate + np.float32(self.up) >= cut) & (gate - np.float32(self.down) < cut)


def learn_reach(gate: np.ndarray, mean: np.ndarray) -> Reach:
    """Return the reach that leaves WITHIN_REACH of the documents where the encoder put them; needs no grade."""
    moved = (mean - gate).astype(np.float64)
    down, up = np.quantile(moved, ((1 - WITHIN_REACH) / 2, (1 + WITHIN_REACH) / 2))
    return Reach(max(float(up), 0.0), max(float(-down), 0.0))


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Graded documents with the scores of models that had not seen them, row by row; kept with the fitted model."""

    gate: np.ndarray  # (N,) float32, calibrated
    head: np.ndarray  # (N,) float32
    mean: np.ndarray  # (N,) float32
    grades: np.ndarray  # (N,) float32
    weights: np.ndarray  # (N,) float32; documents that a row stands for; 0: not drawn at random
    groups: np.ndarray  # (N,) int32, equal for near-copies
    keys: np.ndarray  # (N,) uint64, of the texts; see `annotations.text_keys`
    sizes: np.ndarray  # (N,) int32, bytes of the texts

    def scores(self, part: str, reach: Reach) -> np.ndarray:
        """Return (N,) float32 scores of a part, or of the cascade."""
        if part == "cascade":
            return reach.join(self.gate, self.mean)
        parts: dict[str, np.ndarray] = {"gate": self.gate, "head": self.head, "mean": self.mean}
        return parts[part]


@dataclass(frozen=True)
class Certificate:
    """What is promised of a cut, and on what evidence."""

    part: str
    recall: float  # promised: of the documents that the teacher would grade `at_least` or more
    at_least: int
    cut: float  # keep scores from here
    bound: float  # the exact lower bound on recall, at the confidence
    positives: int  # independent random labels behind it
    misses: int  # of them below the cut
    random_labels: int  # positives and others
    kept: float  # share of the random labels at or above the cut
    precision: float  # of what is kept, as found on the random labels
    encoded: float  # share of the random labels that the encoder had to read
    confidence: float = CONFIDENCE
    how: str = "cross-validated"  # or "held out"

    def __str__(self) -> str:
        calls = f"the encoder reads {self.encoded:.0%} of the documents" if self.part != "gate" else "no encoder"
        return (
            f"certificate: recall >= {self.recall:g} of grades {self.at_least} or more, confidence "
            f"{self.confidence:.0%}: {self.part} score >= {self.cut:.3f}\n"
            f"  {self.misses} of {self.positives} random positives missed, exact bound {self.bound:.3f} "
            f"({self.how}, {self.random_labels:,} random labels)\n"
            f"  keeps {self.kept:.1%} of the labelled documents at precision {self.precision:.2f}; {calls}"
        )


def certify(
    held_out: HeldOut,
    recall: float,
    *,
    reach: Reach,
    part: Literal["cascade", "mean", "gate", "head"] = "cascade",
    at_least: int = 3,
    confidence: float = CONFIDENCE,
    how: str = "cross-validated",
    seed: int = 0,
) -> Certificate:
    """Choose the cut that promises `recall`, from labels the model had not seen.

    Raises:
        ValueError: the labels are too few for this promise; says how many are needed.
    """
    if not 0 < recall < 1:
        raise ValueError(f"recall={recall}: a promise lies between 0 and 1, such as 0.9")
    scores = held_out.scores(part, reach)
    drawn = random_rows(held_out.weights, seed)
    positive = held_out.grades >= at_least - 0.5
    lowest = one_each(scores, held_out.groups, drawn & positive)
    allowed = misses_allowed(len(lowest), recall, confidence)
    if allowed < 0:
        raise ValueError(too_few(len(lowest), int(drawn.sum()), recall, confidence, at_least))
    cut = float(lowest[allowed])
    misses, kept = int((lowest < cut).sum()), drawn & (scores >= np.float32(cut))
    needed = reach.unsure(held_out.gate, cut)[drawn].mean() if part == "cascade" else float(part != "gate")
    return Certificate(
        part,
        recall,
        at_least,
        cut,
        recall_bound(len(lowest) - misses, len(lowest), confidence),
        len(lowest),
        misses,
        int(drawn.sum()),
        float(kept.sum() / drawn.sum()),
        float(positive[kept].mean()),
        float(needed),
        confidence,
        how,
    )


def misses_allowed(positives: int, recall: float, confidence: float = CONFIDENCE) -> int:
    """Return the most misses of n positives that still prove `recall`; -1 if not even none does."""
    total, misses = 0.0, -1
    for k in range(positives + 1):  # P(Binomial(n, 1 - recall) <= k)
        total += math.exp(_log_binomial(positives, k, 1 - recall))
        if total > 1 - confidence:
            break
        misses = k
    return misses


def positives_needed(recall: float, confidence: float = CONFIDENCE) -> int:
    """Return the least positives that can prove `recall`: all of them found; 29 for 0.9, 59 for 0.95, 299 for 0.99."""
    return math.ceil(math.log(1 - confidence) / math.log(recall) - 1e-9)


def too_few(positives: int, labels: int, recall: float, confidence: float, at_least: int) -> str:
    """Say how many labels a promise needs."""
    needed = positives_needed(recall, confidence)
    grades = f"about {math.ceil(labels * needed / positives):,} random grades at this share" if positives else "more"
    most = (1 - confidence) ** (1 / positives) if positives else 0.0
    possible = f"; {positives} can promise a recall of {math.floor(most * 100) / 100:g}" if positives else ""
    return (
        f"recall >= {recall:g} with {confidence:.0%} confidence needs at least {needed:,} independent random labels of "
        f"{at_least} or more; there are {positives:,} among {labels:,}{possible}. Annotate {grades} (three times as "
        f"many let the cut be stricter), or promise less"
    )


def random_rows(weights: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return (N,) bool: a simple random sample out of a weighted one.

    A row of weight w was drawn with a chance proportional to 1 / w. Kept with a chance proportional to w, every
    document has had the same chance, and binomial bounds hold. Equal weights keep every row, weight 0 none.
    """
    highest = weights.max(initial=0.0)
    if not highest > 0:
        return np.zeros(len(weights), bool)
    kept: np.ndarray = np.random.default_rng(seed).random(len(weights)) < weights / highest
    return kept


def one_each(scores: np.ndarray, groups: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the lowest score of each group among `rows`, rising."""
    chosen = np.flatnonzero(rows)
    chosen = chosen[np.lexsort((scores[chosen], groups[chosen]))]
    _, first = np.unique(groups[chosen], return_index=True)
    return np.sort(scores[chosen[first]])


def _log_binomial(trials: int, hits: int, rate: float) -> float:
    ways = math.lgamma(trials + 1) - math.lgamma(hits + 1) - math.lgamma(trials - hits + 1)
    return ways + hits * math.log(rate) + (trials - hits) * math.log1p(-rate)
