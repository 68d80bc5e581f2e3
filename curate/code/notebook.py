"""A Jupyter notebook as text and code: Markdown with fences, a script, or StarCoder2's cells between separators.

    to_text(source, "markdown")      # Title \\n\\n```python\\nx = 1\\n```
    to_text(source, "script")        # # Title \\n\\nx = 1            Markdown in comments, magics too, as Jupytext does
    to_text(source, "structured")    <jupyter_start><jupyter_text># Title<jupyter_code>x = 1<jupyter_output>1<...>

Reads nbformat 3 and 4 (and 2, of the same shape). Text and code of all cells are kept in their order; of outputs, on
request, the first characters of what is text; pictures, widgets and attachments never: they are most of a notebook's
bytes and none of its meaning. StarCoder2 (arXiv 2402.19173, sections 2.4 and 5.4) used the last two forms; its
structured cells need a tokenizer that knows the separators.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from curate.code.languages import NAMES

Form = Literal["markdown", "script", "structured"]
START, TEXT, CODE, OUTPUT = (  # StarCoder2's separators
    *("<jupyter_start>", "<jupyter_text>", "<jupyter_code>", "<jupyter_output>"),
)
ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
DATA_URI = re.compile(r"\b(?:data:[\w/+.-]+;base64,[A-Za-z0-9+/=\s._-]*|attachment:[^\s()\"'<>]+)(?=[)\"'>])")
COMMENT_OF = {"R": "#", "Julia": "#", "Scala": "//", "JavaScript": "//", "TypeScript": "//", "C++": "//", "Go": "//"}
COMMENT_OF |= {"Rust": "//", "Java": "//", "C#": "//", "F#": "//", "Kotlin": "//", "SQL": "--", "Haskell": "--"}
FENCE_OF = {"C++": "cpp", "C#": "csharp", "F#": "fsharp", "Shell": "bash"}
CELL_MAGICS = {"bash": "Shell", "sh": "Shell", "script": "Shell", "javascript": "JavaScript", "js": "JavaScript"}
CELL_MAGICS |= {"html": "HTML", "latex": "TeX", "markdown": "Markdown", "R": "R", "ruby": "Ruby", "perl": "Perl"}
CELL_MAGICS |= {"sql": "SQL", "writefile": "", "cython": "Cython"}


class NotebookError(ValueError):
    """What should be a notebook is none."""


@dataclass(frozen=True)
class Cell:
    """One cell: `kind` is "text" or "code"; `output` what it printed."""

    kind: str
    source: str
    output: str = ""


def to_text(source: str, form: Form, *, max_output_chars: int = 0) -> tuple[str, str]:
    """Return a notebook as text, and the language of its code by Linguist's name.

    Args:
        max_output_chars: of each cell's output; 0 leaves outputs out.

    Raises:
        NotebookError: not JSON, or not a notebook.
    """
    notebook = parsed(source)
    language = language_of(notebook)
    cells = list(cells_of(notebook, max_output_chars))
    if form == "structured":
        return _structured(cells), language
    pieces = [_markdown(cell, language) if form == "markdown" else _script(cell, language) for cell in cells]
    return "\n\n".join(filter(None, pieces)) + "\n" * bool(pieces), language


def parsed(source: str) -> dict[str, Any]:
    """Return the notebook in a file's text."""
    try:
        notebook = orjson.loads(source.removeprefix("\ufeff"))
    except orjson.JSONDecodeError as error:
        raise NotebookError(f"not valid JSON: {error}") from error
    if not isinstance(notebook, dict) or not isinstance(_lists(notebook), list):
        raise NotebookError("no notebook: it has neither cells nor worksheets")
    return notebook


def _lists(notebook: dict[str, Any]) -> list[Any] | None:
    """Return the cells of nbformat 4, or of the worksheets of 3; None if there are none to be had."""
    if isinstance(notebook.get("cells"), list):
        return list(notebook["cells"])
    sheets = notebook.get("worksheets")
    if not isinstance(sheets, list):
        return None
    cells = [sheet.get("cells") for sheet in sheets if isinstance(sheet, dict)]
    return [cell for listed in cells if isinstance(listed, list) for cell in listed]


def language_of(notebook: dict[str, Any]) -> str:
    """Return the language of a notebook's code: what its metadata say, Python where they are silent."""
    metadata = _dict(notebook.get("metadata"))
    for place, key in (("language_info", "name"), ("kernelspec", "language"), ("kernelspec", "name")):
        name = _dict(metadata.get(place)).get(key)
        if isinstance(name, str) and name.strip():
            known = NAMES.get(name.strip().lower())
            if known or key == "language":
                return known or name.strip()
    return "Python"


def cells_of(notebook: dict[str, Any], max_output_chars: int = 0) -> Iterator[Cell]:
    """Yield the cells that hold anything, in order."""
    for cell in _lists(notebook) or []:
        if not isinstance(cell, dict):
            continue
        kind = cell.get("cell_type")
        source = _joined(cell.get("source", cell.get("input"))).strip("\n")
        if kind == "heading":  # nbformat 3
            level = cell.get("level")
            source = f"{'#' * (level if isinstance(level, int) and 0 < level < 7 else 1)} {source}"
        if not source.strip():
            continue
        if kind == "code":
            outputs = cell.get("outputs") if max_output_chars else None
            yield Cell("code", source, _output(outputs)[:max_output_chars].strip("\n"))
        else:  # Markdown, headings, raw
            yield Cell("text", DATA_URI.sub("", source))


def _output(outputs: Any) -> str:
    return "".join(_printed(_dict(output)) for output in outputs) if isinstance(outputs, list) else ""


def _printed(output: dict[str, Any]) -> str:
    """Return what an output shows as plain text; of an error its last line, nothing of pictures."""
    kind = output.get("output_type")
    if kind == "stream":
        return ANSI.sub("", _joined(output.get("text")))
    if kind in ("error", "pyerr"):
        return f"{_joined(output.get('ename'))}: {ANSI.sub('', _joined(output.get('evalue')))}\n"
    data = _dict(output.get("data"))
    text = _joined(data.get("text/plain", output.get("text"))).rstrip("\n")
    picture = any(str(name).startswith("image/") for name in data) or "png" in output or "jpeg" in output
    return "" if not text or picture else f"{text}\n"


def _markdown(cell: Cell, language: str) -> str:
    if cell.kind == "text":
        return cell.source
    magic = _cell_magic(cell.source)
    name = CELL_MAGICS.get(magic, language) if magic else language
    shown = _fenced(cell.source, FENCE_OF.get(name, name.lower().replace(" ", "-")))
    return f"{shown}\n\n{_fenced(cell.output, '')}" if cell.output else shown


def _fenced(text: str, name: str) -> str:
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`{3,}", text)), default=0))
    return f"{fence}{name}\n{text}\n{fence}"


def _cell_magic(source: str) -> str:
    match = re.match(r"%%(\w+)", source)
    return match[1] if match else ""


def _script(cell: Cell, language: str) -> str:
    mark = COMMENT_OF.get(language, "#")
    magic = _cell_magic(cell.source)
    if cell.kind == "text" or (magic and magic not in ("time", "timeit", "capture", "prun")):
        return _commented(cell.source, mark)
    lines = [f"{mark} {line}" if re.match(r"\s*(?:%%?|!)\s*[\w./]", line) else line for line in cell.source.split("\n")]
    printed = f"\n{_commented(cell.output, mark)}" if cell.output else ""
    return "\n".join(lines) + printed


def _commented(text: str, mark: str) -> str:
    return "\n".join(f"{mark} {line}".rstrip() for line in text.split("\n"))


def _structured(cells: list[Cell]) -> str:
    """Return chains of text, code and output; neighbouring cells of one kind are one, as in StarCoder's parsing."""
    written = [START]
    before = ""
    for cell in cells:
        if cell.kind == "text":
            written.append(f"\n{cell.source}" if before == "text" else f"{TEXT}{cell.source}")
        else:
            written.append(f"\n{cell.source}" if before == "code" else f"{CODE}{cell.source}")
            if cell.output:
                written.append(f"\n{OUTPUT}{cell.output}")
        before = "output" if cell.output else cell.kind
    return "".join(written)


def _joined(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "".join(part for part in value if isinstance(part, str)) if isinstance(value, list) else ""


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
