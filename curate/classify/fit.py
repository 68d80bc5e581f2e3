"""Learn a classifier from grades, and say how good it is.

    report = fit("labels", "model", classifier="web_edu")
    print(report)                   # precision, recall, F1 ... of gate, head and both, with intervals

Every number is of documents that the model had not seen: k folds, near-copies never on both sides, and inside each
fold the calibration learnt from inner folds. The model that is kept learns from all grades. Texts are embedded once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from curate.classify.annotations import Annotations, read_annotations
from curate.classify.calibration import Calibration, calibrate
from curate.classify.embedding import Encoder
from curate.classify.gate import Features, Gate, count_features, fit_gate, select
from curate.classify.head import Head, fit_head
from curate.classify.metrics import Estimate, evaluate
from curate.classify.model import PARTS, Model, Part, mixed

MIN_GRADES = 50
MIN_EACH = 10  # positives, and negatives: two in each of five folds
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
    metrics: Mapping[Part, Mapping[str, Estimate]]

    def __str__(self) -> str:
        names = ["f1", "precision", "recall", "macro_f1", "spearman", "mae"]
        lines = [
            f"{self.classifier}: {self.num_grades:,} grades, {self.num_positives:,} of {self.at_least} or more; "
            f"cross-validated on {self.num_measured:,}, 95 % intervals",
            f"{'':12}" + "".join(f"{name:>22}" for name in names),
        ]
        for part, row in self.metrics.items():
            lines.append(f"{part:12}" + "".join(f"{row[name]!s:>22}" for name in names))
        published = "".join(f"{FINEWEB_EDU[name]:>22.3f}" if name in FINEWEB_EDU else f"{'':>22}" for name in names)
        return "\n".join([*lines, f"{'FineWeb-Edu':12}{published}   (its own pages and grades)"])


@dataclass(frozen=True, eq=False)
class Data:
    """What is learnt from, each text counted and embedded once."""

    features: Features
    vectors: np.ndarray  # (N, dim) float32
    grades: np.ndarray  # (N,) float64
    weights: np.ndarray  # (N,) float64
    groups: np.ndarray  # (N,) int64, equal for near-copies
    at_least: int

    def rows(self, rows: np.ndarray) -> "Data":
        return Data(
            select(self.features, rows),
            self.vectors[rows],
            self.grades[rows],
            self.weights[rows],
            self.groups[rows],
            self.at_least,
        )

    @property
    def positive(self) -> np.ndarray:
        positive: np.ndarray = self.grades >= self.at_least - 0.5
        return positive


def fit(
    annotations: str | Path | pa.Table,
    out: str | Path,
    *,
    classifier: str = "web_edu",
    documents: str | Path | None = None,
    encoder: Encoder = Encoder(),  # noqa: B008 - frozen settings
    at_least: int = 3,
    folds: int = 5,
    seed: int = 0,
) -> FitReport:
    """Fit gate and head to graded documents and write the model into the folder `out`.

    Args:
        annotations: a corpus, Parquet or JSONL file, or table with `score` and `text`; null scores are left out.
            A column `weight` says how many documents a row stands for (0: not drawn at random, so it teaches but
            neither measures nor calibrates); a column `group` keeps equal rows in one fold.
        classifier: the name of the quality, the prefix of its score column.
        documents: where the texts are, by `id`, if the annotations hold none.
        at_least: the grade that makes a document positive.

    Raises:
        ValueError: a column is missing, or there are too few grades; says how many are needed.
    """
    graded = read_annotations(annotations, documents)
    enough(graded, at_least)
    features, vectors = count_features(graded.texts), encoder(graded.texts)
    data = Data(features, vectors, graded.grades, graded.weights, graded.groups, at_least)
    predicted = cross_validate(data, folds, seed)
    metrics = {
        part: evaluate(data.grades, predicted[part], at_least=at_least, weights=data.weights, groups=data.groups)
        for part in PARTS
    }
    gate, head, curves = learn(data, folds, seed)
    about = _about(data, metrics, folds, seed)
    model = Model(classifier, at_least, gate, head, encoder, curves, about)
    model.write(Path(out) / "model")
    measured = int((data.weights > 0).sum())
    return FitReport(
        str(out), classifier, model.digest, at_least, len(data.grades), int(data.positive.sum()), measured, metrics
    )


def enough(graded: Annotations, at_least: int) -> None:
    """Raise ValueError if the grades cannot carry a fit, with the number that would."""
    measured = graded.grades[graded.weights > 0]
    positives = int((measured >= at_least - 0.5).sum())
    negatives = len(measured) - positives
    if len(measured) < MIN_GRADES or min(positives, negatives) < MIN_EACH:
        raise ValueError(
            f"{len(measured)} grades, {positives} of them {at_least} or more, are too few to fit a classifier: "
            f"{MIN_GRADES} grades with {MIN_EACH} on each side of the cut are the least, 1,000 with 200 a good start; "
            f"annotate more documents or choose another cut"
        )


def cross_validate(data: Data, folds: int, seed: int) -> dict[Part, np.ndarray]:
    """Return each document's calibrated scores by models that saw neither it nor a near-copy of it."""
    predicted: dict[Part, np.ndarray] = {part: np.zeros(len(data.grades)) for part in PARTS}
    for train, test in split(data, folds, seed):
        gate, head, curves = learn(data.rows(train), folds, seed + 1)
        for part, raw in raw_scores(gate, head, data.rows(test)).items():
            predicted[part][test] = curves[part](raw)
    return predicted


def learn(data: Data, folds: int, seed: int) -> tuple[Gate, Head, dict[Part, Calibration]]:
    """Fit on all of `data`; the calibrations come from out-of-fold predictions within it."""
    raw: dict[Part, np.ndarray] = {part: np.zeros(len(data.grades)) for part in PARTS}
    for train, test in split(data, folds, seed):
        gate, head = _fit_both(data.rows(train))
        for part, values in raw_scores(gate, head, data.rows(test)).items():
            raw[part][test] = values
    curves = {part: calibrate(raw[part], data.grades, at_least=data.at_least, weights=data.weights) for part in PARTS}
    return *_fit_both(data), curves


def raw_scores(gate: Gate, head: Head, data: Data) -> dict[Part, np.ndarray]:
    """Return what each part says before calibration."""
    raw = mixed({"gate": gate.score_features(data.features), "head": head.score(data.vectors)})
    return {part: raw[part] for part in PARTS}


def split(data: Data, folds: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (train, test) rows: whole groups, the measured positives spread evenly."""
    from sklearn.model_selection import StratifiedGroupKFold

    strata = data.positive & (data.weights > 0)
    yield from StratifiedGroupKFold(folds, shuffle=True, random_state=seed).split(strata, strata, data.groups)


def _fit_both(data: Data) -> tuple[Gate, Head]:
    return fit_gate(data.features, data.grades), fit_head(data.vectors, data.grades)


def _about(data: Data, metrics: Mapping[Part, Mapping[str, Estimate]], folds: int, seed: int) -> dict[str, Any]:
    grades, counts = np.unique(np.floor(data.grades + 0.5).astype(int), return_counts=True)
    return {
        "grades": {str(grade): int(count) for grade, count in zip(grades, counts, strict=True)},
        "groups": len(np.unique(data.groups)),
        "measured": int((data.weights > 0).sum()),
        "folds": folds,
        "seed": seed,
        "metrics": {part: {name: asdict(e) for name, e in row.items()} for part, row in metrics.items()},
    }
