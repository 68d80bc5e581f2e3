"""One HTML page about a run, self-contained: open it, mail it, keep it with the corpus.

    report("runs/demo")        writes runs/demo/report.html

Everything on it is read from the shards' receipts, the corpora, `log.jsonl` of a training and `results.json` of an
evaluation, so no number can disagree with the data. Charts are inline SVG; the page loads nothing from anywhere.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from curate import ledger
from curate.classify.score import available, score_stage
from curate.corpus import Corpus
from curate.document import DROPPED_BY
from curate.ledger.lost import table as cost_table
from curate.tally import Tally

HIGH = 2.5  # raw score that rounds to 3
NUM_SCORED = 500  # dropped documents of each rule whose score is asked for: a second or two
NUM_COSTLY = 12  # rules to show
SAMPLE_CHARS = 700
NUM_SAMPLES = 3

STYLE = """
:root { color-scheme: light dark; --ink: #1c2126; --soft: #66707a; --line: #dde2e7; --page: #fff; --bar: #2f6f8f; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ec; --soft: #97a2ac; --line: #343c44; --page: #14181c; --bar: #62b0d4; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1rem 6rem; background: var(--page); color: var(--ink);
       font: 16px/1.55 system-ui, sans-serif; }
h1 { font-size: 1.9rem; margin: 0; } h2 { margin: 3rem 0 .6rem; font-size: 1.25rem; }
p, figcaption { color: var(--soft); max-width: 46rem; }
nav a { margin-right: 1rem; color: var(--bar); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
td, th { padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { font-weight: 600; color: var(--soft); font-size: .85rem; } td.n, th.n { text-align: right; white-space: nowrap; }
.track { min-width: 10rem; padding-top: .45rem; }
.bar { background: var(--bar); height: .7rem; border-radius: 2px; min-width: 1px; }
details { border-bottom: 1px solid var(--line); padding: .5rem 0; } summary { cursor: pointer; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem; background: none; margin: .6rem 0; }
figure { margin: 0; } svg { width: 100%; height: auto; } svg text { fill: var(--soft); font-size: 11px; }
"""


def report(run: str, out: str | None = None) -> Path:
    """Write the page about everything below the folder `run` and return its path."""
    folder = Path(run)
    paths = ledger.corpora(run)
    tallies = {name: ledger.tally(path) for name, path in paths.items()}
    scored = [name for name in paths if _first_scored(name, paths)]
    sections = {
        "Funnel": funnel_section(run),
        "Rules": "".join(rules_section(name, tally) for name, tally in tallies.items()),
        "Costs": "".join(costs_section(name, path, classifier_of(name, paths)) for name, path in paths.items()),
        "Scores": "".join(scores_section(name, paths[name]) for name in scored),
        "Samples": "".join(samples_section(name, path, tallies[name]) for name, path in paths.items()),
        "Training": training_section(folder),
        "Evaluation": evaluation_section(folder),
    }
    shown = {title: body for title, body in sections.items() if body}
    links = "".join(f'<a href="#{title.lower()}">{title}</a>' for title in shown)
    body = "".join(f'<section id="{title.lower()}"><h2>{title}</h2>{part}</section>' for title, part in shown.items())
    page = (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(folder.name)}: curate report</title><link rel="icon" href="data:,"><style>{STYLE}</style>'
        f"</head><body><h1>{escape(folder.name)}</h1><p>A run of curate.</p><nav>{links}</nav>{body}</body></html>\n"
    )
    target = Path(out) if out else folder / "report.html"
    target.write_text(page, encoding="utf-8")
    return target


def funnel_section(run: str) -> str:
    lines = ledger.funnel(run)
    first: dict[str, int] = {}
    rows = []
    for line in lines:
        top = first.setdefault(line.corpus.split("/")[0], max(line.documents, 1))
        bar = f'<div class="track"><div class="bar" style="width:{100 * line.documents / top:.1f}%"></div></div>'
        cells = (f"{line.documents:,}", f"{line.text_bytes / 1e6:,.2f}")
        rows.append(
            (escape(line.corpus), f"<span title='{escape(line.step)}'>{escape(line.step[:60])}</span>", *cells, bar)
        )
    note = "<p>Documents and text left after each step that dropped some, of what that corpus began with.</p>"
    return note + table(("corpus", "step", "#documents", "#MB of text", "left"), rows, raw=True)


def rules_section(name: str, tally: Tally) -> str:
    """Every rule's count: all that broke it, and those that broke nothing else."""
    if not tally.broken:
        return ""
    rows = [
        (rule, f"{count:,}", f"{count / max(tally.rows_in, 1):.1%}", f"{tally.alone[rule]:,}")
        for rule, count in tally.broken.most_common()
    ]
    pairs = "; ".join(f"{pair} ({count:,})" for pair, count in tally.together.most_common(5))
    overlap = f"<p>Most often together: {escape(pairs)}.</p>" if pairs else ""
    head = ("rule", "#documents broke it", "#share of input", "#and no other rule")
    return f"<h3>{escape(name)}</h3>{table(head, rows)}{overlap}"


def costs_section(name: str, path: str, classifier: str | None) -> str:
    """What each rule costs in documents that the run's own classifier scores high, where that can be known."""
    if classifier is None:
        return ""
    stage = score_stage(classifier, part="gate")  # its cheap part, for thousands of documents
    try:
        losses = ledger.lost(path, lambda batch: stage(batch)["score"].to_numpy(), at_least=HIGH, most=NUM_SCORED)
    except LookupError:  # this run kept neither the texts nor scores of what it dropped
        return ""
    head, *rows = cost_table(losses[:NUM_COSTLY], f"{classifier} >= 3")
    note = (
        "Documents that a rule dropped and that score 3 or more: all that broke it, and those that broke nothing else, "
        f"which come back if it falls. Scored by the classifier's gate; [95 %] where only {NUM_SCORED:,} were."
    )
    numbers = (head[0], *(f"#{cell}" for cell in head[1:]))
    return f"<h3>{escape(name)}</h3><p>{escape(note)}</p>{table(numbers, rows)}"


def classifier_of(name: str, paths: Mapping[str, str]) -> str | None:
    """Return the shipped classifier that scored a corpus of this one's line of production; None if none did."""
    line = [path for other, path in paths.items() if other.rpartition("/")[0] == name.rpartition("/")[0]]
    columns = [column for path in line for column in Corpus(path).schema.names]
    scored = [column.removesuffix(".score") for column in columns if column.endswith(".score")]
    return next((name for name in scored if name in available()), None)


def scores_section(name: str, path: str) -> str:
    scores = [score for batch in Corpus(path).batches(["score"]) for score in batch["score"].to_pylist()]
    known = [score for score in scores if score is not None]
    width = 0.25
    counts = Counter(min(max(int(score / width), 0), 19) for score in known)
    bars = [counts[bin_] for bin_ in range(20)]
    note = f"{len(known):,} documents; the line is at raw 2.5, from where a score rounds to 3."
    return f"<h3>{escape(name)}</h3>{histogram(bars, width)}<p>{note}</p>"


def samples_section(name: str, path: str, tally: Tally) -> str:
    """A few documents that stayed, and a few that the most frequent rules dropped."""
    parts = [_samples(f"{name}: kept", ledger.sample(path, n=NUM_SAMPLES))] if tally.rows_out else []
    for rule, count in tally.broken.most_common(4):
        parts.append(
            _samples(f"{name}: dropped by {rule} ({count:,})", ledger.sample(path, dropped_by=rule, n=NUM_SAMPLES))
        )
    return "".join(parts)


def _samples(title: str, rows: Sequence[dict[str, Any]]) -> str:
    body = "".join(
        f"<p><b>{escape(str(row.get('url') or row.get('path') or row['id']))}</b> {escape(_facts(row))}</p>"
        f"<pre>{escape((row.get('text') or '(text not kept)')[:SAMPLE_CHARS])}</pre>"
        for row in rows
    )
    return f"<details><summary>{escape(title)}</summary>{body}</details>"


def _facts(row: dict[str, Any]) -> str:
    """What decided about a row: its score, and the measured value of each rule it broke."""
    facts = [f"score {row['score']:.2f}"] if row.get("score") is not None else []
    broken = row.get(DROPPED_BY) or []
    facts += [f"{rule} = {row[rule]:.4g}" if isinstance(row.get(rule), int | float) else rule for rule in broken]
    if row.get("dedup.survivor"):
        similarity = row.get("dedup.similarity")
        facts.append(f"copy of {row['dedup.survivor']}" + ("" if similarity is None else f" at {similarity:.2f}"))
    return " · ".join(facts)


def training_section(folder: Path) -> str:
    parts = []
    for log in sorted(folder.rglob("log.jsonl")):
        steps = [json.loads(line) for line in log.read_text().splitlines()]
        points = [(float(row["step"]), float(row["loss"])) for row in steps if "loss" in row]
        if len(points) > 1:
            last = f"{len(points):,} steps, loss {points[0][1]:.3f} to {points[-1][1]:.3f} nats per token"
            parts.append(f"<h3>{escape(log.parent.name)}</h3>{curve(points)}<p>{last}.</p>")
    return "".join(parts)


def evaluation_section(folder: Path) -> str:
    rows = []
    for results in sorted(folder.rglob("results.json")):
        for suite, measured in json.loads(results.read_text()).items():
            for measure, value in measured.items():
                if isinstance(value, dict) and value.get("value") is not None:
                    numbers = (f"{value['value']:.4f}", f"{value['stderr'] or 0:.4f}", f"{measured['num_items']:,}")
                    rows.append((suite, measure, *numbers))
    return table(("suite", "measure", "#value", "#standard error", "#items"), rows) if rows else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, raw: bool = False) -> str:
    """Return a table; a column whose head starts with # holds numbers. `raw` cells are HTML already."""
    classes = [' class="n"' if name.startswith("#") else "" for name in head]
    top = "".join(f"<th{c}>{escape(name.lstrip('#'))}</th>" for name, c in zip(head, classes, strict=True))
    lines = (
        "".join(f"<td{c}>{cell if raw else escape(cell)}</td>" for cell, c in zip(row, classes, strict=True))
        for row in rows
    )
    return f'<div class="wide"><table><tr>{top}</tr>{"".join(f"<tr>{line}</tr>" for line in lines)}</table></div>'


def histogram(counts: Sequence[int], width: float) -> str:
    """Return bars over [0, 5] in bins of `width`, with a line at the raw cut 2.5."""
    top, slot = max([*counts, 1]), 700 / len(counts)
    bars = "".join(
        f'<rect x="{i * slot:.1f}" y="{150 - 140 * n / top:.1f}" width="{slot - 2:.1f}" height="{140 * n / top:.1f}" '
        f'fill="var(--bar)"><title>{i * width:g} to {(i + 1) * width:g}: {n:,}</title></rect>'
        for i, n in enumerate(counts)
    )
    cut = 2.5 / width * slot
    line = f'<line x1="{cut}" x2="{cut}" y1="0" y2="150" stroke="var(--ink)" stroke-dasharray="4 3"/>'
    marks = "".join(f'<text x="{s / width * slot:.0f}" y="166">{s}</text>' for s in range(5))
    label = f"Histogram of scores, highest bar {top:,}"
    return f'<figure><svg viewBox="0 0 700 170" role="img" aria-label="{label}">{bars}{line}{marks}</svg></figure>'


def curve(points: Sequence[tuple[float, float]]) -> str:
    """Return a line through (step, loss)."""
    steps, losses = [x for x, _ in points], [y for _, y in points]
    low, high = min(losses), max(losses)
    span, wide = (high - low) or 1.0, (steps[-1] - steps[0]) or 1.0
    path = " ".join(f"{40 + 655 * (x - steps[0]) / wide:.1f},{10 + 140 * (high - y) / span:.1f}" for x, y in points)
    ends = ((0, 14, f"{high:.2f}"), (0, 152, f"{low:.2f}"), (640, 168, f"step {steps[-1]:,.0f}"))
    marks = "".join(f'<text x="{x}" y="{y}">{text}</text>' for x, y, text in ends)
    line = f'<polyline points="{path}" fill="none" stroke="var(--bar)" stroke-width="1.5"/>'
    label = f"Loss from {high:.2f} to {low:.2f}"
    return f'<figure><svg viewBox="0 0 700 172" role="img" aria-label="{label}">{line}{marks}</svg></figure>'


def _first_scored(name: str, paths: Mapping[str, str]) -> bool:
    """Tell whether a corpus has scores and the one before it has not: the place to look at all of them."""
    if "score" not in Corpus(paths[name]).schema.names:
        return False
    family = [other for other in paths if other.rpartition("/")[0] == name.rpartition("/")[0]]
    before = family[: family.index(name)]
    return not before or "score" not in Corpus(paths[before[-1]]).schema.names
