"""Small charts as inline SVG: bars over a scale, lines with bands, estimates with whiskers.

    histogram([3, 8, 2], low=0, width=0.25, cuts=[2.5], label="Scores")

Pure functions of numbers. Colours are the page's variables; each chart says in its label what it shows, and the table
beside it holds the numbers for those who cannot see it.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from curate.report.markup import safe

WIDTH, HEIGHT = 640, 280
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 30, 34  # room for labels, also at the size that phones get
NAMED = 16  # more height where the horizontal axis has a name; labels of phones reach into the rows around
COLOURS = ("--main", "--other", "--third", "--fourth", "--soft")
Scale = Callable[[float], float]


@dataclass(frozen=True)
class Line:
    """Points of one line, ascending in x; with `bands` (low, high) for each point."""

    name: str
    points: Sequence[tuple[float, float]]
    bands: Sequence[tuple[float, float]] = ()


def histogram(
    counts: Sequence[int], *, low: float, width: float, label: str, cuts: Sequence[float] = (), ticks: int = 4
) -> str:
    """Return bars of bins that begin at `low`, with a dashed line at each cut; `ticks` bins lie between labels."""
    high, top = low + width * len(counts), max([*counts, 1])
    x, y = _scale(low, high, LEFT, WIDTH - RIGHT), _scale(0, top, HEIGHT - BOTTOM, TOP)
    slot = (WIDTH - LEFT - RIGHT) / len(counts)
    bars = "".join(
        f'<rect x="{x(low + i * width) + 1:.1f}" y="{y(n):.1f}" width="{slot - 2:.1f}" height="{y(0) - y(n):.1f}" '
        f'rx="1.5" fill="var(--fill)"><title>{low + i * width:g} to {low + (i + 1) * width:g}: {n:,}</title></rect>'
        for i, n in enumerate(counts)
        if n
    )
    edges = [low + i * width for i in range(0, len(counts) + 1, ticks)]
    return _figure(grid(x, y, edges, _ticks(0, top), x_said=tick, y_said=tick) + bars + _cuts(x, cuts), label)


def lines(
    drawn: Sequence[Line],
    *,
    label: str,
    x_label: str = "",
    y_label: str = "",
    cuts: Sequence[float] = (),
    y_range: tuple[float, float] | None = None,
    percent: bool = False,
) -> str:
    """Return lines over a common scale, each with its band, and a legend."""
    xs = [px for line in drawn for px, _ in line.points]
    ys = [py for line in drawn for _, py in line.points] + [
        edge for line in drawn for band in line.bands for edge in band
    ]
    low, high = y_range or _padded(min(ys), max(ys))
    x = _scale(min(xs), max(xs), LEFT, WIDTH - RIGHT)
    y = _scale(low, high, HEIGHT - BOTTOM, TOP)
    y_said = "{:.0%}".format if percent else tick
    parts = [grid(x, y, _ticks(min(xs), max(xs), 6), _ticks(low, high), x_said=tick, y_said=y_said)]
    for i, line in enumerate(drawn):
        colour = f"var({COLOURS[i % len(COLOURS)]})"
        if line.bands:
            upper = [f"{x(px):.1f},{y(hi):.1f}" for (px, _), (_, hi) in zip(line.points, line.bands, strict=True)]
            lower = [f"{x(px):.1f},{y(lo):.1f}" for (px, _), (lo, _) in zip(line.points, line.bands, strict=True)]
            parts.append(f'<polygon points="{" ".join(upper + lower[::-1])}" fill="{colour}" opacity=".16"/>')
        path = " ".join(f"{x(px):.1f},{y(py):.1f}" for px, py in line.points)
        dashes = ' stroke-dasharray="7 4"' if i >= len(COLOURS) else ""
        stroke = f'stroke="{colour}" stroke-width="2" stroke-linejoin="round"{dashes}'
        parts.append(f'<polyline points="{path}" fill="none" {stroke}/>')
    parts.append(_cuts(x, [cut for cut in cuts if min(xs) <= cut <= max(xs)]))
    parts.append(axis_names(x_label, y_label))
    return legend([line.name for line in drawn]) + _figure("".join(parts), label, named=bool(x_label))


def whiskers(
    value: float, interval: tuple[float, float], *, low: float, high: float, at: float | None = None, wide: bool = False
) -> str:
    """Return a dot with its interval on [low, high], for a cell of a table; `at` is where chance, or no effect, lies.

    Args:
        wide: as wide as what it stands in, in place of a cell.
    """
    x = _scale(low, high, 4, 156)
    begin, end = (min(max(edge, low), high) for edge in interval)
    chance = "" if at is None else f'<line x1="{x(at):.1f}" x2="{x(at):.1f}" y1="1" y2="15" class="cutline"/>'
    return (
        f'<svg viewBox="0 0 160 16" class="{"whisker wide-one" if wide else "whisker"}" aria-hidden="true">'
        f'<line x1="4" x2="156" y1="8" y2="8" class="axis"/>{chance}'
        f'<line x1="{x(begin):.1f}" x2="{x(end):.1f}" y1="8" y2="8" stroke="var(--main)" stroke-width="2"/>'
        f'<circle cx="{x(min(max(value, low), high)):.1f}" cy="8" r="3.6" fill="var(--main)"/></svg>'
    )


def legend(names: Sequence[str]) -> str:
    if len(names) < 2:
        return ""
    return keys([(name, f"background:var({COLOURS[i % len(COLOURS)]})") for i, name in enumerate(names)])


def keys(styles: Sequence[tuple[str, str]]) -> str:
    """Return the legend of (name, CSS of its mark)."""
    told = "".join(f'<span><i class="before" style="{style}"></i>{safe(name)}</span>' for name, style in styles)
    return f'<div class="legend">{told}</div>'


def _figure(body: str, label: str, *, named: bool = False) -> str:
    return figure(body, label, HEIGHT + (NAMED if named else 0))


def figure(body: str, label: str, height: int) -> str:
    """Return a drawing with its caption, which is also what those hear who cannot see it."""
    return (
        f'<figure><svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{safe(label)}">{body}</svg>'
        f"<figcaption>{safe(label)}</figcaption></figure>"
    )


def axis_names(x_label: str, y_label: str, height: int = HEIGHT) -> str:
    """Return what is counted below the horizontal axis, and above the vertical one."""
    across = f'<text x="{WIDTH - RIGHT}" y="{height + NAMED - 4}" text-anchor="end">{safe(x_label)}</text>'
    return (across if x_label else "") + (f'<text x="0" y="{TOP - 9}">{safe(y_label)}</text>' if y_label else "")


def grid(
    x: Scale,
    y: Scale,
    x_ticks: Sequence[float],
    y_ticks: Sequence[float],
    *,
    x_said: Callable[[float], str],
    y_said: Callable[[float], str],
    height: int = HEIGHT,
) -> str:
    """Return rules and labels; on phones every second label of the horizontal axis is left out."""
    parts = []
    for value in y_ticks:
        parts.append(f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{y_said(value)}</text>')
    for i, value in enumerate(x_ticks):
        some = ' class="some"' if i % 2 else ""
        anchor = "end" if x(value) > WIDTH - RIGHT - 20 else "middle"
        parts.append(f'<text{some} x="{x(value):.1f}" y="{height - 12}" text-anchor="{anchor}">{x_said(value)}</text>')
    return "".join(parts)


def _cuts(x: Scale, cuts: Sequence[float]) -> str:
    """Return a dashed line at each cut; the first is named."""
    drawn = "".join(
        f'<line class="cutline" x1="{x(cut):.1f}" x2="{x(cut):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>' for cut in cuts
    )
    named = f'<text class="cutlabel" x="{x(cuts[0]) + 5:.1f}" y="{TOP - 6}">cut {tick(cuts[0])}</text>' if cuts else ""
    return drawn + named


def _scale(low: float, high: float, start: float, stop: float) -> Scale:
    span = (high - low) or 1.0
    return lambda value: start + (stop - start) * (value - low) / span


def _padded(low: float, high: float) -> tuple[float, float]:
    room = 0.05 * ((high - low) or 1.0)
    return low - room, high + room


def _ticks(low: float, high: float, num: int = 5) -> list[float]:
    """Return round numbers inside [low, high], about `num` of them."""
    span = (high - low) or 1.0
    power = 10.0 ** math.floor(math.log10(span / num))
    step = next(power * nice for nice in (1, 2, 5, 10) if span / (power * nice) <= num)
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def tick(value: float) -> str:
    """Return a number in few characters: "1.5k", "2M", "0.25"."""
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            divisor = 1e3 if unit == "k" else size
            return f"{value / divisor:g}{unit}"
    return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
