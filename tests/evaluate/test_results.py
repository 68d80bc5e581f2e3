import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.evaluate.estimate import Estimate
from curate.evaluate.items import ITEMS, Item
from curate.evaluate.results import (
    ANSWERS,
    Difference,
    compare,
    digest,
    format_comparison,
    format_results,
    row,
    write,
)


def item_rows(right, task="arc"):
    """Two choices an item; the right one is likelier where `right` says so."""
    rows = []
    for item, won in enumerate(right):
        for choice in (0, 1):
            logprob = -1.0 if (choice == 0) == won else -2.0
            rows.append(
                {"task": task, "group": "", "item": item, "choice": choice, "gold": choice == 0, "logprob": logprob}
                | {"num_tokens": 1, "num_bytes": 4, "num_chars": 4, "greedy": False}
            )
    return pa.Table.from_pylist(rows, ITEMS)


def answer_rows(right):
    """Samples of each item."""
    return [
        {
            "task": "code",
            "item": item,
            "name": "",
            "sample": k,
            "text": "",
            "measure": "sampled",
            "right": won,
            "reason": "",
        }
        for item, some in enumerate(right)
        for k, won in enumerate(some)
    ]


def test_pairing_takes_out_what_the_items_have_in_common(tmp_path):
    """8 of 10 items come out alike; b wins two more. Unpaired, the difference 0.2 would have +- 0.22."""
    a, b = [True] * 5 + [False] * 5, [True] * 7 + [False] * 3
    write(tmp_path / "a", {}, [item_rows(a)], [])
    write(tmp_path / "b", {}, [item_rows(b)], [])
    found = {one.measure: one for one in compare(tmp_path / "a", tmp_path / "b")}
    acc = found["acc"]
    assert (acc.first, acc.second, acc.num_items) == (0.5, 0.7, 10)
    assert acc.difference.value == pytest.approx(0.2)
    assert acc.difference.stderr == pytest.approx(math.sqrt(0.2 * 0.8 / 9))
    assert acc.verdict == "not resolved"
    assert "not resolved" in format_comparison([acc])
    assert found["gold_probability"].difference.value == pytest.approx(0.2 * (math.e - 1) / (math.e + 1))


def test_a_difference_beyond_its_interval_has_a_verdict():
    assert Difference("t", "acc", 0.5, 0.7, Estimate(0.2, 0.1), 9).verdict == "higher"
    assert Difference("t", "acc", 0.7, 0.5, Estimate(-0.2, 0.1), 9).verdict == "lower"
    assert Difference("t", "acc", 0.7, 0.5, Estimate(-0.2, math.nan), 1).verdict == "not resolved"


def test_samples_of_a_problem_count_as_their_share(tmp_path):
    write(tmp_path / "a", {}, [], answer_rows([[True, False], [False, False]]))
    write(tmp_path / "b", {}, [], answer_rows([[True, True], [True, False]]))
    (found,) = compare(tmp_path / "a", tmp_path / "b")
    assert (found.first, found.second) == (0.25, 0.75)
    assert found.difference == Estimate(0.5, 0.0)
    assert pq.read_schema(tmp_path / "a/answers.parquet").names == ANSWERS.names


def test_only_the_same_items_are_compared(tmp_path):
    write(tmp_path / "a", {}, [item_rows([True, False])], [])
    write(tmp_path / "b", {}, [item_rows([True])], [])
    write(tmp_path / "c", {}, [item_rows([True], task="piqa")], [])
    with pytest.raises(ValueError, match="arc has other items"):
        compare(tmp_path / "a", tmp_path / "b")
    with pytest.raises(ValueError, match="no task in common"):
        compare(tmp_path / "a", tmp_path / "c")
    with pytest.raises(FileNotFoundError, match=r"neither items\.parquet nor"):
        compare(tmp_path / "a", tmp_path)


def test_the_same_items_asked_in_other_words_are_not_compared(tmp_path):
    items = [Item((("Q: 1 + 1? A:", " 2"), ("Q: 1 + 1? A:", " 3")))]
    shown = [Item(tuple((f"Q: 0 + 1? A: 1\n\n{before}", after) for before, after in item.pairs)) for item in items]
    for name, asked in (("a", items), ("b", items), ("shown", shown)):
        write(tmp_path / name, {"arc": row(1, {}, asked=digest(asked))}, [item_rows([True])], [])
    write(tmp_path / "early", {"arc": row(1, {})}, [item_rows([True])], [])  # by a version that did not say
    for other in ("b", "early"):
        assert all(one.difference.value == 0 for one in compare(tmp_path / "a", tmp_path / other))
    with pytest.raises(ValueError, match=r"arc was asked in other words in .*; evaluate both with the same --suite"):
        compare(tmp_path / "a", tmp_path / "shown")


def test_tables_show_tasks_and_leave_subjects_to_the_file():
    acc = {"value": 0.5, "stderr": 0.1}
    results = {"mmlu": {"num_items": 8, "chance": 0.25, "acc": acc}, "mmlu/anatomy": {"num_items": 4, "acc": acc}}
    shown = format_results(results)
    assert shown.splitlines()[1].split() == ["mmlu", "acc", "0.5000", "0.1000", "0.250", "8"]
    assert "anatomy" not in shown
    assert format_results(results, markdown=True).splitlines()[2] == "| mmlu | acc | 0.5000 | 0.1000 | 0.250 | 8 |"


def test_nothing_of_an_earlier_evaluation_stays_in_the_folder(tmp_path):
    write(tmp_path, {}, [item_rows([True])], [])
    write(tmp_path, {}, [], answer_rows([[True]]))
    assert {one.task for one in compare(tmp_path, tmp_path)} == {"code"}
