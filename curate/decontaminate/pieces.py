"""The Python in a text that is not one Python file: code fences, `def` blocks of pages, Python 2, broken files.

    for module, lines in parsed(text): ...      # a syntax tree, and the text's line of each of its lines, from 0

A text that parses is one piece. Otherwise its code fences are tried, then every function by itself: a block begins at
`def` and ends where the indentation returns. Tags, prompts, quotation marks, line numbers and the escapes of JSON are
taken off (`curate.decontaminate.unwrap`), Python 2 and Cython become Python 3 (`curate.decontaminate.dialects`). A
block that still does not parse is not examined. It all takes time in proportion to the text, whatever the text is.
"""

import ast
import re
import textwrap
from collections.abc import Iterator, Sequence

from curate.decontaminate.dialects import modern, without_types
from curate.decontaminate.trees import parse
from curate.decontaminate.unwrap import GUTTER, Lines, behind, in_strings, unwrapped

TRIES = 3  # times that a line may be read in vain, as part of one function inside another, on average
MAX_LINES = 300  # of a function; twice the longest benchmark solution

_DEF = re.compile(rf"({GUTTER})(?:async[ \t]+)?(?:def|cp?def[ \t]+(?:[\w.\[\],*]+[ \t]+)*)[ \t]*\w+[ \t]*\(")
_TYPED = re.compile(r"\bcp?def\b|\bdef\s+\w+\s*\([^)=]*\w[\s*]+\w")

Piece = tuple[ast.Module, Sequence[int]]
Block = tuple[int, list[str], Sequence[int]]  # first line in what is read, lines, their lines in the text


def parsed(text: str) -> Iterator[Piece]:
    """Yield each piece of `text` that is Python, and for each of its lines the line of the text, from 0."""
    whole = parse(text)
    if whole is not None:
        yield whole, range(text.count("\n") + text.count("\r") + 1)
        if text.lstrip()[:1] not in ("{", "["):
            return
        found = in_strings(text)  # JSON may be Python too, and a notebook has a string for each line
        yield from _read(_functions(found), len(found.lines))
        return
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "```" in text or "~~~" in text:
        yield from _read(_fences(text.split("\n")), text.count("\n"))
    if "def" not in text:
        return
    for found in (unwrapped(text), in_strings(text)):
        yield from _read(_functions(found), len(found.lines))


def _read(blocks: Iterator[Block], num_lines: int) -> Iterator[Piece]:
    read_to = 0  # the line that the last piece read ends before
    left = TRIES * num_lines + MAX_LINES  # lines that may be tried: functions in functions would make it quadratic
    for place, lines, numbers in blocks:
        if place + len(lines) <= read_to:
            continue  # a function inside one that was read
        left -= len(lines)
        if left < 0:
            return
        module = _module(textwrap.dedent("\n".join(lines)))
        if module is not None:
            read_to = place + len(lines)
            yield module, numbers


def _module(source: str) -> ast.Module | None:
    module = parse(source) or parse(modern(source))
    if module is None and _TYPED.search(source):
        module = parse(without_types(source))
    return module


def _fences(lines: list[str]) -> Iterator[Block]:
    """Yield the lines between code fences, as in Markdown."""
    mark, start = "", 0
    for number, line in enumerate(lines):
        bare = line.strip()
        if mark:
            if bare.startswith(mark) and not bare.strip(mark[0]):
                inside = unwrapped("\n".join(lines[start:number]))
                yield start, inside.lines, [start + own for own in inside.numbers]
                mark = ""
        elif bare.startswith(("```", "~~~")):
            mark, start = bare[: len(bare) - len(bare.lstrip(bare[0]))], number + 1


def _functions(found: Lines) -> Iterator[Block]:
    """Yield each function's lines, those of nested ones too."""
    for number, line in enumerate(found.lines):
        head = _DEF.match(line) if "def" in line else None
        if head is not None:
            lines = _behind(head.group(1), found.lines, number)
            lines = lines[: _end(lines)]
            yield number, lines, found.numbers[number : number + len(lines)]


def _behind(gutter: str, lines: list[str], start: int) -> list[str]:
    """Return the lines from `start` on without what stands before each, as long as it does."""
    some = lines[start : start + MAX_LINES]
    if not gutter.strip():
        return some
    found = []
    for line in some:
        own = behind(gutter, line)
        if own is None:
            break
        found.append(own)
    return found


def _end(lines: list[str]) -> int:
    """Return the line after the last one that is indented deeper than the first or closes its parentheses."""
    own, end, in_string = _indent(lines[0]), 1, False
    for number in range(1, len(lines)):
        line = lines[number]
        if line.strip():
            if not in_string and _indent(line) <= own and not line.lstrip().startswith((")", "#")):
                break
            end = number + 1
        in_string ^= (line.count('"""') + line.count("'''")) % 2 == 1
    return end


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
