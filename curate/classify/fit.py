"""Learn a classifier from grades, and say how good it is.

    report = fit("labels", "model", classifier="web_edu")
    print(report)                   # precision, recall, F1 ... of every part with intervals, and the certificates

Every number is of documents that the model had not seen: k folds, near-copies never on both sides, and inside each
fold the calibration learnt from inner folds. The model that is kept learns from all grades, and keeps the held-out
scores beside it: certificates rest on them (see `cascade`). With `held_out=0.3` that share of the documents is set
aside instead: the model learns from the others only, and numbers and certificates are its own, at the price of a model
that has seen fewer grades. Texts are embedded once, on as many workers as are wanted.

One model can serve several languages: with `languages=("Python",)` all documents teach, those of these languages have
calibrations to themselves, and those of all others share one set of their own.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from curate.classify.annotations import LANGUAGE, Annotations, read_annotations, text_keys
from curate.classify.calibration import Calibration, calibrate
from curate.classify.cascade import HeldOut, Reach, learn_reach
from curate.classify.embedding import Encoder
from curate.classify.gate import Features, Gate, fit_gate, select
from curate.classify.head import Head, fit_head
from curate.classify.metrics import Estimate, evaluate
from curate.classify.model import GATE_SHARE, PARTS, Model, Part, mixed, outside
from curate.classify.represent import represent

MIN_GRADES = 50
MIN_EACH = 10  # positives, and negatives: two in each of five folds
MAX_FOLDS = 20  # twenty fit 420 times
TOP_GRADE = 5  # where `int_score` ends
STEP_AT_CUT = (
    0.5  # added to the grades of positives, so that most effort goes where the cut is; calibration takes it off.
)
# F1 of the gate, web and code: .841 and .650 without, .846 and .666 with 0.4, .854 and .650 with 1.5
PROMISES = (0.9, 0.95)  # the recalls that a report certifies
FINEWEB_EDU = {"f1": 0.682, "precision": 0.763, "recall": 0.617, "macro_f1": 0.827}  # model card, 46,867 pages, cut 3


@dataclass(frozen=True)
class FitReport:
    """Where the model is and what cross-validation found."""

    path: str
    classifier: str
    digest: str
    at_least: int
    num_grades: int
    num_positives: int
    num_measured: int  # grades of weight above 0
    metrics: Mapping[str, Mapping[str, Estimate]]  # of each part and of the cascade
    encoded: float  # share of the measured documents that the encoder reads in the cascade, cut at `at_least`
    promises: tuple[str, ...]  # certificates, or why there is none

    def __str__(self) -> str:
        names = ["f1", "precision", "recall", "macro_f1", "spearman", "mae"]
        lines = [
            f"{self.classifier}: {self.num_grades:,} grades, {self.num_positives:,} of {self.at_least} or more; "
            f"measured on {self.num_measured:,} that the model had not seen, 95 % intervals",
            f"{'':12}" + "".join(f"{name:>22}" for name in names),
        ]
        for part, row in self.metrics.items():
            lines.append(f"{part:12}" + "".join(f"{row[name]!s:>22}" for name in names))
        published = "".join(f"{FINEWEB_EDU[name]:>22.3f}" if name in FINEWEB_EDU else f"{'':>22}" for name in names)
        lines.append(f"{'FineWeb-Edu':12}{published}   (its own pages and grades)")
        lines.append(f"cascade: the encoder reads {self.encoded:.0%} of the documents, where gate and cut are close")
        return "\n".join([*lines, *self.promises])


@dataclass(frozen=True, eq=False)
class Data:
    """What is learnt from, each text counted and embedded once."""

    features: Features
    vectors: np.ndarray  # (N, dim) float32
    grades: np.ndarray  # (N,) float64
    weights: np.ndarray  # (N,) float64
    groups: np.ndarray  # (N,) int64, equal for near-copies
    at_least: int
    apart: np.ndarray | None = None  # (N,) bool: of other languages than the model's own; None where it knows no such

    def rows(self, rows: np.ndarray) -> "Data":
        return Data(
            select(self.features, rows),
            self.vectors[rows],
            self.grades[rows],
            self.weights[rows],
            self.groups[rows],
            self.at_least,
            None if self.apart is None else self.apart[rows],
        )

    @property
    def positive(self) -> np.ndarray:
        positive: np.ndarray = self.grades >= self.at_least - 0.5
        return positive


class Learnt(NamedTuple):
    """All that scores depend on."""

    gate: Gate
    head: Head
    curves: dict[Part, Calibration]
    elsewhere: dict[Part, Calibration]  # of documents apart; empty where there are none
    reach: Reach

    def scores(self, data: Data, gate_share: float) -> dict[str, np.ndarray]:
        """Return the calibrated (N,) scores of every part, and the cascade's."""
        raw = raw_scores(self.gate, self.head, data, gate_share)
        own = calibrated(raw, data, self.curves, self.elsewhere)
        scores: dict[str, np.ndarray] = {part: own[part] for part in PARTS}
        return scores | {"cascade": self.reach.join(scores["gate"], scores["mean"])}


def fit(
    annotations: str | Path | pa.Table,
    out: str | Path,
    *,
    classifier: str = "web_edu",
    documents: str | Path | None = None,
    encoder: Encoder = Encoder(),  # noqa: B008 - frozen settings
    at_least: int = 3,
    gate_share: float = GATE_SHARE,
    languages: Sequence[str] = (),
    held_out: float = 0.0,
    folds: int = 5,
    seed: int = 0,
    ray: str | None = None,
    workers: int | None = None,
    num_gpus: float = 0,
) -> FitReport:
    """Fit gate and head to graded documents and write the model into the folder `out`.

    Args:
        annotations: a corpus, Parquet or JSONL file, or table with `score` and `text`; null scores are left out.
            A column `weight` says how many documents a row stands for (0: not drawn at random, so it teaches but
            neither measures nor calibrates), as does a column `drawn` that says anything but "random"; a column
            `group` keeps equal rows in one fold.
        classifier: the name of the quality, the prefix of its score column.
        documents: where the texts are, by `id`, if the annotations hold none.
        at_least: the grade that makes a document positive.
        gate_share: of the gate in the mean of gate and head.
        languages: those with calibrations to themselves, by the column `language`; documents of all others share
            one set. By default all documents are calibrated together.
        held_out: a share of the documents to measure and certify on instead of cross-validation, such as 0.3.
        ray, workers, num_gpus: where the texts are embedded, see `curate.classify.represent`; the model is the same.

    Raises:
        ValueError: a column is missing, or there are too few grades; says how many are needed. Or `out` is remote, or
            `at_least` no grade.
    """
    if not 2 <= folds <= MAX_FOLDS:
        raise ValueError(
            f"folds={folds}: give 2 to {MAX_FOLDS}; every fold has as many inner ones, for the calibration"
        )
    if not 1 <= at_least <= TOP_GRADE:
        raise ValueError(
            f"at_least={at_least}: grades count as 0 to {TOP_GRADE}, so a cut lies at 1 to {TOP_GRADE}; bring other "
            f"grades to this scale"
        )
    if "://" in str(out):
        raise ValueError(f"{out} is remote, and a model is read from a local folder; fit into one, then copy it")
    graded = read_annotations(annotations, documents)
    apart = others(graded, languages)
    for rows in (slice(None),) if apart is None else (~apart, apart):
        enough(graded, at_least, rows)
    aside = set_aside(graded, held_out, at_least, seed) if held_out else None
    features, vectors = represent(graded.texts, encoder, ray=ray, workers=workers, num_gpus=num_gpus)
    data = Data(features, vectors, graded.grades, graded.weights, graded.groups, at_least, apart)
    rows = np.arange(len(data.grades)) if aside is None else aside
    taught = np.setdiff1d(np.arange(len(data.grades)), rows)  # without a held-out score
    if aside is not None:
        learnt = learn(data.rows(taught), folds, seed, gate_share)
        scores = learnt.scores(data.rows(rows), gate_share)
    else:
        scores = cross_validate(data, folds, seed, gate_share)
        learnt = learn(data, folds, seed, gate_share)
    metrics = measure(data.rows(rows), scores)
    gate, head, curves, elsewhere, reach = learnt
    evidence = evidence_of(graded, rows, scores)
    about = _about(graded, rows, metrics, folds, seed)
    how = "held out" if held_out else "cross-validated"
    model = Model(
        classifier, at_least, gate, head, encoder, curves, reach, evidence, gate_share, how, about,
        tuple(languages), elsewhere, text_keys([graded.texts[row] for row in taught]),
    )  # fmt: skip
    model.write(Path(out) / "model")
    measured = data.weights[rows] > 0
    return FitReport(
        str(out),
        classifier,
        model.digest,
        at_least,
        len(data.grades),
        int(data.positive.sum()),
        int(measured.sum()),
        metrics,
        float(reach.unsure(evidence.gate, at_least - 0.5)[measured].mean()),
        tuple(promise(model, recall) for recall in PROMISES),
    )


def promise(model: Model, recall: float) -> str:
    """Return the certificate of the cascade, or why the labels cannot carry it."""
    try:
        return str(model.certify(recall))
    except ValueError as error:
        return f"no certificate: {error}"


def set_aside(graded: Annotations, share: float, at_least: int, seed: int) -> np.ndarray:
    """Return about `share` of the rows, whole groups, drawn at random; rising.

    Raises:
        ValueError: the share is no share, or too few rows to measure by.
    """
    if not 0 < share < 1:
        raise ValueError(f"held_out={share}: give a share of the documents between 0 and 1, such as 0.3")
    names = np.unique(graded.groups)
    chosen = np.random.default_rng(seed).permutation(names)[: round(share * len(names))]
    aside = np.isin(graded.groups, chosen)
    measured = graded.grades[aside & (graded.weights > 0)]
    positives = int((measured >= at_least - 0.5).sum())
    if not 0 < positives < len(measured):
        raise ValueError(
            f"held_out={share} sets {len(measured)} grades aside, {positives} of them {at_least} or more, which cannot "
            f"measure a classifier; set more aside, or leave it out for cross-validation"
        )
    return np.flatnonzero(aside)


def others(graded: Annotations, languages: Sequence[str]) -> np.ndarray | None:
    """Return (N,) bool: which grades are of other languages than those named; None where none are named.

    Raises:
        ValueError: one of them has no grade, or no other language has.
    """
    apart = outside(graded.languages, languages)
    if apart is None:
        return None
    there = Counter(language.casefold() for language in graded.languages if language)
    told = ", ".join(name for name, _ in there.most_common(10)) or "none"
    unknown = [language for language in languages if language.casefold() not in there]
    if unknown:
        raise ValueError(
            f"no grade is of {unknown[0]!r}: by the column {LANGUAGE!r} the languages are {told}. Give documents with "
            f"such a column, or leave the languages out"
        )
    if not apart.any():
        raise ValueError(f"all grades are of {told}, so other languages have no calibration; leave the languages out")
    return apart


def measure(data: Data, scores: Mapping[str, np.ndarray]) -> dict[str, dict[str, Estimate]]:
    """Return the measures of every part's scores."""
    options = {"at_least": data.at_least, "weights": data.weights, "groups": data.groups}
    return {part: evaluate(data.grades, values, **options) for part, values in scores.items()}  # type: ignore[arg-type]


def enough(graded: Annotations, at_least: int, rows: slice | np.ndarray = slice(None)) -> None:
    """Raise ValueError if the grades of some rows cannot carry a fit, with the number that would."""
    weights = np.zeros_like(graded.weights)
    weights[rows] = graded.weights[rows]
    measured = graded.grades[weights > 0]
    positives = int((measured >= at_least - 0.5).sum())
    negatives = len(measured) - positives
    if len(graded.grades[rows]) and not len(measured):
        raise ValueError(
            f"all {len(graded.grades[rows])} grades have weight 0 (or were not drawn at random), so nothing measures "
            f"the classifier; give what was drawn at random a weight above 0, or leave out the columns weight and drawn"
        )
    sides = [
        set(graded.groups[(weights > 0) & side])
        for side in (graded.grades >= at_least - 0.5, graded.grades < at_least - 0.5)
    ]
    if len(measured) >= MIN_GRADES and min(positives, negatives) >= MIN_EACH > min(map(len, sides)):
        raise ValueError(
            f"the texts of {len(measured)} grades are copies of each other or share a column group: {len(sides[0])} "
            f"different ones of {at_least} or more and {len(sides[1])} below are left, and {MIN_EACH} of each are the "
            f"least; grade documents that differ"
        )
    if len(measured) < MIN_GRADES or min(positives, negatives) < MIN_EACH:
        raise ValueError(
            f"{len(measured)} grades, {positives} of them {at_least} or more, are too few to fit a classifier: "
            f"{MIN_GRADES} grades with {MIN_EACH} on each side of the cut are the least, 1,000 with 200 a good start; "
            f"annotate more documents or choose another cut"
        )


def cross_validate(data: Data, folds: int, seed: int, gate_share: float = GATE_SHARE) -> dict[str, np.ndarray]:
    """Return each document's calibrated scores by models that saw neither it nor a near-copy of it."""
    predicted: dict[str, np.ndarray] = {}
    for train, test in split(data, folds, seed):
        learnt = learn(data.rows(train), folds, seed + 1, gate_share)
        for part, scores in learnt.scores(data.rows(test), gate_share).items():
            predicted.setdefault(part, np.zeros(len(data.grades), np.float32))[test] = scores
    return predicted


def learn(data: Data, folds: int, seed: int, gate_share: float = GATE_SHARE) -> Learnt:
    """Fit on all of `data`; calibrations and reach come from out-of-fold predictions within it."""
    raw: dict[Part, np.ndarray] = {part: np.zeros(len(data.grades)) for part in PARTS}
    for train, test in split(data, folds, seed):
        gate, head = _fit_both(data.rows(train))
        for part, values in raw_scores(gate, head, data.rows(test), gate_share).items():
            raw[part][test] = values
    own = np.ones(len(data.grades), bool) if data.apart is None else ~data.apart
    curves = {part: _calibrate(raw[part], data, own) for part in PARTS}
    elsewhere = {} if own.all() else {part: _calibrate(raw[part], data, ~own) for part in PARTS}
    scores, measured = calibrated(raw, data, curves, elsewhere), data.weights > 0
    reach = learn_reach(scores["gate"][measured], scores["mean"][measured])
    return Learnt(*_fit_both(data), curves, elsewhere, reach)


def calibrated(
    raw: Mapping[Part, np.ndarray],
    data: Data,
    curves: Mapping[Part, Calibration],
    elsewhere: Mapping[Part, Calibration],
) -> dict[Part, np.ndarray]:
    """Return the (N,) scores of each part, those of documents apart by `elsewhere`."""
    scores = {part: curves[part](raw[part]) for part in PARTS}
    if data.apart is None or not elsewhere:
        return scores
    return {part: np.where(data.apart, elsewhere[part](raw[part]), scores[part]) for part in PARTS}


def _calibrate(raw: np.ndarray, data: Data, rows: np.ndarray) -> Calibration:
    return calibrate(raw[rows], data.grades[rows], at_least=data.at_least, weights=data.weights[rows])


def raw_scores(gate: Gate, head: Head, data: Data, gate_share: float) -> dict[Part, np.ndarray]:
    """Return what each part says before calibration."""
    raw = mixed({"gate": gate.score_features(data.features), "head": head.score(data.vectors)}, gate_share)
    return {part: raw[part] for part in PARTS}


def split(data: Data, folds: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (train, test) rows: whole groups, the measured positives spread evenly."""
    from sklearn.model_selection import StratifiedGroupKFold

    strata = data.positive & (data.weights > 0)
    yield from StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(strata, strata, data.groups)


def _fit_both(data: Data) -> tuple[Gate, Head]:
    targets = data.grades + STEP_AT_CUT * data.positive
    return fit_gate(data.features, targets), fit_head(data.vectors, targets)


def evidence_of(graded: Annotations, rows: np.ndarray, scores: Mapping[str, np.ndarray]) -> HeldOut:
    """Return what promises rest on: the held-out scores of `rows`, in their order, with grades, weights and groups."""
    texts = [graded.texts[row] for row in rows]
    sizes = np.array([len(text.encode("utf-8", "replace")) for text in texts], dtype=np.int32)
    groups = np.unique(graded.groups[rows], return_inverse=True)[1].astype(np.int32)
    grades, weights = graded.grades[rows].astype(np.float32), graded.weights[rows].astype(np.float32)
    return HeldOut(scores["gate"], scores["head"], scores["mean"], grades, weights, groups, text_keys(texts), sizes)


def _about(
    graded: Annotations,
    rows: np.ndarray,
    metrics: Mapping[str, Mapping[str, Estimate]],
    folds: int,
    seed: int,
) -> dict[str, Any]:
    grades, counts = np.unique(np.floor(graded.grades + 0.5).astype(int), return_counts=True)
    measured = [row for row in rows if graded.weights[row] > 0]
    return {
        "grades": {str(grade): int(count) for grade, count in zip(grades, counts, strict=True)},
        "groups": len(np.unique(graded.groups)),
        "measured": len(measured),
        "folds": folds,
        "seed": seed,
        "languages": dict(Counter(graded.languages[row] for row in measured if graded.languages[row]).most_common()),
        "metrics": {part: {name: asdict(e) for name, e in row.items()} for part, row in metrics.items()},
    }
