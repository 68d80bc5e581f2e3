"""What a decontamination found, read back from the shards it wrote: by benchmark and method, and what it could not see.

print(report)

benchmark         method  documents  items found  of
gsm8k_train       ngram           2            1  7,473
humaneval_openai  ast             9            3  164
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from curate.corpus import DROPPED, Corpus
from curate.decontaminate.benchmarks import Benchmarks
from curate.decontaminate.evidence import HITS, UNEXAMINED, Hit
from curate.decontaminate.index import COSMOPEDIA, load_index
from curate.document import ID, URL
from curate.tally import Tally

AST = "decontaminate.ast"
TAUS = (0.95, 0.9, 0.85, 0.8)  # phi-1's
ROUNDING = 1e-5  # a rate of .9 is kept as float32, and in four places


class Judge(Protocol):
    """Says which hits can drop a document."""

    def counts(self, hit: Hit) -> bool: ...


@dataclass(frozen=True)
class Line:
    """One benchmark by one method."""

    benchmark: str
    method: str
    documents: int  # that hold something of it above the bound
    items: int  # of it that were found above the bound
    num_items: int  # rows it has
    below: int  # documents that hold something of it, and nothing above the bound


@dataclass(frozen=True)
class Report:
    """What a run found; `print` it.

    Attributes:
        tally: documents in and out.
        lines: benchmarks of which something was found, by name and method.
        unseen: benchmark -> rows of which no text can be evidence: too short, or nothing but common phrases.
        worst: (id or URL, hits above the bound, the best of them), the documents with most.
    """

    tally: Tally
    lines: tuple[Line, ...]
    unseen: dict[str, int]
    worst: tuple[tuple[str, int, Hit], ...]
    taus: dict[float, int]  # match rate of syntax trees -> documents that reach it; empty where none were looked for
    unexamined: dict[str, int]  # why syntax trees did not see (a part of) documents -> documents
    num_found: int  # documents with a hit above a bound
    num_documents: int
    benchmarks: Benchmarks = field(repr=False)

    def __str__(self) -> str:
        share = self.num_found / max(self.num_documents, 1)
        said = [
            f"{self.num_documents:,} documents held against {self.benchmarks}: {self.num_found:,} ({share:.3%}) hold "
            f"something of them; {self.tally.rows_out:,} stay."
        ]
        if self.lines:
            width = max(9, *(len(line.benchmark) for line in self.lines))
            said.append(f"{'benchmark':<{width}}  method  documents  items found      of  documents below the bound")
            said += [
                f"{line.benchmark:<{width}}  {line.method:<6}  {line.documents:>9,}  {line.items:>11,}  "
                f"{line.num_items:>6,}  {line.below:>25,}"
                for line in self.lines
            ]
        for name, num, hit in self.worst:
            said.append(f"{name}: {num:,} hits, {hit.benchmark} {hit.item} {hit.share:.2f}: {hit.excerpt[:80]}")
        if any(self.taus.values()):
            curve = ", ".join(f"{tau:g} {num:,}" for tau, num in self.taus.items())
            said.append(f"Documents with syntax trees at a match rate of (phi-1): {curve}")
        said += [f"{num:,} documents {why}" for why, num in sorted(self.unexamined.items())]
        if self.unseen:
            those = ", ".join(f"{name} {num:,}" for name, num in sorted(self.unseen.items()))
            said.append(f"Too short, or too common a phrase, to be evidence, and not looked for: {those}")
        return "\n".join(said)


def read_report(out: str, benchmarks: Benchmarks, judges: Sequence[Judge], tally: Tally, worst: int = 5) -> Report:
    """Read the hits of a finished run, and nothing else of it."""
    documents: dict[tuple[str, str], int] = defaultdict(int)
    below: dict[tuple[str, str], int] = defaultdict(int)
    items: dict[tuple[str, str], set[str]] = defaultdict(set)
    found: list[tuple[str, int, Hit]] = []
    num = 0
    for name, hits in _documents(out):
        counted = [hit for hit in hits if any(judge.counts(hit) for judge in judges)]
        over = {(hit.benchmark, hit.method) for hit in counted}
        for key in over:
            documents[key] += 1
        for key in {(hit.benchmark, hit.method) for hit in hits} - over:
            below[key] += 1
        for hit in counted:
            items[hit.benchmark, hit.method].add(hit.item)
        if counted:
            num += 1
            found = sorted([*found, (name, len(counted), counted[0])], key=lambda each: (-each[1], each[0]))[:worst]
    rows: dict[str, set[str]] = defaultdict(set)
    for item in benchmarks.items():
        rows[item.benchmark].add(item.item)
    lines = tuple(
        Line(*key, documents[key], len(items[key]), len(rows[key[0]]), below[key])
        for key in sorted({*documents, *below})
    )
    seen = _unseen(benchmarks), tuple(found), tau_curve(out), _unexamined(out)
    return Report(tally, lines, *seen, num, tally.rows_in, benchmarks)


def tau_curve(out: str, taus: Sequence[float] = TAUS) -> dict[float, int]:
    """Count the documents of a run, kept and dropped, with a match rate of `tau` or more, for each; {} without trees.

    No lower tau than .8 can be asked for: that is the lowest rate that is kept as evidence.
    """
    if min(taus) < TAUS[-1]:
        raise ValueError(f"a match rate of {min(taus):g} is not kept; the lowest is {TAUS[-1]:g}")
    counts = dict.fromkeys(taus, 0)
    columns = list(_columns(out, AST))
    for rates in columns:
        for tau in taus:
            counts[tau] += pc.sum(pc.greater_equal(rates, tau - ROUNDING)).as_py() or 0
    return counts if columns else {}


def _unexamined(out: str) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for reasons in _columns(out, UNEXAMINED):
        counts.update(reasons.drop_null().to_pylist())
    return dict(counts)


def _columns(out: str, name: str) -> Iterator[pa.Array]:
    """Yield the batches of one column of the documents kept and dropped; none where no run wrote it."""
    for folder in (out, f"{out}/{DROPPED}"):
        corpus = Corpus(folder)
        try:
            known = name in corpus.schema.names
        except FileNotFoundError:
            continue
        if known:
            for batch in corpus.batches([name]):
                yield batch[name]


def _documents(out: str) -> Any:
    """Yield (id or URL, hits) of every document with a hit."""
    for folder in (out, f"{out}/{DROPPED}"):
        try:
            corpus = Corpus(folder)
            names = [name for name in (URL, ID) if name in corpus.schema.names]
        except FileNotFoundError:
            continue
        for batch in corpus.batches([HITS, *names]):
            batch = batch.filter(pc.greater(pc.list_value_length(batch[HITS]), 0))
            for row in batch.to_pylist():
                name = next((row[key] for key in names if row[key]), "?")
                yield name, [Hit(row=0, **hit) for hit in row[HITS]]


def _unseen(benchmarks: Benchmarks) -> dict[str, int]:
    """Count the rows none of whose texts is in the index."""
    index = load_index(benchmarks, COSMOPEDIA)
    seen = {(item.benchmark, item.item) for entry in index.entries for item in entry.items}
    lost = {(i.benchmark, i.item) for i in (*index.too_short, *index.common)} - seen
    counts: dict[str, int] = defaultdict(int)
    for benchmark, _ in lost:
        counts[benchmark] += 1
    return dict(counts)
