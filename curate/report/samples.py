"""Documents to read: at every score, on both sides of the cut, dropped by each frequent rule, and kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from curate import ledger
from curate.report.excerpts import article, with_texts
from curate.report.markup import count, details, heading, note
from curate.report.scores import scored_part
from curate.report.view import Part

NUM = 3  # documents of a kind
NUM_RULES = 8  # the most frequent of a corpus
APART = ("dedup.", "decontaminate.")  # have sections of their own
AT_CUT = ("score", "int_score")  # shown at the cut


@dataclass(frozen=True)
class Group:
    """A few documents of one kind."""

    title: str
    aside: str
    part: Part
    rows: Sequence[dict[str, Any]]
    rule: str | None = None


def gather(line: Sequence[Part], cuts: Sequence[float]) -> list[Group]:
    """Draw the documents of one line of production; the same every time."""
    groups = _at_scores(line, cuts)
    for part in line:
        groups += _dropped(part)
    return [*groups, *_kept(line[-1])]


def _dropped(part: Part) -> list[Group]:
    rules = [
        (rule, n)
        for rule, n in part.tally.broken.most_common()
        if not rule.startswith(APART) and rule not in AT_CUT and not rule.endswith((".score", ".gate"))
    ]
    groups = []
    for rule, n in rules[:NUM_RULES]:
        rows = with_texts(part, ledger.sample(part.path, dropped_by=rule, n=NUM))
        groups.append(Group(f"Dropped by {rule}", f"{part.name}, {count(n)} documents", part, rows, rule))
    return groups


def _kept(part: Part) -> list[Group]:
    if not part.tally.rows_out:
        return []
    rows = ledger.sample(part.path, n=NUM)
    return [Group("Kept to the end", f"{part.name}, {count(part.tally.rows_out)} documents", part, rows)]


def _at_scores(line: Sequence[Part], cuts: Sequence[float]) -> list[Group]:
    part = scored_part(line)
    if part is None:
        return []
    groups = []
    for cut in cuts[:1]:
        for side, sign in (("Just kept", ">="), ("Just below", "<")):
            rows = _some(part, where=[f"score{sign}{cut:g}"], near=f"score={cut:g}")
            groups.append(Group(f"{side}: the cut at {cut:g}", part.name, part, rows))
    for grade in range(6):
        bounds = [f"score>={grade - 0.5:g}"] * (grade > 0) + [f"score<{grade + 0.5:g}"] * (grade < 5)
        groups.append(Group(f"Score {grade}", part.name, part, _some(part, where=bounds)))
    return [group for group in groups if group.rows]


def _some(part: Part, where: list[str], near: str | None = None) -> list[dict[str, Any]]:
    """Return rows of a scored corpus, kept ones first; a cascade drops as it scores, so dropped ones too."""
    for dropped_by in (None, "any"):
        if dropped_by and not part.tally.broken:
            continue
        try:
            return with_texts(part, ledger.sample(part.path, dropped_by=dropped_by, where=where, near=near, n=NUM))
        except (LookupError, ValueError):  # no such row, or no such column in what was dropped
            continue
    return []


def section(found: dict[str, list[Group]]) -> str:
    said = "Drawn at random, the same every time; marked is what broke the rule, measured beside wanted."
    body = note(said)
    for family, groups in found.items():
        body += heading(family) if family else ""
        for i, group in enumerate(groups):
            shown = "".join(article(group.part, row, group.rule) for row in group.rows)
            body += details(group.title, shown, group.aside, is_open=i == 0)
    return body
