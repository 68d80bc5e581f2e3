"""What stands around code in a page: tags, entities, prompts, quotation marks, line numbers, the escapes of JSON.

    unwrapped("<pre>def f(a):\\n  return a &lt; 2</pre>").lines    # ['', 'def f(a):', '  return a < 2', '']
    in_strings('["def f(a):\\\\n", "  return a"]').lines          # ['def f(a):', '  return a']
    behind("> ", ">     return a")                               # '    return a'

Each line keeps the number of the line of the text that it comes from, so that what is found can be shown there.
"""

import html
import json
import re
from collections.abc import Iterator
from typing import NamedTuple

GUTTER = r"(?:In \[\d+\]: ?|[ \t>+#|*/.:)\d]*)"  # before `def`: > of a quotation, + of a diff, # of a comment, numbers
_INLINE = re.compile(r"</?(?:span|a|b|i|em|strong|font|mark|u|wbr|small)\b[^<>\n]*>", re.IGNORECASE)
_BLOCK = re.compile(r"</?(?:html|body|code|pre|br|div|p|td|tr|table|tbody|li|ol|ul)\b[^<>\n]*>", re.IGNORECASE)
_BLANKS = str.maketrans({"\u00a0": " ", "\u3000": " ", "\u200b": None, "\ufeff": None})
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
_LONE_STRING = re.compile(r'\s*"(?:[^"\\]|\\.)*",?\s*')
_ESCAPED_DEF = re.compile(r"(?:^|\\n|\W)(?:async )?def \w+\(")
_CONTINUED = re.compile(r"[ \t]*\.\.\.:?(?: |$)")
_NUMBERED = re.compile(r"[ \t]*\d+(\D*)")


class Lines(NamedTuple):
    """Lines of code, and for each the line of the text, from 0."""

    lines: list[str]
    numbers: list[int]


def unwrapped(text: str) -> Lines:
    """Return a text's lines without tags and entities; a tag that begins a block begins a line."""
    found = Lines([], [])
    marked = "</" in text or "&" in text
    for number, line in enumerate(text.split("\n")):
        if marked and ("<" in line or "&" in line):
            line = html.unescape(_BLOCK.sub("\n", _INLINE.sub("", line)))
        _add(found, line, number)
    return found


def in_strings(text: str) -> Lines:
    """Return what stands in strings that hold a function and its escaped line ends: JSON lines, raw notebooks."""
    lines = text.split("\n")
    found = Lines([], [])
    if not any(_holds_code(line) for line in lines):
        return found
    for number, line in enumerate(lines):
        if _LONE_STRING.fullmatch(line) or _holds_code(line):
            decoded = ""
            for string in _STRING.findall(line):
                decoded += _decoded(string) if not decoded or decoded.endswith("\n") else "\n" + _decoded(string)
            _add(found, decoded.removesuffix("\n"), number)
        else:
            _add(found, "-", number)  # ends a function, as any text at the margin does
    return found


def behind(gutter: str, line: str) -> str | None:
    """Return a line without what stands before each line of a function; None where something else does."""
    if not gutter.strip() or line.startswith(gutter):
        return line.removeprefix(gutter) if gutter.strip() else line
    if line.strip() in ("", gutter.strip()):
        return ""
    if ">>>" in gutter or "In [" in gutter:
        continued = _CONTINUED.match(line)
        return line[continued.end() :] if continued else None
    numbered = _NUMBERED.fullmatch(gutter)
    own = _NUMBERED.match(line)
    if numbered is None or own is None:
        return None
    tail = numbered.group(1)
    rest = line[own.start(1) :]
    return rest.removeprefix(tail) if rest.startswith(tail) or rest.strip() == tail.strip() else None


def _add(found: Lines, text: str, number: int) -> None:
    for line in text.split("\n"):
        found.lines.append(line.translate(_BLANKS).expandtabs(8))
        found.numbers.append(number)


def _holds_code(line: str) -> bool:
    return "\\n" in line and "def " in line and any(_functions(line))


def _functions(line: str) -> Iterator[str]:
    return (string for string in _STRING.findall(line) if "\\n" in string and _ESCAPED_DEF.search(string))


def _decoded(string: str) -> str:
    try:
        decoded = json.loads(f'"{string}"', strict=False)
    except ValueError:  # escapes that are not JSON's
        return string.replace("\\n", "\n").replace("\\t", "\t").replace('\\"', '"')
    assert isinstance(decoded, str)
    return decoded
