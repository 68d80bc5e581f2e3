"""A fit as one HTML page: what it says, how sure it is, and three pictures. It loads nothing and runs no script."""

from collections.abc import Sequence

import numpy as np

from curate.report.loglog import Marks, loglog
from curate.report.markup import safe, table
from curate.report.page import POLICY
from curate.report.scaling import UNITS, by_compute
from curate.report.style import STYLE
from curate.scaling.amounts import said
from curate.scaling.analyse import Analysis
from curate.scaling.tell import fit_line, law_table, sections, summary

POINTS = 60  # of a curve
MOST_SIZES = 10  # five colours, plain and dashed


def page(analysis: Analysis) -> str:
    """Return the whole page."""
    head, rows = law_table(analysis)
    body = _section("The law", table(_numbers(head), rows, title="The law"), fit_line(analysis))
    body += _section("Loss by tokens", by_tokens(analysis))
    body += _section("Loss by compute", by_compute(analysis.as_json()))
    for title, (names, lines), about in sections(analysis):
        shown = table(_numbers(names), lines, title=title) if lines else ""
        body += _section(title, shown, about)
    words = "".join(f"<p>{safe(line.replace('**', ''))}</p>" for line in summary(analysis).split("\n\n"))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Scaling law</title>'
        f'<link rel="icon" href="data:,"><style>{STYLE}</style></head><body><div class="sheet">'
        f"<header><h1>Scaling law</h1>{words}</header><main>{body}</main>"
        "<footer>Written by curate scaling. This page loads nothing and runs no script.</footer></div></body></html>\n"
    )


def by_tokens(analysis: Analysis) -> str:
    """Return each size's runs, and what the law says between them."""
    found, rows = analysis.fit, analysis.fit.rows
    sizes = np.unique(rows.num_parameters)
    if len(sizes) > MOST_SIZES:  # those between are told by their neighbours
        sizes = sizes[np.linspace(0, len(sizes) - 1, MOST_SIZES).round().astype(int)]
    low, high = rows.num_tokens.min(), rows.num_tokens.max()
    tokens = np.geomspace(low, high, POINTS)
    marks = []
    for colour, size in enumerate(sizes.tolist()):
        mine = rows.num_parameters == size
        line = list(zip(tokens.tolist(), found.law(size, tokens).tolist(), strict=True))
        ends = found.band(np.full(POINTS, size), tokens)
        band = list(zip(*(end.tolist() for end in ends), strict=True))
        dots = list(zip(rows.num_tokens[mine].tolist(), rows.loss[mine].tolist(), strict=True))
        marks.append(Marks(said(size), colour, dots, line, band))
    label = "Measured loss (dots) and the law (lines, 95 % bands) by tokens, for each number of parameters"
    unit = UNITS.get(rows.measure, rows.measure)
    return loglog(marks, x_label="tokens", y_label=unit, label=label)


def _numbers(head: Sequence[str]) -> tuple[str, ...]:
    return tuple(name if i == 0 else f"#{name}" for i, name in enumerate(head))


def _section(title: str, body: str, about: str = "") -> str:
    lines = "".join(f"<p>{safe(line.removeprefix('- '))}</p>" for line in about.split("\n") if line)
    return f"<section><h2>{safe(title)}</h2>{lines}{body}</section>"
