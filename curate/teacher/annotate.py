"""Have a teacher grade a random sample of a corpus, paying for each document once.

    done = annotate(Corpus("clean"), "labels", rubric=WEB_EDU, teacher=teacher, n=2000)
    print(done)         # outcomes, grades, tokens

writes a corpus with one row for each document: its text, the grade, the teacher's words, what they cost. The sample is
drawn before any look at the documents (see `curate.teacher.sample`), so shares measured on it hold for the corpus, and
it is nested: asking for 3,000 after 2,000 pays for 1,000.

*Paying once.* Each answer is in a journal, on disk, before the next is looked at; every `chunk_rows` documents the
journal becomes a Parquet shard. A killed run asks again only what was on the wire at that moment: at most as many
questions as the teacher has in flight. A document whose answer had no readable grade is asked again up to
`max_attempts` times and then kept with a null score and its outcome, so that the losses can be counted: they are not
random. A document that the server never answered is not kept; the next run asks it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from curate.corpus import Corpus, ShardWriter, Source
from curate.document import ID, TEXT, Batch, int_score
from curate.progress import Progress
from curate.teacher.ask import Answer, Inquiry
from curate.teacher.client import Teacher
from curate.teacher.journal import Journal
from curate.teacher.rubric import Rubric
from curate.teacher.sample import Document, draw

FORMAT = 1  # raised when the same answers would be read or written differently
JOURNAL = ".journal.jsonl"
SCHEMA = pa.schema(
    [
        (TEXT, pa.string()),  # the whole text; the teacher saw the first `rubric.max_chars` characters
        (ID, pa.string()),
        ("score", pa.float32()),  # null unless outcome is "ok"
        ("int_score", pa.int64()),
        ("why", pa.string()),
        ("reply", pa.string()),  # the last answer as it came
        ("outcome", pa.string()),  # see curate.teacher.rubric.OUTCOMES
        ("attempts", pa.int32()),
        ("prompt_tokens", pa.int64()),  # of all attempts together
        ("completion_tokens", pa.int64()),
        ("teacher", pa.string()),
        ("rubric", pa.string()),
        ("rubric_digest", pa.string()),
    ]
)


@dataclass(frozen=True)
class Annotations:
    """What a folder of annotations holds, and what this run could not get."""

    path: str
    outcomes: Mapping[str, int]  # documents by outcome
    grades: Mapping[int, int]  # documents by int_score
    prompt_tokens: int
    completion_tokens: int
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
        if self.budget_is_spent:
            lines += ["  stopped: the budget is spent; a larger budget_tokens continues from here"]
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
    max_attempts: int = 3,
    budget_tokens: int | None = None,
    chunk_rows: int = 256,
) -> Annotations:
    """Grade `n` documents of `source` and write them to the local folder `out`; continues what is already there.

    Args:
        max_attempts: paid answers for a document before it is kept without a grade.
        budget_tokens: stop asking when all runs into `out` together have used this many. What is then on the wire
            is awaited and kept, so the total exceeds the budget by at most that.
        chunk_rows: documents in a shard.

    Raises:
        ValueError: `out` holds other annotations or is not local, or the source has no text or id.
        RuntimeError: no grade comes back. What was paid is kept.
    """
    if "://" in out:
        raise ValueError(
            f"{out} is remote, where no journal can be appended to; annotate locally, then copy the folder"
        )
    asked = {"rubric": rubric.name, "rubric_digest": rubric.digest(), "teacher": teacher.name, "seed": seed}
    recipe = {"format": FORMAT, "annotate": asked}
    with Journal(Path(out, JOURNAL), recipe) as journal:
        finished = read_finished(out, recipe)
        waiting = [document for document in draw(source, n, seed) if document.id not in finished.ids]
        chunks = [waiting[start : start + chunk_rows] for start in range(0, len(waiting), chunk_rows)]
        progress = Progress(out, len(waiting), len(chunks))
        inquiry = Inquiry(
            rubric, teacher, journal, max_attempts, budget_tokens, finished.tokens, finished.num_graded, progress
        )
        inquiry.replay(finished.ids)
        _ask_in_chunks(inquiry, chunks, out, finished, recipe)
        progress.close()
        cut_short = inquiry.budget_is_spent and not all(map(inquiry.is_settled, waiting))
    return summary(out, budget_is_spent=cut_short, unanswered=inquiry.unanswered)


def _ask_in_chunks(
    inquiry: Inquiry, chunks: list[list[Document]], out: str, finished: "Finished", recipe: Mapping[str, Any]
) -> None:
    """Ask about each chunk and make it a shard; drop the journal when all that was paid is in shards."""
    written, number = set(finished.ids), finished.num_shards
    for chunk in chunks:
        inquiry.ask(chunk)
        if inquiry.num_graded == 0 and not inquiry.budget_is_spent:
            raise RuntimeError(f"not one of {len(chunk)} documents got a grade; {inquiry.last_failure}")
        settled = [document for document in chunk if inquiry.is_settled(document)]
        if settled:
            write_shard(out, f"{number:05d}", settled, inquiry, recipe)
            written.update(document.id for document in settled)
            number += 1
        inquiry.progress.split(len(chunk), 0)
    if written.issuperset(inquiry.answers):
        inquiry.journal.remove()


@dataclass(frozen=True)
class Finished:
    """What the shards of earlier runs hold."""

    ids: frozenset[str]
    num_shards: int
    num_graded: int
    tokens: int


def read_finished(out: str, recipe: Mapping[str, Any]) -> Finished:
    """Look at the shards in `out`; raise if they are of another recipe."""
    try:
        corpus = Corpus(out)
        receipts = corpus.receipts()
    except FileNotFoundError:
        return Finished(frozenset(), 0, 0, 0)
    for name, receipt in receipts.items():
        found = {key: (receipt or {}).get(key) for key in recipe}
        if found != recipe:
            raise ValueError(f"{out}/{name}.parquet is by {found}, not by {dict(recipe)}; write to another folder")
    table = corpus.table([ID, "score", "prompt_tokens", "completion_tokens"])
    num_graded = len(table) - table["score"].null_count
    tokens = sum(int(np.sum(table[name].to_numpy())) for name in ("prompt_tokens", "completion_tokens"))
    return Finished(frozenset(table[ID].to_pylist()), len(receipts), num_graded, tokens)


def write_shard(
    out: str, name: str, documents: Sequence[Document], inquiry: Inquiry, recipe: Mapping[str, Any]
) -> None:
    """Write the settled documents of a chunk as one shard."""
    answers = [inquiry.answers[document.id] for document in documents]
    with ShardWriter(out, name, SCHEMA) as writer:
        writer.write(to_batch(documents, answers, inquiry.teacher.name, inquiry.rubric))
        outcomes = Counter(answer.grade.outcome for answer in answers)
        writer.commit({**recipe, "outcomes": dict(sorted(outcomes.items()))})


def to_batch(documents: Sequence[Document], answers: Sequence[Answer], teacher: str, rubric: Rubric) -> Batch:
    """Lay documents and their answers out as rows of `SCHEMA`."""
    scores = [answer.grade.score for answer in answers]
    columns: dict[str, Sequence[object]] = {
        TEXT: [document.text for document in documents],
        ID: [document.id for document in documents],
        "score": scores,
        "int_score": [None if score is None else int(int_score(np.array(score))) for score in scores],
        "why": [answer.grade.why for answer in answers],
        "reply": [answer.reply for answer in answers],
        "outcome": [answer.grade.outcome for answer in answers],
        "attempts": [answer.attempts for answer in answers],
        "prompt_tokens": [answer.prompt_tokens for answer in answers],
        "completion_tokens": [answer.completion_tokens for answer in answers],
        "teacher": [teacher] * len(answers),
        "rubric": [rubric.name] * len(answers),
        "rubric_digest": [rubric.digest()] * len(answers),
    }
    arrays = [pa.array(columns[column.name], column.type) for column in SCHEMA]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def summary(out: str, *, budget_is_spent: bool, unanswered: Mapping[str, str]) -> Annotations:
    """Count what the shards in `out` hold."""
    try:
        table = Corpus(out).table(["outcome", "int_score", "prompt_tokens", "completion_tokens"])
    except FileNotFoundError:  # the budget was spent before the first document was settled
        table = SCHEMA.empty_table()
    return Annotations(
        path=out,
        outcomes=dict(Counter(table["outcome"].to_pylist()).most_common()),
        grades=dict(sorted(Counter(table["int_score"].drop_null().to_pylist()).items())),
        prompt_tokens=int(np.sum(table["prompt_tokens"].to_numpy())),
        completion_tokens=int(np.sum(table["completion_tokens"].to_numpy())),
        budget_is_spent=budget_is_spent,
        unanswered=dict(unanswered),
    )
