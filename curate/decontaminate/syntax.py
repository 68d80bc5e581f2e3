"""Contamination by syntax trees as a method: what `curate.decontaminate.code` finds, as hits in a batch.

    hits = Ast(benchmarks)(batch)       # functions that are a solution renamed, reformatted, commented anew

A text without a Python function in it costs one look for `def`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import ClassVar

import pyarrow as pa

from curate.decontaminate.benchmarks import Benchmarks
from curate.decontaminate.code import TAU, CodeIndex
from curate.decontaminate.evidence import Hit, best_share, excerpt
from curate.document import TEXT, Batch
from curate.stage import Rule

JUST_BELOW = 1e-4  # a rule allows what is equal to its bound, and here a rate that reaches `tau` leaves


@dataclass(frozen=True)
class Ast:
    """Look for benchmarks' solutions by syntax trees; a method of `curate.decontaminate.decontaminate`.

    Attributes:
        tau: a function with this match rate or more, and its document leaves.
    """

    benchmarks: Benchmarks
    tau: float = TAU
    name: ClassVar[str] = "ast"

    @property
    def rules(self) -> tuple[Rule, ...]:
        source = f"phi-1, arXiv 2306.11644, section 5.2: match rate {self.tau:g} or more"
        return (Rule("decontaminate.ast", at_most=round(self.tau - JUST_BELOW, 6), source=source),)

    def counts(self, hit: Hit) -> bool:
        """Whether a hit can drop its document."""
        return hit.method == self.name and hit.share >= self.tau

    def columns(self, hits: Iterable[Hit], num_rows: int) -> dict[str, pa.Array]:
        """Return the highest match rate in each document."""
        return {"decontaminate.ast": pa.array(best_share(hits, num_rows))}

    def __call__(self, batch: Batch) -> list[Hit]:
        index = load_solutions(self.benchmarks)
        hits: list[Hit] = []
        for row, text in enumerate(batch[TEXT].to_pylist()):
            if not text or "def " not in text or not index.items:
                continue
            lines = [0, *accumulate(map(len, text.splitlines(keepends=True)))]
            for match in index.find(text).matches:
                start, stop = lines[match.start_line - 1], lines[min(match.end_line, len(lines) - 1)]
                what = (match.benchmark, match.item, "solution", self.name)
                shown = excerpt(text, start, stop)
                hits.append(Hit(row, *what, match.rate, 0, start, stop, shown, match.bits))
        return hits


@cache
def load_solutions(benchmarks: Benchmarks) -> CodeIndex:
    """Plant the trees of all solutions, once in each process."""
    return CodeIndex.of(item for item in benchmarks.items() if item.part == "solution")
