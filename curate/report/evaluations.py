"""What the models can do: every measure of every task with its standard error, beside what chance would give.

An evaluation names the model it is of: its place, the step it was trained to, and the SHA-256 of its weights, as
`sha256sum` prints it. One that does not say so is told by its folder, and that it does not.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curate.evaluate.record import MODEL
from curate.evaluate.results import JSON
from curate.report.charts import whiskers
from curate.report.markup import count, heading, note, table

BOUNDED = ("acc", "pass", "gold_probability", "exact", "f1")  # measures that lie in [0, 1]


@dataclass(frozen=True)
class Measured:
    """One measure of one task."""

    task: str
    measure: str
    value: float
    stderr: float | None  # not known of one item or document
    chance: float | None
    num_items: int


@dataclass(frozen=True)
class Evaluation:
    """What one folder of `curate evaluate` holds."""

    name: str  # of the folder
    model: Mapping[str, Any]  # what it says of the model; empty where it says nothing
    measured: tuple[Measured, ...]


def gather(folder: Path | None) -> list[Evaluation]:
    """Read every `results.json` below a folder that holds measures of tasks."""
    found = []
    for file in sorted(folder.rglob(JSON)) if folder is not None else []:
        results = dict(json.loads(file.read_text(encoding="utf-8")))
        measured = tuple(_measured(results))
        if measured:
            name = f"{file.parent.relative_to(folder)}" if folder else ""
            found.append(Evaluation(name, results.get(MODEL, {}), measured))
    return found


def _measured(results: Mapping[str, Any]) -> list[Measured]:
    return [
        Measured(
            task,
            measure,
            float(found["value"]),
            None if found.get("stderr") is None else float(found["stderr"]),
            about.get("chance") if measure.startswith("acc") else None,
            int(about.get("num_items", 0)),
        )
        for task, about in results.items()
        if isinstance(about, dict) and "/" not in task and task != MODEL
        for measure, found in about.items()
        if isinstance(found, dict) and isinstance(found.get("value"), int | float)
    ]


def section(found: Sequence[Evaluation]) -> str:
    said = "Each value with its standard error; the bar is its 95 % interval between 0 and 1, dashed where chance lies."
    return note(said) + "".join(_one(evaluation) for evaluation in found)


def _one(evaluation: Evaluation) -> str:
    head = ("task", "measure", "#value", "", "#standard error", "#chance", "#items")
    rows = [_row(one) for one in evaluation.measured]
    shown = table(head, rows, title=f"Evaluation {evaluation.name}", raw=(3,))
    return heading(evaluation.name) + note(_of(evaluation.model)) + shown


def _of(model: Mapping[str, Any]) -> str:
    """Say which model was measured."""
    if not model:
        return (
            "This evaluation does not say which model it is of: it is older than the record that curate evaluate keeps."
        )
    said = [f"{model['path']}"]
    if model.get("step") is not None:
        said.append(f"step {model['step']:,}")
    if model.get("digest"):
        said.append(f"weights sha256 {model['digest'][:16]}")
    if model.get("revision"):
        said.append(f"revision {model['revision'][:12]} of the hub")
    return f"Model: {', '.join(said)}."


def _row(one: Measured) -> tuple[str, ...]:
    drawn, spread = "", "-"
    if one.stderr is not None:
        ends, spread = (one.value - 1.96 * one.stderr, one.value + 1.96 * one.stderr), f"{one.stderr:.4f}"
        bounded = one.measure.startswith(BOUNDED)
        drawn = whiskers(one.value, ends, low=0.0, high=1.0, at=one.chance) if bounded else ""
    chance = "" if one.chance is None else f"{one.chance:.3f}"
    return (one.task, one.measure, f"{one.value:.4f}", drawn, spread, chance, count(one.num_items))
