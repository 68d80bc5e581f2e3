"""Where grades come from and which documents belong together."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.classify.annotations import near_copies, read_annotations, read_jsonl

WORDS = [f"word{i}" for i in range(300)]


def text(*words: str) -> str:
    return " ".join(words)


def test_grades_meet_their_texts_by_id(tmp_path: Path) -> None:
    labels = tmp_path / "labels.jsonl"
    labels.write_text("".join(json.dumps({"id": i, "score": s}) + "\n" for i, s in (("b", 4), ("a", 0))))
    pq.write_table(pa.table({"id": ["a", "x", "b"], "text": ["ads", "unasked", "lesson"]}), tmp_path / "docs.parquet")
    graded = read_annotations(labels, tmp_path / "docs.parquet")
    assert graded.texts == ["lesson", "ads"]
    assert graded.grades.tolist() == [4.0, 0.0]


@pytest.mark.parametrize(("graded", "there"), [(["2", "1"], [1, 2, 3]), ([2, 1], ["1", "2", "3"]), ([2, 1], [1, 2, 3])])
def test_an_id_that_is_a_number_on_one_side_and_a_name_on_the_other_is_the_same(
    tmp_path: Path, graded: list[object], there: list[object]
) -> None:
    pq.write_table(pa.table({"id": there, "text": ["ads", "lesson", "unasked"]}), tmp_path / "docs.parquet")
    found = read_annotations(pa.table({"id": graded, "score": [4, 0]}), tmp_path / "docs.parquet")
    assert (found.texts, found.grades.tolist()) == (["lesson", "ads"], [4.0, 0.0])


def test_a_graded_id_without_a_document_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["a"], "text": ["ads"]}), tmp_path / "docs.parquet")
    with pytest.raises(ValueError, match=r"1 of 2 graded ids \(first 'lost'\) are not in"):
        read_annotations(pa.table({"id": ["a", "lost"], "score": [1, 2]}), tmp_path / "docs.parquet")


def test_without_texts_the_error_says_where_to_take_them_from() -> None:
    with pytest.raises(ValueError, match=r"no column 'text'.*give documents="):
        read_annotations(pa.table({"id": ["a"], "score": [1]}))


def test_rows_the_teacher_could_not_grade_are_left_out() -> None:
    table = pa.table({"text": ["a", "b", "c"], "score": pa.array([1.0, None, 3.0], pa.float32())})
    assert read_annotations(table).texts == ["a", "c"]


def test_edited_copies_share_a_group_and_others_do_not() -> None:
    original = text(*WORDS[:200])
    edited = text("a", "new", "start", *WORDS[:150], "and", "another", "end")
    other = text(*reversed(WORDS))
    groups = near_copies([original, other, edited, original])
    assert groups[0] == groups[2] == groups[3] != groups[1]


def test_a_licence_on_many_files_does_not_join_them() -> None:
    licence = text(*WORDS[:100])
    files = [licence + text(*(f" own{i}.{j}" for j in range(100))) for i in range(30)]
    assert len(set(near_copies(files))) == 30


def test_a_given_group_joins_what_the_words_do_not() -> None:
    assert len(np.unique(near_copies(["a", "b", "c"], ["repo", None, "repo"]))) == 2


def test_a_line_of_labels_may_be_longer_than_any_block(tmp_path: Path) -> None:
    labels = tmp_path / "labels.jsonl"
    rows = [{"id": 1, "score": 2, "text": "long " * 600_000}, {"id": 2, "score": 2.67, "text": "short", "why": "x"}]
    labels.write_text("\n\n".join(map(json.dumps, rows)))
    graded = read_annotations(labels)
    assert graded.grades.tolist() == [2.0, 2.67]
    assert [len(text) for text in graded.texts] == [3_000_000, 5]
    assert read_jsonl(labels)["id"].to_pylist() == ["1", "2"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("", r"labels.jsonl holds no line with id, score"),
        ('{"id": "a", "score": 1}\n{"id": ', r"labels.jsonl, line 2: no JSON"),
        ('["a", 1]', r"line 1: .* is no object"),
        ('{"id": "a", "score": "good", "text": "t"}', r"labels.jsonl: the column 'score' must hold numbers"),
        ('{"id": "a", "score": 1, "text": "t"}\n{"id": "b", "score": "x", "text": "t"}', r"mixes kinds of values"),
        ('{"id": "a", "score": "4", "text": "t"}\n{"id": "b", "score": 3, "text": "t"}', r"mixes kinds of values"),
        ('{"id": "a", "score": 1, "text": "t", "weight": -1}', r"weight of 'a' is -1; it must be 0 or more"),
        ('{"id": "a", "score": "nan", "text": "t"}', r"score of 'a' is nan; it must be a number"),
    ],
)
def test_labels_that_cannot_be_read_say_which_and_why(tmp_path: Path, lines: str, message: str) -> None:
    labels = tmp_path / "labels.jsonl"
    labels.write_text(lines)
    with pytest.raises(ValueError, match=message):
        read_annotations(labels)
