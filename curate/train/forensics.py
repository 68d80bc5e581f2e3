"""From a jump of the loss to the documents that were read in that step.

    for spike in spikes("runs/stable"): print(spike.step, batch_documents("runs/stable", spike.step))

The order of the data follows from the plan that `run.json` holds, so nothing needs to be recorded on the way. What
`curate why` then says of a document is which filter let it pass.
"""

import json
import os
import statistics
from dataclasses import dataclass
from pathlib import Path

from curate.train.data import Mixture, Phase
from curate.train.log import read_log

WINDOW = 50  # steps that say what to expect of the next


@dataclass(frozen=True)
class Spike:
    """A step whose loss lay above those before it."""

    step: int
    loss: float
    expected: float  # median of the steps before
    grad_norm: float


@dataclass(frozen=True)
class Read:
    """A document's part of a batch."""

    id: str
    corpus: str
    row: int  # of the batch over all ranks


def spikes(run: str | os.PathLike[str]) -> list[Spike]:
    """Return the steps of a run by how far their loss lay above the median of the steps before, the furthest first."""
    log = read_log(run)
    losses = [line["loss"] for line in log]
    found = [
        Spike(int(line["step"]), line["loss"], statistics.median(losses[max(n - WINDOW, 0) : n]), line["grad_norm"])
        for n, line in enumerate(log)
        if n > 0
    ]
    return sorted((s for s in found if s.loss > s.expected), key=lambda spike: spike.expected - spike.loss)


def batch_documents(run: str | os.PathLike[str], step: int) -> list[Read]:
    """Return the documents of a step's batch, row by row.

    Raises:
        ValueError: the run has no such step, or its tokens are no longer those it was trained on.
    """
    recipe = json.loads((Path(run) / "run.json").read_text())
    plan = recipe["plan"]
    if not 0 <= step < plan["steps"]:
        raise ValueError(f"{run} has steps 0 to {plan['steps'] - 1}, not {step}")
    phases = [Phase(p["until"], {d["path"]: d["weight"] for d in p["data"]}) for p in recipe["data"]]
    sizes = {"seq_len": plan["seq_len"], "batch_windows": plan["batch_windows"], "seed": plan["seed"]}
    mixture = Mixture(phases, **sizes, drawn=recipe.get("drawn"))
    if json.loads(json.dumps(mixture.recipe())) != recipe["data"]:
        raise ValueError(f"the tokens of {run} have changed since (see its run.json); its batches cannot be told")
    rows = enumerate(mixture.documents_at(step))
    return [Read(document.id, corpus, row) for row, documents in rows for corpus, document in documents]
