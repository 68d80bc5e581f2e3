"""Words and numbers as HTML: everything from a document goes through `safe`.

A document may hold anything: tags, characters that turn the writing around, a line of a megabyte. `safe` escapes what
HTML reads and shows what a reader cannot see (U+202E, NUL) by its code, so that a page about a hostile document looks
and behaves like one about any other.
"""

import re
from collections.abc import Iterable, Sequence
from html import escape

# Control characters but tab and line feed, and those that change the direction or hide (bidi, zero width, BOM).
HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]"
)
MAX_RUN = 20  # hidden characters in a row that are shown one by one
RUN = re.compile(f"(?:{HIDDEN.pattern}){{{MAX_RUN},}}")


def safe(text: object) -> str:
    """Return text that a browser shows and never obeys."""
    plain = f"{text}".replace("\r\n", "\n")
    cut = RUN.sub(lambda run: run[0][0] + f"[{len(run[0]):,} such characters]", plain)
    return HIDDEN.sub(_code, escape(cut))


def _code(found: re.Match[str]) -> str:
    return f'<span class="control">U+{ord(found[0]):04X}</span>'


def short(text: object, width: int) -> str:
    """Return the text in one line, no longer than `width`."""
    line = " ".join(f"{text}"[: 4 * width].split())
    return line if len(line) <= width else f"{line[: width - 1]}…"


def count(number: int) -> str:
    return f"{number:,}"


def share(part: float, whole: float) -> str:
    """Return a percentage that does not round something to nothing: "0.02%", "-" of an empty whole."""
    if not whole:
        return "-"
    ratio = part / whole
    return f"{ratio:.1%}" if ratio in (0, 1) or 0.001 <= ratio <= 0.999 else f"{ratio:.3%}"


def plural(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def number(value: object) -> str:
    """Return a measured value as `curate why` prints it."""
    return f"{value:.6g}" if isinstance(value, float) else "-" if value is None else f"{value}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, title: str, raw: Sequence[int] = ()) -> str:
    """Return a table that scrolls inside itself; a column whose head starts with # holds numbers.

    Args:
        title: says what it is, to those who cannot see it.
        raw: columns whose cells are HTML already.
    """
    kinds = [' class="n"' if name.startswith("#") else "" for name in head]
    top = "".join(
        f'<th scope="col"{kind}>{safe(name.lstrip("#"))}</th>' for name, kind in zip(head, kinds, strict=True)
    )
    lines = []
    for row in rows:
        cells = [cell if i in raw else safe(cell) for i, cell in enumerate(row)]
        first, *rest = cells
        others = "".join(f"<td{kind}>{cell}</td>" for kind, cell in zip(kinds[1:], rest, strict=True))
        lines.append(f'<tr><th scope="row"{kinds[0]}>{first}</th>{others}</tr>')
    body = f"<thead><tr>{top}</tr></thead><tbody>{''.join(lines)}</tbody>"
    small = ' class="small"' if len(head) <= 3 else ""
    return scrolling(f"<table{small}>{body}</table>", title)


def scrolling(body: str, title: str) -> str:
    """Return what may be wider than the page; the keyboard reaches it, and scrolls it."""
    return f'<div class="wide" tabindex="0" role="region" aria-label="{safe(title)}">{body}</div>'


def bar(*parts: float) -> str:
    """Return a bar of shares of the whole width, in [0, 1]; the second is paler."""
    pieces = "".join(
        f'<i{"" if part else " class=none"} style="width:{100 * min(max(part, 0), 1):.2f}%"></i>' for part in parts
    )
    return f'<span class="bar" aria-hidden="true">{pieces}</span>'


def details(title: str, body: str, aside: str = "", *, is_open: bool = False) -> str:
    """Return what opens on a click or a key."""
    more = f" <span>{safe(aside)}</span>" if aside else ""
    shown = " open" if is_open else ""
    return f'<details{shown}><summary>{safe(title)}{more}</summary><div class="inside">{body}</div></details>'


def tiles(facts: Iterable[tuple[str, str, str]]) -> str:
    """Return large numbers: (what, number, what to know about it)."""
    shown = "".join(
        f"<div><dt>{safe(what)}</dt><dd>{safe(value)}<small>{safe(about)}</small></dd></div>"
        for what, value, about in facts
    )
    return f'<dl class="tiles">{shown}</dl>'


def facts(known: Iterable[tuple[str, str]]) -> str:
    """Return names with short values, in as many columns as there is room for."""
    shown = "".join(f"<div><dt>{safe(what)}</dt><dd>{safe(value)}</dd></div>" for what, value in known)
    return f'<dl class="facts">{shown}</dl>'


def estimate(value: float, low: float, high: float) -> str:
    """Return, as HTML for a cell, a value over its interval."""
    return f"{value:.3f}<span class='interval'>{low:.3f} to {high:.3f}</span>"


def heading(title: str) -> str:
    return f"<h3>{safe(title)}</h3>"


def note(text: str) -> str:
    return f'<p class="note">{safe(text)}</p>'
