"""Conditions on columns, as people type them: `gopher.word_count<50`, `score>=3`.

condition = parse("gopher.word_count < 50")
condition.holds(batch)               # (N,) bool; a row without a value never holds
"""

import operator
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.stage import Rule

COMPARISONS = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}
SHAPE = re.compile(r"\s*([^<>=!]*?)\s*(>=|<=|==|!=|>|<|=)\s*(\S+)\s*")


@dataclass(frozen=True)
class Condition:
    """A comparison of a numeric column with a number."""

    column: str
    sign: str
    number: float

    def holds(self, batch: pa.RecordBatch | pa.Table) -> np.ndarray:
        """Return (N,) bool.

        Raises:
            ValueError: there is no such column, or it holds no numbers.
        """
        values = numbers(batch, self.column)
        holds: np.ndarray = COMPARISONS[self.sign](values, self.number) & ~np.isnan(values)
        return holds

    def possible(self, statistics: Any) -> bool:
        """Tell whether a row group with these statistics may hold such a row."""
        if statistics is None or not statistics.has_min_max or isinstance(statistics.min, str | bytes):
            return True
        if self.sign in (">", ">="):
            return bool(COMPARISONS[self.sign](statistics.max, self.number))
        if self.sign in ("<", "<="):
            return bool(COMPARISONS[self.sign](statistics.min, self.number))
        return self.sign == "!=" or bool(statistics.min <= self.number <= statistics.max)

    def __str__(self) -> str:
        return f"{self.column}{self.sign}{self.number:g}"


def parse(said: str, *, column: str = "") -> Condition:
    """Read a condition; where `column` is given, `said` may leave it out (">=3").

    Raises:
        ValueError: it does not read.
    """
    found = SHAPE.fullmatch(said)
    name = (found[1] or column) if found else ""
    try:
        if found is None or not name:
            raise ValueError
        return Condition(name, found[2], float(found[3]))
    except ValueError as error:
        example = "'>=3' or '<1.5'" if column else "'gopher.word_count<50'"
        raise ValueError(f"condition {said!r} should look like {example}") from error


def as_rules(said: Iterable[str]) -> list[Rule]:
    """Read bounds such as "gopher.word_count>=30" as rules; two on one column are one rule.

    Raises:
        ValueError: a bound is neither >= nor <=, which are all that a rule knows.
    """
    sides: dict[str, dict[str, float]] = {}
    for condition in map(parse, said):
        if condition.sign not in (">=", "<="):
            raise ValueError(f"a rule's bound is >= or <=, not {condition.sign!r} as in {condition}")
        side = "at_least" if condition.sign == ">=" else "at_most"
        sides.setdefault(condition.column, {})[side] = condition.number
    return [Rule(column, **bounds, source="the command line") for column, bounds in sides.items()]


def numbers(batch: pa.RecordBatch | pa.Table, column: str) -> np.ndarray:
    """Return a column as (N,) float64, NaN where there is no value.

    Raises:
        ValueError: there is no such column, or it holds no numbers.
    """
    refuse_unknown([column], batch.schema)
    values = pc.fill_null(pc.cast(batch[column], pa.float64()), float("nan"))
    return np.asarray(values.to_numpy() if isinstance(values, pa.ChunkedArray) else values)


def refuse_unknown(columns: Iterable[str], schema: pa.Schema, path: str = "this corpus") -> None:
    """Raise if a column is not there, or holds no numbers, and say which ones do."""
    kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean)
    numeric = [field.name for field in schema if any(is_kind(field.type) for is_kind in kinds)]
    wrong = [name for name in columns if name not in numeric]
    if wrong:
        hint = " Run `curate score` first." if wrong[0] in ("score", "int_score") else ""
        raise ValueError(f"{path} has no column {wrong[0]!r} of numbers; it has {', '.join(numeric) or 'none'}.{hint}")
