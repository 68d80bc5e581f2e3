"""What a stage author needs: a stage maps a batch to a batch with the same rows in the same order.

    clean = (Extract(), Measure((gopher.quality,)), Keep(gopher.RULES))

Anything callable is a stage: a function or a frozen dataclass with `__call__`. It adds columns, rewrites text or marks
rows; it never removes one. Its repr is its identity in the receipt of every shard, so it must be short, readable and
the same in every process. A stage with `on_gpu = True` is where a run with GPUs begins to hold one; what stands before
it is work for CPUs.
"""

import hashlib
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.document import DROPPED_BY, ID, Batch, with_columns

Stage = Callable[[Batch], Batch]
Signal = Callable[[Batch], Mapping[str, pa.Array]]
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")  # in the repr of what has none of its own: another one in every process


@dataclass(frozen=True)
class Measure:
    """Add the columns of some signals: functions of a batch that return arrays by column name."""

    signals: tuple[Signal, ...]

    def __call__(self, batch: Batch) -> Batch:
        columns: dict[str, pa.Array] = {}
        for signal in self.signals:
            columns |= signal(batch)
        return with_columns(batch, columns)

    def __repr__(self) -> str:
        return f"Measure({', '.join(map(stage_name, self.signals))})"


@dataclass(frozen=True)
class Rule:
    """Bounds on one column, inclusive; `source` says where the number is from.

    A null breaks no rule: what was not measured is not held against a document. NaN breaks every rule.
    """

    column: str
    at_least: float | None = None
    at_most: float | None = None
    source: str = ""

    def __post_init__(self) -> None:
        if self.at_least is None and self.at_most is None:
            raise ValueError(f"Rule({self.column!r}) needs at_least or at_most")

    def broken(self, values: pa.Array) -> np.ndarray:
        """Return (N,) bool: which rows break this rule."""
        if _is_text(values.type):
            raise ValueError(f"{self} asks for a number, and {self.column!r} is a column of {values.type}")
        known = ~np.asarray(values.is_null())
        numbers = pc.cast(values, pa.float64()).to_numpy(zero_copy_only=False)
        kept = np.ones(len(values), dtype=bool)
        if self.at_least is not None:
            kept &= numbers >= self.at_least
        if self.at_most is not None:
            kept &= numbers <= self.at_most
        return known & ~kept

    def __str__(self) -> str:
        return self.inequality("{:g}".format)

    def inequality(self, written: Callable[[float], str]) -> str:
        """Return the rule in words, its bounds as `written` has them."""
        low = "" if self.at_least is None else f"{written(self.at_least)} <= "
        high = "" if self.at_most is None else f" <= {written(self.at_most)}"
        return f"{low}{self.column}{high}"


def _exact(bound: float) -> str:
    """Return a bound in six digits if it has no more, else all of it: no two bounds read alike in a receipt."""
    short = f"{bound:g}"
    return short if float(short) == bound else f"{bound}"


def _is_text(kind: pa.DataType) -> bool:
    return any(is_kind(kind) for is_kind in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


@dataclass(frozen=True)
class Keep:
    """Mark the rows that break a rule with the names (columns) of all rules they break."""

    rules: tuple[Rule, ...]

    def __call__(self, batch: Batch) -> Batch:
        missing = [rule.column for rule in self.rules if rule.column not in batch.schema.names]
        if missing:
            raise KeyError(f"no column {missing[0]!r} to hold {self} against; the batch has {batch.schema.names}")
        broken = [(rule.column, rule.broken(batch[rule.column])) for rule in self.rules]
        return mark(batch, broken)

    def __repr__(self) -> str:
        return f"Keep({', '.join(rule.inequality(_exact) for rule in self.rules)})"


@dataclass(frozen=True)
class Sample:
    """Keep a share of the rows, drawn by the hash of (seed, id): the same rows in any order, split or process."""

    share: float
    seed: int = 0

    def __call__(self, batch: Batch) -> Batch:
        bound = int(self.share * 2**64)
        outside = [id_hash(document, self.seed) >= bound for document in batch[ID].to_pylist()]
        return mark(batch, [("sample", np.array(outside, dtype=bool))])


def mark(batch: Batch, broken: list[tuple[str, np.ndarray]]) -> Batch:
    """Append rule names to `dropped_by` for the rows that broke them; `broken` pairs a name with (N,) bool."""
    before = batch[DROPPED_BY].to_pylist() if DROPPED_BY in batch.schema.names else [None] * batch.num_rows
    names: list[list[str] | None] = list(before)
    for rule, rows in broken:
        for row in np.flatnonzero(rows):
            names[row] = [*(names[row] or []), rule]
    return with_columns(batch, {DROPPED_BY: pa.array(names, pa.list_(pa.string()))})


def id_hash(document_id: str, seed: int) -> int:
    """Return 64 bits that depend on nothing but the seed and the id."""
    return int.from_bytes(hashlib.blake2b(f"{seed}\0{document_id}".encode(), digest_size=8).digest(), "big")


def stage_name(stage: object) -> str:
    """Return a stage's identity: its repr for dataclasses, its import path for functions."""
    if inspect.isfunction(stage) or inspect.isbuiltin(stage):
        if stage.__name__ == "<lambda>" or "<locals>" in stage.__qualname__:
            raise ValueError(f"{stage.__qualname__} has no stable name; define it at the top of a module")
        return f"{stage.__module__}.{stage.__qualname__}"
    name = repr(stage)
    if ADDRESS.search(name):
        raise ValueError(f"{name} has no stable name; make it a frozen dataclass, or a function at the top of a module")
    return name
