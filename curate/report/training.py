"""How trainings went: loss curves, and what was measured on held-out data on the way."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curate.report.charts import Line, lines
from curate.report.markup import count, table
from curate.train.log import EVALUATIONS, LOG

MAX_POINTS = 300  # of a curve; each is the mean of the steps it stands for
LAST_SHARE = 0.1  # of the steps, over which a final loss is the mean, as in a model's card


@dataclass(frozen=True)
class Training:
    """One training: its log, thinned, and what its recipe says."""

    name: str
    steps: int
    points: tuple[tuple[float, float], ...]  # tokens (steps where batches are not known), loss in nats
    tokens: int | None
    first: float
    last: float
    origin: str  # what it was annealed from
    held_out: dict[str, tuple[tuple[float, float], ...]]  # measure -> points


def gather(folder: Path | None) -> list[Training]:
    """Read every training below a folder, annealings last; those of fewer than two steps have no curve."""
    if folder is None:
        return []
    found = [_training(folder, log) for log in sorted(folder.rglob(LOG))]
    return sorted((training for training in found if training is not None), key=lambda training: bool(training.origin))


def _training(folder: Path, log: Path) -> Training | None:
    steps = [line for line in _lines(log) if isinstance(line.get("loss"), int | float) and math.isfinite(line["loss"])]
    if len(steps) < 2:
        return None
    recipe = read_json(log.with_name("run.json"))
    plan = recipe.get("plan", {})
    batch = plan.get("batch_windows", 0) * plan.get("seq_len", 0) or 1
    losses = [float(line["loss"]) for line in steps]
    origin = recipe.get("annealed_from") or {}
    before = origin.get("step", 0)  # an annealing goes on where its checkpoint was
    points = thinned([((before + line["step"] + 1) * batch, loss) for line, loss in zip(steps, losses, strict=True)])
    tail = losses[-max(round(LAST_SHARE * len(losses)), 1) :]
    held_out: dict[str, list[tuple[float, float]]] = {}
    for line in _lines(log.with_name(EVALUATIONS)):
        for name, value in line.items():
            number = value.get("value") if isinstance(value, dict) else value
            if name not in ("step", "tokens") and isinstance(number, int | float) and math.isfinite(number):
                held_out.setdefault(name, []).append((float(before + line["step"]) * batch, float(number)))
    return Training(
        f"{log.parent.relative_to(folder)}",
        len(steps),
        tuple(points),
        len(steps) * batch if batch > 1 else None,
        losses[0],
        sum(tail) / len(tail),
        _place(origin["path"]) if origin else "",
        {name: tuple(thinned(series)) for name, series in held_out.items()},
    )


def _place(checkpoint: str) -> str:
    """Return a checkpoint by its run and step: "pretrain, step-000123"."""
    path = Path(checkpoint)
    return f"{path.parents[1].name}, {path.name}" if len(path.parents) > 2 else path.name


def thinned(points: Sequence[tuple[float, float]], most: int = MAX_POINTS) -> list[tuple[float, float]]:
    """Return at most `most` points, each the mean of equally many; the last has what is left."""
    size = math.ceil(len(points) / most)
    groups = [points[i : i + size] for i in range(0, len(points), size)]
    return [(group[-1][0], sum(y for _, y in group) / len(group)) for group in groups]


def section(found: Sequence[Training]) -> str:
    in_tokens = all(training.tokens for training in found)
    unit = "tokens" if in_tokens else "steps"
    said = "Training loss; a point is the mean of the steps up to it"
    chart = lines([Line(t.name, t.points) for t in found], label=said, x_label=unit, y_label="nats a token")
    rows = [
        (
            training.name,
            count(training.steps),
            "-" if training.tokens is None else count(training.tokens),
            f"{training.first:.3f}",
            f"{training.last:.3f}",
            training.origin,
        )
        for training in found
    ]
    head = ("run", "#steps", "#tokens", "#first loss", "#last tenth", "annealed from")
    return chart + table(head, rows, title="Trainings") + _held_out(found)


def _held_out(found: Sequence[Training]) -> str:
    measures = list(dict.fromkeys(name for training in found for name in training.held_out))
    body = ""
    for measure in measures[:6]:
        drawn = [Line(t.name, t.held_out[measure]) for t in found if len(t.held_out.get(measure, ())) > 1]
        if drawn:
            body += lines(drawn, label=f"{measure} on held-out data", x_label="tokens")
    rows = [(t.name, name, f"{series[-1][1]:.4f}") for t in found for name, series in t.held_out.items()]
    return body + (table(("run", "held out", "#last"), rows, title="Held-out data") if rows else "")


def read_json(path: Path) -> dict[str, Any]:
    """Return what a file holds; nothing where there is none."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def _lines(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a log; the one being written while we read is left out."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            found.append(dict(json.loads(line)))
        except json.JSONDecodeError:
            break
    return found
