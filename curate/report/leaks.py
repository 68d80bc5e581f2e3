"""What was found of benchmarks in documents: by benchmark and method, with the places."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc

from curate.decontaminate.evidence import HITS
from curate.document import DROPPED_BY, ID, TEXT
from curate.parquet import open_parquet
from curate.report.excerpts import article, name_of, with_texts
from curate.report.markup import count, details, heading, note, safe, table
from curate.report.view import Part

NUM_DOCUMENTS, NUM_HITS = 6, 40  # texts shown, lines of the table
OF_DROPPED = "left"


@dataclass(frozen=True)
class Leaks:
    """One decontamination."""

    part: Part
    lines: dict[tuple[str, str], Counter[str]]  # (benchmark, method) -> documents that left, that stay; items
    hits: tuple[tuple[str, str, dict[str, Any]], ...]  # document, "left" or "stays", hit; the best first
    documents: tuple[dict[str, Any], ...]  # rows that left, with texts where there are


def gather(part: Part) -> Leaks | None:
    """Read the hits of one corpus; None if none was looked for."""
    if HITS not in part.names or not any("Decontaminate(" in step for step in part.recipe.steps):
        return None  # later corpora carry the column along
    lines: dict[tuple[str, str], Counter[str]] = {}
    items: dict[tuple[str, str], set[str]] = {}
    hits: list[tuple[str, str, dict[str, Any]]] = []
    worst: list[tuple[float, dict[str, Any]]] = []
    for fate, verdict in (("dropped", OF_DROPPED), ("kept", "stays")):
        for row in _rows(part, fate):
            for hit in row[HITS]:
                key = (hit["benchmark"], hit["method"])
                items.setdefault(key, set()).add(hit["item"])
            for key in {(hit["benchmark"], hit["method"]) for hit in row[HITS]}:
                lines.setdefault(key, Counter())[verdict] += 1
            hits = sorted([*hits, (name_of(row), verdict, row[HITS][0])], key=_order)[:NUM_HITS]
            if fate == "dropped":
                worst = sorted([*worst, (-row[HITS][0]["share"], row)], key=lambda each: each[0])[:NUM_DOCUMENTS]
    for key, found in items.items():
        lines[key]["items"] = len(found)
    return Leaks(part, lines, tuple(hits), tuple(with_texts(part, [row for _, row in worst])))


def _order(hit: tuple[str, str, dict[str, Any]]) -> tuple[bool, float, str]:
    return (hit[1] != OF_DROPPED, -hit[2]["share"], hit[0])


def _rows(part: Part, fate: str) -> Any:
    """Yield the rows with hits: every column but the text."""
    for file in part.files(fate):
        with open_parquet(file) as parquet:
            names = parquet.schema_arrow.names
            light = [name for name in names if name in (ID, "url", "repo_name", "path", "language", "score", HITS)]
            light += [name for name in names if name in (DROPPED_BY,) or name.startswith("decontaminate.")]
            if HITS not in names:
                continue
            for group in range(parquet.num_row_groups):
                lists = parquet.read_row_group(group, columns=[HITS])[HITS]
                found = pc.greater(pc.fill_null(pc.list_value_length(lists), 0), 0)
                if pc.any(found).as_py():
                    rows = parquet.read_row_group(group, columns=list(dict.fromkeys(light))).filter(found)
                    yield from rows.to_pylist()


def section(found: Sequence[Leaks]) -> str:
    return "".join(_of_corpus(leaks) for leaks in found)


def _of_corpus(leaks: Leaks) -> str:
    body = heading(leaks.part.name)
    if not leaks.lines:
        return body + note("Nothing of the benchmarks was found in any document.")
    rows = [
        (benchmark, method, count(n["items"]), count(n[OF_DROPPED]), count(n["stays"]))
        for (benchmark, method), n in sorted(leaks.lines.items(), key=lambda line: (-line[1][OF_DROPPED], line[0]))
    ]
    head = ("benchmark", "method", "#items found", "#documents that left", "#documents that stay")
    body += table(head, rows, title="Benchmarks found")
    hits = [
        (name, verdict, f"{hit['benchmark']} {hit['item']}", hit["part"], f"{hit['share']:.2f}", hit["excerpt"])
        for name, verdict, hit in leaks.hits
    ]
    told = table(("document", "fate", "item", "part", "#share", "excerpt"), hits, title="Places")
    body += details("The places, best first", told, f"{count(len(hits))} documents")
    return body + "".join(_document(leaks.part, row) for row in leaks.documents)


def _document(part: Part, row: dict[str, Any]) -> str:
    best = row[HITS][0]
    spans = [(hit["start"], hit["stop"]) for hit in row[HITS]] if row.get(TEXT) is not None else []
    said = f"{best['benchmark']} {best['item']}, {best['part']}, share {best['share']:.2f} by {best['method']}"
    return details(f"{name_of(row)}", f'<p class="note">{safe(said)}</p>' + article(part, row, spans=spans), said)
