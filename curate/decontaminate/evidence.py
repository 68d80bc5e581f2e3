"""What was found of a benchmark in a document: the columns that decontamination leaves behind.

    decontaminate.hits       {benchmark, item, part, method, share, words, start, stop, excerpt, bits} each, best first
    decontaminate.ngram      the largest share of any item found by n-grams, 0 where there is none; a rule decides
    decontaminate.ast        the same by syntax trees
    decontaminate.unexamined why (a part of) a document was not examined by syntax trees; null where all was

Every hit is kept, also those below the bound of the rule, on documents that stay and on those that leave. So the bound
can be moved without reading text again (`curate replay --bound 'decontaminate.ngram<=0.8'`).
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pyarrow as pa

HITS = "decontaminate.hits"
UNEXAMINED = "decontaminate.unexamined"
EXCERPT = 160  # characters of the document that a hit shows

HIT = pa.struct(
    [
        ("benchmark", pa.string()),
        ("item", pa.string()),
        ("part", pa.string()),
        ("method", pa.string()),
        ("share", pa.float32()),
        ("words", pa.int32()),
        ("start", pa.int64()),
        ("stop", pa.int64()),
        ("excerpt", pa.string()),
        ("bits", pa.float32()),
    ]
)


class Hit(NamedTuple):
    """One benchmark item found at one place of one document of a batch."""

    row: int
    benchmark: str
    item: str
    part: str  # question, answer, passage or solution
    method: str  # ngram or ast
    share: float  # of the item, in [0, 1]; by syntax trees, the match rate
    words: int  # in the longest run of equal words; 0 where the method does not look at words
    start: int  # characters of the document
    stop: int
    excerpt: str = ""
    bits: float = 0.0  # that syntax trees would have in common by accident only so rarely; 0 by n-grams


class Found(NamedTuple):
    """What a method found in a batch, and its columns."""

    hits: list[Hit]
    columns: dict[str, pa.Array]


def hits_column(hits: Iterable[Hit], num_rows: int) -> pa.Array:
    """Return the column of a batch, each document's best hits first."""
    by_row: list[list[dict[str, object]]] = [[] for _ in range(num_rows)]
    for hit in sorted(hits, key=lambda h: (h.row, -h.share, h.start, h.benchmark, h.item, h.part, h.method)):
        by_row[hit.row].append({name: value for name, value in hit._asdict().items() if name != "row"})
    return pa.array(by_row, pa.list_(HIT))


def best_share(hits: Iterable[Hit], num_rows: int) -> np.ndarray:
    """Return the largest share in each document: (rows,) float32."""
    best = np.zeros(num_rows, np.float32)
    for hit in hits:
        best[hit.row] = max(best[hit.row], np.float32(hit.share))
    return best


def excerpt(text: str, start: int, stop: int) -> str:
    """Return the beginning of a found stretch in one line."""
    return " ".join(text[start : min(stop, start + 2 * EXCERPT)].split())[:EXCERPT]
