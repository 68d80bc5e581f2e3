"""Which corpus made the better model: the verdict of `curate ablate`, with its intervals and the curves of all arms."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from curate.report.charts import Line, lines, whiskers
from curate.report.markup import count, heading, note, safe, table

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
        "baseline stands with its interval over seeds and items, dashed where there is none. The verdict is the first "
        "measure's, declared before the run; with several arms its intervals are widened so that all of them hold at "
        "once with 95 %. Starred verdicts are for looking: of such intervals one in twenty misses. What the design can "
        "find is the smallest difference that it resolves in four cases of five."
    )
    return body + "".join(_one(ablated, named=len(found) > 1) for ablated in found)


def _one(ablated: Ablated, *, named: bool) -> str:
    results = ablated.results
    body = heading(ablated.name) if named else ""
    body += _verdicts(ablated.decided, results)
    if all(len(points) > 1 for points in ablated.curves.values()) and ablated.curves:
        drawn = [
            Line(arm, [(x, y) for x, y, _, _ in points], [(low, high) for _, _, low, high in points])
            for arm, points in ablated.curves.items()
        ]
        said = "Held-out text while training, the mean of its domains; bands hold all seeds of an arm"
        body += lines(drawn, label=said, x_label="tokens", y_label="bits per byte")
    body += heading("Comparisons") + _comparisons(results["comparisons"])
    arms = [
        (one["arm"], count(one["documents"]), count(one["num_tokens"]), f"{one['epochs']:.2f}", count(one["held_out"]))
        for one in results["arms"]
    ]
    head = ("arm", "#documents", "#tokens", "#epochs", "#held-out documents taken out")
    body += heading("Arms") + table(head, arms, title="Arms")
    return body + "".join(note(said) for said in (*results["advice"], *results["warnings"]))


def _verdicts(decided: Sequence[Mapping[str, Any]], results: Mapping[str, Any]) -> str:
    """Return the declared comparisons large: verdict, interval, and how much sooner the same loss was reached."""
    reach = _reach(decided)
    return f'<dl class="tiles verdicts">{"".join(_tile(one, results, reach) for one in decided)}</dl>'


def _tile(one: Mapping[str, Any], results: Mapping[str, Any], reach: float) -> str:
    said = f"{one['difference']:+.4f} bits per byte, {_interval(one)}"
    for speed in results["tokens_to_equal_loss"]:
        if speed["arm"] == one["arm"] and speed["ratio"] is not None:
            said += f"; {speed['ratio']:.2f} times as quick to the same loss"
    said = f"{said}. {one['note']}".rstrip(". ")
    return (
        f"<div><dt>{safe(one['arm'])} against {safe(one['baseline'])}</dt>"
        f"<dd>{_verdict(one)}{_whisker(one, reach, wide=True)}<small>{safe(said)}</small></dd></div>"
    )


def _verdict(one: Mapping[str, Any]) -> str:
    kind = one["verdict"] if one["verdict"] in ("better", "worse") else "open"
    star = "*" if one["exploratory"] and kind != "open" else ""
    return f'<span class="verdict {kind}">{safe(one["verdict"])}{star}</span>'


def _interval(one: Mapping[str, Any]) -> str:
    return "no interval" if one["low"] is None else f"[{one['low']:+.4f}, {one['high']:+.4f}]"


def _reach(comparisons: Sequence[Mapping[str, Any]]) -> float:
    """Return how far from zero intervals go, and a little more, for a common scale."""
    edges = [
        abs(edge)
        for one in comparisons
        for edge in (one["difference"], one["low"], one["high"])
        if edge is not None and math.isfinite(edge)
    ]
    return 1.08 * max(edges, default=0.0) or 1.0


def _whisker(one: Mapping[str, Any], reach: float, *, wide: bool = False) -> str:
    if one["low"] is None:
        return ""
    return whiskers(one["difference"], (one["low"], one["high"]), low=-reach, high=reach, at=0.0, wide=wide)


def _comparisons(comparisons: Sequence[Mapping[str, Any]]) -> str:
    """A table of all measures; those of one kind (its domains, its tasks) share a scale."""
    kinds: dict[str, list[Mapping[str, Any]]] = {}
    for one in comparisons:
        kinds.setdefault(one["measure"].split()[0], []).append(one)
    rows, before = [], ""
    for some in kinds.values():
        for one in some:
            rows.append(_row(one, _reach(some), again=one["measure"] == before))
            before = one["measure"]
    head = ("measure", "arm", "verdict", "#difference", "", "#baseline", "#arm", "#can find")
    return table(head, rows, title="Comparisons", raw=(0, 2, 3, 4))


def _row(one: Mapping[str, Any], reach: float, *, again: bool) -> tuple[str, ...]:
    finds = "-" if one["detectable"] is None else f"{one['detectable']:.4f}"
    measure = f'<span class="{"again" if again else ""}">{safe(one["measure"])}</span>'
    difference = f"{one['difference']:+.4f}<span class='interval'>{_interval(one)}</span>"
    values = (f"{one['baseline_value']:.4f}", f"{one['value']:.4f}")
    return (measure, one["arm"], _verdict(one), difference, _whisker(one, reach), *values, finds)
