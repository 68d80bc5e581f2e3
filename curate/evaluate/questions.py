"""Rows of public benchmarks, in whatever fields they come, as questions.

    question({"goal": "dry a shirt", "sol1": "hang it", "sol2": "soak it", "label": 0})
    Question(stem="dry a shirt", choices=("hang it", "soak it"), gold=0)

The fields tell the data set: the original ones of ARC, OpenBookQA, CommonsenseQA, PIQA, SIQA, WinoGrande, HellaSwag,
MMLU, SciQ, BoolQ, COPA and LAMBADA as on the hub, or the plain styles of MosaicML's and OLMES' files:

    {"query": ..., "choices": [...], "gold": 0}                    "Question:", "\\nAnswer:" and letters are taken off
    {"context_options": [...], "continuation": ..., "gold": 0}     WinoGrande: the same end after each beginning
    {"context": ..., "continuation": ...}                          LAMBADA: the last word of a passage

A question holds no prompt; how it is asked is in `curate.evaluate.forms`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

Row = Mapping[str, Any]
LETTERED = re.compile(r"^[A-J]\. (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Question:
    """One item: `choices[gold]` is right. `before` is read first; `after` follows the chosen one (WinoGrande)."""

    stem: str
    choices: tuple[str, ...]
    gold: int = 0
    before: str = ""  # a passage, a situation
    after: str = ""
    group: str = ""  # MMLU's subject

    def __post_init__(self) -> None:
        if not 0 <= self.gold < len(self.choices):
            raise ValueError(f"the right choice is number {self.gold}, but there are {len(self.choices)} choices")


def question(row: Row) -> Question:
    """Return the question that a row asks.

    Raises:
        ValueError: its fields are of no data set that we know, or the right choice is not among the choices.
    """
    for fields, read in STYLES:
        if all(field in row for field in fields):
            return read(row)
    raise ValueError(
        f"fields {sorted(row)} are of no benchmark known here; plain ones are query, choices and gold, or "
        "context_options, continuation and gold, or context and continuation"
    )


def _keyed(row: Row, stem: str) -> Question:
    """ARC, OpenBookQA and CommonsenseQA: choices with labels A to E, or 1 to 4."""
    return Question(stem, tuple(row["choices"]["text"]), list(row["choices"]["label"]).index(row["answerKey"].strip()))


def _subject(row: Row) -> Question:
    answer = row["answer"] if isinstance(row["answer"], int) else "ABCD".index(row["answer"])
    return Question(row["question"].strip(), tuple(map(str, row["choices"])), answer, group=row["subject"])


def _options(row: Row) -> Question:
    """MMLU-Pro: up to ten options, categories in the place of subjects."""
    return Question(row["question"], tuple(row["options"]), int(row["answer_index"]), group=row["category"])


def _endings(row: Row) -> Question:
    """HellaSwag: WikiHow's marks are taken out as in lm-evaluation-harness' `hellaswag/utils.py`."""
    start = f"{row['activity_label']}: {row['ctx_a']} {row['ctx_b'].capitalize()}"
    return Question(_without_marks(start), tuple(map(_without_marks, row["endings"])), int(row["label"]))


def _without_marks(text: str) -> str:
    return re.sub(r"\[.*?\]", "", text.strip().replace(" [title]", ". ")).replace("  ", " ")


def _solutions(row: Row) -> Question:
    return Question(row["goal"], (row["sol1"], row["sol2"]), int(row["label"]))


def _social(row: Row) -> Question:
    answers = (row["answerA"], row["answerB"], row["answerC"])
    return Question(row["question"], answers, int(row["label"]) - 1, before=row["context"])


def _blank(row: Row) -> Question:
    stem, after = row["sentence"].split("_", 1)
    return Question(stem, (row["option1"], row["option2"]), int(row["answer"]) - 1, after=after.strip())


def _beginnings(row: Row) -> Question:
    """WinoGrande and Winograd as MosaicML writes them: the option is where the beginnings part, from a word on."""
    columns = zip(*row["context_options"], strict=False)
    shared = "".join(column[0] for column in takewhile(lambda column: len(set(column)) == 1, columns))
    cut = shared.rfind(" ") + 1
    options = tuple(option[cut:] for option in row["context_options"])
    return Question(shared[:cut], options, int(row["gold"]), after=row["continuation"].strip())


def _distractors(row: Row) -> Question:
    choices = (row["distractor1"], row["distractor2"], row["distractor3"], row["correct_answer"])
    return Question(row["question"], choices, 3, before=row["support"].lstrip())


def _passage(row: Row) -> Question:
    gold = int(row["label"] if "label" in row else row["answer"])
    return Question(row["question"].removesuffix("?"), ("no", "yes"), gold, before=row["passage"])


def _cause(row: Row) -> Question:
    """COPA: the full stop gives way to "because" or "therefore", and the choice begins small."""
    stem = f"{row['premise'].strip()[:-1]} {'because' if row['question'] == 'cause' else 'therefore'}"
    choices = tuple(choice[0].lower() + choice[1:] for choice in (row["choice1"], row["choice2"]))
    return Question(stem, choices, int(row["label"]))


def _plain(row: Row) -> Question:
    text, choices = row["query"], tuple(map(str, row["choices"]))
    text = text.removesuffix("\nAnswer:").rstrip("\n")
    text, _, lettered = text.partition("\nChoices:\n")
    if lettered:
        choices = tuple(LETTERED.findall(lettered))
    passage, found, asked = text.rpartition("\nQuestion: ")
    before = passage.removeprefix("Passage: ").removeprefix("Context: ") if found else ""
    if found and choices == ("no", "yes"):
        asked = asked.removesuffix("?")
    stem = asked if found else text.removeprefix("Question: ").removeprefix("Goal: ")
    return Question(stem, choices, int(row["gold"]), before=before, group=row.get("subject", ""))


def _continuation(row: Row) -> Question:
    """LAMBADA: the one space between is the form's; line ends in front of a last word stay, as in the harness."""
    return Question(row["context"], (row["continuation"].removeprefix(" "),))


def _last_word(row: Row) -> Question:
    before, _, word = row["text"].rpartition(" ")
    return Question(before, (word,))


STYLES: tuple[tuple[tuple[str, ...], Callable[[Row], Question]], ...] = (  # the first whose fields are all there
    (("question_stem", "choices", "answerKey"), lambda row: _keyed(row, row["question_stem"])),
    (("question", "choices", "answerKey"), lambda row: _keyed(row, row["question"])),
    (("question", "options", "answer_index", "category"), _options),
    (("question", "choices", "answer", "subject"), _subject),
    (("activity_label", "ctx_a", "ctx_b", "endings", "label"), _endings),
    (("goal", "sol1", "sol2", "label"), _solutions),
    (("context", "question", "answerA", "answerB", "answerC", "label"), _social),
    (("sentence", "option1", "option2", "answer"), _blank),
    (("question", "distractor1", "correct_answer", "support"), _distractors),
    (("passage", "question"), _passage),
    (("premise", "choice1", "choice2", "question", "label"), _cause),
    (("query", "choices", "gold"), _plain),
    (("context_options", "continuation", "gold"), _beginnings),
    (("context", "continuation"), _continuation),
    (("text",), _last_word),
)
