"""Python 2 and Cython read as Python 3, line by line, well enough for a tree.

    modern("except ValueError, e:")             # except ValueError as e:
    without_types("cpdef int f(int x):")        # def f(x):

What is Python 3 may come out wrong, so try it first.
"""

import re

MAX_LINE_CHARS = 500  # of a line that is read as something else

_PYTHON_2 = (
    (re.compile(r"^(\s*)print$"), r"\1print()"),
    (re.compile(r"^(\s*|.*: *)print +>> *[^,]+, *(.*)$"), r"\1print(\2)"),
    (re.compile(r"^(\s*|.*: *)print +([^=\s].*?),?$"), r"\1print(\2)"),
    (re.compile(r"^(\s*except\b[^:]*?), *(\w+) *:"), r"\1 as \2:"),
    (re.compile(r"^(\s*raise +[\w.]+) *, *(.+)$"), r"\1(\2)"),
    (re.compile(r"<>"), "!="),
    (re.compile(r"(?<![.\w])0([0-7]+)(?![.\w])"), r"0o\1"),
    (re.compile(r"\b(\d+)[lL]\b"), r"\1"),
    (re.compile(r"\bur(['\"])"), r"r\1"),
    (re.compile(r"`([^`]+)`"), r"repr(\1)"),
)
_HEAD = re.compile(r"^(\s*)(?:cp?)?def\s+(?:[\w.\[\], :*]*[\s*])?(\w+)\s*\((.*)$")
_ARGUMENT = re.compile(r"((?:^|,)\s*)(?:\w+\s+)*[\w.]+(?:\[[^\]]*\])?[\s*]+(\w+)(?=\s*(?:[,)=]|$))")
_CYTHON = (
    (re.compile(r"\)\s*(?:noexcept|nogil|except\s*[^:]*)[^:]*:\s*$"), "):"),
    (re.compile(r"^(\s*)cdef\s[^=(]*?(\w+)\s*=\s*(.+)$"), r"\1\2 = \3"),
    (re.compile(r"^(\s*)cdef\s.*$"), r"\1pass"),
    (re.compile(r"^(\s*)with\s+(?:no)?gil\s*:"), r"\1if True:"),
    (re.compile(r"<[\w. ]+\*?>(?=[\w(])"), ""),
)


def modern(source: str) -> str:
    """Return Python 2 as Python 3."""
    return "\n".join(_changed(line, _PYTHON_2) for line in source.split("\n"))


def without_types(source: str) -> str:
    """Return Cython as Python: without `cdef`, types and `nogil`."""
    return "\n".join(_untyped(line) for line in source.split("\n"))


def _changed(line: str, patterns: tuple[tuple[re.Pattern[str], str], ...]) -> str:
    if len(line) > MAX_LINE_CHARS:
        return line
    line = line.rstrip()
    for pattern, by in patterns:
        line = pattern.sub(by, line)
    return line


def _untyped(line: str) -> str:
    head = _HEAD.match(line) if len(line) <= MAX_LINE_CHARS else None
    if head is None:
        return _changed(line, _CYTHON)
    arguments = _ARGUMENT.sub(r"\1\2", head.group(3).replace(" not None", ""))
    return _changed(f"{head.group(1)}def {head.group(2)}({arguments}", _CYTHON[:1])
