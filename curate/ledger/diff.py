"""What one run keeps and another does not, and what the other did with it.

    found = diff("runs/a", "runs/b")
    print(found)

Both runs are read as their leaves (`curate.ledger.leaves`): each document once, with what became of it. Documents are
joined by 64-bit hashes of their ids, so memory is some 100 bytes a document and does not depend on ids or texts;
columns are read one row group at a time, and texts only if asked (`texts=True`: bytes, and which texts differ).

A run against its replay shows what another threshold would change; two corpora without receipts work too.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from curate.ledger.history import indented
from curate.ledger.sides import Side, read_side

ABSENT = "not in its input"
GROUPS = ("source", "dump", "language")  # columns to count by, where both runs have them


@dataclass(frozen=True)
class OneSided:
    """Documents that one run keeps and the other does not.

    Attributes:
        documents, text_bytes: how many.
        by_fate: what the other run did: (corpus: rule) -> documents; a document that broke two rules counts for both.
        alone: the same, of documents for which it was the only reason.
        by_group: column -> value -> documents.
        examples: some ids with their URL and the other run's reason.
    """

    documents: int
    text_bytes: int
    by_fate: Counter[str]
    alone: Counter[str]
    by_group: dict[str, Counter[str]]
    examples: list[tuple[str, str, str]]


@dataclass(frozen=True)
class Diff:
    """The answer of `diff`; `print` it.

    Attributes:
        inputs, kept: documents of each run's input, and of those it keeps.
        only_in: documents that only one of the inputs has.
        both: documents that both keep.
        changed: of those, how many have another text; None if texts were not read.
        moved: documents that both drop, but by other rules.
        one_sided: what only the first keeps, and what only the second keeps.
        repeated: rows whose id had occurred before; the first counts.
    """

    runs: tuple[str, str]
    inputs: tuple[int, int]
    kept: tuple[int, int]
    only_in: tuple[int, int]
    both: int
    changed: int | None
    moved: int
    one_sided: tuple[OneSided, OneSided]
    repeated: tuple[int, int]

    def __str__(self) -> str:
        a, b = self.runs
        rows = [
            ("documents in", f"{self.inputs[0]:,}", f"{self.inputs[1]:,}"),
            ("of these in its input only", f"{self.only_in[0]:,}", f"{self.only_in[1]:,}"),
            ("kept", f"{self.kept[0]:,}", f"{self.kept[1]:,}"),
            ("kept here only", *(f"{side.documents:,}" for side in self.one_sided)),
        ]
        if self.changed is not None:
            rows.append(("  MB of text", *(f"{side.text_bytes / 1e6:,.2f}" for side in self.one_sided)))
        if any(self.repeated):
            rows.append(("rows with an id seen before", f"{self.repeated[0]:,}", f"{self.repeated[1]:,}"))
        changed = "" if self.changed is None else f", {self.changed:,} of them with another text"
        lines = [f"A = {a}", f"B = {b}", *indented([("", "A", "B"), *rows])]
        lines.append(f"both keep {self.both:,}{changed}; {self.moved:,} are dropped by both, but by other rules")
        for keeper, other, side in (("A", "B", self.one_sided[0]), ("B", "A", self.one_sided[1])):
            lines += _told(side, keeper, other) if side.documents else []
        return "\n".join(lines)


def _told(side: OneSided, keeper: str, other: str) -> list[str]:
    head = (f"only {keeper} keeps; {other} says", "documents", "and nothing else")
    lines = [
        "",
        *indented([head, *((why, f"{n:,}", f"{side.alone[why]:,}") for why, n in side.by_fate.most_common(12))]),
    ]
    for column, counts in side.by_group.items():
        top = ", ".join(f"{name or '(none)'} {n:,}" for name, n in counts.most_common(8) if n)
        lines.append(f"by {column}: {top}")
    return lines + [f"  {identity}  {url}  {reason[:100]}" for identity, url, reason in side.examples]


def diff(
    a: str, b: str, *, texts: bool = False, by: Sequence[str] = GROUPS, num_examples: int = 5, seed: int = 0
) -> Diff:
    """Compare what two runs keep of their inputs.

    Args:
        a, b: folders of runs, of single corpora, or Parquet files.
        texts: read the texts of kept documents too, for their bytes and whether they are equal.
        by: columns to count the differences by; those that a run does not have are left out.
        num_examples: documents to name on each side, drawn by the hash of their ids.
        seed: of the draw.

    Raises:
        ValueError: a run is not one chain of corpora, or has no ids.
    """
    left, right = read_side(a, texts, by), read_side(b, texts, by)
    (at_a, first_a), (at_b, first_b) = _first(left.ids), _first(right.ids)
    common, in_a, in_b = np.intersect1d(at_a, at_b, assume_unique=True, return_indices=True)
    pair_a, pair_b = first_a[in_a], first_b[in_b]  # rows of the same documents
    keeps_a, keeps_b = left.kept, right.kept
    both = keeps_a[pair_a] & keeps_b[pair_b]
    reasons_a, reasons_b = _same_rules(left, right)
    moved = ~keeps_a[pair_a] & ~keeps_b[pair_b] & (reasons_a[pair_a] != reasons_b[pair_b])
    differ = left.texts[pair_a] != right.texts[pair_b]
    sides = (
        _one_sided(left, right, *_partners(first_a, pair_a, pair_b), num_examples, seed),
        _one_sided(right, left, *_partners(first_b, pair_b, pair_a), num_examples, seed),
    )
    return Diff(
        (a, b),
        (len(at_a), len(at_b)),
        (int(keeps_a[first_a].sum()), int(keeps_b[first_b].sum())),
        (len(at_a) - len(common), len(at_b) - len(common)),
        int(both.sum()),
        int((both & differ).sum()) if texts else None,
        int(moved.sum()),
        sides,
        (len(left.ids) - len(at_a), len(right.ids) - len(at_b)),
    )


def _first(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct hashes, ascending, and the first row of each."""
    return np.unique(ids, return_index=True)


def _partners(first: np.ndarray, own: np.ndarray, theirs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and the rows of the same documents on the other side, -1 where it has none."""
    partner = np.full(first.max(initial=-1) + 1, -1, np.int64)
    partner[own] = theirs
    return first, partner[first]


def _one_sided(keeper: Side, other: Side, rows: np.ndarray, partner: np.ndarray, num: int, seed: int) -> OneSided:
    """Describe the documents that `keeper` keeps and `other` does not."""
    absent, kept = partner < 0, other.kept
    gone = keeper.kept[rows] & (absent | ~kept[partner]) if len(kept) else keeper.kept[rows]
    rows, partner = rows[gone], partner[gone]
    order = np.argsort(rows)
    rows, partner = rows[order], partner[order]
    fate = np.where(partner < 0, -1, other.fate[partner]) if len(kept) else np.full(len(rows), -1)
    by_fate: Counter[str] = Counter()
    alone: Counter[str] = Counter()
    for number, count in zip(*np.unique(fate, return_counts=True), strict=True):
        reasons = _reasons(other, int(number))
        by_fate.update(dict.fromkeys(reasons, int(count)))
        if len(reasons) == 1:
            alone[reasons[0]] += int(count)
    by_group = {
        column: Counter({name: int(n) for name, n in zip(keeper.names[column], np.bincount(codes[rows]), strict=False)})
        for column, codes in keeper.groups.items()
    }
    drawn = keeper.drawn(rows, seed)[:num]
    reasons_of = [", ".join(_reasons(other, int(fate[np.searchsorted(rows, row)]))) for row in drawn]
    examples = [(*name, reason) for name, reason in zip(keeper.names_of(drawn), reasons_of, strict=True)]
    return OneSided(len(rows), int(keeper.sizes[rows].sum()), by_fate, alone, by_group, examples)


def _reasons(side: Side, fate: int) -> list[str]:
    """Return a fate in words, a rule each."""
    if fate < 0:
        return [ABSENT]
    corpus, *rules = side.fates[fate]
    return [f"{corpus}: {rule}" for rule in rules]


def _same_rules(a: Side, b: Side) -> tuple[np.ndarray, np.ndarray]:
    """Return the fates of both sides, numbered alike where the rules are the same, wherever that was."""
    numbers: dict[tuple[str, ...], int] = {}
    mapped = []
    for side in (a, b):
        codes = [numbers.setdefault(tuple(sorted(fate[1:])), len(numbers)) for fate in side.fates]
        mapped.append(np.array(codes, np.int64)[side.fate] if codes else side.fate)
    return mapped[0], mapped[1]
