"""What the fields of a benchmark's row mean: question, answer, choices, passage, code.

    items_of({"query": "Question: Why is ice light?\\nAnswer:", "choices": ["air", "..."], "gold": 0}, "sciq", 7)
    -> [Item("sciq", "7", "question", "Why is ice light?", answer="air", choices=("air", "..."))]

Benchmarks come in the layouts of their authors, of lm-evaluation-harness, of lighteval and of llm-foundry, and no two
agree. A row is read by the names of its fields; what a harness put around a question ("Question: ", "\\nAnswer:", the
letters of the choices) is taken off, because a page that copied the question has something else around it. Rows whose
fields mean nothing to us are an error that asks for `Fields`, never skipped.

One row gives up to four items: the question, the answer where it is long enough to be recognised alone, the passage
that the question is about, and the solution in code.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

Row = Mapping[str, Any]

ANSWER_WORDS = 10  # from here on an answer is looked for alone: shorter than any published n-gram there is no evidence
CONTEXT_WORDS = 60  # a longer context is a passage of its own (SQuAD, CoQA), a shorter one part of the question (SIQA)

PROMPT = ("prompt", "complete_prompt")  # that a solution in code goes on from: HumanEval's, BigCodeBench's
QUESTION = (
    *("question", "question_stem", "query", "problem", "goal", *PROMPT, "ctx", "sentence", "text", "instruction"),
    "input",
)
ANSWER = (
    *("continuation", "correct_answer", "answer", "best_answer", "solution", "target", "output", "response"),
    "answers",
)
CODE = ("canonical_solution", "code")
PASSAGE = ("passage", "support", "paragraph", "article", "story")
IDS = ("id", "task_id", "question_id", "ID", "uid", "key", "ind", "idx", "index")
GOLD = ("gold", "answerKey", "label", "answer", "answer_idx", "correct")
CHOICES = ("choices", "endings", "options")
NAMED_CHOICES = (  # one field for each choice
    ("sol1", "sol2"),
    ("option1", "option2"),
    ("answerA", "answerB", "answerC"),
    ("choice1", "choice2"),
    ("ending0", "ending1", "ending2", "ending3"),
    ("correct_answer", "distractor1", "distractor2", "distractor3"),
)

LEAD = re.compile(r"^\s*(?:Question|Goal|Problem|Context|Sentence|Q)\s*:\s*")
TAIL = re.compile(r"\s*\n\s*(?:Answer|A)\s*:?\s*$")
LISTED = re.compile(r"\n\s*Choices:\s*\n(.*)$", re.DOTALL)  # lighteval's and llm-foundry's way to print choices
LETTERED = re.compile(r"^\s*\(?[A-J][.):]\s*(.+?)\s*$", re.MULTILINE)
WITH_PASSAGE = re.compile(r"^\s*Passage:\s*(?P<passage>.+)\n\s*Question:\s*(?P<question>.+)$", re.DOTALL)
WITH_CONTEXT = re.compile(r"^\s*Context:\s*(?P<context>.+)\n\s*Question:\s*(?P<question>.+)$", re.DOTALL)
# MMLU's history questions, which quote a source: https://github.com/hendrycks/test
WITH_SOURCE = re.compile(
    r"^\s*This question refers to the following information\.\s*\n(?P<passage>.+)\n(?P<question>.+)$", re.DOTALL
)
CATEGORY = re.compile(r"^[A-Z0-9][^a-z]{2,60}: (?=\S)")  # of a Jeopardy clue, in capitals
CALCULATION = re.compile(r"<<[^<>\n]*>>")  # GSM8K's calculator marks
FINAL = re.compile(r"\n?####\s*(.+?)\s*$")  # GSM8K's last line


@dataclass(frozen=True)
class Item:
    """One text of a benchmark to look for, and what tells that a short one was really meant."""

    benchmark: str  # its file's name without the ending
    item: str  # the row's own id, else its number from 0
    part: str  # question, answer, passage or solution
    text: str
    answer: str = ""  # the right one, of a question
    choices: tuple[str, ...] = ()
    entry_point: str | None = None  # of a solution: the function that the tests call

    @property
    def code(self) -> str:
        assert self.part == "solution"
        return self.text


@dataclass(frozen=True)
class Fields:
    """Names of the fields of rows that we do not know; an empty one is looked for by our own names.

    A row that has none of the named fields and is of a kind that we know is read by our own names.
    """

    question: str = ""
    answer: str = ""
    choices: str = ""
    passage: str = ""
    solution: str = ""
    id: str = ""

    @property
    def named(self) -> tuple[str, ...]:
        return tuple(name for name in vars(self).values() if name)

    @classmethod
    def parse(cls, said: str) -> "Fields":
        """Read `question=prompt_text,answer=reply`."""
        pairs = dict(pair.partition("=")[::2] for pair in said.split(",") if pair)
        known = [field.name for field in fields(cls)]
        wrong = [name for name in pairs if name not in known or not pairs[name]]
        if wrong:
            raise ValueError(f"--fields {said}: {wrong[0]!r} is none of {', '.join(known)}; say question=FIELD,...")
        return cls(**pairs)


OURS = Fields()


def items_of(row: Row, benchmark: str, number: int, names: Fields = OURS) -> list[Item]:
    """Return what to look for of one row.

    Raises:
        ValueError: the row has no field that we take for a question, or none that `names` names.
    """
    absent = [name for name in names.named if name not in row]
    if absent and len(absent) == len(names.named) and (_question(row, OURS)[1] or _first(row, CODE)):
        names = OURS  # a benchmark that we know, beside those whose fields are named
    elif absent:
        raise ValueError(f"{benchmark}, row {number}: there is no field {absent[0]!r}; it has {', '.join(row)}")
    name = str(next((row[key] for key in (names.id, *IDS) if row.get(key) not in (None, "")), number))
    passage, question, listed = _question(row, names)
    choices = _choices(row, names) or listed
    answer = _answer(row, names, choices, listed)
    code = _first(row, (names.solution,) if names.solution else CODE)
    if not question and not code:
        raise ValueError(
            f"{benchmark}, row {number}: none of its fields ({', '.join(row)}) is known as a question; "
            "name them, such as --fields question=FIELD,answer=FIELD"
        )
    found = [Item(benchmark, name, "passage", passage)] if passage else []
    if question:
        final = FINAL.search(answer)
        found.append(Item(benchmark, name, "question", question, final.group(1) if final else answer, choices))
    worked = CALCULATION.sub("", FINAL.sub("", answer))
    if len(worked.split()) >= ANSWER_WORDS and not code and worked not in question:
        found.append(Item(benchmark, name, "answer", worked))
    if code:
        found.append(Item(benchmark, name, "solution", _program(row, code), entry_point=_entry_point(row)))
    return found


def _question(row: Row, names: Fields) -> tuple[str, str, tuple[str, ...]]:
    """Return (passage, question, choices that were listed in it), without what a harness put around them."""
    passage = _first(row, (names.passage,) if names.passage else PASSAGE)
    if names.question:
        return passage, _first(row, (names.question,)), ()
    context = _first(row, ("context",))
    question = _first(row, QUESTION)
    if isinstance(row.get("context_options"), list):  # Winograd: the sentence with either name in it
        gold = _index(row, len(row["context_options"])) or 0
        return passage, f"{row['context_options'][gold]} {_first(row, ANSWER)}".strip(), ()
    if "sentence" in row and "option1" in row:
        gold = _index(row, 2) or 0
        return passage, str(row["sentence"]).replace("_", str(row[f"option{gold + 1}"])), ()
    if "premise" in row and "choice1" in row:  # COPA, whose `question` is the word "cause" or "effect"
        return passage, _first(row, ("premise",)), ()
    if not question:
        question, context = context, ""
    listed = LISTED.search(question)
    choices = tuple(LETTERED.findall(TAIL.sub("", listed.group(1)))) if listed else ()
    question = TAIL.sub("", LISTED.sub("", question))
    for pattern in (WITH_PASSAGE, WITH_SOURCE):
        split = pattern.match(question)
        if split:
            return split.group("passage").strip(), split.group("question").strip(), choices
    split = WITH_CONTEXT.match(question)
    question = f"{split.group('context').strip()} {split.group('question')}" if split else question
    question = CATEGORY.sub("", LEAD.sub("", question)).strip()
    if context and not (row.get("query") or "").startswith(context):
        if len(context.split()) > CONTEXT_WORDS:
            return passage or context, question, choices
        question = f"{context.strip()} {question}"
    return passage, question, choices


def _choices(row: Row, names: Fields) -> tuple[str, ...]:
    for key in (names.choices,) if names.choices else CHOICES:
        found = row.get(key)
        if isinstance(found, Mapping):  # AI2's own: {"text": [...], "label": [...]}
            found = found.get("text") if isinstance(found.get("text"), Sequence) else list(found.values())
        if isinstance(found, Sequence) and not isinstance(found, str) and len(found):
            texts = tuple(str(c.get("text", "")) if isinstance(c, Mapping) else str(c) for c in found)
            return () if all(len(text.strip()) <= 1 and text.strip().isalpha() for text in texts) else texts
    for group in NAMED_CHOICES:
        if all(key in row for key in group):
            return tuple(str(row[key]) for key in group)
    return ()


def _answer(row: Row, names: Fields, choices: tuple[str, ...], listed: tuple[str, ...]) -> str:
    if names.answer:
        return _first(row, (names.answer,))
    if choices and "correct_answer" not in row:
        number = _index(row, len(listed or choices))
        return choices[number] if number is not None else ""
    return _first(row, ANSWER)


def _index(row: Row, num: int) -> int | None:
    """Return the number of the right choice, from 0, of 2, "2" or "C"; some layouts count from 1."""
    first = int("answerA" in row or "option1" in row)
    for key in GOLD:
        value = row.get(key)
        if isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < num:
            return value
        if isinstance(value, str) and re.fullmatch(r"[A-J]", value) and ord(value) - 65 < num:
            return ord(value) - 65
        if isinstance(value, str) and value.isdigit():
            start = first or int(key == "answerKey")
            return int(value) - start if start <= int(value) < num + start else None
    return None


def _program(row: Row, code: str) -> str:
    """Return the whole program: HumanEval's solution goes on where its prompt ends."""
    whole = f"{_first(row, PROMPT)}{code}" if "canonical_solution" in row else code
    return whole.replace("\r\n", "\n").replace("\r", "\n")


def _entry_point(row: Row) -> str | None:
    if row.get("entry_point"):
        return str(row["entry_point"])
    calls = re.match(r"\s*assert\s+\(?(\w+)\(", str((row.get("test_list") or [""])[0]))  # MBPP
    return calls.group(1) if calls else None


def _first(row: Row, keys: Sequence[str]) -> str:
    """Return the first field that holds text; of a list of texts, the first."""
    for key in keys:
        value = row.get(key)
        if isinstance(value, Mapping):  # TriviaQA's answer, SQuAD's answers
            value = value.get("value", value.get("text"))
        if isinstance(value, list) and value and isinstance(value[0], str):
            value = value[0]
        if isinstance(value, str) and value.strip():
            return value
        if key in ANSWER and isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
    return ""
