"""What was left after each step, what was replaced in texts, and what could not be read: the funnel."""

import re
from collections import Counter
from dataclasses import dataclass

from curate import ledger
from curate.amounts import megabytes
from curate.ledger.runs import Line, joins
from curate.report.markup import bar, count, details, heading, note, safe, share, short, table, tiles
from curate.report.view import View

WIDTH = 48  # characters of a stage's settings


@dataclass(frozen=True)
class Steps:
    """The funnel by line of production, and sums over the run."""

    lines: dict[str, list[Line]]
    counted: dict[str, Counter[str]]  # corpus -> what its stages replaced or counted in texts
    quarantined: dict[str, Counter[str]]  # corpus -> reasons
    stages: dict[str, tuple[str, ...]]  # corpus -> every stage as its receipt names it


def gather(view: View) -> Steps:
    lines: dict[str, list[Line]] = {}
    for line in ledger.funnel(view.folder) if view.parts else []:
        lines.setdefault(line.corpus.rpartition("/")[0], []).append(line)
    tallies = {part.name: part.tally for part in view.parts}
    return Steps(
        lines,
        {name: tally.counted for name, tally in tallies.items() if tally.counted},
        {name: tally.quarantined for name, tally in tallies.items() if tally.quarantined},
        {part.name: part.recipe.steps[1:] for part in view.parts},
    )


def overview(steps: Steps) -> str:
    """Return the run in a few large numbers: documents and text in and out of each line of production."""
    facts = []
    for family, lines in steps.lines.items():
        files = [line for line in lines if not joins(line.step)]  # documents made of them are no share of them
        first, last = files[0], files[-1]
        name = f"{family} " if family else ""
        facts.append((f"{name}documents in", count(first.documents), f"{first.corpus}"))
        facts.append(
            (f"{name}documents kept", count(last.documents), share(last.documents, first.documents) + " of them")
        )
        facts.append((f"{name}text kept", f"{megabytes(last.text_bytes)} MB", f"{last.corpus}"))
    return tiles(facts) if facts else ""


def section(steps: Steps) -> str:
    body = note("Documents and text left after each step that changed something; bars are shares of the input.")
    for family, lines in steps.lines.items():
        top = max(lines[0].documents, 1)
        before = [top, *(line.documents for line in lines)]
        rows = [
            (
                f"{safe(stage_of(line.step))}<br><span class='step'>{safe(line.corpus)}</span>",
                count(line.documents),
                bar(line.documents / top, (earlier - line.documents) / top),  # where a phone still shows it
                share(line.documents, top),
                f"-{count(earlier - line.documents)}" if earlier > line.documents and not joins(line.step) else "",
                megabytes(line.text_bytes),
            )
            for line, earlier in zip(lines, before, strict=False)
        ]
        head = ("after", "#documents", "", "#of the input", "#left here", "#MB of text")
        body += (heading(family) if family else "") + table(head, rows, title=f"Funnel {family}".strip(), raw=(0, 2))
    return body + _replaced(steps) + _unread(steps)


def stage_of(step: str) -> str:
    """Return a stage in a few words: its name, and what it asks for."""
    name, _, settings = step.partition("(")
    name, settings = name.rpartition(".")[2], settings.removesuffix(")")
    bounds = settings.split(", ")
    if name == "Keep" and len(bounds) > 2:
        columns = [next((word for word in bound.split() if re.match(r"[^\W\d]", word)), bound) for bound in bounds]
        groups = dict.fromkeys(column.partition(".")[0] for column in columns)
        return f"{len(bounds)} rules: {short(', '.join(groups), WIDTH)}"
    if name == "dedup":
        return f"dedup: {_copies(settings)}"
    return f"{name}: {_first(bounds)}" if settings else name


def _copies(settings: str) -> str:
    """Return what counts as a copy, of a deduplication's settings."""
    found = dict(pair.split("=", 1) for pair in re.findall(r"\w+=[^,()]+", settings))
    kind = found.get("similarity", "'jaccard'").strip("'")
    return f"{kind} similarity from {found['threshold']}" if "threshold" in found else short(settings, WIDTH)


def _first(settings: list[str]) -> str:
    """Return as many whole settings as there is room for, at least one."""
    shown = short(re.sub(r"^\w+='([^']*)'$", r"\1", settings[0]), WIDTH)  # the name that a stage is given
    for more in settings[1:]:
        if len(shown) + len(more) + 4 > WIDTH:
            return f"{shown}, …"
        shown += f", {more}"
    return shown


def _replaced(steps: Steps) -> str:
    rows = [
        (what, corpus, count(num)) for corpus, counted in steps.counted.items() for what, num in counted.most_common()
    ]
    if not rows:
        return ""
    said = "Secrets and addresses that were replaced in the texts, and what else stages counted there."
    return heading("Replaced in texts") + note(said) + table(("what", "corpus", "#found"), rows, title="Replaced")


def _unread(steps: Steps) -> str:
    rows = [
        (reason, corpus, count(n)) for corpus, found in steps.quarantined.items() for reason, n in found.most_common(8)
    ]
    if not rows:
        return ""
    body = table(("reason", "corpus", "#records"), rows, title="Quarantine")
    return details("Records in quarantine", body, count(sum(sum(c.values()) for c in steps.quarantined.values())))
