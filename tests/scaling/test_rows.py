"""Tables of others."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.amounts import amount
from curate.scaling.amounts import said, target, tokens_of
from curate.scaling.rows import read_rows


def test_a_table_like_epochs_is_read_and_tokens_follow_from_compute(tmp_path: Path) -> None:
    file = tmp_path / "theirs.csv"
    file.write_text("x,color,Model Size,Training FLOP,loss\n1,#fff,1e9,6e19,3.5\n2,#eee,2e9,1.2e20,3.25\n")
    rows = read_rows(file)
    assert rows.num_parameters.tolist() == [1e9, 2e9]
    assert rows.num_tokens.tolist() == [1e10, 1e10]
    assert rows.loss.tolist() == [3.5, 3.25]
    assert rows.runs == ("0", "1")


def test_any_column_can_be_predicted_and_either_count_taken(tmp_path: Path) -> None:
    held = {"params": [5], "non_embedding_parameters": [3], "tokens": [7], "loss": [2.0], "bits_per_byte": [0.9]}
    pq.write_table(pa.table({**held, "stable_run": ["a"]}), tmp_path / "ours.parquet")
    rows = read_rows(tmp_path / "ours.parquet", measure="bits_per_byte", count="non-embedding")
    assert (rows.num_parameters[0], rows.num_tokens[0], rows.loss[0], rows.runs) == (3.0, 7.0, 0.9, ("a",))
    lines = [json.dumps({"N": 4, "D": 8, "L": 3.0}), "", json.dumps({"N": 5, "D": 8, "L": 2.9})]
    (tmp_path / "theirs.jsonl").write_text("\n".join(lines))
    assert len(read_rows(tmp_path / "theirs.jsonl")) == 2


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "params,tokens\n1,2\n", "no column for loss; it has params, tokens"),
        ("a.csv", "params,tokens,loss\n1,2,much\n", "column 'loss' holds something that is no number"),
        ("a.jsonl", "{'params': 1}\n", "is no table of runs"),
        ("a.jsonl", '{"params": "x"}\n{"params": 1}\n', "is no table of runs"),
        ("a.json", '[{"params": 1}, {"params": 2}]\n', "has a line with an array; give each run a line of its own"),
        ("a.json", "7\n", "has a line with 7; give each run a line"),
        ("a.parquet", "params", "is no table of runs"),
    ],
)
def test_bad_tables_are_refused_by_name(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        read_rows(tmp_path / name)


def test_a_missing_table_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.csv is not there"):
        read_rows("nowhere.csv")


@pytest.mark.parametrize("value", [3e5, 1.7e9, 6e11, 1.1e13, 1e3])
def test_what_is_said_of_an_amount_can_be_written(value: float) -> None:
    assert amount(said(value)) == pytest.approx(value, rel=0.01)


def test_tokens_per_parameter_and_targets() -> None:
    assert tokens_of("20x", 1_100_000) == 22e6
    assert target("135m:600B") == (135e6, 6e11)
    assert target("1b:20x") == (1e9, 2e10)
    with pytest.raises(ValueError, match="no target"):
        target("135m")
