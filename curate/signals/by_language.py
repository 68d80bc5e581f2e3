"""Rules that differ by language, still data: each row is held against the rules of its own language.

    KeepByLanguage("fineweb2", {"deu_Latn": (Rule("repetition.lines", at_most=0.263), ...)}, column="fineweb2.language")

A row whose language has no rules is dropped by the name of the column, or held against `otherwise` if that is given.
The bounds that a row broke stand in `broken_rules` (`deu_Latn: repetition.lines <= 0.263`), so that a dropped document
tells them itself. Like `Keep` it reads columns only: another table costs no reading of text.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.document import Batch, with_columns
from curate.stage import Rule, mark

BROKEN = "broken_rules"


@dataclass(frozen=True)
class KeepByLanguage:
    """Mark the rows that break a rule of their language with the names of all rules they break.

    Attributes:
        name: of the table, for the receipt; a digest of its numbers stands beside it.
        rules: by language.
        column: says which language a row is in.
        otherwise: for languages without rules; None drops them, by the name of the column.
    """

    name: str
    rules: Mapping[str, tuple[Rule, ...]]
    column: str = "language"
    otherwise: tuple[Rule, ...] | None = None

    def __call__(self, batch: Batch) -> Batch:
        if self.column not in batch.schema.names:
            raise KeyError(f"no column {self.column!r} to say which rules hold; the batch has {batch.schema.names}")
        broken: dict[str, np.ndarray] = {}
        told: list[str | None] = [None] * batch.num_rows
        codes = pc.dictionary_encode(batch[self.column].cast(pa.string()), null_encoding="encode")
        rows_of = codes.indices.to_numpy(zero_copy_only=False)
        for code, language in enumerate(codes.dictionary.to_pylist()):
            self._hold(batch, language, np.flatnonzero(rows_of == code), broken, told)
        return mark(with_columns(batch, {BROKEN: pa.array(told, pa.string())}), list(broken.items()))

    def _hold(
        self,
        batch: Batch,
        language: str | None,
        rows: np.ndarray,
        broken: dict[str, np.ndarray],
        told: list[str | None],
    ) -> None:
        rules = self.rules.get(language or "", self.otherwise)
        if rules is None:
            broken.setdefault(self.column, np.zeros(batch.num_rows, bool))[rows] = True
            for row in rows:
                told[row] = f"{language}: no rules in {self.name}"
            return
        for rule in rules:
            if rule.column not in batch.schema.names:
                raise KeyError(f"no column {rule.column!r} to hold {rule} against; the batch has {batch.schema.names}")
            breaks = rule.broken(batch[rule.column].take(pa.array(rows)))
            broken.setdefault(rule.column, np.zeros(batch.num_rows, bool))[rows] |= breaks
            for row in rows[breaks]:
                told[row] = f"{told[row]}; {rule}" if told[row] else f"{language}: {rule}"

    def __repr__(self) -> str:
        told = [f"{language}: {', '.join(map(str, rules))}" for language, rules in sorted(self.rules.items())]
        told.append(f"otherwise: {self.otherwise}")
        digest = hashlib.sha256("\n".join(told).encode()).hexdigest()[:12]
        return f"KeepByLanguage({self.name!r}, {len(self.rules)} languages, {digest})"
