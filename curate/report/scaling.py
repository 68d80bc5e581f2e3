"""How loss falls with compute: the law that `curate scaling` fitted, what it predicts, and how far it is known.

Read from the fit.json that it leaves: nothing is fitted here. `by_compute` is also the picture of its own page.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curate.report.charts import tick
from curate.report.loglog import Marks, loglog
from curate.report.markup import heading, note, table, tiles

FIT = "fit.json"
UNITS = {"loss": "nats a token", "bits_per_byte": "bits a byte"}
FAR = 100.0  # times the largest run: from there on a prediction rests on the form of the law alone
CONSTANTS = {"E": "loss that stays", "A": "of parameters", "B": "of tokens", "alpha": "of N", "beta": "of D"}


@dataclass(frozen=True)
class Scaling:
    """One fit: the folder that holds it, and its fit.json."""

    name: str
    fit: Mapping[str, Any]


def gather(folder: Path | None) -> list[Scaling]:
    """Read every fit of a scaling law below a folder."""
    found = []
    for file in sorted(folder.rglob(FIT)) if folder is not None else []:
        fit = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(fit, dict) and "law" in fit and "residuals" in fit:
            found.append(Scaling(f"{file.parent.relative_to(folder)}" if folder else "", fit))
    return found


def section(found: Sequence[Scaling]) -> str:
    body = note(
        "L(N, D) = E + A / N^alpha + B / D^beta, fitted to runs of several sizes N (parameters) and budgets D (tokens) "
        "as in Hoffmann et al. 2022, approach 3. Intervals are 95 %, from refits to resampled runs; those of a "
        "prediction hold the scatter of runs too."
    )
    return body + "".join(_one(one.name if len(found) > 1 else "", one.fit) for one in found)


def _one(name: str, fit: Mapping[str, Any]) -> str:
    body = heading(name) if name else ""
    body += tiles(_tiles(fit)) + by_compute(fit)
    body += "".join(note(f"Not identified: {problem}.") for problem in fit["problems"])
    rows = [
        (f"{key}, {CONSTANTS[key]}", f"{one['value']:.4g}", f"{one['low']:.4g} to {one['high']:.4g}")
        for key, one in fit["intervals"].items()
    ]
    body += heading("The law") + table(("constant", "#value", "#95 % interval"), rows, title="The law")
    body += _predictions(fit) + _optima(fit) + _check(fit["largest_held_out"])
    return body + "".join(note(said) for said in fit["notes"])


def _tiles(fit: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    ran = f"{fit['num_runs']} runs", f"{fit['rmse']:.2%}", f"R2 {fit['r_squared']:.4f} of log loss"
    unit = UNITS.get(fit["measure"], fit["measure"])
    facts = [("runs around the law", ran[1], f"{ran[0]}, root mean square of the loss; {ran[2]}")]
    for one in fit["predictions"][:3]:
        what = f"{tick(_short(one['num_parameters']))} on {tick(_short(one['num_tokens']))} tokens"
        loss = one["loss"]
        shown = ("none", "not identified") if loss is None else (f"{loss['value']:.3f}", f"{_ends(loss)} {unit}")
        facts.append((what, *shown))
    return facts


def by_compute(fit: Mapping[str, Any]) -> str:
    """Return all runs by C = 6 N D above the law's frontier, and the predicted runs."""
    marks = [
        Marks(
            "runs",
            1,
            [(6 * run["num_parameters"] * run["num_tokens"], run["measured"]) for run in fit["residuals"]],
        )
    ]
    if frontier := fit.get("frontier"):
        line = [(one["flops"], one["loss"]) for one in frontier]
        marks.append(Marks("best by the law", 0, (), line, [(one["low"], one["high"]) for one in frontier]))
    targets = [
        (6 * one["num_parameters"] * one["num_tokens"], *(one["loss"][end] for end in ("value", "low", "high")))
        for one in fit["predictions"]
        if one["loss"] is not None
    ]
    if targets:
        marks.append(Marks("predicted", 2, targets=targets))
    unit = UNITS.get(fit["measure"], fit["measure"])
    said = "Loss by compute, 6 N D: runs, the least loss that the law gives a budget (95 % band), and predictions"
    return loglog(marks, x_label="FLOPs", y_label=unit, label=said)


def _predictions(fit: Mapping[str, Any]) -> str:
    if not fit["predictions"]:
        return ""
    rows = [
        (
            tick(_short(one["num_parameters"])),
            tick(_short(one["num_tokens"])),
            "not identified" if one["loss"] is None else f"{one['loss']['value']:.4f}",
            "" if one["loss"] is None else _ends(one["loss"], 4),
            f"{one['beyond']:,.0f} times" if one["beyond"] >= 10 else f"{one['beyond']:.2g} times",
        )
        for one in fit["predictions"]
    ]
    head = ("parameters", "#tokens", "#loss", "#95 % interval", "#beyond the largest run")
    most = max(one["beyond"] for one in fit["predictions"])
    said = (
        f"Predictions {most:,.0f} times beyond the largest run rest on the form of the law alone; their intervals do "
        "not know whether it holds so far, nor of another learning rate, batch or data."
    )
    return heading("Predictions") + table(head, rows, title="Predictions") + (note(said) if most > FAR else "")


def _optima(fit: Mapping[str, Any]) -> str:
    rows = []
    for one in fit["optima"]:
        ends = one["intervals"]
        cells = (_amount(ends[key]) for key in ("num_parameters", "num_tokens", "tokens_per_parameter"))
        rows.append((f"{one['optimum']['flops']:.3g}", *cells, f"{ends['loss']['value']:.3f} ({_ends(ends['loss'])})"))
    head = ("FLOPs", "#parameters", "#tokens", "#tokens a parameter", "#loss")
    return heading("The best use of a budget") + table(head, rows, title="The best use of a budget") if rows else ""


def _check(check: Mapping[str, Any]) -> str:
    body = heading("The largest size, left out")
    if check["reason"]:
        return body + note(f"No check: {check['reason']}.")
    rows = [
        (
            tick(_short(run["num_parameters"])),
            tick(_short(run["num_tokens"])),
            f"{run['measured']:.4f}",
            f"{run['predicted']['value']:.4f}",
            _ends(run["predicted"], 4),
            f"{run['error']:+.2%}",
            "yes" if run["inside"] else "no",
        )
        for run in check["runs"]
    ]
    inside = sum(run["inside"] for run in check["runs"])
    said = f"A law fitted without these runs holds {inside} of {len(rows)} of them in its 95 % intervals."
    head = ("parameters", "#tokens", "#measured", "#predicted", "#95 % interval", "#error", "inside")
    return body + note(said) + table(head, rows, title="The largest size, left out")


def _ends(one: Mapping[str, float], digits: int = 3) -> str:
    return f"{one['low']:.{digits}f} to {one['high']:.{digits}f}"


def _amount(one: Mapping[str, float]) -> str:
    value, low, high = (tick(_short(one[end])) for end in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def _short(value: float) -> float:
    """Round to three digits."""
    return round(value, 2 - math.floor(math.log10(abs(value)))) if value and math.isfinite(value) else value
