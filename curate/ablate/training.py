"""One training of an ablation: an arm's tokens, a seed, a folder; trained and measured, or found done.

    table = Training(design, "edu", 0, {"OUT/tokens/edu": 1.0}, Path("OUT/runs/edu/seed-0"), held)()

Seed k draws the same first weights in every arm, and its order of data from the same stream: arms with the same
windows read them in the same order; of different corpora an order cannot be shared, and is part of what the seeds
average over. Everything is in the folder: killed, the same call goes on from the last checkpoint; trained, it is only
measured; measured, it is only read. Other questions or held-out sets are measured on the checkpoint that is there.
"""

import contextlib
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from curate.ablate.design import Design
from curate.ablate.held_out import HeldOut
from curate.ablate.measure import MEASURED, Questions, measure
from curate.corpus import Corpus
from curate.parquet import read_receipt
from curate.writer import ShardWriter

if TYPE_CHECKING:
    from curate.train.loop import Trained

EVALUATIONS = 20  # looks at held-out data on the way, for the curves
CURVE_SHARE = 0.03  # of the training's work, that all of them may cost together
FORWARD_SHARE = 1 / 3  # of a training step's work is its forward pass
LEAST_TOKENS = 4096  # of a domain, in one look
MEASURED_FILE = "measured"


@dataclass(frozen=True)
class Training:
    """A unit of work: picklable, and all it needs."""

    design: Design
    arm: str
    seed: int
    blend: Mapping[str, float]  # folders of tokens with weights
    out: Path
    held: HeldOut
    curves: Mapping[str, str] = field(default_factory=dict)  # domain -> tokens of its held-out documents
    asked: Questions = field(default_factory=Questions)
    evaluate_every: int | None = None  # steps
    threads: int | None = 1
    device: str | None = None
    quiet: bool = True

    def __str__(self) -> str:
        return f"{self.arm}, seed {self.seed}"

    def __call__(self) -> pa.Table:
        """Train and measure, as far as it is not done, and return the table of items (MEASURED).

        Raises:
            FloatingPointError: the training diverged.
        """
        trained = self.train()
        receipt = self._receipt(trained.checkpoint)
        file = self.out / f"{MEASURED_FILE}.parquet"
        if not (file.exists() and read_receipt(str(file)) == receipt):
            table = measure(trained.checkpoint, self.held, self.asked, self.device)
            with ShardWriter(self.out, MEASURED_FILE, MEASURED) as writer:
                for batch in table.to_batches():
                    writer.write(batch)
                writer.commit(receipt)
        return Corpus(file).table()

    def train(self) -> "Trained":
        from curate.train.held_out import HeldOut as Bits
        from curate.train.loop import anneal, pretrain

        design, num_tokens = self.design, self.design.steps * self.design.batch_tokens
        how: dict[str, Any] = {"seed": self.seed, "keep": 1, "threads": self.threads, "device": self.device}
        how |= {"quiet": self.quiet, "num_tokens": num_tokens, "batch_tokens": design.batch_tokens}
        if self.curves:
            most = curve_tokens(num_tokens, len(self.curves))
            how |= {"evaluate": Bits(self.curves, max_tokens=most), "evaluate_every": self.every}
            how["checkpoint_every"] = self.every  # each look keeps one anyway
        with contextlib.redirect_stdout(sys.stderr):  # stdout is the verdict's
            if not self.quiet and not self.is_done:
                print(f"{self}:")
            if design.anneal is not None:
                return anneal(design.anneal, self.blend, self.out, **how)
            how |= {"model": design.model, "seq_len": design.seq_len, "lr": design.lr}
            return pretrain(self.blend, self.out, **how)

    @property
    def every(self) -> int:
        """Steps between two looks at held-out data."""
        return self.evaluate_every or max(round(self.design.steps / EVALUATIONS), 1)

    @property
    def is_done(self) -> bool:
        return (self.out / f"{MEASURED_FILE}.parquet").exists()

    def _receipt(self, checkpoint: Path) -> dict[str, Any]:
        return {"held_out": self.held.fingerprint, **self.asked.identity(), "checkpoint": checkpoint.name}


def curve_tokens(num_tokens: int, num_domains: int) -> int:
    """Return the tokens of each domain in one look, so that all looks cost a small share of the training."""
    affordable = CURVE_SHARE * num_tokens / FORWARD_SHARE / EVALUATIONS / num_domains
    return max(int(affordable), LEAST_TOKENS)


@dataclass(frozen=True)
class Outcome:
    """What became of a training."""

    items: pa.Table | None  # MEASURED; None if it failed or diverged
    error: str = ""
    diverged: bool = False
    seconds: float = 0.0  # in this call


def do(training: Training) -> Outcome:
    """Do a unit; a failure comes back as text, so that the others go on."""
    began = time.monotonic()
    try:
        return Outcome(training(), seconds=time.monotonic() - began)
    except FloatingPointError as error:
        return Outcome(None, f"{error}", diverged=True, seconds=time.monotonic() - began)
    except (OSError, RuntimeError, ValueError, LookupError) as error:
        return Outcome(None, f"{type(error).__name__}: {error}", seconds=time.monotonic() - began)
