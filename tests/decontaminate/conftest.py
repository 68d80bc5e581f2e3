"""A small benchmark folder in several authors' layouts, and pages to plant its items in."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROWS: dict[str, list[dict[str, Any]]] = {
    "gsm8k": [
        {
            "question": "A robe takes 2 bolts of blue fiber and half that much white fiber. How many bolts in total "
            "does it take to sew the robe of a tall man?",
            "answer": "It takes 2/2=<<2/2=1>>1 bolt of white fiber\nSo the total amount of fabric is 2+1=<<2+1=3>>3 "
            "bolts of fabric\n#### 3",
        },
    ],
    "arc": [
        {
            "id": "Mercury_1",
            "query": "Question: Which gas do green plants take from the air?\nAnswer:",
            "choices": ["oxygen", "nitrogen", "carbon dioxide", "helium"],
            "gold": 2,
        },
    ],
    "mbpp": [
        {
            "task_id": 11,
            "text": "Write a python function to remove first and last occurrence of a given character from the string.",
            "code": "def remove_Occ(s,ch): \r\n    for i in range(len(s)): \r\n        if (s[i] == ch): \r\n"
            "            s = s[0 : i] + s[i + 1:] \r\n            break\r\n    for i in range(len(s) - 1,-1,-1):  \r\n"
            "        if (s[i] == ch): \r\n            s = s[0 : i] + s[i + 1:] \r\n            break\r\n    return s ",
            "test_list": ['assert remove_Occ("hello","l") == "heo"'],
        },
    ],
}


@pytest.fixture
def rows() -> dict[str, list[dict[str, Any]]]:
    return ROWS


@pytest.fixture
def write(tmp_path: Path) -> Callable[[dict[str, list[dict[str, Any]]]], str]:
    """Write benchmarks as JSON lines into a folder of their own; return its path."""

    def write(rows: dict[str, list[dict[str, Any]]]) -> str:
        folder = tmp_path / "eval"
        folder.mkdir(exist_ok=True)
        for name, lines in rows.items():
            (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return str(folder)

    return write


@pytest.fixture
def against(write: Callable[[dict[str, list[dict[str, Any]]]], str]) -> str:
    return write(ROWS)
