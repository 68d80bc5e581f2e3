"""What a line of production is made of, before and after: languages, domains, repositories, licences."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from curate.document import URL
from curate.report.markup import bar, count, heading, note, share, table
from curate.report.view import EVERY, Part

TOP = 12
NONE = "(none)"
HOST = r"^(?:[a-zA-Z][a-zA-Z0-9+.-]*:)?//(?:[^/@]*@)?(?:www\.)?([^/:?#]+).*$"
KINDS = {
    "language": "Languages",
    URL: "Domains",
    "repo_name": "Repositories",
    "license": "Licences",
    "source": "Sources",
}


@dataclass(frozen=True)
class Mix:
    """Documents by the values of one column: read, and kept to the end."""

    family: str
    column: str
    came: Counter[str]
    kept: Counter[str]


def gather(line: Sequence[Part]) -> list[Mix]:
    """Count the columns that say what a document is; those with one value for all say nothing."""
    files = [part for part in line if not part.recipe.joins] or line  # documents made of them are no share of them
    first, last = files[0], files[-1]
    found = []
    for column in KINDS:
        came, kept = _counts(first, column, *EVERY), _counts(last, column, "kept")
        if len(came | kept) > 1:
            found.append(Mix(first.family, column, came, kept))
    return found


def _counts(part: Part, column: str, *fates: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for batch in part.columns([column], *fates):
        values = pc.fill_null(pc.cast(batch[column], pa.string()), "")
        values = pc.if_else(pc.equal(values, ""), NONE, values)
        if column == URL:
            values = pc.utf8_lower(pc.replace_substring_regex(values, HOST, r"\1"))
        found.update({f"{pair['values']}": pair["counts"] for pair in pc.value_counts(values).to_pylist()})
    return found


def section(found: Sequence[Mix]) -> str:
    said = (
        "Documents read and kept, by what they are when they are first measured; bars are shares of what is kept, "
        "and 'stayed' says how much of a row is left."
    )
    body, family = note(said), ""
    for mix in found:
        if mix.family != family:
            family = mix.family
            body += heading(family)
        body += _table(mix)
    return body


def _table(mix: Mix) -> str:
    came, kept = sum(mix.came.values()), sum(mix.kept.values())
    names = [name for name, _ in (mix.kept + mix.came).most_common(TOP)]
    names.sort(key=lambda name: (-mix.kept[name], -mix.came[name], name))
    rows = [_row(name, mix.came[name], mix.kept[name], came, kept) for name in names]
    others = len(mix.came | mix.kept) - len(names)
    if others > 0:
        rest = (came - sum(mix.came[n] for n in names), kept - sum(mix.kept[n] for n in names))
        rows.append(_row(f"{count(others)} others", *rest, came, kept))
    head = (KINDS[mix.column], "#read", "#of all", "#kept", "#of all kept", "#stayed", "")
    return table(head, rows, title=f"{KINDS[mix.column]} {mix.family}".strip(), raw=(6,))


def _row(name: str, came: int, kept: int, all_came: int, all_kept: int) -> tuple[str, ...]:
    stayed = share(kept, came) if came else "-"
    bars = bar(kept / max(all_kept, 1))
    return (name[:80], count(came), share(came, all_came), count(kept), share(kept, all_kept), stayed, bars)
