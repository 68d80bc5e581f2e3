"""The benchmarks: where each one's rows are, how it is asked, with how many examples, and the suites made of them.

    for task in SUITES["smollm"]: task.name, task.data.rows("eval/")

Rows come from FOLDER/NAME.jsonl (or .parquet) for the first name that is there, in any fields `questions` knows; or,
with the folder "hub", from the Parquet conversion of the data set on the Hugging Face hub.

    smollm     SmolLM2's base models: lighteval's wordings, no examples but 5 for GSM8K
    fineweb    the ablations of FineWeb, FineWeb-Edu and FineWeb2: lighteval's wordings, no examples, 1,000 items each
    harness    lm-evaluation-harness' own wordings: for numbers to hold beside its own, item by item
    code       HumanEval and MBPP, in a sandbox

DCLM's CORE is not here: half of its 22 tasks are in no file of these styles. Two differences to the originals: examples
are the first of their file, not drawn anew for each item (the harness' `sampler: first_n`), which lets all items share
one reading of them and makes models comparable item by item; and a limit takes the first items, not a shuffled sample.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from curate.evaluate import forms
from curate.evaluate.answers import (
    GSM8K,
    TRIVIAQA,
    TRIVIAQA_HARNESS,
    Written,
    arithmetic,
    right_alias,
    right_name,
    right_number,
    trivia,
    trivia_asked,
)
from curate.evaluate.code import Problem, humaneval, mbpp
from curate.evaluate.data import HUB, Data
from curate.evaluate.generate import Decoding
from curate.evaluate.items import Item
from curate.evaluate.questions import Question, question

Row = Mapping[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Likelihood:
    """A task whose choices are scored."""

    name: str
    data: Data
    form: forms.Form
    shots: Data | None = None
    num_shots: int = 0
    description: Callable[[Question], str] | None = None

    def items(
        self, folder: str | os.PathLike[str], *, limit: int | None = None, num_shots: int | None = None
    ) -> list[Item]:
        """Read the first `limit` items, of each subject where there are subjects."""
        asked = _read_all(question, self.data.rows(folder), self.name)
        beginnings = self._beginnings(folder, self.num_shots if num_shots is None else num_shots)
        return [self._item(one, beginnings) for one in _first(asked, limit)]

    def _item(self, asked: Question, beginnings: Mapping[str, str]) -> Item:
        start = self.description(asked) if self.description else ""
        start += beginnings.get(asked.group, "")
        return Item(tuple((start + before, after) for before, after in self.form(asked)), asked.gold, asked.group)

    def _beginnings(self, folder: str | os.PathLike[str], num_shots: int) -> dict[str, str]:
        """Return the examples of each subject as text."""
        if not num_shots:
            return {}
        if self.shots is None:
            raise ValueError(f"{self.name} has no file of examples; ask it without --shots")
        solved = _read_all(question, self.shots.rows(folder), f"{self.name}'s examples")
        texts: dict[str, list[str]] = {}
        for one in solved:
            texts.setdefault(one.group, []).append("".join(self.form(one)[one.gold]))
        return {group: "".join(f"{text}\n\n" for text in some[:num_shots]) for group, some in texts.items()}


@dataclass(frozen=True)
class Answer:
    """A task whose answer is written out and then judged, by one or several measures."""

    name: str
    data: Data
    read: Callable[[Row], Written]
    judge: Callable[[str, Written], dict[str, bool]]
    decoding: Decoding
    shots: Data | None = None
    num_shots: int = 0

    def questions(
        self, folder: str | os.PathLike[str], *, limit: int | None = None, num_shots: int | None = None
    ) -> tuple[list[Written], list[str]]:
        """Return the first `limit` questions and what the model reads for each."""
        asked = _read_all(self.read, self.data.rows(folder)[:limit], self.name)
        wanted = self.num_shots if num_shots is None else num_shots
        if wanted and self.shots is None:
            raise ValueError(f"{self.name} has no file of examples; ask it without --shots")
        shown = self.shots.rows(folder)[:wanted] if wanted and self.shots else []
        solved = _read_all(self.read, shown, f"{self.name}'s examples")
        start = "".join(f"{one.prompt}{one.shown}\n\n" for one in solved)
        return asked, [start + one.prompt for one in asked]


@dataclass(frozen=True)
class Code:
    """A task whose answer is a program."""

    name: str
    data: Data
    read: Callable[[Sequence[Row]], list[Problem]]

    def problems(self, folder: str | os.PathLike[str], *, limit: int | None = None) -> list[Problem]:
        try:
            return self.read(self.data.rows(folder))[:limit]
        except (LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"{self.name}: a row in {folder} is no problem ({error!r}); is it its file?") from error


Task = Likelihood | Answer | Code


def _read_all(read: Callable[[Row], T], rows: Sequence[Row], task: str) -> list[T]:
    """Read every row; one that is no question is named."""
    found = []
    for number, row in enumerate(rows, 1):
        try:
            found.append(read(row))
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            what = f"no field {error}; it has {', '.join(row)}" if isinstance(error, KeyError) else str(error)
            raise ValueError(f"{task}, row {number}: not a question ({what})") from error
    return found


def _first(asked: Sequence[Question], limit: int | None) -> list[Question]:
    groups: dict[str, list[Question]] = {}
    for one in asked:
        groups.setdefault(one.group, []).append(one)
    return [one for some in groups.values() for one in islice(some, limit)]


ARC_EASY = Data(("arc_easy", "arc_easy_test", "arc_easy_val"), "allenai/ai2_arc ARC-Easy test")
ARC_CHALLENGE = Data(("arc_challenge", "arc_challenge_test", "arc_challenge_val"), "allenai/ai2_arc ARC-Challenge test")
PIQA = Data(("piqa_val", "piqa"), "ybisk/piqa plain_text validation")
SIQA = Data(("socialiqa_val", "siqa_val"), "allenai/social_i_qa default validation")
OPENBOOKQA = Data(("openbook_qa", "openbookqa", "openbookqa_test", "openbookqa_val"), "allenai/openbookqa main test")
COMMONSENSE_QA = Data(("csqa_val", "commonsense_qa_val"), "tau/commonsense_qa default validation")
WINOGRANDE = Data(("winogrande_val", "winogrande"), "allenai/winogrande winogrande_xl validation")
HELLASWAG = Data(("hellaswag", "hellaswag_val", "hellaswag_val_subset1000"), "Rowan/hellaswag default validation")
LAMBADA = Data(("lambada_openai", "lambada"), "EleutherAI/lambada_openai default test")
MMLU, MMLU_DEV = Data(("mmlu_test", "mmlu"), "cais/mmlu all test"), Data(("mmlu_dev",), "cais/mmlu all dev")
MMLU_PRO = Data(("mmlu_pro", "mmlu_pro_test"), "TIGER-Lab/MMLU-Pro default test")
BOOLQ = Data(("boolq_val", "boolq"), "aps/super_glue boolq validation")
SCIQ = Data(("sciq_test", "sciq", "sciq_val"), "allenai/sciq default test")
COPA = Data(("copa_val", "copa"), "aps/super_glue copa validation")
TRIVIA_QA = Data(("triviaqa_val", "triviaqa", "triviaqa_sm_sub"), "mandarjoshi/trivia_qa rc.nocontext validation")
GSM8K_TEST, GSM8K_TRAIN = (
    Data(("gsm8k_test",), "openai/gsm8k main test"),
    Data(("gsm8k_train",), "openai/gsm8k main train"),
)
HUMANEVAL = Data(("humaneval", "humaneval_openai"), "openai/openai_humaneval openai_humaneval test")
MBPP = Data(("mbpp",), "google-research-datasets/mbpp full prompt+test")  # numbers 1 to 510

ARC = (Likelihood("arc_easy", ARC_EASY, forms.cloze), Likelihood("arc_challenge", ARC_CHALLENGE, forms.cloze))
LIGHTEVAL = (
    *ARC,
    Likelihood("commonsense_qa", COMMONSENSE_QA, forms.bare),
    Likelihood("hellaswag", HELLASWAG, forms.bare),
    Likelihood("openbook_qa", OPENBOOKQA, forms.bare),
    Likelihood("piqa", PIQA, forms.cloze),
    Likelihood("winogrande", WINOGRANDE, forms.whole),
)
MATH = Answer("gsm8k", GSM8K_TEST, arithmetic, right_number, GSM8K, GSM8K_TRAIN, num_shots=5)
TRIVIA = Answer("trivia_qa", TRIVIA_QA, trivia, right_name, TRIVIAQA)
HARNESS_TRIVIA = Answer("trivia_qa", TRIVIA_QA, trivia_asked, right_alias, TRIVIAQA_HARNESS)
SUITES: dict[str, tuple[Task, ...]] = {
    "smollm": (
        *LIGHTEVAL,
        Likelihood("mmlu_cloze", MMLU, forms.topic_cloze),
        Likelihood("mmlu_pro", MMLU_PRO, forms.letters, description=forms.choices_of),
        TRIVIA,
        MATH,
    ),
    "fineweb": (
        *LIGHTEVAL,
        Likelihood("siqa", SIQA, forms.situation),
        Likelihood("mmlu_cloze", MMLU, forms.topic_cloze),
    ),
    "harness": (
        *ARC,
        Likelihood("piqa", PIQA, forms.cloze),
        Likelihood("siqa", SIQA, forms.short_cloze),
        Likelihood("openbook_qa", OPENBOOKQA, forms.bare),
        Likelihood("commonsense_qa", COMMONSENSE_QA, forms.question_letters),
        Likelihood("winogrande", WINOGRANDE, forms.partial),
        Likelihood("hellaswag", HELLASWAG, forms.bare),
        Likelihood("lambada", LAMBADA, forms.bare),
        Likelihood("mmlu", MMLU, forms.letters, MMLU_DEV, description=forms.choices_of),
        Likelihood("mmlu_cloze", MMLU, forms.cloze, MMLU_DEV, description=forms.questions_of),
        Likelihood("boolq", BOOLQ, forms.passage_cloze),
        Likelihood("sciq", SCIQ, forms.support_cloze),
        Likelihood("copa", COPA, forms.bare),
        HARNESS_TRIVIA,
        MATH,
    ),
    "code": (
        Code("humaneval", HUMANEVAL, lambda rows: [humaneval(row) for row in rows]),
        Code("mbpp", MBPP, mbpp),
    ),
}
LIMITS = {"fineweb": 1000}  # items of each task, where a suite's authors took fewer than all


def pick(suite: str) -> tuple[Task, ...]:
    """Return the tasks of a suite."""
    if suite not in SUITES:
        raise ValueError(f"no suite is called {suite!r}; there are {', '.join(SUITES)}, or give a .jsonl file")
    return SUITES[suite]


def require_data(
    tasks: Sequence[Task],
    folder: str | os.PathLike[str],
    *,
    num_shots: int | None = None,
    allow_missing: bool = False,
) -> list[Task]:
    """Return the tasks whose files, also of examples, are in the folder; raise, before any work, if one's are not.

    Args:
        num_shots: examples asked for; each task's own number by default.
        allow_missing: leave out what has no file, as long as something has; the caller says what.

    Raises:
        FileNotFoundError: files are missing; it says of which tasks, and what can run.
        ValueError: examples are asked for of a task that has none.
    """
    unlike = [task.name for task in tasks if num_shots and (isinstance(task, Code) or task.shots is None)]
    if unlike:
        raise ValueError(f"no file of examples for {', '.join(unlike)}; give --shots with --tasks that have one")
    if folder == HUB:
        return list(tasks)
    if not Path(folder).is_dir():
        raise FileNotFoundError(
            f"{folder} is no folder; --data names the folder of the benchmarks' JSONL files, or hub"
        )
    lacking = {task.name: names for task in tasks if (names := _lacking(task, folder, num_shots))}
    rest = [task for task in tasks if task.name not in lacking]
    if lacking and not (allow_missing and rest):
        needed = "; ".join(f"{name} needs {names}" for name, names in lacking.items())
        can = f" What can run: --tasks {','.join(task.name for task in rest)}, or --allow-missing" if rest else ""
        raise FileNotFoundError(f"{folder} lacks files (.jsonl or .parquet): {needed}.{can}")
    return rest


def _lacking(task: Task, folder: str | os.PathLike[str], num_shots: int | None) -> str:
    """Name the files that a task needs and the folder has not."""
    sources = [task.data]
    if not isinstance(task, Code) and task.shots and (task.num_shots if num_shots is None else num_shots):
        sources.append(task.shots)
    return " and ".join(" or ".join(source.names) for source in sources if source.file(folder) is None)
