"""Charts with logarithmic axes, as inline SVG: dots, lines with bands, predictions with whiskers.

    loglog([Marks("1m", 0, dots=[(1e7, 3.2)])], x_label="tokens", y_label="nats", label="Loss by tokens")

The widths, colours and legend are those of `charts.py`, so that light, dark and phone look alike.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from curate.report.charts import (
    BOTTOM,
    COLOURS,
    HEIGHT,
    LEFT,
    NAMED,
    RIGHT,
    TOP,
    WIDTH,
    Scale,
    axis_names,
    figure,
    grid,
    keys,
    tick,
)
from curate.report.markup import safe

Point = tuple[float, float]
MOST_TICKS = 7
TALL = HEIGHT + 80


@dataclass(frozen=True)
class Marks:
    """What is drawn in one colour: dots, a line with its band, and wide marks with whiskers."""

    name: str
    colour: int
    dots: Sequence[Point] = ()
    line: Sequence[Point] = ()
    band: Sequence[Point] = ()  # (low, high) at each point of the line
    targets: Sequence[tuple[float, float, float, float]] = field(default=())  # x, y, low, high


def loglog(marks: Sequence[Marks], *, x_label: str, y_label: str, label: str) -> str:
    """Return dots, lines, bands and targets over logarithmic axes, with a legend."""
    xs = [x for mark in marks for x, _ in (*mark.dots, *mark.line)] + [t[0] for mark in marks for t in mark.targets]
    ys = [y for mark in marks for _, y in (*mark.dots, *mark.line)]
    ys += [edge for mark in marks for band in mark.band for edge in band]
    ys += [edge for mark in marks for target in mark.targets for edge in target[1:]]
    x = _scale(min(xs), max(xs), LEFT + 6, WIDTH - RIGHT - 6)
    y = _scale(min(ys) / 1.02, max(ys) * 1.02, TALL - BOTTOM, TOP)
    labels = {"x_said": _power, "y_said": "{:.4g}".format}
    body = grid(x, y, _ticks(min(xs), max(xs)), _ticks(min(ys), max(ys)), height=TALL, **labels)
    body += axis_names(x_label, y_label, TALL)
    body += "".join(_band(mark, x, y) for mark in marks) + "".join(_drawn(mark, x, y) for mark in marks)
    return keys([(mark.name, _key(mark)) for mark in marks]) + figure(body, label, TALL + NAMED)


def _colour(mark: Marks) -> str:
    return f"var({COLOURS[mark.colour % len(COLOURS)]})"


def _band(mark: Marks, x: Scale, y: Scale) -> str:
    if not mark.band:
        return ""
    upper = [f"{x(px):.1f},{y(high):.1f}" for (px, _), (_, high) in zip(mark.line, mark.band, strict=True)]
    lower = [f"{x(px):.1f},{y(low):.1f}" for (px, _), (low, _) in zip(mark.line, mark.band, strict=True)]
    return f'<polygon points="{" ".join(upper + lower[::-1])}" fill="{_colour(mark)}" opacity=".15"/>'


def _drawn(mark: Marks, x: Scale, y: Scale) -> str:
    colour, dashed = _colour(mark), ' stroke-dasharray="7 4"' if mark.colour >= len(COLOURS) else ""
    parts = []
    if mark.line:
        path = " ".join(f"{x(px):.1f},{y(py):.1f}" for px, py in mark.line)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"{dashed}/>')
    for px, py in mark.dots:
        told = f"<title>{safe(mark.name)}: {tick(px)}, {py:.4f}</title>"
        parts.append(f'<circle cx="{x(px):.1f}" cy="{y(py):.1f}" r="3.6" fill="{colour}">{told}</circle>')
    for px, py, low, high in mark.targets:
        told = f"<title>{safe(mark.name)}: {py:.4f} ({low:.4f} to {high:.4f})</title>"
        at = f'x1="{x(px):.1f}" x2="{x(px):.1f}"'
        parts.append(f'<line {at} y1="{y(low):.1f}" y2="{y(high):.1f}" stroke="{colour}" stroke-width="2"/>')
        corners = ((0, -6), (6, 0), (0, 6), (-6, 0))
        diamond = " ".join(f"{x(px) + dx:.1f},{y(py) + dy:.1f}" for dx, dy in corners)
        parts.append(f'<polygon points="{diamond}" fill="{colour}">{told}</polygon>')
    return "".join(parts)


def _key(mark: Marks) -> str:
    if mark.colour < len(COLOURS):
        return f"background:{_colour(mark)}"
    return f"border:2px dashed {_colour(mark)}"


def _power(value: float) -> str:
    return tick(value) if value < 1e14 else f"{value:.0e}".replace("e+", "e")


def _scale(low: float, high: float, start: float, stop: float) -> Scale:
    span = math.log(high / low) or 1.0
    return lambda value: start + (stop - start) * math.log(value / low) / span


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers within [low, high]: 1, 2, 5 of each power of ten, or fewer, or finer ones."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    every: list[float] = []
    for nice in ((1, 1.2, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9), (1, 2, 3, 5, 7), (1, 2, 5), (1,)):
        every = [float(f"{digit}e{power}") for power in powers for digit in nice]
        every = [value for value in every if low * 0.999 <= value <= high * 1.001]
        if len(every) <= MOST_TICKS:
            return every
    return every[:: -(-len(every) // MOST_TICKS)]
