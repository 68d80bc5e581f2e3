"""Divide a corpus into strata by what is known of every document, and a sample among them.

    keys = (By("source"), By("length", LENGTHS), By("score"))         # or parse("source,length,score")
    labels(batch, keys)                     # ["edu | 2000-8000 | 3", ...], one for each row
    allocate({"a": 900, "b": 100}, n=50)    # {"a": 45, "b": 5}

Good pages are rare: of a plain sample of 2,000 web pages, some five would be a 5. Strata by source, length and a cheap
score see to it that each kind is met, and weights (`curate.teacher.estimate`) undo what that does to shares.

*Allocation.* Proportional to size, or to size times spread (Neyman 1934: the least variance for a given n, if the
cheap score varies as the grade will); at least `at_least` each, for one document shows no variance. Places are given
one at a time to the stratum with the largest claim (Sainte-Laguë's divisors), so a larger n only ever adds documents;
rounding shares to the largest remainder can take one away (the Alabama paradox), and it would have been paid for.
"""

import heapq
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from curate.document import TEXT, Batch

WHOLE = "all"  # the one stratum of a sample without strata
LENGTH = "length"  # characters of the text, where the corpus has no column of that name
LENGTHS = (500.0, 2000.0, 8000.0)  # characters: stubs, short pages, usual pages (FineWeb's mean is 3,000), long reads
SCORE = "score"  # a grade from 0 to 5, as is CLASSIFIER.score
GRADES = (0.5, 1.5, 2.5, 3.5, 4.5)  # raw scores that round to the next whole grade
BETWEEN = " | "


@dataclass(frozen=True)
class By:
    """One thing to divide by: the values of a column, or the ranges between `edges` of a numeric one."""

    column: str
    edges: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if list(self.edges) != sorted(set(self.edges)):
            raise ValueError(f"the edges of {self.column} must rise: {self.edges}")

    def __str__(self) -> str:
        return ":".join([self.column, *(f"{edge:g}" for edge in self.edges)])

    def columns(self, schema: pa.Schema) -> list[str]:
        """Return the columns to read.

        Raises:
            ValueError: `schema` has no such column, or a numeric one that nobody said where to cut.
        """
        if self.column in schema.names:
            if _is_number(schema.field(self.column).type):
                self._cuts()
            return [self.column]
        if self.column == LENGTH:
            return [TEXT]
        raise ValueError(f"no column {self.column!r} to divide by; the source has {schema.names}, and {LENGTH!r}")

    def names(self, batch: Batch) -> pa.Array:
        """Return (rows,) string: where each row belongs; "none" for a null."""
        own = self.column in batch.schema.names
        values = batch[self.column] if own else pc.utf8_length(batch[TEXT])
        if _is_number(values.type):
            found = _between(values, self._cuts())
        elif self.edges:
            raise ValueError(f"edges need numbers, and column {self.column!r} holds {values.type}")
        else:
            found = pc.cast(values, pa.string())
        return pc.fill_null(found, "none")

    def _cuts(self) -> tuple[float, ...]:
        """Return the edges; a grade's and a length's are known."""
        if self.edges or self.column == LENGTH:
            return self.edges or LENGTHS
        if self.column in (SCORE, f"int_{SCORE}") or self.column.endswith(f".{SCORE}"):
            return GRADES
        raise ValueError(
            f"column {self.column!r} holds numbers that are no grades: say where to divide them, as "
            f"{self.column}:EDGE:EDGE with rising numbers, such as gopher.word_count:200:1000"
        )


def parse(text: str) -> tuple[By, ...]:
    """Read `source,length,score` or, with edges, `gate.score:0.2:0.8,length:1000`."""
    keys = []
    for item in filter(None, re.split(r"[,\s]+", text)):
        column, *edges = item.split(":")
        try:
            keys.append(By(column, tuple(map(float, edges))))
        except ValueError as error:
            raise ValueError(f"{item!r} should be a column, or COLUMN:EDGE:EDGE with rising numbers") from error
    return tuple(keys)


def labels(batch: Batch, keys: Sequence[By]) -> pa.Array:
    """Return (rows,) string: the stratum of each row."""
    if not keys:
        return pa.repeat(pa.scalar(WHOLE), batch.num_rows)
    return pc.binary_join_element_wise(*(key.names(batch) for key in keys), BETWEEN)


def allocate(
    sizes: Mapping[str, int], n: int, *, at_least: int = 2, spreads: Mapping[str, float] | None = None
) -> dict[str, int]:
    """Share `n` documents among strata of `sizes`; none gets more than it has.

    Args:
        at_least: for each stratum, or all it has.
        spreads: standard deviation of a cheap score in each stratum, for Neyman's allocation.

    Raises:
        ValueError: n is too small to give each stratum `at_least`.
    """
    given = {name: min(size, at_least) for name, size in sizes.items()}
    if sum(given.values()) > n:
        raise ValueError(
            f"{len(sizes):,} strata with {at_least} documents each take {sum(given.values()):,}, more than n={n:,}; "
            "raise n, or divide by fewer columns or coarser edges"
        )
    claims = {name: size * (spreads[name] if spreads else 1.0) for name, size in sizes.items()}
    queue = [(-claims[name] / (given[name] + 0.5), name) for name in sizes if given[name] < sizes[name]]
    heapq.heapify(queue)
    for _ in range(n - sum(given.values())):
        if not queue:
            break
        _, name = heapq.heappop(queue)
        given[name] += 1
        if given[name] < sizes[name]:
            heapq.heappush(queue, (-claims[name] / (given[name] + 0.5), name))
    return given


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _between(values: pa.Array, edges: Sequence[float]) -> pa.Array:
    """Name the range that each value is in: "<500", "500-2000", ..., ">=8000"; an edge belongs to what is above it."""
    names = [f"<{edges[0]:g}", *(f"{lo:g}-{hi:g}" for lo, hi in itertools.pairwise(edges))]
    found = pa.repeat(pa.scalar(f">={edges[-1]:g}"), len(values))
    for name, edge in reversed(list(zip(names, edges, strict=True))):
        found = pc.if_else(pc.less(values, edge), name, found)
    if pa.types.is_floating(values.type):
        found = pc.if_else(pc.is_nan(values), pa.scalar(None, pa.string()), found)
    return found
