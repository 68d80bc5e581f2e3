"""A document on the page: what it is, why it left, and its text with what broke the rule marked.

A long text shows a window around the first mark; the page says what it leaves out. Text that a run did not keep is read
from the corpus before, whose kept documents these were; of the first corpus there is none, and the page says so.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from curate.document import DROPPED_BY, ID, TEXT, URL
from curate.ledger.history import Check, Event
from curate.report.marks import Span, joined, marks
from curate.report.markup import count, number, safe
from curate.report.view import MAX_CHARS, Part, texts

CHARS, BEFORE = 900, 160  # of a text; of it before the first mark
CODE = "path"  # a column of source files, which are shown in fixed width
MAX_CHECKS = 4
MAX_VALUE = 60


def with_texts(part: Part, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows with their texts, where any corpus of the run has them."""
    missing = [f"{row[ID]}" for row in rows if row.get(TEXT) is None]
    known = texts(part.before, missing)
    return [row if row.get(TEXT) is not None else row | {TEXT: known.get(f"{row[ID]}")} for row in rows]


def article(part: Part, row: Mapping[str, Any], rule: str | None = None, spans: Sequence[Span] | None = None) -> str:
    """Return one document; `rule` is the one to mark, `spans` are marked instead where they are known."""
    facts = "".join(f"<li>{fact}</li>" for fact in facts_of(part, row))
    text = row.get(TEXT)
    if text is None:
        shown = '<p class="cut">Its text was not kept: curate filter --keep-text does.</p>'
    else:
        text = text[:MAX_CHARS]
        shown = excerpt(text, joined(spans) if spans is not None else marks(text, rule or ""), code=CODE in row)
    return f"<article><h4>{safe(name_of(row))}</h4><ul>{facts}</ul>{shown}</article>"


def name_of(row: Mapping[str, Any]) -> str:
    """Return what a person calls a document: its URL, its repository and path, else its id."""
    path = "/".join(f"{row[key]}" for key in ("repo_name", "path") if row.get(key)) if row.get("path") else ""
    return f"{row.get(URL) or path or row.get(ID)}"[:300]


def facts_of(part: Part, row: Mapping[str, Any]) -> list[str]:
    """Return, as HTML, score and language, and every rule that the document broke: its value and what was wanted."""
    facts = []
    if row.get("score") is not None:
        facts.append(f"score <b>{row['score']:.2f}</b>")
    if row.get(DROPPED_BY):
        checks = Event(part.name, "dropped", dict(row), "", part.recipe).checks
        broken = [check for check in checks if check.broken]
        facts += [_check(check) for check in broken[:MAX_CHECKS]]
        named = {check.rule.column for check in broken}
        others = [mark for mark in row[DROPPED_BY] if mark not in named]
        others += [check.rule.column for check in broken[MAX_CHECKS:]]
        if others:
            facts.append(f"{'and ' if named else ''}dropped by {safe(', '.join(others))}")
    if row.get("language"):
        facts.append(f"language {safe(row['language'])}")
    return facts


def _check(check: Check) -> str:
    source = f" <span>({safe(check.rule.source)})</span>" if check.rule.source else ""
    value = safe(number(check.value)[:MAX_VALUE])
    return f"<b>{safe(check.rule.column)} = {value}</b>, wanted {safe(check.wanted)}{source}"


def excerpt(text: str, spans: Sequence[Span], *, code: bool = False, chars: int = CHARS) -> str:
    """Return a window of the text around its first mark, with all marks inside it."""
    start = max(spans[0][0] - BEFORE, 0) if spans and spans[0][1] > chars else 0
    stop = min(start + chars, len(text))
    pieces, at, inside = [], start, [span for span in spans if span[0] < stop and span[1] > start]
    for begin, end in inside:
        pieces.append(safe(text[at : max(begin, at)]))
        pieces.append(f"<mark>{safe(text[max(begin, at) : min(end, stop)])}</mark>")
        at = min(end, stop)
    pieces.append(safe(text[at:stop]))
    before = '<span class="cut">… </span>' if start else ""
    after = '<span class="cut"> …</span>' if stop < len(text) else ""
    kind = "" if code else ' class="prose"'
    body = f'<pre{kind} dir="auto">{before}{"".join(pieces)}{after}</pre>'
    return body + _left_out(len(text) - (stop - start), len(spans), len(inside))


def _left_out(chars: int, num: int, inside: int) -> str:
    said = []
    if num:
        said.append(f"{count(num)} marked" if inside == num else f"{count(inside)} of {count(num)} marked places here")
    if chars > 0:
        said.append(f"{count(chars)} more characters")
    return f'<p class="cut note">{"; ".join(said)}</p>' if said else ""
