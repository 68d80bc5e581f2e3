"""The stages that grade: they add a quality's score to every row.

    scored = (score_stage("web_edu"), Keep((at_threshold(3),)))
    several = (score_stages(("web_edu", "code_edu")),)          # texts read once, one embedding for both
    cascade = cascade_stages("web_edu", recall=0.9)             # the encoder where it can matter, and a promise

A column `language`, where there is one, chooses the calibration of a model that has several (`code_edu`).
`web_edu.score` is the raw score; `score` and `int_score` are the names that FineWeb-Edu publishes. The artefact's
digest is part of the stage's repr, so a corpus scored by another fit is never taken for this one.

The cascade is four stages that any stage author could have written: measure the gate, drop what not even the encoder
could lift, ask the encoder about what is in reach of the cut, drop what is below the cut. `web_edu.gate` is the
evidence.
"""

import functools
import importlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.classify.annotations import LANGUAGE
from curate.classify.cascade import Certificate
from curate.classify.model import PARTS, Model, Part, read_model
from curate.document import TEXT, Batch, int_score, with_columns
from curate.stage import Keep, Rule, Stage

SHIPPED = "classifiers"  # the package of fitted qualities


@dataclass(frozen=True)
class Score:
    """Add `<classifier>.score`, `score` (float32) and `int_score` (int64); a row without text counts as empty."""

    classifier: str
    digest: str
    part: Part = "mean"
    path: str = field(default="", repr=False)  # of a folder from `fit`; what ships is found by name on every machine
    on_gpu: ClassVar[bool] = True

    def __call__(self, batch: Batch) -> Batch:
        return Scores((self,))(batch)

    @property
    def model(self) -> Model:
        return load(self.path or self.classifier, self.digest)


@dataclass(frozen=True)
class Scores:
    """Score several qualities in one pass; `score` and `int_score` are the first one's.

    Texts are read once, and classifiers with the same encoder share its vectors.
    """

    stages: tuple[Score, ...]
    on_gpu: ClassVar[bool] = True

    def __call__(self, batch: Batch) -> Batch:
        texts = texts_of(batch)
        embed = functools.cache(lambda encoder, dim: encoder(texts) if texts else np.zeros((0, dim), np.float32))
        columns: dict[str, np.ndarray] = {}
        for stage in self.stages:
            model, part, languages = stage.model, stage.part, languages_of(batch)
            gate = model.gate.score(texts) if part != "head" else None
            vectors = embed(model.encoder, model.head.landmarks.shape[1]) if part != "gate" else None
            columns[f"{stage.classifier}.score"] = model.finish(gate, vectors, part, languages)
            if gate is not None:
                batch = with_gate(batch, stage.classifier, model.finish(gate, None, "gate", languages))
        return with_scores(batch, columns, columns[f"{self.stages[0].classifier}.score"])


@dataclass(frozen=True)
class GateScore:
    """The cascade's first step: add `<classifier>.gate`, the calibrated score, and `<classifier>.bytes` of text."""

    classifier: str
    digest: str
    path: str = field(default="", repr=False)

    def __call__(self, batch: Batch) -> Batch:
        model = load(self.path or self.classifier, self.digest)
        gate = model.finish(model.gate.score(texts_of(batch)), None, "gate", languages_of(batch))
        return with_gate(batch, self.classifier, gate)


@dataclass(frozen=True)
class Cascade:
    """The cascade's second step: where the gate is within reach of `cut` the encoder decides, elsewhere the gate has.

    Adds what `Score` adds, and `<classifier>.encoded` (bool): whether the encoder read the row.
    """

    classifier: str
    digest: str
    cut: float
    path: str = field(default="", repr=False)
    on_gpu: ClassVar[bool] = True

    def __call__(self, batch: Batch) -> Batch:
        model = load(self.path or self.classifier, self.digest)
        gate = batch[gate_column(self.classifier)].to_numpy(zero_copy_only=False)
        unsure = model.reach.unsure(gate, self.cut)
        scores = gate.astype(np.float32)
        if unsure.any():
            near = batch.filter(pa.array(unsure))
            texts = texts_of(near)
            mean = model.finish(model.gate.score(texts), model.encoder(texts), "mean", languages_of(near))
            scores[unsure] = model.reach.join(gate[unsure], mean)
        scored = with_scores(batch, {f"{self.classifier}.score": scores}, scores)
        return with_columns(scored, {f"{self.classifier}.encoded": pa.array(unsure)})


def texts_of(batch: Batch) -> list[str]:
    if TEXT not in batch.schema.names:
        raise ValueError(f"there is no column {TEXT!r} to score; the batch has {batch.schema.names}")
    return [text or "" for text in batch[TEXT].to_pylist()]


def languages_of(batch: Batch) -> list[str | None] | None:
    """Return each row's language; None where the batch has no such column."""
    return batch[LANGUAGE].to_pylist() if LANGUAGE in batch.schema.names else None


def with_gate(batch: Batch, classifier: str, scores: np.ndarray) -> Batch:
    """Add what tells whether a corpus is like the labelled documents; see `drift`."""
    sizes = pc.cast(pc.fill_null(pc.binary_length(batch[TEXT]), 0), pa.int32())
    return with_columns(
        batch, {gate_column(classifier): pa.array(scores, pa.float32()), size_column(classifier): sizes}
    )


def with_scores(batch: Batch, columns: dict[str, np.ndarray], scores: np.ndarray) -> Batch:
    arrays = {name: pa.array(values, pa.float32()) for name, values in columns.items()}
    published = {"score": pa.array(scores, pa.float32()), "int_score": pa.array(int_score(scores), pa.int64())}
    return with_columns(batch, arrays | published)


def gate_column(classifier: str) -> str:
    return f"{classifier}.gate"


def size_column(classifier: str) -> str:
    return f"{classifier}.bytes"


def score_stage(classifier: str | Path, *, part: Part | None = None) -> Score:
    """Return the stage of a shipped classifier by name, or of a folder that `fit` wrote.

    Args:
        part: "mean" of both, "gate" alone (n-grams; some forty times faster), or "head" alone (the encoder). None is
            what the classifier's own file names as best, "mean" for a folder.

    Raises:
        ValueError: nothing has this name; says what is there.
    """
    if part not in (*PARTS, None):
        raise ValueError(f"part={part!r}; choose one of {', '.join(PARTS)}")
    model, path = find(classifier)
    return Score(model.classifier, model.digest, part or best_part(classifier), path)


def best_part(classifier: str | Path) -> Part:
    """Return the part that a shipped classifier's own file names as best; "mean" for a folder."""
    if model_path(classifier).is_dir():
        return "mean"
    part: Part = importlib.import_module(f"{SHIPPED}.{classifier}").PART
    return part


def score_stages(classifiers: Sequence[str | Path], *, part: Part | None = None) -> Score | Scores:
    """Return one stage for several qualities, of which the first gives `score` and `int_score`; of one, its own stage.

    Raises:
        ValueError: one of them is unknown, or two have the same name and would fill the same column.
    """
    stages = tuple(score_stage(classifier, part=part) for classifier in classifiers)
    names = [stage.classifier for stage in stages]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise ValueError(f"two classifiers are called {min(repeated)}; fit one of them with another --classifier name")
    return stages[0] if len(stages) == 1 else Scores(stages)


def cascade_stages(
    classifier: str | Path, *, recall: float | None = None, cut: float | None = None
) -> tuple[Certificate | None, tuple[Stage, ...]]:
    """Return the certificate and the stages of a cascade that keeps its promise of recall, or that cuts at `cut`.

    Args:
        recall: of what the teacher would grade the model's `at_least` or more; the cut follows from it.
        cut: a raw score, such as 2.5, in place of a promise; there is no certificate then.

    Raises:
        ValueError: nothing has this name, or the model's labels are too few for the promise.
    """
    if (recall is None) == (cut is None):
        raise ValueError("a cascade needs either a recall to promise or a cut")
    model, path = find(classifier)
    gate_only = best_part(classifier) == "gate"
    certificate = model.certify(recall, "gate" if gate_only else "cascade") if recall is not None else None
    at = certificate.cut if certificate else float(cut or 0.0)
    least = math.floor(1e4 * (at - model.reach.up)) / 1e4  # rounded down: the promise may only grow
    why = f"recall >= {recall:g}, certified" if certificate else "the cut that was asked for"
    name, digest = model.classifier, model.digest
    keep = Keep((Rule(f"{name}.score", at_least=at, source=why),))
    if gate_only:
        return certificate, (Score(name, digest, "gate", path), keep)
    return certificate, (
        GateScore(name, digest, path),
        Keep((Rule(gate_column(name), at_least=least, source=f"the encoder cannot lift it to the cut; {why}"),)),
        Cascade(name, digest, at, path),
        keep,
    )


def find(classifier: str | Path) -> tuple[Model, str]:
    """Return a model, and its folder if it is not one that ships.

    Raises:
        ValueError: nothing has this name; says what is there.
    """
    path = model_path(classifier)
    return read_model(path), str(path) if path.is_dir() else ""


def model_path(classifier: str | Path) -> Path:
    """Return where a classifier's files are: a folder that exists, else the artefact of `classifiers.<name>`.

    A folder that only happens to be called web_edu, such as a scored corpus, does not hide the classifier.
    """
    folder = Path(classifier)
    if folder.is_dir() and ((folder / "model.json").is_file() or str(classifier) not in available()):
        return Path(classifier).absolute()
    if str(classifier) not in available():
        raise ValueError(
            f"no classifier {str(classifier)!r}: it is neither a folder that `curate fit` wrote nor one of "
            f"{', '.join(available())}"
        )
    path: Path = importlib.import_module(f"{SHIPPED}.{classifier}").MODEL
    return path


def available() -> list[str]:
    """Return the names of the shipped classifiers."""
    folders = map(Path, importlib.import_module(SHIPPED).__path__)
    return sorted(path.stem for folder in folders for path in folder.glob("*.json"))


def at_threshold(grade: int) -> Rule:
    """Return FineWeb-Edu's cut: a threshold of 3 keeps raw scores from 2.5."""
    return Rule("int_score", at_least=grade, source="FineWeb-Edu: the rounded score")


def at_score(raw: float) -> Rule:
    """Return a cut on the raw score."""
    return Rule("score", at_least=raw, source="the raw score")


@functools.cache
def load(classifier: str, digest: str) -> Model:
    """Read a model once per process and make sure that it is the one meant."""
    model = read_model(model_path(classifier))
    if model.digest != digest:
        raise ValueError(
            f"{classifier} is the classifier {model.digest} here, but the recipe was made with {digest}; "
            f"build the stage again with score_stage, or give every machine the same files"
        )
    return model
