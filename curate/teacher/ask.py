"""Ask about documents until each has a grade or has had its chances; write every paid answer down at once.

Rounds over a chunk of documents: all that still wait are asked, then those whose answer had no grade are asked again.
Asking stops, with every question on the wire still awaited and kept, when the budget is spent or when many documents
in a row get no grade.
"""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from curate.progress import Progress
from curate.teacher.client import Reply, Teacher
from curate.teacher.journal import Journal
from curate.teacher.rubric import Grade, Rubric
from curate.teacher.sample import Document

PATIENCE = 64  # documents in a row without a grade: the fault is in the teacher or the rubric, not in the documents


@dataclass(frozen=True)
class Answer:
    """All that was paid for one document so far, and what its last answer says."""

    grade: Grade
    reply: str
    attempts: int
    prompt_tokens: int
    completion_tokens: int

    @property
    def ok(self) -> bool:
        return self.grade.outcome == "ok"


@dataclass
class Inquiry:
    """One run's questions and answers. `spent` and `num_graded` start with those of the finished shards."""

    rubric: Rubric
    teacher: Teacher
    journal: Journal
    max_attempts: int
    budget_tokens: int | None
    spent: int  # tokens
    num_graded: int
    progress: Progress
    answers: dict[str, Answer] = field(default_factory=dict)  # by document id
    unanswered: dict[str, str] = field(default_factory=dict)  # by document id: why the server gave no answer
    failures_in_a_row: int = 0
    last_failure: str = "it was not asked"

    @property
    def budget_is_spent(self) -> bool:
        return self.budget_tokens is not None and self.spent >= self.budget_tokens

    def replay(self, finished: AbstractSet[str]) -> None:
        """Take up the journal's answers, except those of documents that are in finished shards."""
        for record in self.journal.replayed:
            if record["id"] not in finished:
                reply = Reply(**record["reply"])
                self._take(record["id"], reply)

    def ask(self, documents: Sequence[Document]) -> None:
        """Ask about every document that is not settled.

        Raises:
            RuntimeError: `PATIENCE` documents in a row got no grade.
        """
        for _ in range(self.max_attempts):
            waiting = [document for document in documents if not self.is_settled(document)]
            if not waiting or self.budget_is_spent:
                return
            for index, reply in self.teacher.complete(self._prompts(waiting)):
                self._receive(waiting[index].id, reply)
            if self.failures_in_a_row >= PATIENCE:
                raise RuntimeError(
                    f"{self.failures_in_a_row} documents in a row got no grade, asking stopped; {self.last_failure}\n"
                    f"Paid answers are kept in {self.journal.path.parent}; mend the cause and run again."
                )

    def is_settled(self, document: Document) -> bool:
        answer = self.answers.get(document.id)
        return answer is not None and (answer.ok or answer.attempts >= self.max_attempts)

    def _prompts(self, documents: Sequence[Document]) -> Iterator[str]:
        """Yield questions until there is a reason to stop; the teacher takes them one by one."""
        for document in documents:
            if self.budget_is_spent or self.failures_in_a_row >= PATIENCE:
                return
            before = self.answers.get(document.id)
            yield self.rubric.prompt(document.text, attempt=before.attempts + 1 if before else 1)

    def _receive(self, document_id: str, reply: Reply) -> None:
        """Write an answer down and count failures; only first ones, for those that are asked again fail more often."""
        is_first = document_id not in self.answers and document_id not in self.unanswered
        if reply.error is None:
            self.journal.write({"id": document_id, "reply": vars(reply)})
            self.unanswered.pop(document_id, None)
            graded = self._take(document_id, reply)
            failure = f"the last answer, {self.answers[document_id].grade.outcome}: {reply.text[-200:]!r}"
        else:
            self.unanswered[document_id] = failure = reply.error
            graded = False
        self.progress.row(is_first)
        self.failures_in_a_row = 0 if graded else self.failures_in_a_row + is_first
        self.last_failure = self.last_failure if graded else failure

    def _take(self, document_id: str, reply: Reply) -> bool:
        """Add a paid answer to its document's; tell whether it has a grade."""
        before = self.answers.get(document_id)
        grade = self.rubric.parse(reply.text, reply.finish_reason)
        self.answers[document_id] = Answer(
            grade,
            reply.text,
            attempts=(before.attempts if before else 0) + 1,
            prompt_tokens=(before.prompt_tokens if before else 0) + reply.prompt_tokens,
            completion_tokens=(before.completion_tokens if before else 0) + reply.completion_tokens,
        )
        self.spent += reply.prompt_tokens + reply.completion_tokens
        self.num_graded += self.answers[document_id].ok
        return self.answers[document_id].ok
