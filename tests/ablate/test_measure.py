"""What is asked of every model: found, read and told apart before anything is trained."""

import json
from pathlib import Path

import pytest

from curate.ablate.measure import questions

ITEM = {"query": "light leaf cell", "choices": ["sugar water", "sun root", "qqq zzz"], "gold": 0}


def quiz(file: Path, *items: dict) -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(item) + "\n" for item in items))
    return f"{file}"


def test_a_suite_that_cannot_be_asked_is_told_at_once(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.jsonl does not exist"):
        questions([f"{tmp_path}/nowhere.jsonl"], "", "eval", None)
    with pytest.raises(ValueError, match="line 2: not an item of a suite"):
        questions([quiz(tmp_path / "half.jsonl", ITEM, {"query": "light"})], "", "eval", None)
    with pytest.raises(ValueError, match="empty has no items to ask"):
        questions([quiz(tmp_path / "empty.jsonl")], "", "eval", None)


def test_two_files_of_one_name_do_not_hide_each_other(tmp_path):
    places = [quiz(tmp_path / folder / "quiz.jsonl", ITEM) for folder in ("a", "b")]
    with pytest.raises(ValueError, match="two to ask are called quiz"):
        questions(places, "", "eval", None)


def test_another_file_of_the_same_name_is_asked_anew(tmp_path):
    """By what `measured.parquet` says of the questions that it holds the answers to."""
    first, again, other = (
        questions([quiz(tmp_path / folder / "quiz.jsonl", item)], "", "eval", None)[0].identity()
        for folder, item in (("a", ITEM), ("b", ITEM), ("c", ITEM | {"gold": 1}))
    )
    assert first == again
    assert first != other
    more = quiz(tmp_path / "d" / "quiz.jsonl", ITEM, ITEM)
    assert questions([more], "", "eval", 1)[0].identity() == first
    assert questions([more], "", "eval", None)[0].identity() != first


def test_a_relative_suite_is_found_by_a_worker_that_stands_elsewhere(tmp_path, monkeypatch):
    quiz(tmp_path / "quiz.jsonl", ITEM)
    monkeypatch.chdir(tmp_path)
    asked, _ = questions(["quiz.jsonl"], "", "eval", None)
    monkeypatch.chdir("/")
    assert len(asked.items()["quiz"]) == 1
