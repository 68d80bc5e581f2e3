"""The Stack's and StarCoder's filters for source code: generated, minified, data in disguise, somebody else's.

    Measure((TextSignals(("code",)), Files())), Keep(code.RULES)                  Codex's and The Stack's four rules
    Measure((TextSignals(("code",)), Files(), Encoded())), code.STARCODER2        StarCoder2's, by language

Long lines and few letters mean minified or generated files and data (Codex, arXiv 2107.03374; The Stack, 2211.15533).
StarCoder (2305.06161) and StarCoder2 (2402.19173, section 2.1) ask other numbers of data and markup. `language` is
GitHub's name for it; the path, where there is one, is the column `path`. What is generated and what is vendored say
`curate.code.generated` and `curate.code.vendored`, as go-enry does.
`Python` asks of Python files whether they parse, and how much of them is comment and docstring (SantaCoder, 2301.03988,
which keeps 1 to 80 %): by Python's own parser, a file at a time, some 1-2 MB/s. `curate.signals.comments` is
the fast way, for most languages.
"""

import ast
import io
import tokenize
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.code.generated import GENERATED_PATH, HEAD_CHARS, is_generated, needs_whole
from curate.code.languages import USUAL_ENDING
from curate.code.vendored import VENDORED
from curate.document import TEXT, Batch
from curate.signals.by_language import KeepByLanguage
from curate.signals.ratio import Columns, ratio
from curate.stage import Rule

TEXT_NAME = (
    r"(?i)(requirement[^/]*$|(^|/)(readme|notes|todo|description|cmakelists)(\.[^/.]*)?$)"  # StarCoder2, section 2.1
)
XML = "<?xml version="  # in the first 100 characters; StarCoder, section 3.2


def layout(counts: Mapping[str, np.ndarray]) -> Columns:
    """Measure line lengths and the share of letters; lines include the empty ones, as in `str.splitlines`."""
    return {
        "code.lines": counts["lines"],
        "code.mean_line_length": ratio(counts["line_chars"], counts["lines"]),
        "code.max_line_length": counts["longest_line"],
        "code.alphanumeric": ratio(counts["alnums"], counts["chars"]),
        "code.alphabetic": ratio(counts["alphas"], counts["chars"]),
    }


@dataclass(frozen=True)
class Files:
    """Measure what a file is: 1 or 0 each for `code.generated`, `code.vendored` and `code.xml`, and characters.

    `code.text_name` is 1 or 0 for plain text by its name, null where the language or the path is not known.
    `code.visible_chars` and `code.visible` are HTML's text and its share of the file, null elsewhere.
    """

    def __call__(self, batch: Batch) -> Mapping[str, pa.Array]:
        text = batch[TEXT]
        chars = pc.utf8_length(text)
        paths = batch["path"] if "path" in batch.schema.names else pa.nulls(batch.num_rows, pa.string())
        by_name = pc.fill_null(pc.match_substring_regex(paths, GENERATED_PATH), False)
        visible = pa.array(self._visible(batch), pa.int64())
        return {
            "code.chars": chars,
            "code.generated": pc.or_(self._generated(batch, paths), by_name).cast(pa.int8()),
            "code.vendored": pc.match_substring_regex(paths, VENDORED).cast(pa.int8()),
            "code.xml": pc.match_substring(pc.utf8_slice_codeunits(text, 0, 100), XML).cast(pa.int8()),
            "code.visible_chars": visible,
            "code.visible": pc.divide(visible.cast(pa.float64()), pc.max_element_wise(chars, 1).cast(pa.float64())),
            "code.text_name": self._text_names(batch, paths),
        }

    def _generated(self, batch: Batch, paths: pa.Array) -> pa.Array:
        """Return (N,) bool; a file without a path is held to have the usual ending of its language."""
        names = batch["language"].to_pylist() if "language" in batch.schema.names else [None] * batch.num_rows
        heads = pc.utf8_slice_codeunits(batch[TEXT], 0, HEAD_CHARS).to_pylist()
        found: list[bool | None] = []
        for row, (head, path, language) in enumerate(zip(heads, paths.to_pylist(), names, strict=True)):
            name = path or f"file{USUAL_ENDING.get(language or '', '')}"
            whole = head is not None and needs_whole(name)
            text = batch[TEXT][row].as_py() if whole else head
            found.append(None if text is None else is_generated(name, text))
        return pa.array(found, pa.bool_())

    def _text_names(self, batch: Batch, paths: pa.Array) -> pa.Array:
        """Return 1 for Text that is called as documentation is, 0 for other Text, null for other languages."""
        if "language" not in batch.schema.names:
            return pa.nulls(batch.num_rows, pa.int8())
        is_text = pc.fill_null(pc.equal(batch["language"].cast(pa.string()), "Text"), False)
        return pc.if_else(is_text, pc.match_substring_regex(paths, TEXT_NAME).cast(pa.int8()), None).cast(pa.int8())

    def _visible(self, batch: Batch) -> list[int | None]:
        if "language" not in batch.schema.names:
            return [None] * batch.num_rows
        found: list[int | None] = [None] * batch.num_rows
        for row in np.flatnonzero(np.asarray(pc.fill_null(pc.equal(batch["language"], "HTML"), False))):
            html = batch[TEXT][int(row)].as_py()
            found[row] = None if html is None else visible_chars(html)
        return found


def visible_chars(html: str) -> int:
    """Return how many characters of a page are text, white space included, scripts and styles not."""
    parser = _Visible()
    parser.feed(html)
    parser.close()
    return parser.chars


class _Visible(HTMLParser):
    """Counts text; the standard library's parser, as bigcode's filter used it."""

    def __init__(self) -> None:
        super().__init__()
        self.chars, self.hidden = 0, False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.hidden = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self.hidden = False

    def handle_data(self, data: str) -> None:
        self.chars += 0 if self.hidden else len(data)


@dataclass(frozen=True)
class Python:
    """Measure `code.parses`, whether Python files parse (1 or 0), and `python.comments`, their share of comments.

    Docstrings are comments here; files that do not parse have null. Where the batch has a `language` column, rows of
    another language get nulls.
    """

    def __call__(self, batch: Batch) -> Mapping[str, pa.Array]:
        named = "language" in batch.schema.names
        languages = batch["language"].to_pylist() if named else ["python"] * batch.num_rows
        found = [
            python(text) if text is not None and (language or "").lower() == "python" else (None, None)
            for text, language in zip(batch[TEXT].to_pylist(), languages, strict=True)
        ]
        parses, comments = zip(*found, strict=True) if found else ((), ())
        return {
            "code.parses": pa.array(parses, pa.int8()),
            "python.comments": pa.array(comments, pa.float64()),
        }


def python(source: str) -> tuple[int, float | None]:
    """Return (1, share of characters in comments and docstrings), or (0, None) if Python cannot parse `source`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # other people's invalid escapes
            tree = ast.parse(source)
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError):
        return 0, None  # ValueError: a NUL byte; the two after it: nested too deeply for the parser
    comments = sum(len(token.string) for token in tokens if token.type == tokenize.COMMENT)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = (node for node in ast.walk(tree) if isinstance(node, documented))
    docstrings = sum(len(ast.get_docstring(node, clean=False) or "") for node in nodes)
    return 1, (comments + docstrings) / len(source) if source else 0.0


CODEX = "Codex, section 3.1; The Stack"
STARCODER = "StarCoder, section 3.2; bigcode-dataset, preprocessing/filtering.py"
STARCODER_2 = "StarCoder2, section 2.1"
MEAN_LINE = Rule("code.mean_line_length", at_most=100, source=CODEX)
MAX_LINE = Rule("code.max_line_length", at_most=1000, source=CODEX)
GENERATED = Rule("code.generated", at_most=0, source=f"{CODEX}; {STARCODER_2}")
ALPHANUMERIC = Rule("code.alphanumeric", at_least=0.25, source="The Stack; SantaCoder, section 4")

RULES = (MEAN_LINE, MAX_LINE, ALPHANUMERIC, GENERATED)
PYTHON_RULES = (
    Rule("code.parses", at_least=1, source="Python-Edu and phi-1 train on code that runs; ours"),
    Rule("python.comments", at_least=0.01, at_most=0.8, source="SantaCoder, section 5.2"),
)
# SantaCoder asked it of Python, Java and JavaScript. Of the others many good files have no comment at all.
COMMENT_RULES = (Rule("code.comments", at_least=0.01, at_most=0.8, source="SantaCoder, section 5.2"),)

_ALPHABETIC = Rule("code.alphabetic", at_least=0.25, source=STARCODER_2)
_NO_XML = Rule("code.xml", at_most=0, source=STARCODER)
_ANY = (
    Rule("code.lines", at_most=100_000, source=STARCODER_2),
    GENERATED,
    Rule("code.vendored", at_most=0, source="The Stack v2, field is_vendor (go-enry)"),
    Rule("code.encoded", at_most=0.5, source=STARCODER_2),
    Rule("code.longest_encoded", at_most=1024, source=STARCODER_2),
)
_LINES = (MEAN_LINE, MAX_LINE)
_LONG = (Rule("code.max_line_length", at_most=100_000, source=STARCODER_2),)  # data and markup have long lines
_FEW_LINES = (Rule("code.lines", at_most=512, source=STARCODER_2),)
_SMALL = (
    Rule("code.chars", at_least=50, at_most=5000, source=STARCODER),
    Rule("code.alphabetic", at_least=0.5, source=STARCODER),
)
_VISIBLE = (
    Rule("code.visible", at_least=0.2, source=f"{STARCODER_2}; {STARCODER}"),
    Rule("code.visible_chars", at_least=100, source=f"{STARCODER_2}; {STARCODER}"),
)
_MARKUP = (*_ANY, *_LONG, _ALPHABETIC, _NO_XML)
_PROGRAM = (*_ANY, *_LINES, _ALPHABETIC, _NO_XML)
STARCODER2 = KeepByLanguage(
    "starcoder2",
    {
        **dict.fromkeys(("Markdown", "Roff", "Roff Manpage", "SMT", "TeX", "XML"), _MARKUP),
        "HTML": (*_MARKUP, *_VISIBLE),
        "Text": (*_MARKUP, *_FEW_LINES, Rule("code.text_name", at_least=1, source=STARCODER_2)),
        "JSON": (*_MARKUP, *_FEW_LINES, *_SMALL),
        "YAML": (*_PROGRAM, *_FEW_LINES, *_SMALL),
        **dict.fromkeys(("Web Ontology Language", "Graphviz (DOT)"), (*_PROGRAM, *_FEW_LINES)),
        **dict.fromkeys(("Motorola 68K Assembly", "WebAssembly"), (*_ANY, *_LINES, ALPHANUMERIC, _NO_XML)),
        "XSLT": (*_ANY, *_LINES, _ALPHABETIC),
    },
    otherwise=_PROGRAM,
)
