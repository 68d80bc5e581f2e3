"""The command that trains a model again, read off its run.json.

    command(run, "runs/model")      "curate pretrain tokens/web:1 -o runs/model --num-tokens 500000 --seed 0 ..."

It is told only where the command line can say all that decides the result; another plan (several phases, an optimizer
of one's own) is told as what it is, on a line that a shell takes for a comment.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from shlex import quote
from typing import Any

from curate.report.training import read_json
from curate.train.log import LOG


def commands(folder: Path | None) -> list[tuple[str, str]]:
    """Return (run, command) of every training below a folder, annealings after what they go on from."""
    runs = dict(_runs(folder)) if folder is not None else {}
    return [(out.name, command(runs[out], f"{out}")) for out in sorted(runs, key=lambda out: _generation(out, runs))]


def _runs(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for log in sorted(folder.rglob(LOG)):
        run = read_json(log.with_name("run.json"))
        if run.get("plan") is not None and run.get("data"):
            yield log.parent, run


def _generation(out: Path, runs: Mapping[Path, Mapping[str, Any]]) -> int:
    """Return how many trainings stand before one, as far as they are here; what is annealed has one at least."""
    line: list[Path] = []
    here: Path | None = out
    while here is not None and here not in line:
        line.append(here)
        told = runs[here].get("annealed_from")
        if not told:
            return len(line) - 1
        start = Path(told["path"]).absolute()
        found = [one for one in runs if one != here and start.is_relative_to(one.absolute())]
        here = max(found, key=lambda one: len(one.parts), default=None)
    return len(line)


def command(run: Mapping[str, Any], out: str) -> str:
    """Return the command of one training, or a comment that says why there is none."""
    plan, optimizer = run["plan"], _optimizer(run["plan"]["optimizer"])
    model = "" if run.get("annealed_from") else _model(run["model"])
    whole = len(run["data"]) == 1
    if not whole or optimizer is None or model is None:
        why = (
            "several phases"
            if not whole
            else "a model of its own shape"
            if model is None
            else "an optimizer of its own"
        )
        return f"# {Path(out).name} has {why}: curate.train.loop in Python trains it again, from its run.json"
    tokens = " ".join(quote(f"{part['path']}:{part['weight']:.15g}") for part in run["data"][0]["data"])
    batch, schedule = plan["batch_windows"] * plan["seq_len"], plan["schedule"]
    common = f"-o {quote(out)} --num-tokens {plan['steps'] * batch} --batch-tokens {batch} --seed {plan['seed']}"
    shape = f" --shape {schedule['shape']}" if "shape" in schedule else " --shape cosine"
    if run.get("annealed_from"):
        shape = shape if schedule["decay"] else " --shape constant"  # it went on with the stable phase
        return f"curate anneal {quote(run['annealed_from']['path'])} {tokens} {common}{shape}"
    steps = f" --warmup {schedule['warmup']}" + (f" --decay {schedule['decay']}" if "decay" in schedule else "")
    extra = f" --z-loss {plan['z_loss']:g}" if plan.get("z_loss") else ""
    extra += " --mask-documents" if plan.get("mask_documents") else ""
    return f"curate pretrain {tokens} {common} --seq-len {plan['seq_len']}{optimizer}{steps}{shape}{extra}{model}"


def _optimizer(settings: Mapping[str, Any]) -> str | None:
    """Return the options of an optimizer; None where more than its rate is not the usual."""
    from curate.train.optim import AdamW, Muon

    for name, usual in (("adamw", AdamW(lr=settings["lr"])), ("muon", Muon(lr=settings["lr"]))):
        if settings == json.loads(json.dumps(asdict(usual))):
            return f" --optimizer {name} --lr {settings['lr']!r}"
    return None


def _model(config: Mapping[str, Any]) -> str | None:
    """Return the option for a named size of model; None of any other."""
    from curate.train.model import SIZES  # torch, where there is a training

    return next(
        (
            f" --model {name}"
            for name, size in SIZES.items()
            if all(config.get(key) == value for key, value in asdict(size).items())
        ),
        None,
    )
