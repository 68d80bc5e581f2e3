"""What each cut keeps and how good it is, with bands, and which cut serves a wish.

    table = threshold("labels", "web_edu", documents="pages.parquet", precision=0.9)
    print(table)                    # precision, recall, F1, documents and text kept at every cut; the recommended one

A graded document that the model learnt from is judged by its held-out score, which a model gave that had not seen it;
any other is scored now. So the labels may be those of the fit, others, or both. Where the fit set documents aside to
measure by, what it learnt from has no such score and is left out. Bands are 95 % percentile bootstraps over groups of
near-copies, all cuts in the same draws. "Text" is bytes of UTF-8; tokens are nearly in proportion.

A wish for recall is answered with a certified cut (see `cascade`); precision and yield with the cut whose estimate
meets the wish and keeps most. A band narrows with the root of the number of labels: the table says how many halve it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from curate.classify.annotations import Annotations, read_annotations, text_keys
from curate.classify.cascade import HeldOut, certify
from curate.classify.metrics import RESAMPLES, Estimate
from curate.classify.model import Model
from curate.classify.score import best_part, find

STEP = 0.25  # between the cuts of the table
NAMES = ("precision", "recall", "f1", "documents", "text")
NEAR = 3  # examples on each side of the cut


@dataclass(frozen=True)
class Row:
    """What a cut does."""

    cut: float  # raw scores from here are kept
    precision: Estimate
    recall: Estimate
    f1: Estimate
    documents: Estimate  # share kept
    text: Estimate  # share of bytes kept

    def __str__(self) -> str:
        return f"{self.cut:8.3f}" + "".join(f"{getattr(self, name)!s:>22}" for name in NAMES)


@dataclass(frozen=True)
class Thresholds:
    """The table, the recommended cut, and documents next to it."""

    classifier: str
    part: str
    at_least: int
    num_labels: int
    num_positives: int
    num_held_out: int  # of the labels, judged by their held-out scores; the others were new to the model
    num_left_out: int  # labels besides: a model with documents set aside learnt from them
    rows: tuple[Row, ...]
    best: Row
    why: str
    examples: tuple[tuple[float, float, str], ...]  # score, grade, how the text begins; best.cut lies among them

    def __str__(self) -> str:
        head = (
            f"{self.classifier} ({self.part}) against {self.num_labels:,} grades, {self.num_positives:,} of them "
            f"{self.at_least} or more; {self.num_held_out:,} are of the fit and judged by their held-out scores"
        )
        if self.num_left_out:
            head += f"; {self.num_left_out:,} more taught this very model and do not count"
        columns = f"{'cut':>8}" + "".join(f"{name:>22}" for name in NAMES)
        half = (self.best.f1.high - self.best.f1.low) / 2
        lines = [head, columns, *map(str, self.rows), f"recommended: {self.why}", str(self.best)]
        lines.append(f"F1 is known to +-{half:.3f}; about {4 * self.num_labels:,} grades drawn alike would halve that")
        lines += [f"  {score:6.3f}  graded {grade:g}  {text}" for score, grade, text in self.examples]
        return "\n".join(lines)


def threshold(
    labels: str | Path | pa.Table,
    model: str | Path | Model,
    *,
    documents: str | Path | None = None,
    precision: float | None = None,
    recall: float | None = None,
    kept: float | None = None,
    part: str | None = None,
    seed: int = 0,
) -> Thresholds:
    """Measure every cut on graded documents and recommend one: for a wish, or else the one of the best F1.

    Args:
        labels: annotations as `fit` reads them.
        model: a shipped classifier's name, a folder that `fit` wrote, or a model.
        documents: where the texts are, by id, if the labels hold none.
        precision: wanted share of good documents among those kept.
        recall: wanted share of the good documents that are kept; certified with 95 % confidence.
        kept: wanted share of all documents that are kept.
        part: mean, gate, head or cascade; by default the one that `score_stage` takes.

    Raises:
        ValueError: more than one wish, a wish that no cut fulfils, or no usable label.
    """
    wishes = {
        name: wish for name, wish in (("precision", precision), ("recall", recall), ("kept", kept)) if wish is not None
    }
    if len(wishes) > 1:
        raise ValueError(f"give one wish, not {' and '.join(wishes)}: each has a cut of its own")
    for name, wish in wishes.items():
        if not 0 < wish < 1:
            raise ValueError(f"{name}={wish}: a wish is a share between 0 and 1, such as 0.9")
    fitted = model if isinstance(model, Model) else find(model)[0]
    every = read_annotations(labels, documents)
    graded = every.rows(untaught(every, fitted))
    held_out, known = judged(graded, fitted)
    used = held_out.weights > 0
    positive = held_out.grades >= fitted.at_least - 0.5
    if not (positive & used).any() or (positive | ~used).all():
        raise ValueError(f"{used.sum()} grades, {(positive & used).sum()} of them good, cannot tell cuts apart")
    part = part or ("mean" if isinstance(model, Model) else best_part(model))
    scores = held_out.scores(part, fitted.reach)
    best, why = recommended(held_out, scores, fitted, part, wishes)
    cuts = np.append(np.arange(0.5, 4.5 + STEP, STEP), best)
    cuts = cuts[cuts <= max(best, scores[used].max())]
    rows = measured(scores[used], positive[used], held_out, used, cuts, seed)
    return Thresholds(
        fitted.classifier,
        part,
        fitted.at_least,
        int(used.sum()),
        int((positive & used).sum()),
        int((known & used).sum()),
        len(every.texts) - len(graded.texts),
        rows[:-1],
        rows[-1],
        why,
        examples(graded.texts, scores, held_out.grades, best),
    )


def untaught(graded: Annotations, model: Model) -> np.ndarray:
    """Return the rows that can be judged honestly: all but those whose only scores are of a model that they taught.

    Raises:
        ValueError: the model does not say which those are.
    """
    if model.how == "held out" and not len(model.taught):
        raise ValueError(
            f"the model {model.classifier} set documents aside and does not say which it learnt from, so no label can "
            f"be judged; fit it again from its grades"
        )
    rows: np.ndarray = np.flatnonzero(~np.isin(text_keys(graded.texts), model.taught))
    return rows


def judged(graded: Annotations, model: Model) -> tuple[HeldOut, np.ndarray]:
    """Return honest scores of the labels, and (N,) bool: whether they are the model's held-out ones."""
    keys = text_keys(graded.texts)
    row_of = {key: row for row, key in enumerate(model.held_out.keys.tolist())}
    rows = np.array([row_of.get(key, -1) for key in keys.tolist()])
    known, new = rows >= 0, np.flatnonzero(rows < 0)
    gate, head, mean = (
        values[rows].copy() for values in (model.held_out.gate, model.held_out.head, model.held_out.mean)
    )
    if len(new):
        texts = [graded.texts[row] for row in new]
        raw, vectors = model.gate.score(texts), model.encoder(texts)
        languages = [graded.languages[row] for row in new] if any(graded.languages) else None
        gate[new] = model.finish(raw, None, "gate", languages)
        head[new] = model.finish(None, vectors, "head", languages)
        mean[new] = model.finish(raw, vectors, "mean", languages)
    sizes = np.array([len(text.encode("utf-8", "replace")) for text in graded.texts], dtype=np.int32)
    groups, grades = graded.groups.astype(np.int32), graded.grades.astype(np.float32)
    return HeldOut(gate, head, mean, grades, graded.weights.astype(np.float32), groups, keys, sizes), known


def recommended(
    held_out: HeldOut, scores: np.ndarray, model: Model, part: str, wishes: dict[str, float]
) -> tuple[float, str]:
    """Return a cut and the reason for it."""
    if "recall" in wishes:
        options = {"reach": model.reach, "part": part, "at_least": model.at_least, "how": model.how}
        certificate = certify(held_out, wishes["recall"], **options)  # type: ignore[arg-type]
        return certificate.cut, str(certificate)
    used = held_out.weights > 0
    order = np.flatnonzero(used)[np.argsort(-scores[used], kind="stable")]
    good = (held_out.grades[order] >= model.at_least - 0.5) * held_out.weights[order]
    above, hits, total = np.cumsum(held_out.weights[order]), np.cumsum(good), good.sum()
    last = np.append(np.diff(scores[order]) < 0, True)  # a cut keeps all of equal scores
    if "precision" in wishes:
        enough = np.flatnonzero(last & (hits / above >= wishes["precision"]))
        if not len(enough):
            raise ValueError(
                f"no cut reaches a precision of {wishes['precision']:g} on these labels; the best is "
                f"{(hits / above)[last].max():.2f}"
            )
        return float(scores[order][enough[-1]]), f"most documents at a precision of {wishes['precision']:g} or more"
    if "kept" in wishes:
        at = int(np.argmin(np.where(last, np.abs(above / above[-1] - wishes["kept"]), np.inf)))
        return float(scores[order][at]), f"keeps {wishes['kept']:.0%} of the labelled documents"
    at = int(np.argmax(np.where(last, 2 * hits / (above + total), 0)))
    return float(scores[order][at]), "the highest F1 on these labels, which flatters it a little; 2.5 is calibrated"


def measured(
    scores: np.ndarray, positive: np.ndarray, held_out: HeldOut, used: np.ndarray, cuts: np.ndarray, seed: int
) -> tuple[Row, ...]:
    """Return a row for each cut; `scores` and `positive` are of the used rows."""
    weights, sizes = held_out.weights[used].astype(np.float64), held_out.sizes[used]
    _, group = np.unique(held_out.groups[used], return_inverse=True)
    num_groups = int(group.max()) + 1
    rng = np.random.default_rng(seed)
    draws = np.stack(
        [np.bincount(rng.integers(num_groups, size=num_groups), minlength=num_groups) for _ in range(RESAMPLES)]
    )
    times = np.vstack([np.ones((1, len(scores))), draws[:, group]]) * weights  # (1 + RESAMPLES, N); the first as drawn
    kept = (scores[:, None] >= cuts.astype(np.float32)).astype(np.float64)  # (N, cuts)
    hits, good = times @ (kept * positive[:, None]), (times @ positive)[:, None]
    documents, every = times @ kept, times.sum(1, keepdims=True)
    shares = {
        "precision": _ratio(hits, documents),
        "recall": _ratio(hits, good),
        "f1": _ratio(2 * hits, documents + good),
        "documents": documents / every,
        "text": (times * sizes) @ kept / (times @ sizes)[:, None],
    }
    bands = {name: np.percentile(values[1:], (2.5, 97.5), axis=0) for name, values in shares.items()}
    return tuple(
        Row(float(cut), *(Estimate(*map(float, (shares[name][0, at], *bands[name][:, at]))) for name in NAMES))
        for at, cut in enumerate(cuts)
    )


def examples(
    texts: Sequence[str], scores: np.ndarray, grades: np.ndarray, cut: float
) -> tuple[tuple[float, float, str], ...]:
    """Return the documents next to a cut, from above to below."""
    order = np.argsort(-scores, kind="stable")
    at = int((scores >= np.float32(cut)).sum())
    near = order[max(at - NEAR, 0) : at + NEAR]
    return tuple((float(scores[row]), float(grades[row]), " ".join(texts[row][:400].split())[:90]) for row in near)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    ratio: np.ndarray = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    return ratio
