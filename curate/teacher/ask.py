"""Ask about documents until each has a grade or has had its chances; write every paid answer down at once.

    inquiry = Inquiry(rubric, teacher, journal, recipe, Spending(budget))
    inquiry.replay()
    for document, answer in inquiry.ask(documents): ...      # as they are settled

Documents are taken from their iterator one by one as places on the wire come free, and an answer without a grade puts
its document back at the head of the queue, so neither the documents nor the answers of a large sample are ever in
memory together, and the wire is never idle for a straggler. Asking stops, with every question on the wire still awaited
and kept, when the budget is spent, when `stop` is called (a signal), or when many documents in a row get no grade.

A text that the server refuses is settled too, without a grade, once another one is graded or none is left to ask, and
while such texts are few: if many are refused, the key, the model or a setting may be why, and they are asked again.
"""

import itertools
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any

from curate.progress import Progress
from curate.teacher.budget import Spending
from curate.teacher.client import InProcess, Prompt, Reply, Teacher
from curate.teacher.journal import Journal
from curate.teacher.rubric import Grade, Rubric
from curate.teacher.sample import Document

PATIENCE = 64  # documents in a row without a grade: the fault is in the teacher or the rubric, not in the documents
FEW = 0.25  # of the graded documents: refused ones, or one; moderators refuse some hundredths of web pages


@dataclass(frozen=True)
class Answer:
    """All that was paid for one document so far, and what its last answer says."""

    grade: Grade
    reply: str
    attempts: int
    prompt_tokens: int
    completion_tokens: int
    unknown: int  # tries whose end was never learnt; a server that knows no idempotency keys may have billed them

    @property
    def ok(self) -> bool:
        return self.grade.outcome == "ok"


@dataclass
class Inquiry:
    """One run's questions and answers. `spending`, `num_graded` and `num_refused` start at the finished shards'."""

    rubric: Rubric
    teacher: Teacher
    journal: Journal
    spending: Spending
    progress: Progress
    max_attempts: int = 3
    structured: bool = False
    num_graded: int = 0
    num_refused: int = 0  # documents settled as refused
    answers: dict[str, Answer] = field(default_factory=dict)  # by document id, until their document is settled
    unknown: dict[str, int] = field(default_factory=dict)  # by document id: tries of unanswered questions
    unanswered: dict[str, str] = field(default_factory=dict)  # by document id: why the server gave no answer
    budget_is_spent: bool = False
    failures_in_a_row: int = 0
    last_failure: str = "it was not asked"
    _records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # the journal's, of unsettled documents
    _settled: deque[tuple[Document, Answer]] = field(default_factory=deque)
    _refused: dict[str, tuple[Document, str]] = field(default_factory=dict)  # by document id, with the reason
    _again: deque[Document] = field(default_factory=deque)
    _wire: dict[int, tuple[Document, int]] = field(default_factory=dict)
    _stopped: bool = False

    def __post_init__(self) -> None:
        self._recipe = json.dumps(self.journal.recipe, sort_keys=True)

    def replay(self, is_finished: Callable[[str], bool]) -> None:
        """Take up the journal's records, except those of documents that are in finished shards."""
        asked: dict[str, None] = {}
        for record in self.journal.replayed:
            document_id = record.get("ask") or record["id"]
            if is_finished(document_id):
                continue
            if "ask" in record:
                asked[document_id] = None
            else:
                asked.pop(document_id, None)
                self._take_record(record)
        for document_id in asked:  # on the wire when the process was killed
            self._take_record({"id": document_id, "unknown": 1})
        self.journal.rewrite(self.open_records())

    def open_records(self) -> Iterator[Mapping[str, Any]]:
        """Yield the journal's records of documents that are not settled, and of questions on the wire."""
        yield from itertools.chain.from_iterable(self._records.values())
        if not isinstance(self.teacher, InProcess):  # which cannot bill what nobody waits for
            yield from ({"ask": document.id} for document, _ in self._wire.values())

    def ask(self, documents: Iterable[Document]) -> Iterator[tuple[Document, Answer]]:
        """Yield (document, answer) as documents are settled, in the order of arrival.

        Raises:
            RuntimeError: `PATIENCE` documents in a row got no grade.
        """
        waiting = iter(documents)
        asking = True
        while asking:
            asking = False
            for index, reply in self.teacher.complete(self._prompts(waiting)):
                asking = True
                self._receive(*self._wire.pop(index), reply)
                yield from self._drain()
            yield from self._drain()
        if not self._stopped and self.failures_in_a_row < PATIENCE:
            self._settle_refusals()
            yield from self._drain()
        owed = sum(map(self._is_settled, self.answers))
        while owed and (document := next(waiting, None)):  # paid for before this run stopped short of them
            if self._is_settled(document.id):
                yield self._close(document)
                owed -= 1
        if self.failures_in_a_row >= PATIENCE:
            raise RuntimeError(
                f"{self.failures_in_a_row} documents in a row got no grade, asking stopped; {self.last_failure}\n"
                f"Paid answers are kept in {self.journal.path.parent}; mend the cause and run again."
            )

    def stop(self) -> None:
        """Ask nothing more."""
        self._stopped = True

    @property
    def num_on_wire(self) -> int:
        return len(self._wire)

    def _prompts(self, waiting: Iterator[Document]) -> Iterator[Prompt]:
        """Yield questions until there is a reason to stop; the teacher takes them one by one."""
        self._wire.clear()
        for index in itertools.count():
            if self._stopped or self.failures_in_a_row >= PATIENCE:
                return
            document = self._next(waiting)
            if document is None:
                return
            before = self.answers.get(document.id)
            attempt = before.attempts + 1 if before else 1
            text = self.rubric.prompt(document.text, attempt, structured=self.structured)
            on_wire = sum(chars for _, chars in self._wire.values())
            if not self.spending.allows(waiting=len(self._wire), prompt_chars=on_wire + len(text)):
                self.budget_is_spent = True
                self._again.appendleft(document)
                return
            self.budget_is_spent = False
            self._wire[index] = document, len(text)
            if not isinstance(self.teacher, InProcess):
                self.journal.note({"ask": document.id})
            schema = self.rubric.schema() if self.structured else None
            yield Prompt(text, self._key(document.id, attempt, text), schema)

    def _next(self, waiting: Iterator[Document]) -> Document | None:
        """Return the next document to ask about; settled ones on the way are put aside."""
        if self._again and not self.failures_in_a_row:  # while all fail, try others before the same again
            return self._again.popleft()
        for document in waiting:
            if not self._is_settled(document.id):
                return document
            self._settled.append(self._close(document))
        return self._again.popleft() if self._again else None

    def _key(self, document_id: str, attempt: int, prompt: str) -> str:
        """Return the key under which this question is billed once: the same after any restart, with the same body."""
        identity = f"{self._recipe}\0{document_id}\0{attempt}\0{prompt}"
        return blake2b(identity.encode("utf-8", "replace"), digest_size=16).hexdigest()

    def _receive(self, document: Document, prompt_chars: int, reply: Reply) -> None:
        """Write an answer down and count failures; only first ones, for those that are asked again fail more often."""
        is_first = document.id not in self.answers
        if reply.error is None:
            record: dict[str, Any] = {"id": document.id, "reply": vars(reply)}
            graded = self._take_record(record, prompt_chars)
            failure = self._failure(document.id, reply)
        else:
            record = {"id": document.id, "unknown": reply.unknown}
            graded = self._take_record(record)
            self.unanswered[document.id] = failure = reply.error
            if reply.refused and len(self._refused) < max(PATIENCE, FEW * self.num_graded):
                self._refused[document.id] = document, reply.refused
        self.journal.write(record)
        self.failures_in_a_row = 0 if graded else self.failures_in_a_row + is_first
        self.last_failure = self.last_failure if graded else failure
        if graded:
            self._settle_refusals()
        self.progress.row(is_first)
        if self._is_settled(document.id):
            self._settled.append(self._close(document))
        elif reply.error is None:
            self._again.append(document)

    def _failure(self, document_id: str, reply: Reply) -> str:
        """Say what was wrong with an answer that came."""
        outcome = self.answers[document_id].grade.outcome
        cut = "; it ended at max_tokens, which hidden reasoning counts to: raise --max-tokens, into another folder"
        return f"the last answer, {outcome}: {reply.text[-200:]!r}{cut if outcome == 'truncated' else ''}"

    def _settle_refusals(self) -> None:
        """Settle the documents that the server refused, if they are few."""
        if self.num_refused + len(self._refused) > max(1, FEW * self.num_graded) or not self.num_graded:
            return
        for document, reason in self._refused.values():
            del self.unanswered[document.id]
            self._settled.append((document, self._refusal(document.id, reason)))
        self.num_refused += len(self._refused)
        self._refused.clear()

    def _refusal(self, document_id: str, reason: str) -> Answer:
        """Return a refused document's answer, with what was paid for earlier ones that had no grade."""
        unknown = self.unknown.pop(document_id, 0)
        before = self.answers.pop(document_id, None) or Answer(Grade("refused"), "", 0, 0, 0, 0)
        return replace(before, grade=Grade("refused", why=reason), unknown=before.unknown + unknown)

    def _take_record(self, record: dict[str, Any], prompt_chars: int = 0) -> bool:
        """Add a journal record to what is known of its document; tell whether it has a grade."""
        document_id = record["id"]
        self._records.setdefault(document_id, []).append(record)
        if "unknown" in record:
            self.unknown[document_id] = self.unknown.get(document_id, 0) + record["unknown"]
            if not self.unknown[document_id] and document_id not in self.answers:
                del self._records[document_id], self.unknown[document_id]  # nothing was paid, nothing to remember
            return False
        reply, before = Reply(**record["reply"]), self.answers.get(document_id)
        grade = self.rubric.parse(reply.text, reply.finish_reason)
        self.answers[document_id] = Answer(
            grade,
            reply.text,
            attempts=(before.attempts if before else 0) + 1,
            prompt_tokens=(before.prompt_tokens if before else 0) + reply.prompt_tokens,
            completion_tokens=(before.completion_tokens if before else 0) + reply.completion_tokens,
            unknown=(before.unknown if before else 0) + reply.unknown + self.unknown.pop(document_id, 0),
        )
        self.spending.add(reply.prompt_tokens, reply.completion_tokens, prompt_chars)
        self.num_graded += grade.outcome == "ok"
        return grade.outcome == "ok"

    def _is_settled(self, document_id: str) -> bool:
        answer = self.answers.get(document_id)
        return answer is not None and (answer.ok or answer.attempts >= self.max_attempts)

    def _close(self, document: Document) -> tuple[Document, Answer]:
        """Forget a settled document's answer, which its shard will hold; its records stay until then."""
        return document, self.answers.pop(document.id)

    def forget(self, documents: Iterable[Document]) -> None:
        """Drop the journal's records of documents that are in a finished shard."""
        for document in documents:
            self._records.pop(document.id, None)
        self.journal.rewrite(self.open_records())

    def _drain(self) -> Iterator[tuple[Document, Answer]]:
        while self._settled:
            yield self._settled.popleft()
