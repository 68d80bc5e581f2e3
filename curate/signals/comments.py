"""How much of a source file is comment: SantaCoder's ratio (arXiv 2301.03988, section 5.2), for many languages.

    Measure((Comments(),))      code.comments, a share of the file's bytes; null for languages without a syntax here

One compiled pass with a small table of each language's marks: where comments, strings and blocks begin and end. Marks
within strings are no comments. Python's docstrings, strings that are a statement of their own, count as comments,
as in SantaCoder, marks included. It is a scanner, not a parser: regular expressions in JavaScript and heredocs in shell
and Perl can mislead it. Beside Python's own tokenizer it is 100 times as fast (`benchmarks/more_signals.py code`).
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from curate.document import TEXT, Batch
from curate.text.arrow import strings
from curate.text.kernel import kernel


@dataclass(frozen=True)
class Syntax:
    """A language's marks; at most two of line and of block comments."""

    line: tuple[str, ...] = ()
    block: tuple[tuple[str, str], ...] = ()
    quotes: str = "\"'"  # each a string within its line, with \\ before what does not end it
    long_quotes: str = ""  # each a string over lines
    nested: bool = False  # /* a /* b */ c */
    docstrings: bool = False  # triple quotes, and strings that stand alone, as in Python


C = Syntax(line=("//",), block=(("/*", "*/"),))
SHELL = Syntax(line=("#",), quotes="", long_quotes="\"'")
SYNTAX: Mapping[str, Syntax] = {
    **dict.fromkeys(("c", "c++", "c#", "java", "objective-c", "css", "glsl", "cuda", "protocol buffer", "dart"), C),
    **dict.fromkeys(("swift", "kotlin", "scala"), Syntax(C.line, C.block, nested=True)),
    "rust": Syntax(C.line, C.block, quotes='"', nested=True),  # 'a is a lifetime
    "go": Syntax(C.line, C.block, long_quotes="`"),
    **dict.fromkeys(("javascript", "typescript", "jsx", "tsx"), Syntax(C.line, C.block, long_quotes="`")),
    "php": Syntax(("//", "#"), C.block),
    "python": Syntax(("#",), docstrings=True),
    **dict.fromkeys(("shell", "bash", "makefile", "dockerfile"), SHELL),
    **dict.fromkeys(("perl", "r", "yaml", "toml", "elixir"), Syntax(("#",))),
    "ruby": Syntax(("#",), (("\n=begin", "\n=end"),)),
    "julia": Syntax(("#",), (("#=", "=#"),), quotes='"', nested=True),
    "lua": Syntax(("--",), (("--[[", "]]"),)),
    "haskell": Syntax(("--",), (("{-", "-}"),), quotes='"', nested=True),
    "sql": Syntax(("--",), C.block, quotes="", long_quotes="'\""),
    **dict.fromkeys(("html", "xml", "markdown"), Syntax(block=(("<!--", "-->"),), quotes="")),
    **dict.fromkeys(("clojure", "common lisp", "emacs lisp", "scheme"), Syntax((";",), quotes="", long_quotes='"')),
    "tex": Syntax(("%",), quotes=""),
    "matlab": Syntax(("%",), quotes=""),
}


@dataclass(frozen=True)
class Comments:
    """Measure `code.comments`; without a `language` column every row is Python."""

    def __call__(self, batch: Batch) -> Mapping[str, pa.Array]:
        text = strings(batch[TEXT])
        named = "language" in batch.schema.names
        languages = batch["language"].to_pylist() if named else ["python"] * batch.num_rows
        numbers, marks, quotes, flags = _tables()
        of_row = np.array([numbers.get((language or "").lower(), -1) for language in languages], np.int64)
        of_row[~text.valid] = -1
        found = np.zeros(batch.num_rows, np.int64)
        _count(text.data, text.starts, of_row, marks, quotes, flags, found)
        sizes = np.diff(text.starts)
        share = np.divide(found, sizes, out=np.zeros(len(sizes)), where=sizes > 0)
        return {"code.comments": pa.array(share, mask=of_row < 0)}


@functools.cache
def _tables() -> tuple[dict[str, int], np.ndarray, np.ndarray, np.ndarray]:
    """Return language -> number; (N, 6, 8) marks: two of lines, two pairs of blocks; (N, 256) quotes; (N, 2) flags."""
    marks = np.zeros((len(SYNTAX), 6, 8), np.uint8)
    quotes = np.zeros((len(SYNTAX), 256), np.uint8)
    flags = np.zeros((len(SYNTAX), 2), np.uint8)
    for i, syntax in enumerate(SYNTAX.values()):
        pairs = [mark for pair in syntax.block for mark in pair]
        for place, mark in [*enumerate(syntax.line), *enumerate(pairs, start=2)]:
            marks[i, place, : len(mark)] = np.frombuffer(mark.encode(), np.uint8)
        for kind, letters in ((SHORT, syntax.quotes), (LONG, syntax.long_quotes)):
            quotes[i, [ord(letter) for letter in letters]] = kind
        flags[i] = (syntax.nested, syntax.docstrings)
    return {language: i for i, language in enumerate(SYNTAX)}, marks, quotes, flags


SHORT, LONG = 1, 2
NEWLINE, BACKSLASH, SPACE, TAB, RETURN, SEMICOLON = 0x0A, 0x5C, 0x20, 0x09, 0x0D, 0x3B


@kernel
def _at(data: np.ndarray, place: int, stop: int, mark: np.ndarray) -> int:
    """Return the length of `mark` if it stands at `place`, else 0."""
    size = 0
    while size < len(mark) and mark[size]:
        if place + size >= stop or data[place + size] != mark[size]:
            return 0
        size += 1
    return size


@kernel
def _string_stop(data: np.ndarray, place: int, stop: int, kind: int, triple: bool) -> int:
    """Return where the string that begins at `place` ends; without its end a short one ends with its line."""
    quote = data[place]
    place += 3 if triple else 1
    while place < stop:
        if data[place] == BACKSLASH:
            place += 2
            continue
        if data[place] == quote:
            if not triple:
                return place + 1
            if place + 2 < stop and data[place + 1] == quote and data[place + 2] == quote:
                return place + 3
        if data[place] == NEWLINE and kind == SHORT and not triple:
            return place
        place += 1
    return stop


@kernel
def _alone(data: np.ndarray, start: int, first: int, last: int, stop: int) -> bool:
    """Whether what stands between `first` and `last` is a whole statement: nothing else in its lines."""
    while first > start and 97 <= (data[first - 1] | 32) <= 122:
        first -= 1  # the r of r"""...""" and the like
    while first > start and (data[first - 1] == SPACE or data[first - 1] == TAB):
        first -= 1
    while last < stop and (data[last] == SPACE or data[last] == TAB or data[last] == RETURN or data[last] == SEMICOLON):
        last += 1
    return (first == start or data[first - 1] == NEWLINE) and (last == stop or data[last] == NEWLINE)


@kernel
def _count(
    data: np.ndarray,
    starts: np.ndarray,
    of_row: np.ndarray,
    marks: np.ndarray,
    quotes: np.ndarray,
    flags: np.ndarray,
    found: np.ndarray,
) -> None:
    for row in range(len(of_row)):
        language = of_row[row]
        if language < 0:
            continue
        mark, quote, nested, docstrings = marks[language], quotes[language], flags[language, 0], flags[language, 1]
        opens = np.zeros(256, np.uint8)  # bytes that can begin something
        for i in (0, 1, 2, 4):
            opens[mark[i, 0]] = 1
        for i in range(256):
            opens[i] |= quote[i]
        opens[0] = 0
        start, stop = starts[row], starts[row + 1]
        place, depth = start, 0  # depth: open brackets, in which no string is a docstring
        while place < stop:
            byte = data[place]
            depth += (byte == 0x28 or byte == 0x5B or byte == 0x7B) - (byte == 0x29 or byte == 0x5D or byte == 0x7D)
            if not opens[byte]:
                place += 1
                continue
            end = place
            for i in (2, 4):
                size = _at(data, place, stop, mark[i])
                if size:
                    level, end = 1, place + size
                    while end < stop and level:
                        closed = _at(data, end, stop, mark[i + 1])
                        again = _at(data, end, stop, mark[i]) if nested else 0
                        level += (again > 0) - (closed > 0)
                        end += max(closed, again, 1)
                    break
            if end == place and (_at(data, place, stop, mark[0]) or _at(data, place, stop, mark[1])):
                while end < stop and data[end] != NEWLINE:
                    end += 1
            if end > place:
                found[row] += end - place
                place = end
            elif quote[byte]:
                triple = docstrings and place + 2 < stop and data[place + 1] == byte and data[place + 2] == byte
                end = _string_stop(data, place, stop, quote[byte], triple)
                end = min(end, stop)
                if docstrings and depth <= 0 and _alone(data, start, place, end, stop):
                    found[row] += end - place
                place = end
            else:
                place += 1
