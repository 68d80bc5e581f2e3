"""Have a teacher grade a random sample of a corpus, paying for each document once.

    done = annotate(Corpus("clean"), "labels", rubric=WEB_EDU, teacher=teacher, n=2000, strata=parse("source,length"))
    print(done)         # outcomes, grades, tokens, and the share of the corpus that is 3 or more, with its interval

writes a corpus with one row for each document: its text, the grade, the teacher's words, what they cost, and what the
row stands for (`weight`, `stratum`). The sample is drawn before any look at the grades (`curate.teacher.sample`), so
shares measured on it hold for the corpus, and it is nested: asking for 3,000 after 2,000 pays for 1,000. Neither the
documents nor the answers are ever in memory together.

*Paying once.* Each answer is in a journal, on disk, before the next is looked at; every `chunk_rows` documents become a
Parquet shard. Ctrl-C and SIGTERM wait for the answers on the wire, so only `kill -9` and a power cut can lose any:
those that were on the wire at that moment. Each question carries an idempotency key that a restart sends again, with
the same body, so a server that honours it bills those once too. Of other servers nobody here can know what they
billed: such tries are counted (`unknown_tries`; a question on the wire at a kill is one) and reported.

*On a cluster* the workers read the corpus for the sample. A teacher that runs in the process that asks is asked on all
of them, and what comes out is the same; a served one is asked from the driver, which keeps its limits.

A document whose answer had no readable grade is asked again up to `max_attempts` times and then kept with a null score
and its outcome, so that the losses can be counted: they are not random. So is one whose text the server refuses (too
long, moderated: "refused", with its words in `why`), as long as few are. A document that the server never answered is
not kept; the next run asks it.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from curate.corpus import Corpus, Source
from curate.progress import Progress, RunLog
from curate.teacher.ask import Answer, Inquiry
from curate.teacher.budget import Budget, Spending
from curate.teacher.client import Teacher
from curate.teacher.estimate import Estimate, mean
from curate.teacher.journal import Journal
from curate.teacher.rows import SCHEMA, Finished, read_finished, reweigh, write_shard
from curate.teacher.rubric import Rubric
from curate.teacher.sample import Allocation, Document, draw
from curate.teacher.spread import spread
from curate.teacher.stopping import leave, stop_on_signal
from curate.teacher.strata import By

FORMAT = 2  # raised when the same answers would be read or written differently
JOURNAL = ".journal.jsonl"
CUT = 3  # int_score from which FineWeb-Edu keeps a page
NO_LIMIT = Budget()


@dataclass(frozen=True)
class Annotations:
    """What a folder of annotations holds, and what this run could not get."""

    path: str
    outcomes: Mapping[str, int]  # documents by outcome
    grades: Mapping[int, int]  # documents by int_score
    prompt_tokens: int
    completion_tokens: int
    unknown_tries: int  # requests whose end was never learnt
    good_share: Estimate | None  # of the source, int_score >= CUT; ungraded documents left out
    budget: Budget
    budget_is_spent: bool  # before the sample was done
    unanswered: Mapping[str, str]  # id -> the server's last fault; asked again by the next run

    @property
    def num_documents(self) -> int:
        return sum(self.outcomes.values())

    @property
    def corpus(self) -> Corpus:
        return Corpus(self.path)

    def __str__(self) -> str:
        lines = [f"{self.path}: {self.num_documents:,} documents annotated"]
        lines += [f"  {outcome:<13}{count:>10,}" for outcome, count in self.outcomes.items()]
        lines += [f"  grade {grade:<7}{count:>10,}" for grade, count in self.grades.items()]
        lines += [f"  tokens in    {self.prompt_tokens:>10,}", f"  tokens out   {self.completion_tokens:>10,}"]
        if self.budget.input_price or self.budget.output_price:
            lines += [f"  cost         {self.budget.cost(self.prompt_tokens, self.completion_tokens):>10,.4f}"]
        if self.good_share:
            lines += [f"  share of the source graded {CUT} or more: {self.good_share}"]
        if refused := self.outcomes.get("refused"):
            lines += [f"  {refused:,} texts the server would not answer, not asked again: it says why in column why"]
        if self.unknown_tries:
            lines += [
                f"  {self.unknown_tries:,} requests had no known end (killed, or the connection broke): a server that "
                "honours Idempotency-Key billed them once, on any other they may have been paid twice"
            ]
        if self.budget_is_spent:
            lines += ["  stopped: the budget is spent; what was paid is kept, and a larger budget goes on from here"]
        if self.unanswered:
            fault = next(iter(self.unanswered.values()))
            lines += [f"  {len(self.unanswered):,} documents were not answered; run again to ask them ({fault})"]
        return "\n".join(lines)


def annotate(
    source: Source,
    out: str,
    *,
    rubric: Rubric,
    teacher: Teacher,
    n: int,
    seed: int = 0,
    strata: Sequence[By] = (),
    at_least: int = 2,
    allocation: Allocation = "proportional",
    budget: Budget = NO_LIMIT,
    max_attempts: int = 3,
    structured: bool = False,
    chunk_rows: int = 1024,
    ray: str | None = None,
    workers: int | None = None,
    num_gpus: float = 0,
) -> Annotations:
    """Grade `n` documents of `source` and write them to the local folder `out`; continues what is already there.

    Args:
        strata, at_least, allocation: what to divide the sample by, see `curate.teacher.sample.draw`.
        budget: stop asking when all runs into `out` together have used this much.
        max_attempts: paid answers for a document before it is kept without a grade.
        structured: ask the server to hold the answer to a JSON schema.
        chunk_rows: documents in a shard.
        ray, workers, num_gpus: where the sample is drawn, and where a teacher that needs no server runs; see
            `curate.teacher.spread`. A served one is asked from here.

    Raises:
        ValueError: `out` holds annotations of another source, rubric, teacher, seed or strata, or is not local; or
            the sample cannot be drawn.
        RuntimeError: no grade comes back. What was paid is kept.
        KeyboardInterrupt, SystemExit: a signal, once the answers on the wire are kept.
    """
    recipe = recipe_of(rubric, teacher, seed=seed, structured=structured)
    recipe["annotate"] |= {"source": source_identity(source), "strata": [str(key) for key in strata]}
    with open_journal(out, recipe) as journal:
        finished = read_finished(out, recipe, seed)
        options = {"strata": strata, "at_least": at_least, "allocation": allocation, "ray": ray, "workers": workers}
        teacher = spread(teacher, ray=ray, workers=workers, num_gpus=num_gpus)
        with draw(source, n, seed=seed, leave_out=finished.hashes, scratch=Path(out), **options) as drawn:  # type: ignore[arg-type]
            progress = _progress(out, recipe, drawn.num_waiting, chunk_rows)
            inquiry = Inquiry(rubric, teacher, journal, spending_of(finished, budget), progress)
            inquiry.max_attempts, inquiry.structured = max_attempts, structured
            received = _grade(inquiry, drawn.documents(), out, finished, recipe, chunk_rows)
        sizes = {name: stratum.size for name, stratum in drawn.strata.items()}
        if any(Path(out).glob("*.parquet")):
            reweigh(out, sizes)
    leave(received)
    return summary(out, inquiry, sizes)


def grade_documents(
    documents: Sequence[Document],
    out: str,
    *,
    rubric: Rubric,
    teacher: Teacher,
    budget: Budget = NO_LIMIT,
    structured: bool = False,
    max_attempts: int = 3,
    ray: str | None = None,
    workers: int | None = None,
) -> Annotations:
    """Grade given documents as `annotate` grades a sample: paid once, resumed, within a budget."""
    teacher = spread(teacher, ray=ray, workers=workers)
    recipe = recipe_of(rubric, teacher, seed=0, structured=structured)
    with open_journal(out, recipe) as journal:
        finished = read_finished(out, recipe, 0)
        waiting = [document for document in documents if not finished.holds(document.id)]
        progress = _progress(out, recipe, len(waiting), len(waiting))
        inquiry = Inquiry(rubric, teacher, journal, spending_of(finished, budget), progress)
        inquiry.max_attempts, inquiry.structured = max_attempts, structured
        received = _grade(inquiry, waiting, out, finished, recipe, chunk_rows=1024)
    leave(received)
    return summary(out, inquiry, {})


def _progress(out: str, recipe: Mapping[str, Any], waiting: int, chunk_rows: int) -> Progress:
    """Show and log documents, in shards of `chunk_rows`."""
    log, shards = RunLog(out, "annotate"), -(-waiting // max(chunk_rows, 1))
    log.start(recipe=recipe, documents=waiting, splits=shards)
    return Progress(out, waiting, shards, log=log, in_bytes=False)


def recipe_of(rubric: Rubric, teacher: Teacher, *, seed: int, structured: bool) -> dict[str, Any]:
    asked: dict[str, Any] = {"rubric": rubric.name, "rubric_digest": rubric.digest(), "teacher": teacher.name}
    return {"format": FORMAT, "annotate": asked | {"seed": seed, "structured": structured}}


def source_identity(source: Source) -> dict[str, Any]:
    """Return what tells this source from another one, wherever its folder lies."""
    splits = sorted((split.identity() for split in source.splits()), key=lambda split: str(split["name"]))
    rows = [split["num_rows"] for split in splits]
    digest = hashlib.sha256(json.dumps(splits, sort_keys=True).encode()).hexdigest()[:16]
    return {"splits": len(splits), "rows": None if None in rows else sum(rows), "digest": digest}


def spending_of(finished: Finished, budget: Budget) -> Spending:
    return Spending(budget, finished.prompt_tokens, finished.completion_tokens, finished.num_answers)


def open_journal(out: str, recipe: Mapping[str, Any]) -> Journal:
    """Return the journal of a local folder, cleared of what a killed run left in it."""
    if "://" in out:
        raise ValueError(
            f"{out} is remote, where no journal can be appended to; annotate locally, then copy the folder"
        )
    return Journal(Path(out, JOURNAL), recipe)


def _grade(
    inquiry: Inquiry,
    documents: Iterable[Document],
    out: str,
    finished: Finished,
    recipe: Mapping[str, Any],
    chunk_rows: int,
) -> list[int]:
    """Ask about the documents and write shards of those that are settled; return the signals that cut this short."""
    inquiry.num_graded, inquiry.num_refused = finished.num_graded, finished.num_refused
    inquiry.replay(finished.holds)

    def told() -> str:
        return f"waiting for {inquiry.num_on_wire} answers on the wire"

    with inquiry.progress, stop_on_signal(inquiry.stop, told) as received:
        number = finished.num_shards
        for settled in _chunks(inquiry.ask(documents), chunk_rows):
            if not inquiry.num_graded:
                raise RuntimeError(f"not one of {len(settled)} documents got a grade; {inquiry.last_failure}")
            write_shard(out, number, settled, recipe, inquiry.teacher.name, inquiry.rubric)
            inquiry.forget(document for document, _ in settled)
            inquiry.progress.split(len(settled), 0, name=f"{number:05d}", rows={"in": len(settled)})
            number += 1
        if not inquiry.num_graded and inquiry.unanswered:
            raise RuntimeError(f"not one of {len(inquiry.unanswered)} documents got a grade; {inquiry.last_failure}")
    if not any(inquiry.open_records()):
        inquiry.journal.remove()
    return received


def _chunks(settled: Iterator[tuple[Document, Answer]], rows: int) -> Iterator[list[tuple[Document, Answer]]]:
    """Cut a stream into lists of `rows`; what is left when it ends, or fails, is a shorter one."""
    chunk: list[tuple[Document, Answer]] = []
    for item in settled:
        chunk.append(item)
        if len(chunk) == rows:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def summary(out: str, inquiry: Inquiry, sizes: Mapping[str, int]) -> Annotations:
    """Count what the shards in `out` hold; `sizes` of the strata, where the documents are a sample."""
    columns = ["outcome", "int_score", "prompt_tokens", "completion_tokens", "unknown_tries", "stratum", "weight"]
    try:
        table = Corpus(out).table(columns)
    except FileNotFoundError:  # the budget was spent before the first document was settled
        table = SCHEMA.empty_table()
    sums = {name: int(np.sum(table[name].to_numpy())) for name in columns[2:5]}
    return Annotations(
        path=out,
        outcomes=dict(Counter(table["outcome"].to_pylist()).most_common()),
        grades=dict(sorted(Counter(table["int_score"].drop_null().to_pylist()).items())),
        **sums,
        good_share=good_share(table, sizes) if sizes else None,
        budget=inquiry.spending.budget,
        budget_is_spent=inquiry.budget_is_spent,
        unanswered=dict(inquiry.unanswered),
    )


def good_share(table: pa.Table, sizes: Mapping[str, int]) -> Estimate | None:
    """Estimate the share of the source with `int_score >= CUT`; None without a grade.

    Within a stratum the ungraded documents are taken to be like the graded ones.
    """
    graded = table.filter(table["int_score"].is_valid())
    if not len(graded):
        return None
    good = graded["int_score"].to_numpy() >= CUT
    return mean(good, strata=graded["stratum"].to_pylist(), sizes=sizes)
