"""The Python in a text that is not one Python file: code fences, `def` blocks of pages, Python 2, broken files.

    for module, before in parsed(text): ...       # a syntax tree, and how many lines of the text come before it

A text that parses is one piece. Otherwise its code fences are tried, then every function by itself: a block begins at
`def` and ends where the indentation returns. Prompts (`>>>`, `...`) are taken off, HTML's tags and entities are read,
and Python 2's `print`, `except`, `raise`, `<>` and octal numbers become Python 3's. A block that still does not parse
is not examined. All of it takes time in proportion to the text, whatever the text is.
"""

import ast
import html
import re
import textwrap
from collections.abc import Iterator, Sequence

from curate.decontaminate.trees import parse

TRIES = 3  # times that a line may be read in vain, as part of one function inside another, on average
MAX_LINES = 300  # of a function; twice the longest benchmark solution
MAX_LINE_CHARS = 500  # of a line that is read as Python 2

_DEF = re.compile(r"[ \t]*(?:async[ \t]+)?def[ \t]+\w+[ \t]*\(")
_PROMPT = re.compile(r"^[ \t]*(?:>>>|\.\.\.)(?: |$)", re.MULTILINE)
_MARKUP = re.compile(r"</?(?:span|a|b|i|em|strong|code|font|pre|br|div|p|td|li)\b[^<>\n]*>", re.IGNORECASE)
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


def parsed(text: str) -> Iterator[tuple[ast.Module, int]]:
    """Yield each piece of `text` that is Python, and the number of lines before it."""
    whole = parse(text)
    if whole is not None:
        yield whole, 0
        return
    if "```" in text or "~~~" in text:
        lines = text.split("\n")
        yield from _read(_fences(lines), len(lines))
    if "def" in text:
        lines = _plain(text).split("\n")
        yield from _read(_functions(lines), len(lines))


def _read(blocks: Iterator[tuple[Sequence[str], int]], num_lines: int) -> Iterator[tuple[ast.Module, int]]:
    read_to = 0  # the line that the last piece read ends before
    left = TRIES * num_lines + MAX_LINES  # lines that may be tried: functions in functions would make it quadratic
    for lines, before in blocks:
        if before + len(lines) <= read_to:
            continue  # a function inside one that was read
        left -= len(lines)
        if left < 0:
            return
        source = textwrap.dedent("\n".join(lines))
        module = parse(source) or parse(modern(source))
        if module is not None:
            read_to = before + len(lines)
            yield module, before


def modern(source: str) -> str:
    """Return Python 2 as Python 3, line by line; what is Python 3 may come out wrong, so try it first."""
    return "\n".join(_modern_line(line) for line in source.split("\n"))


def _modern_line(line: str) -> str:
    if len(line) > MAX_LINE_CHARS:
        return line
    line = line.rstrip()
    for pattern, by in _PYTHON_2:
        line = pattern.sub(by, line)
    return line


def _plain(text: str) -> str:
    """Return text without prompts, tags and entities, with as many lines."""
    if "</" in text or "&" in text:
        text = html.unescape(_MARKUP.sub("", text))
    if ">>>" in text:
        text = _PROMPT.sub("", text)
    return text.expandtabs(8)


def _fences(lines: list[str]) -> Iterator[tuple[list[str], int]]:
    """Yield the lines between code fences, as in Markdown, with the number of lines before them."""
    mark, start = "", 0
    for number, line in enumerate(lines):
        bare = line.strip()
        if mark:
            if bare.startswith(mark) and not bare.strip(mark[0]):
                yield _plain("\n".join(lines[start:number])).split("\n"), start
                mark = ""
        elif bare.startswith(("```", "~~~")):
            mark, start = bare[: len(bare) - len(bare.lstrip(bare[0]))], number + 1


def _functions(lines: list[str]) -> Iterator[tuple[list[str], int]]:
    """Yield each function's lines, those of nested ones too, with the number of lines before them."""
    for number, line in enumerate(lines):
        if _DEF.match(line):
            yield lines[number : _end(lines, number)], number


def _end(lines: list[str], start: int) -> int:
    """Return the line after the last one that is indented deeper than line `start` or closes its parentheses."""
    own, end, in_string = _indent(lines[start]), start + 1, False
    for number in range(start + 1, min(len(lines), start + MAX_LINES)):
        line = lines[number]
        if line.strip():
            if not in_string and _indent(line) <= own and not line.lstrip().startswith((")", "#")):
                break
            end = number + 1
        in_string ^= (line.count('"""') + line.count("'''")) % 2 == 1
    return end


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
