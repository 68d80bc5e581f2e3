"""A fastText classifier from its file as a stage: DCLM's quality filter, or any other.

    open_fasttext("openhermes_reddit_eli5_vs_rw_v2_bigram_200k_train.bin")(batch)    # adds <file>.score and score

The score is the probability of the good label, as DCLM takes it: line ends become spaces, and of the labels
`__label__hq` and `__label__cc` it is that of the first. For a file with other labels name one:
`fasttext:FILE#__label__math`. DCLM keeps scores above 0.018112. There is no `int_score`: a probability is no grade.
"""

import functools
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from curate.document import TEXT, Batch, with_columns

GOOD = "__label__hq"  # of DCLM's file, whose other label is __label__cc


@dataclass(frozen=True)
class FastText:
    """Add `<name>.score` and `score` (float32), a probability; a row without text counts as empty."""

    name: str  # the prefix of its column
    digest: str  # of the file
    label: str  # whose probability is the score
    path: str = field(repr=False)

    def __call__(self, batch: Batch) -> Batch:
        scores = pa.array(self.score(batch), pa.float32())
        return with_columns(batch, {f"{self.name}.score": scores, "score": scores})

    def score(self, batch: Batch) -> np.ndarray:
        """Return (rows,) float32 in [0, 1]."""
        if TEXT not in batch.schema.names:
            raise ValueError(f"there is no column {TEXT!r} to score; the batch has {batch.schema.names}")
        if not batch.num_rows:
            return np.zeros(0, np.float32)
        if digest_of(self.path) != self.digest:
            raise ValueError(
                f"{self.path} is another file than the recipe's ({self.digest}); give every machine the same"
            )
        lines = [" ".join((text or "").strip().splitlines()) for text in batch[TEXT].to_pylist()]
        found = load(self.path).predict(lines, k=-1)  # all labels, the likeliest first
        return np.array([share_of(self.label, *row) for row in zip(*found, strict=True)], np.float32)


def share_of(label: str, labels: list[str], shares: np.ndarray) -> float:
    """Return the probability of a label; fastText's sums of rounded numbers go a little beyond 1.

    An empty line has no labels at all: nothing is known, which is no reason to keep it.
    """
    return float(min(shares[list(labels).index(label)], 1.0)) if label in labels else 0.0


def open_fasttext(path: str) -> FastText:
    """Return the stage of FILE.bin, or of FILE.bin#LABEL.

    Raises:
        ValueError: there is no such file, it is no fastText classifier, or it has no such label.
    """
    file, _, label = path.partition("#")
    if not Path(file).is_file():
        raise ValueError(f"there is no fastText file {file!r}; give a .bin or .ftz that `fasttext` trained")
    labels = load(file).get_labels()
    wanted = label or GOOD
    if wanted not in labels:
        raise ValueError(
            f"{file} has no label {wanted!r}; it has {', '.join(sorted(labels)[:10])}. "
            f"Say which one is good: fasttext:{file}#{sorted(labels)[0]}"
        )
    name = Path(file).stem.lower().replace("-", "_").replace(".", "_")
    return FastText(name, digest_of(file), wanted, str(Path(file).absolute()))


@functools.cache
def load(path: str) -> Any:
    """Load a model once per process."""
    import fasttext

    try:
        return fasttext.load_model(path)
    except ValueError as error:
        raise ValueError(f"{path} is no fastText model: {error}") from error


@functools.cache
def digest_of(path: str) -> str:
    """Return 16 hexadecimal digits of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
