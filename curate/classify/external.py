"""Classifiers that others trained, by an address: `hf:NAME-OR-FOLDER` and `fasttext:FILE.bin`.

open_classifier("hf:HuggingFaceFW/fineweb-edu-classifier")
open_classifier("fasttext:dclm.bin")
"""

from typing import Protocol

import numpy as np

from curate.document import Batch

HF, FASTTEXT = "hf:", "fasttext:"
EXTERNAL = (HF, FASTTEXT)  # str.startswith takes both


class Classifier(Protocol):
    """What scores a batch; called, it adds its columns: a stage."""

    @property
    def name(self) -> str:
        """The prefix of its column."""

    def score(self, batch: Batch) -> np.ndarray:
        """Return (rows,) float32."""

    def __call__(self, batch: Batch) -> Batch:
        """Return the batch with `<name>.score`, `score`, and `int_score` where the score is a grade."""


def open_classifier(address: str) -> Classifier:
    """Open a classifier by its address.

    Raises:
        ValueError: the address has neither form, or nothing that can be read is there.
    """
    if address.startswith(HF):
        from curate.classify.huggingface import open_huggingface

        return open_huggingface(address.removeprefix(HF))
    if address.startswith(FASTTEXT):
        from curate.classify.fasttext_file import open_fasttext

        return open_fasttext(address.removeprefix(FASTTEXT))
    raise ValueError(f"{address!r} is no address of a classifier; give hf:NAME, hf:FOLDER or fasttext:FILE.bin")
