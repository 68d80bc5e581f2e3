"""The Stack's and StarCoder's filters for source code: generated, minified, data in disguise.

    Measure((TextSignals(("code",)), Python())), Keep(code.RULES)

Long lines and few letters mean minified or generated files and data (Codex, arXiv 2107.03374; The Stack, 2211.15533).
`Python` asks of Python files whether they parse, and how much of them is comment and docstring (SantaCoder, 2301.03988,
which keeps 1 to 80 %): by Python's own parser, a file at a time, some 1-2 MB/s.
"""

import ast
import io
import tokenize
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from curate.document import TEXT, Batch
from curate.signals.ratio import Columns, ratio
from curate.stage import Rule
from curate.text.pages import Pages


def layout(pages: Pages) -> Columns:
    """Measure line lengths and the share of letters; lines include the empty ones, as in `str.splitlines`."""
    counts = pages.counts
    return {
        "code.mean_line_length": ratio(counts["line_chars"], counts["lines"]),
        "code.max_line_length": counts["longest_line"],
        "code.alphanumeric": ratio(counts["alnums"], counts["chars"]),
        "code.alphabetic": ratio(counts["alphas"], counts["chars"]),
    }


@dataclass(frozen=True)
class Python:
    """Measure whether Python files parse (1 or 0) and their share of comments and docstrings (null if they do not).

    Where the batch has a `language` column, rows of another language get nulls.
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
            "code.comments": pa.array(comments, pa.float64()),
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


RULES = (
    Rule("code.mean_line_length", at_most=100, source="Codex, section 3.1; The Stack"),
    Rule("code.max_line_length", at_most=1000, source="Codex, section 3.1; The Stack"),
    Rule("code.alphanumeric", at_least=0.25, source="The Stack; SantaCoder, section 4"),
)
PYTHON_RULES = (
    Rule("code.parses", at_least=1, source="Python-Edu and phi-1 train on code that runs; ours"),
    Rule("code.comments", at_least=0.01, at_most=0.8, source="SantaCoder, section 5.2"),
)
