"""Contamination by syntax trees as a method: what `curate.decontaminate.code` finds, as hits in a batch.

    hits = Ast(benchmarks)(batch)       # functions that are a solution renamed, reformatted, commented anew

A text without a Python function in it costs one look for `def`.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import pyarrow as pa

from curate.decontaminate.benchmarks import Benchmarks
from curate.decontaminate.code import TAU, CodeIndex
from curate.decontaminate.evidence import UNEXAMINED, Found, Hit, best_share, excerpt
from curate.document import TEXT, Batch
from curate.stage import Rule

LINE_END = re.compile(r"\r\n|\r|\n")  # Python's: form feeds and the like end no line
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

    def __call__(self, batch: Batch) -> list[Hit]:
        return self.look(batch).hits

    def look(self, batch: Batch) -> Found:
        """Return all hits, and the columns of the highest match rate and of why a document was not examined."""
        hits: list[Hit] = []
        unexamined: list[str | None] = [None] * batch.num_rows
        if batch.num_rows:  # a run asks for the schema first: no index for that
            self._look(batch, hits, unexamined)
        rates = pa.array(best_share(hits, batch.num_rows))
        return Found(hits, {"decontaminate.ast": rates, UNEXAMINED: pa.array(unexamined, pa.string())})

    def _look(self, batch: Batch, hits: list[Hit], unexamined: list[str | None]) -> None:
        index = load_solutions(self.benchmarks)
        for row, text in enumerate(batch[TEXT].to_pylist()):
            if not text or "def" not in text or not index.items:
                continue
            lines = [0, *(end.end() for end in LINE_END.finditer(text)), len(text)]
            examined = index.find(text)
            unexamined[row] = examined.reason
            for match in examined.matches:
                start, stop = lines[match.start_line - 1], lines[min(match.end_line, len(lines) - 1)]
                what = (match.benchmark, match.item, "solution", self.name)
                shown = excerpt(text, start, stop)
                hits.append(Hit(row, *what, match.rate, 0, start, stop, shown, match.bits))


@cache
def load_solutions(benchmarks: Benchmarks) -> CodeIndex:
    """Plant the trees of all solutions, once in each process."""
    return CodeIndex.of(item for item in benchmarks.items() if item.part == "solution")
