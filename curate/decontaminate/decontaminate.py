"""Drop the documents of a corpus in which benchmarks stand, and say which and where.

    report = decontaminate(Corpus("unique"), "final", "eval/")
    print(report)

    final/NAME.parquet            documents without contamination, and what was found of benchmarks below the bounds
    final/dropped/NAME.parquet    the others, with every hit: benchmark, item, method, share, place, excerpt
    final/_benchmarks/HASH.jsonl  what was looked for

A run like any other (`curate.run`): it resumes, works on Ray, and leaves receipts, in which the hash of the benchmarks
stands. Each method is a column of the largest share found and a rule about it, so bounds can be moved afterwards.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal, Protocol

import pyarrow as pa

from curate.corpus import Source
from curate.decontaminate.benchmarks import Benchmarks, prepare
from curate.decontaminate.code import MIN_RATE
from curate.decontaminate.cut import Cut
from curate.decontaminate.evidence import HITS, Found, Hit, hits_column
from curate.decontaminate.fields import OURS, Fields
from curate.decontaminate.ngram import Ngram
from curate.decontaminate.report import Report, read_report
from curate.decontaminate.syntax import Ast
from curate.document import TEXT, Batch, with_columns
from curate.run import run
from curate.stage import Keep, Rule, Stage

METHODS = ("ngram", "ast")
FOLDER = "_benchmarks"


class Method(Protocol):
    """Looks for benchmarks in a batch of documents, in its own way."""

    name: ClassVar[str]

    @property
    def rules(self) -> tuple[Rule, ...]: ...
    def look(self, batch: Batch) -> Found: ...
    def counts(self, hit: Hit) -> bool: ...


@dataclass(frozen=True)
class Decontaminate:
    """Measure what each document holds of benchmarks: `decontaminate.hits`, and a share for each method."""

    methods: tuple[Method, ...]

    def __call__(self, batch: Batch) -> Batch:
        found: list[Hit] = []
        columns: dict[str, pa.Array] = {}
        for method in self.methods:
            hits, own = method.look(batch)
            columns |= own
            found += hits
        return with_columns(batch, {HITS: hits_column(found, batch.num_rows), **columns})


def decontaminate(
    source: Source,
    out: str,
    against: str,
    *,
    methods: Sequence[str] = METHODS,
    only: Sequence[str] = (),
    fields: Fields = OURS,
    max_share: float | None = None,
    max_run: int | None = None,
    tau: float | None = None,
    passages: bool = False,
    cut: Literal["document", "span"] = "document",
    keep_text: bool = False,
    allow_empty: bool = False,
    ray: str | None = None,
    workers: int | None = None,
    limit: int | None = None,
) -> Report:
    """Write to `out` the documents of `source` that hold nothing of the benchmarks at `against`.

    Args:
        against: file or folder of benchmarks; see `curate.decontaminate.benchmarks`.
        methods: of "ngram" and "ast".
        only: benchmarks whose names contain one of these.
        fields: names of fields that we do not know.
        max_share: of an item's words, above which a document leaves; cosmopedia's .5 by default.
        max_run: words in a row of any item, above which it leaves as well: 12 is GPT-3's and FineMath's 13-gram rule,
            9 the least.
        tau: match rate of syntax trees from which it leaves.
        passages: whether a passage that a question is about counts without the question.
        cut: drop the document, or cut out the span and 200 characters around it.

    Raises:
        FileNotFoundError, ValueError: the benchmarks are not there or cannot be read.
        RunError: see `curate.run.run`.
    """
    out = str(out).rstrip("/")
    if TEXT not in source.schema.names:
        raise ValueError(f"the input has no column {TEXT!r}; it has {', '.join(source.schema.names)}")
    benchmarks = prepare(against, f"{out}/{FOLDER}", only=only, fields=fields)
    chosen = open_methods(benchmarks, methods, max_share=max_share, max_run=max_run, tau=tau, passages=passages)
    engine = partial(run, ray=ray, workers=workers, limit=limit, keep_text=keep_text, allow_empty=allow_empty)
    tally = engine(stages(chosen, cut=cut, passages=passages), source, out)
    return read_report(out, benchmarks, chosen, tally)


def open_methods(
    benchmarks: Benchmarks,
    names: Sequence[str] = METHODS,
    *,
    max_share: float | None = None,
    max_run: int | None = None,
    tau: float | None = None,
    passages: bool = False,
) -> tuple[Method, ...]:
    """Return the methods of these names, with their own bounds where none is given."""
    unknown = [name for name in names if name not in METHODS]
    if unknown or not names:
        raise ValueError(f"no method is called {(*unknown, '')[0]!r}; there are {', '.join(METHODS)}")
    bounds = {"max_share": max_share, "max_run": max_run, "passages": passages or None, "tau": tau}
    for bound, method in zip(bounds, ("ngram", "ngram", "ngram", "ast"), strict=True):
        if bounds[bound] is not None and method not in names:
            raise ValueError(f"{bound} is for the method {method}, which is not asked for; add that, or leave it out")
    if tau is not None and not MIN_RATE <= tau <= 1:
        raise ValueError(f"tau is {tau:g}; say a match rate from {MIN_RATE:g}, the lowest that is kept, to 1")
    if max_share is not None and not 0 <= max_share < 1:
        raise ValueError(f"max_share is {max_share:g}; say a share of an item's words from 0 to less than 1")
    if max_run is not None and max_run < Ngram.sizes.n - 1:
        raise ValueError(
            f"max_run is {max_run}; say {Ngram.sizes.n - 1} or more: runs of fewer than {Ngram.sizes.n} words are "
            "not kept"
        )
    share = Ngram.max_share if max_share is None else max_share
    found: dict[str, Method] = {
        "ngram": Ngram(benchmarks, max_share=share, max_run=max_run, passages=passages),
        "ast": Ast(benchmarks, tau=Ast.tau if tau is None else tau),
    }
    return tuple(found[name] for name in METHODS if name in names)


def stages(
    methods: tuple[Method, ...], *, cut: Literal["document", "span"] = "document", passages: bool = False
) -> tuple[Stage, ...]:
    """Return the stages that measure and drop, or measure and cut."""
    rules = tuple(rule for method in methods for rule in method.rules)
    if cut == "document":
        return (Decontaminate(methods), Keep(rules))
    cutting = Cut(tuple((rule.column, float(rule.at_most or 0)) for rule in rules), passages=passages)
    return (Decontaminate(methods), cutting, Keep(cutting.rules))
