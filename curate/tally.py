"""What a run did to its documents, as counts that add up: of one split, of many, of the whole.

Every broken rule of a document counts, not only the first, so `broken` does not depend on the order of rules;
`alone` counts the documents that one rule and no other dropped, and `together` the pairs of rules that fell together.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Self

COUNTERS = ("broken", "alone", "together", "quarantined", "counted")


@dataclass
class Tally:
    """Documents and bytes of text through one run.

    Attributes:
        steps: for each stage in order, documents and text bytes left after it; step 0 is the input.
        broken: rule -> documents that broke it.
        alone: rule -> documents that broke it and nothing else.
        together: "a & b" -> documents that broke both.
        quarantined: reason without its details -> records.
        counted: what stages count in documents (`secrets.password`, `pii.emails`); see `curate.apply.counts`.
        joined: rows of the input less those of the output where rows were put together, and none was dropped.
    """

    steps: list[tuple[str, int, int]] = field(default_factory=list)
    broken: Counter[str] = field(default_factory=Counter)
    alone: Counter[str] = field(default_factory=Counter)
    together: Counter[str] = field(default_factory=Counter)
    quarantined: Counter[str] = field(default_factory=Counter)
    counted: Counter[str] = field(default_factory=Counter)
    joined: int = 0

    @classmethod
    def of_steps(cls, names: Sequence[str]) -> Self:
        return cls(steps=[(name, 0, 0) for name in names])

    @property
    def rows_in(self) -> int:
        return self.steps[0][1] if self.steps else 0

    @property
    def rows_out(self) -> int:
        return self.steps[-1][1] if self.steps else 0

    @property
    def num_quarantined(self) -> int:
        return sum(self.quarantined.values())

    @property
    def num_dropped(self) -> int:
        return self.rows_in - self.rows_out - self.num_quarantined - self.joined

    def pass_step(self, step: int, rows: int, text_bytes: int) -> None:
        name, rows_before, bytes_before = self.steps[step]
        self.steps[step] = (name, rows_before + rows, bytes_before + text_bytes)

    def drop(self, dropped_by: Iterable[Sequence[str]]) -> None:
        """Count some documents by the rules that each of them broke."""
        for names, num in Counter(tuple(sorted(set(rules))) for rules in dropped_by).items():
            for name in names:
                self.broken[name] += num
            if len(names) == 1:
                self.alone[names[0]] += num
            for a, b in combinations(names, 2):
                self.together[f"{a} & {b}"] += num

    def quarantine(self, reasons: Iterable[str]) -> None:
        self.quarantined.update(reason.split(":")[0] for reason in reasons)

    def add(self, other: "Tally") -> None:
        """Add another split's counts of the same stages."""
        if not self.steps:
            self.steps = [(name, 0, 0) for name, _, _ in other.steps]
        assert [s[0] for s in self.steps] == [s[0] for s in other.steps]
        for step, (_, rows, size) in enumerate(other.steps):
            self.pass_step(step, rows, size)
        self.joined += other.joined
        for mine, theirs in zip(self._counters(), other._counters(), strict=True):
            mine.update(theirs)

    def sort(self) -> None:
        """Put what is counted in the order of names, whatever order splits were added in."""
        for counter in self._counters():
            items = sorted(counter.items())
            counter.clear()
            counter.update(dict(items))

    def _counters(self) -> tuple[Counter[str], ...]:
        return self.broken, self.alone, self.together, self.quarantined, self.counted

    def to_json(self) -> dict[str, Any]:
        counters = dict(zip(COUNTERS, map(dict, self._counters()), strict=True))
        if not self.counted:  # most runs count nothing
            counters.pop("counted")
        joined = {"joined": self.joined} if self.joined else {}
        return {"steps": [list(step) for step in self.steps], **counters, **joined}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        counters = {name: Counter(data.get(name, {})) for name in COUNTERS}
        steps = [(name, rows, size) for name, rows, size in data["steps"]]
        return cls(steps=steps, joined=data.get("joined", 0), **counters)
