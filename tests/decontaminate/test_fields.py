"""What a row of a benchmark says, in the layouts that are about."""

import json
from pathlib import Path
from typing import Any

import pytest

from curate.decontaminate.benchmarks import read_benchmarks
from curate.decontaminate.fields import Fields, Item, items_of


def one(row: dict[str, Any], part: str = "question") -> Item:
    (found,) = (item for item in items_of(row, "b", 7) if item.part == part)
    return found


@pytest.mark.parametrize(
    ("row", "text", "answer", "choices"),
    [
        ({"question": "Why?", "choices": ["a1", "b2"], "answer": 1}, "Why?", "b2", ("a1", "b2")),  # MMLU
        ({"query": "Question: Why?\nAnswer:", "choices": ["x1", "y2"], "gold": 0}, "Why?", "x1", ("x1", "y2")),
        (  # lighteval prints the choices into the question, and their letters are the choices
            {"query": "Question: Why?\nChoices:\nA. bank\nB. mall\nAnswer:", "choices": ["A", "B"], "gold": 1},
            "Why?",
            "mall",
            ("bank", "mall"),
        ),
        ({"context": "HISTORY: This man sailed", "continuation": "Cook"}, "This man sailed", "Cook", ()),  # Jeopardy
        (  # ARC as AI2 publishes it
            {"question": "Why?", "choices": {"text": ["air", "ice"], "label": ["A", "B"]}, "answerKey": "B"},
            "Why?",
            "ice",
            ("air", "ice"),
        ),
        (  # HellaSwag
            {"ctx": "A man walks", "endings": ["home.", "away."], "label": "1"},
            "A man walks",
            "away.",
            ("home.", "away."),
        ),
        (  # Winograd: the sentence with the right name
            {"context_options": ["Jo ran so Jo", "Jo ran so Al"], "continuation": "won.", "gold": 1},
            "Jo ran so Al won.",
            "won.",
            (),
        ),
        (
            {"sentence": "Jo ran so _ won.", "option1": "Jo", "option2": "Al", "answer": "2"},
            "Jo ran so Al won.",
            "Al",
            ("Jo", "Al"),
        ),
        (  # Social IQa: a short context belongs to the question, labels count from 1
            {"context": "Al ran.", "question": "Why?", "answerA": "p1", "answerB": "q2", "answerC": "r3", "label": "3"},
            "Al ran. Why?",
            "r3",
            ("p1", "q2", "r3"),
        ),
        (
            {"goal": "Boil eggs", "sol1": "in water", "sol2": "in oil", "label": 0},
            "Boil eggs",
            "in water",
            ("in water", "in oil"),
        ),
        ({"prompt": "Write a poem."}, "Write a poem.", "", ()),  # IFEval
        (  # OpenBookQA as AI2 publishes it
            {
                "question_stem": "Roots take",
                "choices": {"text": ["air", "water"], "label": ["A", "B"]},
                "answerKey": "B",
            },
            "Roots take",
            "water",
            ("air", "water"),
        ),
        (  # COPA: `question` says what kind it is
            {
                "premise": "He fell.",
                "choice1": "It was icy.",
                "choice2": "It was hot.",
                "question": "cause",
                "label": 0,
            },
            "He fell.",
            "It was icy.",
            ("It was icy.", "It was hot."),
        ),
        ({"question": "Who?", "answer": {"value": "Al Gore", "aliases": ["Gore"]}}, "Who?", "Al Gore", ()),  # TriviaQA
        ({"question": "Who?", "answers": {"text": ["Al Gore"], "answer_start": [3]}}, "Who?", "Al Gore", ()),  # SQuAD
        ({"question": "Who?", "answers": ["Al Gore", "Gore"]}, "Who?", "Al Gore", ()),  # WebQuestions
        ({"context": "Al ran.", "query": None, "question": "Why?"}, "Al ran. Why?", "", ()),
    ],
)
def test_question_answer_and_choices_are_read_from_every_layout(
    row: dict[str, Any], text: str, answer: str, choices: tuple[str, ...]
) -> None:
    item = one(row)
    assert (item.text, item.answer, item.choices) == (text, answer, choices)


def test_gsm8k_answers_lose_their_calculations_and_keep_the_final_number() -> None:
    row = {"question": "How many?", "answer": "He has 4*12=<<4*12=48>>48 and then he gives away 8 of them.\n#### 40"}
    assert one(row).answer == "40"
    assert one(row, "answer").text == "He has 4*12=48 and then he gives away 8 of them."


def test_a_passage_is_a_part_of_its_own() -> None:
    row = {"query": "Passage: Ethanol is\nburnt.\nQuestion: is it cheap?", "choices": ["no", "yes"], "gold": 0}
    assert one(row, "passage").text == "Ethanol is\nburnt."
    assert one(row).text == "is it cheap?"
    long = {"context": "word " * 61, "question": "Why so many?", "answer": "because"}  # SQuAD
    assert one(long, "passage").text.startswith("word")
    assert one(long).text == "Why so many?"


def test_code_is_a_whole_program_with_its_entry_point() -> None:
    human = {
        "task_id": "HumanEval/0",
        "prompt": "def f(x):\n",
        "canonical_solution": "    return x\n",
        "entry_point": "f",
    }
    assert one(human, "solution") == Item("b", "HumanEval/0", "solution", "def f(x):\n    return x\n", entry_point="f")
    assert one(human).text == "def f(x):"
    library = {"complete_prompt": "def f(x):\n", "canonical_solution": "    return x\n", "instruct_prompt": "Say x."}
    assert one(library, "solution").text == "def f(x):\n    return x\n"  # BigCodeBench
    mbpp = {"text": "Say x.", "code": "def g(x):\r\n  return x", "test_list": ["assert g(1) == 1"], "task_id": 3}
    assert one(mbpp, "solution") == Item("b", "3", "solution", "def g(x):\n  return x", entry_point="g")


def test_unknown_fields_are_an_error_that_says_how_to_name_them() -> None:
    with pytest.raises(ValueError, match=r"b, row 7: none of its fields \(frage\).*--fields question=FIELD"):
        items_of({"frage": "Warum?"}, "b", 7)
    named = items_of({"frage": "Warum?", "antwort": "Darum"}, "b", 7, Fields.parse("question=frage,answer=antwort"))
    assert (named[0].text, named[0].answer, named[0].item) == ("Warum?", "Darum", "7")
    with pytest.raises(ValueError, match="there is no field 'nix'"):
        items_of({"frage": "Warum?"}, "b", 7, Fields(question="nix"))
    with pytest.raises(ValueError, match="'frage' is none of question, answer"):
        Fields.parse("frage=x")


def test_every_benchmark_at_hand_is_read_whole(shared_data: Path) -> None:
    folder = shared_data / "eval"
    items = read_benchmarks(str(folder))
    questions = {(item.benchmark, item.item) for item in items if item.part == "question"}
    for file in folder.glob("*.jsonl"):
        lines = file.read_text().strip().split("\n")
        ids = {
            str(row.get("id", row.get("task_id", row.get("key", row.get("ind", n)))))
            for n, row in enumerate(map(json.loads, lines))
        }
        assert len({item for name, item in questions if name == file.stem}) == len(ids), file.name
    assert sum(item.part == "solution" for item in items) == 164 + 974
    assert not [
        item for item in items if item.text.startswith(("Question:", "Passage:")) or item.text.endswith("Answer:")
    ]
