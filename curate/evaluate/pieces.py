"""Pieces of an evaluation: what one worker asks a model in one go, in this process or on Ray.

    work = Work("/models/edu", "cpu", "float32")
    table, seconds = work(Choices("arc_easy", 0, items))        # loads the model, once in a process

A task is cut into pieces in the same places wherever they are done, and a piece depends on nothing but itself, so the
workers' numbers are those of one process: bit for bit on like machines with as many threads each. A worker on Ray has
one CPU: it computes with one thread, and runs the programs of its piece one after the other. The model's folder must
be where every node sees it; questions, texts and programs travel with the piece.

A piece is a minute or less of a 135M model on one CPU, except where text is written: 16 problems of HumanEval, 20
programs each, take it most of an hour.
"""

import functools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from curate.evaluate.code import Problem
from curate.evaluate.generate import Decoding, generate
from curate.evaluate.held_out import HeldOut, document_bits
from curate.evaluate.items import Item, score_items
from curate.evaluate.model import Dtype, load, max_length
from curate.evaluate.sandbox import Outcome, Sandbox

T = TypeVar("T")
NUM_ITEMS, NUM_TEXTS, NUM_PROMPTS, NUM_PROBLEMS = 256, 64, 128, 16  # in a piece


@dataclass(frozen=True)
class Work:
    """What a worker needs for any piece.

    Attributes:
        weights: digest or revision, so that a worker which has met other weights in this place loads them again.
        threads: of the model; as many as the process has by default.
        programs: to run side by side; one for each processor by default.
    """

    model_dir: str
    device: str | None
    dtype: Dtype
    weights: str | None = None
    threads: int | None = None
    programs: int | None = None
    unsafe: bool = False

    def __call__(self, piece: "Piece") -> tuple[Any, float]:
        """Return what the piece gives, and the seconds it took beside loading the model."""
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        model, tokenizer = loaded(self.model_dir, self.device, self.dtype, self.weights)
        begun = time.monotonic()
        return piece.work(model, tokenizer, self), time.monotonic() - begun


@functools.lru_cache(maxsize=1)
def loaded(model_dir: str, device: str | None, dtype: Dtype, weights: str | None) -> tuple[Any, Any]:
    return load(model_dir, device, dtype)


@dataclass(frozen=True)
class Choices:
    """Items to be scored together, of one subject."""

    task: str
    first: int  # the number of the first in its task
    items: Sequence[Item]

    def work(self, model: Any, tokenizer: Any, how: Work) -> pa.Table:
        """Return the table of their choices; items are numbered from 0."""
        return score_items(model, tokenizer, self.task, self.items)

    def __str__(self) -> str:
        return f"items of {self.task} from number {self.first}"


@dataclass(frozen=True)
class Texts:
    """Held-out documents of one domain."""

    domain: str
    first: int
    texts: Sequence[str]

    def work(self, model: Any, tokenizer: Any, how: Work) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """Return the bits that each text costs the model, and its bytes, (texts,) each."""
        documents = HeldOut.of({self.domain: self.texts}, tokenizer, window=max_length(model)).domains[self.domain]
        return document_bits(model, documents), np.array([document.num_bytes for document in documents])

    def __str__(self) -> str:
        return f"texts of {self.domain} from number {self.first}"


@dataclass(frozen=True)
class Writing:
    """Prompts to be gone on from."""

    task: str
    first: int
    prompts: Sequence[str]
    decoding: Decoding

    def work(self, model: Any, tokenizer: Any, how: Work) -> list[list[str]]:
        """Return each prompt's samples."""
        return generate(model, tokenizer, self.prompts, self.decoding, first=self.first)

    def __str__(self) -> str:
        return f"prompts of {self.task} from number {self.first}"


@dataclass(frozen=True)
class Programs:
    """Problems to write programs for, which are then run."""

    task: str
    first: int
    problems: Sequence[Problem]
    decoding: Decoding

    def work(self, model: Any, tokenizer: Any, how: Work) -> list[list[tuple[str, Outcome]]]:
        """Return each problem's samples, and what became of them in the sandbox."""
        with Sandbox(unsafe=how.unsafe) as sandbox:  # a machine that cannot contain them says so before any is written
            prompts = [problem.prompt for problem in self.problems]
            texts = generate(model, tokenizer, prompts, self.decoding, first=self.first)
            pairs = [(problem, text) for problem, some in zip(self.problems, texts, strict=True) for text in some]
            outcomes = iter(sandbox.run_all([one.program(text) for one, text in pairs], workers=how.programs))
        return [[(text, next(outcomes)) for text in some] for some in texts]

    def __str__(self) -> str:
        return f"problems of {self.task} from number {self.first}"


Piece = Choices | Texts | Writing | Programs
LONGEST_FIRST = (Programs, Writing, Choices, Texts)


def in_pieces(whole: Sequence[T], size: int) -> Iterator[tuple[int, Sequence[T]]]:
    """Yield (number of the first, so many in a row)."""
    for first in range(0, len(whole), size):
        yield first, whole[first : first + size]
