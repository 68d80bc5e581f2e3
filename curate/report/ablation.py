"""Which corpus made the better model: the verdict of `curate ablate`, with its intervals and the curves of all arms."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from curate.report.charts import Line, lines, whiskers
from curate.report.markup import count, heading, note, table, tiles

RESULTS, CURVES = "results.json", "curves.parquet"


@dataclass(frozen=True)
class Ablated:
    """One ablation: what its results.json says, and the mean of its domains on the way."""

    name: str
    results: Mapping[str, Any]
    curves: Mapping[str, tuple[tuple[float, float, float, float], ...]]  # arm -> (tokens, mean, lowest, highest seed)

    @property
    def decided(self) -> list[Mapping[str, Any]]:
        """The comparisons on the measure that was declared before the run."""
        return [one for one in self.results["comparisons"] if not one["exploratory"]]


def gather(folder: Path | None) -> list[Ablated]:
    """Read every ablation below a folder."""
    found = []
    for file in sorted(folder.rglob(CURVES)) if folder is not None else []:
        results = file.with_name(RESULTS)
        if results.exists():
            name = f"{file.parent.relative_to(folder)}" if folder is not None else ""
            found.append(Ablated(name, json.loads(results.read_text(encoding="utf-8")), _curves(file)))
    return found


def _curves(file: Path) -> dict[str, tuple[tuple[float, float, float, float], ...]]:
    """Return each arm's mean over domains at each look: over seeds, and the lowest and highest of them."""
    looks: dict[str, dict[int, dict[int, list[float]]]] = {}
    for row in pq.read_table(file).to_pylist():
        seeds = looks.setdefault(row["arm"], {}).setdefault(row["tokens"], {})
        seeds.setdefault(row["seed"], []).append(row["bits_per_byte"])
    return {arm: tuple(_point(tokens, seeds) for tokens, seeds in sorted(some.items())) for arm, some in looks.items()}


def _point(tokens: int, seeds: Mapping[int, Sequence[float]]) -> tuple[float, float, float, float]:
    means = [sum(values) / len(values) for values in seeds.values()]
    return float(tokens), sum(means) / len(means), min(means), max(means)


def section(found: Sequence[Ablated]) -> str:
    body = note(
        "Arms were trained alike, seed by seed, and differ in their text alone. The difference of an arm from the "
        "baseline is shown with its 95 % interval over seeds and items; the verdict is the first measure's, declared "
        "before the run. Starred verdicts are for looking: of such intervals one in twenty misses."
    )
    return body + "".join(_one(ablated, named=len(found) > 1) for ablated in found)


def _one(ablated: Ablated, *, named: bool) -> str:
    results = ablated.results
    body = heading(ablated.name) if named else ""
    body += tiles([_tile(one, results) for one in ablated.decided])
    if all(len(points) > 1 for points in ablated.curves.values()) and ablated.curves:
        drawn = [
            Line(arm, [(x, y) for x, y, _, _ in points], [(low, high) for _, _, low, high in points])
            for arm, points in ablated.curves.items()
        ]
        said = "Bits per byte of held-out text while training, the mean of the domains; bands hold all seeds of an arm"
        body += lines(drawn, label=said, x_label="tokens")
    head = ("measure", "arm", "#baseline", "#arm", "#difference", "95 % interval", "", "#finds", "verdict")
    rows = [_row(one, _reach(results["comparisons"], one["measure"])) for one in results["comparisons"]]
    body += table(head, rows, title="Comparisons", raw=(6,))
    arms = [
        (one["arm"], count(one["documents"]), count(one["num_tokens"]), f"{one['epochs']:.2f}", count(one["held_out"]))
        for one in results["arms"]
    ]
    body += table(("arm", "#documents", "#tokens", "#epochs", "#held-out documents taken out"), arms, title="Arms")
    return body + "".join(note(said) for said in (*results["advice"], *results["warnings"]))


def _tile(one: Mapping[str, Any], results: Mapping[str, Any]) -> tuple[str, str, str]:
    said = f"{one['difference']:+.4f} bits per byte, {_interval(one)}"
    for speed in results["tokens_to_equal_loss"]:
        if speed["arm"] == one["arm"] and speed["ratio"] is not None:
            said += f"; {speed['ratio']:.2f} times as quick to the same loss"
    return (f"{one['arm']} against {one['baseline']}", one["verdict"], f"{said}. {one['note']}".rstrip(". "))


def _interval(one: Mapping[str, Any]) -> str:
    return "no interval" if one["low"] is None else f"[{one['low']:+.4f}, {one['high']:+.4f}]"


def _reach(comparisons: Sequence[Mapping[str, Any]], measure: str) -> float:
    """Return how far from zero the intervals of a measure go, for a common scale of its arms."""
    kind = measure.split()[0]  # domains of one measure share a scale
    edges = [
        abs(edge)
        for one in comparisons
        if one["measure"].split()[0] == kind
        for edge in (one["difference"], one["low"], one["high"])
        if edge is not None and math.isfinite(edge)
    ]
    return max(edges, default=0.0) or 1.0


def _row(one: Mapping[str, Any], reach: float) -> tuple[str, ...]:
    stderr = 0.0 if one["low"] is None else (one["high"] - one["low"]) / 2 / 1.96
    drawn = whiskers(one["difference"], stderr, low=-reach, high=reach, at=0.0) if one["low"] is not None else ""
    star = "*" if one["exploratory"] and one["verdict"] in ("better", "worse") else ""
    finds = "-" if one["detectable"] is None else f"{one['detectable']:.4f}"
    values = (f"{one['baseline_value']:.4f}", f"{one['value']:.4f}", f"{one['difference']:+.4f}")
    return (one["measure"], one["arm"], *values, _interval(one), drawn, finds, one["verdict"] + star)
