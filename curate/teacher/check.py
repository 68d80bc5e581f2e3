"""How good is the annotator: `curate annotate ... --check`.

    found = check("labels", rubric=WEB_EDU, teacher=teacher, n=100, repeats=3, second=other_teacher)
    print(found)                        # a table; also in labels/check.json

asks again about `n` of the documents that were annotated, in six ways, each a folder of annotations below
`labels/_check` (so it is resumed, paid once and within the budget like any other):

    repeat-1, -2, ...   other seeds at a temperature above 0: self-consistency, and the noise ceiling
    second              another teacher: agreement; a further one has second-DIGEST, by its name
    beginning           the first thousand characters only: length
    swapped             the halves of the text in the other order: position
    shuffled            the criteria in another order

A teacher that cannot be resampled (the local one, which has no sampling) has no repeats. Repeats at temperature 1 show
the model's own spread; a grade at temperature 0 is less noisy than one of them, so the ceiling is a cautious one.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import pyarrow as pa

from curate.corpus import Corpus
from curate.document import ID, TEXT
from curate.strict_json import dumps
from curate.teacher.agreement import Interval, agree, bootstrap, weighted_kappa
from curate.teacher.annotate import JOURNAL, NO_LIMIT, grade_documents
from curate.teacher.bias import partial, shift, swap_halves
from curate.teacher.budget import Budget
from curate.teacher.ceiling import ceiling
from curate.teacher.client import InProcess, Teacher
from curate.teacher.estimate import exact_interval
from curate.teacher.rubric import Rubric
from curate.teacher.sample import Document

FOLDER, RESULT = "_check", "check.json"
BEGINNING = 1000  # characters
Grades = Mapping[str, float]  # by document id


@runtime_checkable
class Sampler(Protocol):
    """A teacher whose answers can be drawn again."""

    def resampled(self, seed: int, temperature: float) -> Teacher: ...


@dataclass(frozen=True)
class Finding:
    """One line of the report; `low` and `high` are the 95 % interval, NaN where there is none."""

    question: str
    measure: str
    value: float
    low: float = math.nan
    high: float = math.nan
    num_documents: int = 0

    def __str__(self) -> str:
        interval = "" if math.isnan(self.low) else f"{self.low:.3f} to {self.high:.3f}"
        return f"{self.question:<28} {self.measure:<44} {self.value:>8.3f}  {interval:<18} {self.num_documents:>6,}"


@dataclass(frozen=True)
class Check:
    """What is known of an annotator."""

    path: str
    teacher: str
    rubric: str
    findings: tuple[Finding, ...]
    prompt_tokens: int  # of the check alone
    completion_tokens: int

    def __str__(self) -> str:
        head = f"{'question':<28} {'measure':<44} {'value':>8}  {'95 % interval':<18} {'docs':>6}"
        cost = f"asked again for {self.prompt_tokens:,} tokens in, {self.completion_tokens:,} out"
        return "\n".join([f"{self.teacher}, rubric {self.rubric}", head, *map(str, self.findings), cost])

    def write(self) -> None:
        """Put the findings beside the annotations, for the report and for whoever reads the labels."""
        Path(self.path, RESULT).write_text(dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def check(
    out: str,
    *,
    rubric: Rubric,
    teacher: Teacher,
    n: int = 100,
    repeats: int = 3,
    temperature: float = 1.0,
    second: Teacher | None = None,
    budget: Budget = NO_LIMIT,
    structured: bool = False,
    seed: int = 0,
    ray: str | None = None,
    workers: int | None = None,
) -> Check:
    """Ask again about `n` documents of the annotations in `out`, and write and return what that shows.

    Args:
        repeats: times to ask the same question with other seeds.
        temperature: of the repeats.
        second: another teacher.
        budget: of the annotations and the check together, without a second teacher that bills nothing.
        ray, workers: where a teacher that needs no server runs, as for `annotate`.

    Raises:
        ValueError: `out` holds fewer than ten graded documents, or was made with another teacher or rubric.
    """
    documents, labels = chosen(out, rubric, teacher, n)
    asker = Asker(out, rubric, structured, budget, *_spent(out), ray=ray, workers=workers)
    again: list[Grades] = []
    if isinstance(teacher, Sampler):
        for k in range(1, repeats + 1):
            again.append(asker.ask(f"repeat-{k}", documents, teacher.resampled(seed + k, temperature)))
    beginning = asker.ask("beginning", documents, teacher, replace(rubric, max_chars=BEGINNING))
    halves = [replace(document, text=swap_halves(document.text, rubric.max_chars)) for document in documents]
    swapped = asker.ask("swapped", halves, teacher)
    shuffled = asker.ask("shuffled", documents, teacher, rubric.shuffled(seed))
    bills = asker if not isinstance(second, InProcess) else replace(asker, budget=NO_LIMIT)
    other = bills.ask(folder_of(second, f"{out}/{FOLDER}/second"), documents, second) if second else None
    lengths = {document.id: math.log(1 + len(document.text[: rubric.max_chars])) for document in documents}
    findings = [
        *failures(out),
        *consistency(again),
        *noise_ceiling(again),
        *agreement(labels, other, second.name if second else ""),
        *length_bias(labels, lengths, beginning),
        *moved("position: halves swapped", labels, swapped),
        *moved("order of the criteria", labels, shuffled),
    ]
    found = Check(out, teacher.name, rubric.name, tuple(findings), *asker.tokens)
    found.write()
    return found


def chosen(out: str, rubric: Rubric, teacher: Teacher, n: int) -> tuple[list[Document], Grades]:
    """Return the first `n` graded documents by id hash, and their grades."""
    table = Corpus(out).table([ID, TEXT, "score", "teacher", "rubric_digest"])
    made = set(zip(table["teacher"].to_pylist(), table["rubric_digest"].to_pylist(), strict=True))
    if made != {(teacher.name, rubric.digest())}:
        raise ValueError(f"{out} was annotated by {sorted(made)}, not by {(teacher.name, rubric.digest())}; check that")
    graded = table.filter(table["score"].is_valid())
    if len(graded) < 10:
        raise ValueError(f"{out} has {len(graded)} graded documents; a check needs ten, and a hundred to say much")
    few = graded.take(pa.array(_spread(len(graded), n)))
    pairs = zip(few[ID].to_pylist(), few[TEXT].to_pylist(), strict=True)
    scores = dict(zip(few[ID].to_pylist(), few["score"].to_pylist(), strict=True))
    return [Document(document_id, text) for document_id, text in pairs], scores


def folder_of(second: Teacher, usual: str) -> str:
    """Return the name of the folder of a second teacher: that of `usual`, unless another's answers are in it."""
    digest = hashlib.sha256(second.name.encode()).hexdigest()[:8]
    journal = Path(usual, JOURNAL)
    if journal.exists() and (lines := journal.read_bytes().split(b"\n")[:-1]):
        there = json.loads(lines[0])["annotate"]["teacher"]
    elif any(Path(usual).glob("*.parquet")):
        there = Corpus(usual).table(["teacher"])["teacher"][0].as_py()
    else:
        there = second.name
    return "second" if there == second.name else f"second-{digest}"


@dataclass
class Asker:
    """Puts one variant of the questions at a time, within what the budget leaves."""

    out: str
    rubric: Rubric
    structured: bool
    budget: Budget
    before_prompt: int
    before_completion: int
    tokens: tuple[int, int] = (0, 0)
    ray: str | None = None
    workers: int | None = None

    def ask(self, name: str, documents: Sequence[Document], teacher: Teacher, rubric: Rubric | None = None) -> Grades:
        """Return the grades by id; documents whose answer had none are not there."""
        done = grade_documents(
            documents,
            f"{self.out}/{FOLDER}/{name}",
            rubric=rubric or self.rubric,
            teacher=teacher,
            budget=self.budget.after(self.before_prompt + self.tokens[0], self.before_completion + self.tokens[1]),
            structured=self.structured,
            ray=self.ray,
            workers=self.workers,
        )
        if done.budget_is_spent or done.unanswered:
            why = "the budget is spent" if done.budget_is_spent else next(iter(done.unanswered.values()))
            raise RuntimeError(
                f"the check stopped at {name!r}, {done.num_documents} of {len(documents)} asked: {why}; what was paid "
                "is kept, run the same command again to go on"
            )
        self.tokens = (self.tokens[0] + done.prompt_tokens, self.tokens[1] + done.completion_tokens)
        table = done.corpus.table([ID, "score"])
        pairs = zip(table[ID].to_pylist(), table["score"].to_pylist(), strict=True)
        wanted = {document.id for document in documents}
        return {document_id: score for document_id, score in pairs if score is not None and document_id in wanted}


def failures(out: str) -> list[Finding]:
    """Shares of answers without a grade, over all annotations."""
    table = Corpus(out).table(["outcome", "attempts"])
    n = len(table)
    outcomes, attempts = table["outcome"].to_pylist(), table["attempts"].to_pylist()
    counts = {"ungraded after all attempts": sum(outcome != "ok" for outcome in outcomes)}
    counts |= {f"of these {name}": outcomes.count(name) for name in sorted(set(outcomes) - {"ok"})}
    counts |= {"first answer unreadable": sum(attempt > 1 for attempt in attempts)}
    return [Finding("parse failures", name, k / n, *exact_interval(k, n), n) for name, k in counts.items()]


def consistency(again: Sequence[Grades]) -> list[Finding]:
    """Weighted kappa and agreement over all pairs of repeats; intervals over documents."""
    grades = together(*again)
    if len(again) < 2 or grades.shape[1] < 2:
        return []
    whole = np.floor(grades + 0.5).astype(np.int64)  # (repeats, documents)
    pairs = [(i, j) for i in range(len(whole)) for j in range(i)]

    def kappa(rows: np.ndarray, _: np.ndarray) -> float:
        return float(np.mean([weighted_kappa(whole[i][rows], whole[j][rows]) for i, j in pairs]))

    def exact(rows: np.ndarray, _: np.ndarray) -> float:
        return float(np.mean([np.mean(whole[i][rows] == whole[j][rows]) for i, j in pairs]))

    rows = np.arange(grades.shape[1])
    measures = {"quadratic-weighted kappa of two repeats": kappa, "same grade": exact}
    return [
        _finding("self-consistency", name, bootstrap(measure, rows, rows, seed=0), len(rows))
        for name, measure in measures.items()
    ]


def noise_ceiling(again: Sequence[Grades]) -> list[Finding]:
    grades = together(*again)
    if len(again) < 2 or grades.shape[1] < 2:
        return []
    found = ceiling(grades)
    n = found.num_documents
    question, n = "ceiling for any classifier", found.num_documents
    return [
        _finding(question, f"best accuracy at {found.cut}, at least", found.accuracy.at_least, n),
        _finding(question, f"best accuracy at {found.cut}, at most", found.accuracy.at_most, n),
        _finding(question, f"best F1 at {found.cut}, at least", found.f1.at_least, n),
        _finding(question, f"best F1 at {found.cut}, at most", found.f1.at_most, n),
    ]


def agreement(labels: Grades, other: Grades | None, name: str) -> list[Finding]:
    if other is None:
        return []
    first, second = together(labels, other)
    found = agree(first, second)
    question, n = "two teachers", found.num_documents
    return [
        _finding(question, "quadratic-weighted kappa", found.kappa, n),
        Finding(question, "Spearman", found.spearman, num_documents=n),
        Finding(question, "same grade", found.exact, num_documents=n),
        Finding(question, "same side of 3", found.at_cut, num_documents=n),
        _finding(question, "F1 of one at 3 against the other", found.f1, n),
    ]


def length_bias(labels: Grades, lengths: Grades, beginning: Grades) -> list[Finding]:
    """Correlation of grade and length, the same among pages of equal beginning, and what cutting does."""
    grades, length, start = together(labels, lengths, beginning)
    n = len(grades)
    longer = length > math.log(1 + BEGINNING)
    found = [
        _finding("length", "Spearman of grade and characters", partial(grades, length), n),
        _finding("length", "the same given the beginning's grade", partial(grades, length, start), n),
    ]
    if longer.sum() >= 2:
        cut = shift(grades[longer], start[longer])
        found += [_finding("length", f"change when cut to {BEGINNING:,} characters", cut.mean, cut.num_documents)]
    return found


def moved(question: str, labels: Grades, changed: Grades) -> list[Finding]:
    """What a change that keeps the content did to the grades."""
    found = shift(*together(labels, changed))
    n = found.num_documents
    return [
        _finding(question, "mean change of grade", found.mean, n),
        Finding(question, "mean absolute change of grade", found.moved, num_documents=n),
        Finding(question, "share that changed sides of 3", found.crossed, num_documents=n),
    ]


def together(*gradings: Grades) -> np.ndarray:
    """Return (gradings, documents) of the documents that all of them graded."""
    if not gradings:
        return np.empty((0, 0))
    ids = sorted(set.intersection(*(set(grades) for grades in gradings)))
    return np.array([[grades[document_id] for document_id in ids] for grades in gradings], dtype=np.float64)


def _finding(question: str, measure: str, interval: Interval, n: int) -> Finding:
    return Finding(question, measure, interval.value, interval.low, interval.high, n)


def _spread(size: int, n: int) -> list[int]:
    """Return `n` row numbers spread evenly: the rows are in the order of their ranks, which is random."""
    return sorted({i * size // min(n, size) for i in range(min(n, size))})


def _spent(out: str) -> tuple[int, int]:
    table = Corpus(out).table(["prompt_tokens", "completion_tokens"])
    return sum(table["prompt_tokens"].to_pylist()), sum(table["completion_tokens"].to_pylist())
