"""Sizes, times and counts as people read them, and amounts as people write them.

    size(2_413_000_000), duration(5_400), count(1.234e9)      "2.41 GB", "1.5 h", "1.23 billion"
    clock(5_400)                                              "1h30m"
    amount("1.7b"), amount("300k"), amount("2e9")             1_700_000_000.0, 300_000.0, 2e9

An estimate has three digits that mean something and one unit, so that two ends of an interval can share it; a clock
goes on second by second in the width of a line. 1 GB is 10^9 bytes, as disks are sold and clouds bill.
"""

import math
import re

SIZES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "bytes"))
COUNTS = ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"))
TIMES = ((3600, "h"), (60, "min"))
UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9, "t": 1e12}
WRITTEN = re.compile(r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?) ?([kmgbt]?)", re.IGNORECASE)


def size(num_bytes: float) -> str:
    """Return bytes in the largest unit of which there is one: 2.41 GB."""
    return _in_units(num_bytes, SIZES) or f"{digits(num_bytes)} bytes"


def size_up(num_bytes: int) -> str:
    """Return bytes rounded up to three digits, so that whoever allows as much allows enough: 21.7 GB for 21.61 GB."""
    step = 10 ** max(len(str(num_bytes)) - 3, 0)
    return size(-(-num_bytes // step) * step)


def duration(seconds: float) -> str:
    """Return an estimate of time: 4.2 s, 45 s, 10 min, 1.5 h; seconds below ten have two digits."""
    below = f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return _in_units(round(seconds), TIMES) or below


def clock(seconds: float) -> str:
    """Return time that has passed, or is left, to the second below an hour: 20s, 2m10s, 1h02m."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s" if minutes else f"{rest}s"


def count(number: float) -> str:
    """Return a count: 12,300 to the last one below a million, 1.23 billion above."""
    return _in_units(number, COUNTS) or f"{number:,.0f}"


def megabytes(text_bytes: int) -> str:
    """Return a column's cell in MB; a dash where there is no text yet, as before extraction."""
    return f"{text_bytes / 1e6:,.2f}" if text_bytes else "-"


def digits(number: float, most: int = 3) -> str:
    """Return a number rounded to so many digits, large ones without an exponent: 1,230 for 1,234; 0.00123."""
    rounded = float(f"{number:.{most}g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 10 ** (most - 1) else f"{rounded:.{most}g}"


def amount(written: str) -> float:
    """Read a positive number with an optional unit: k, m, b (or g), t.

    Raises:
        ValueError: it is not one.
    """
    found = WRITTEN.fullmatch(written.strip().replace("_", "").replace(",", ""))
    value = float(found[1]) * UNITS[found[2].lower()] if found else 0.0
    if not value > 0 or math.isinf(value):
        raise ValueError(f"{written!r} is no amount; write it like 300k, 0.3m, 1.7b, 600B or 2e9")
    return value


def whole_amount(written: str | int) -> int:
    """Read an amount of things that have no halves: 50M tokens.

    Raises:
        ValueError: it is none, or less than one.
    """
    value = round(amount(f"{written}"))
    if value < 1:
        raise ValueError(f"{written!r} is less than one; write it like 300k, 50M or 1.5B")
    return value


def _in_units(number: float, units: tuple[tuple[float, str], ...]) -> str:
    """Return the number in the first unit of which it has one after rounding; empty if it has not one of the last."""
    for scale, name in units:
        if float(f"{number / scale:.3g}") >= 1:
            return f"{digits(number / scale)} {name}"
    return ""
