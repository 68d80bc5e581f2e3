"""A fit as Markdown and as the lines that the terminal shows."""

from collections.abc import Iterable, Sequence

from curate.columns import aligned
from curate.scaling.amounts import said
from curate.scaling.analyse import Analysis, Best, Target
from curate.scaling.fit import Interval

Table = tuple[Sequence[str], Sequence[Sequence[str]]]
UNITS = {"loss": "nats a token", "bits_per_byte": "bits a byte"}
FAR = 100.0  # times the largest size or budget of the runs: from there on a prediction is called far


def markdown(analysis: Analysis) -> str:
    """Return the report as Markdown."""
    head, rows = law_table(analysis)
    parts = ["# Scaling law\n", summary(analysis), "", _table(head, rows), "", f"{fit_line(analysis)}\n"]
    for title, (head, rows), about in sections(analysis):
        parts += [f"## {title}\n", *([f"{about}\n"] if about else []), *([_table(head, rows), ""] if rows else [])]
    return "\n".join(parts)


def terminal(analysis: Analysis) -> str:
    """Return what the terminal shows: the report without its list of runs."""
    head, rows = law_table(analysis)
    parts = [summary(analysis), "", *aligned([head, *rows], ()), "", fit_line(analysis)]
    for title, (head, rows), about in sections(analysis):
        if title != "Runs":
            parts += ["", f"{title}. {about}" if about else title, *(aligned([head, *rows], ()) if rows else [])]
    return "\n".join(parts)


def summary(analysis: Analysis) -> str:
    """Return the law in a line, and whether the runs identify it."""
    law, rows = analysis.fit.law, analysis.fit.rows
    unit = UNITS.get(rows.measure, rows.measure)
    found = (
        f"L(N, D) = {law.E:.4g} + {law.A:.4g} / N^{law.alpha:.4g} + {law.B:.4g} / D^{law.beta:.4g} in {unit}; "
        f"N counts {'all' if rows.count == 'all' else 'non-embedding'} parameters."
    )
    problems = "".join(f"\n\n**Not identified**: {problem}." for problem in analysis.fit.problems)
    return found + problems


def law_table(analysis: Analysis) -> Table:
    errors = analysis.fit.standard_errors
    rows = [
        (name, _four(found.value), _four(errors[name]), f"{_four(found.low)} to {_four(found.high)}")
        for name, found in analysis.fit.intervals().items()
    ]
    return ("constant", "value", "standard error", "95 % interval"), rows


def fit_line(analysis: Analysis) -> str:
    found = analysis.fit
    phases = len(set(found.rows.runs))
    grown = f" from {phases} stable phases" if phases < len(found.rows) else ""
    return (
        f"{len(found.rows)} runs{grown}; residuals {found.rmse:.2%} of the loss (root mean "
        f"square), R2 {found.r_squared:.4f} of log loss; {len(found.resampled):,} resamples."
    )


Section = tuple[str, Table, str]


def sections(analysis: Analysis) -> Iterable[Section]:
    """Yield (title, (head, rows), words) of each part after the law."""
    yield "The largest model, left out", held_out_table(analysis), held_out_words(analysis)
    if analysis.targets:
        yield "Predictions", target_table(analysis.targets), far(analysis.targets)
    if analysis.best:
        shapes = SHAPE_WORDS if analysis.best[0].shape is not None else ""
        yield "The best use of a budget", best_table(analysis.best), BEST_WORDS + shapes
    if analysis.notes:
        yield "To know", ((), []), "\n".join(f"- {note}" for note in analysis.notes)
    yield "Runs", runs_table(analysis), ""


BEST_WORDS = "By C = 6 N D, with 95 % intervals. A budget beyond the runs is an extrapolation of the law."
SHAPE_WORDS = " The shape is the best of our family where attention is paid for too."


def held_out_words(analysis: Analysis) -> str:
    if analysis.check.reason:
        return f"No check: {analysis.check.reason}."
    rows = analysis.check.foretold
    inside, worst = sum(row.inside for row in rows), max(abs(row.error) for row in rows)
    return (
        f"A law fitted without the largest size predicts its runs: {inside} of {len(rows)} in their 95 % intervals, "
        f"the largest error {worst:.2%}."
    )


def held_out_table(analysis: Analysis) -> Table:
    rows = [
        (
            said(row.num_parameters),
            said(row.num_tokens),
            f"{row.measured:.4f}",
            _interval(row.predicted),
            f"{row.error:+.2%}",
            "yes" if row.inside else "no",
        )
        for row in analysis.check.foretold
    ]
    return ("parameters", "tokens", "measured", "predicted", "error", "inside"), rows


def target_table(targets: Sequence[Target]) -> Table:
    rows = [
        (
            said(target.num_parameters),
            said(target.num_tokens),
            "none: not identified" if target.loss is None else _interval(target.loss),
            f"{target.beyond:,.0f} x" if target.beyond > FAR else f"{target.beyond:.2g} x",
        )
        for target in targets
    ]
    return ("parameters", "tokens", "loss", "beyond the runs"), rows


def far(targets: Sequence[Target]) -> str:
    most = max(target.beyond for target in targets)
    if most <= FAR:
        return ""
    return (
        f"A prediction {most:,.0f} times beyond the largest run rests on the form of the law alone; its interval knows "
        "the scatter of these runs, not whether the form holds so far, nor another learning rate, batch or data."
    )


def best_table(best: Sequence[Best]) -> Table:
    ours = any(one.shape is not None for one in best)
    rows = [_best_row(one)[: None if ours else -1] for one in best]
    head = ("FLOPs", "parameters", "tokens", "tokens a parameter", "loss", "layers x channels, tokens")
    return head[: None if ours else -1], rows


def _best_row(one: Best) -> tuple[str, ...]:
    ends, shape = one.intervals, one.shape
    ratio = ends["tokens_per_parameter"]
    return (
        f"{one.optimum.flops:.3g}",
        _amounts(ends["num_parameters"]),
        _amounts(ends["num_tokens"]),
        f"{ratio.value:.3g} ({ratio.low:.2g} to {ratio.high:.2g})",
        _interval(ends["loss"]),
        "" if shape is None else f"{shape.size.num_layers} x {shape.size.hidden_size}, {said(shape.num_tokens)}",
    )


def runs_table(analysis: Analysis) -> Table:
    found, rows = analysis.fit, analysis.fit.rows
    fitted = found.law(rows.num_parameters, rows.num_tokens)
    columns = (rows.num_parameters, rows.num_tokens, rows.loss, fitted, found.residuals)
    body = [
        (run, said(n), said(d), f"{loss:.4f}", f"{law:.4f}", f"{residual:+.2%}")
        for run, n, d, loss, law, residual in zip(rows.runs, *(c.tolist() for c in columns), strict=True)
    ]
    return ("stable phase", "parameters", "tokens", rows.measure, "law", "residual"), body


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    line = "|" + "|".join("---" if i == 0 else "---:" for i in range(len(head))) + "|"
    return "\n".join([f"| {' | '.join(head)} |", line, *(f"| {' | '.join(row)} |" for row in rows)])


def _interval(found: Interval) -> str:
    return f"{found.value:.4f} ({found.low:.4f} to {found.high:.4f})"


def _amounts(found: Interval) -> str:
    return f"{said(found.value)} ({said(found.low)} to {said(found.high)})"


def _four(value: float) -> str:
    return f"{value:.4g}"
