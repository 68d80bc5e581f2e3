"""The stage that grades: adds a quality's score to every row.

    scored = (score_stage("web_edu"), Keep((at_threshold(3),)))

`web_edu.score` is the raw score; `score` and `int_score` are the names that FineWeb-Edu publishes. The artefact's
digest is part of the stage's repr, so a corpus scored by another fit is never taken for this one.
"""

import functools
import importlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from curate.classify.model import PARTS, Model, Part, read_model
from curate.document import TEXT, Batch, int_score, with_columns
from curate.stage import Rule

SHIPPED = "classifiers"  # the package of fitted qualities


@dataclass(frozen=True)
class Score:
    """Add `<classifier>.score`, `score` (float32) and `int_score` (int64); a row without text counts as empty."""

    classifier: str
    digest: str
    part: Part = "mean"
    path: str = field(default="", repr=False)  # of a folder from `fit`; what ships is found by name on every machine

    def __call__(self, batch: Batch) -> Batch:
        if TEXT not in batch.schema.names:
            raise ValueError(f"there is no column {TEXT!r} to score; the batch has {batch.schema.names}")
        texts = [text or "" for text in batch[TEXT].to_pylist()]
        scores = (
            load(self.path or self.classifier, self.digest).score(texts, self.part)
            if texts
            else np.zeros(0, np.float32)
        )
        raw = pa.array(scores, pa.float32())
        whole = pa.array(int_score(scores), pa.int64())
        return with_columns(batch, {f"{self.classifier}.score": raw, "score": raw, "int_score": whole})


def score_stage(classifier: str | Path, *, part: Part | None = None) -> Score:
    """Return the stage of a shipped classifier by name, or of a folder that `fit` wrote.

    Args:
        part: "mean" of both, "gate" alone (n-grams; a thousand times faster), or "head" alone (the encoder). None is
            what the classifier's own file names as best, "mean" for a folder.

    Raises:
        ValueError: nothing has this name; says what is there.
    """
    if part not in (*PARTS, None):
        raise ValueError(f"part={part!r}; choose one of {', '.join(PARTS)}")
    folder = Path(classifier).is_dir()
    model = read_model(model_path(classifier))
    best: Part = "mean" if folder else importlib.import_module(f"{SHIPPED}.{classifier}").PART
    return Score(model.classifier, model.digest, part or best, str(Path(classifier).absolute()) if folder else "")


def model_path(classifier: str | Path) -> Path:
    """Return where a classifier's files are: a folder that exists, else the artefact of `classifiers.<name>`."""
    if Path(classifier).is_dir():
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
