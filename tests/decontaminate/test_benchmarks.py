"""Files of benchmarks: kinds, names, choice, identity, and what is said of those that cannot be read."""

import gzip
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.decontaminate.benchmarks import prepare, read_benchmarks
from curate.decontaminate.fields import Fields

Write = Callable[[dict[str, list[dict[str, Any]]]], str]


def test_json_lines_lists_gzip_and_parquet_give_the_same_items(tmp_path: Path) -> None:
    rows = [{"question": f"How many are {n}?", "choices": ["one", "two"], "answer": 1} for n in range(3)]
    lines = "\n".join(map(json.dumps, rows))
    for name, content in (
        ("a.jsonl", lines.encode()),
        ("b.json", json.dumps(rows).encode()),
        ("c.jsonl.gz", gzip.compress(lines.encode())),
    ):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "deep").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "deep" / "d.parquet")
    items = read_benchmarks(str(tmp_path))
    texts = {
        name: [(i.item, i.text, i.answer, i.choices) for i in items if i.benchmark == name]
        for name in ("a", "b", "c", "deep/d")
    }
    assert texts["a"] == [(str(n), f"How many are {n}?", "two", ("one", "two")) for n in range(3)]
    assert texts["a"] == texts["b"] == texts["c"] == texts["deep/d"]


def test_only_chooses_by_name_and_an_idle_word_is_an_error(against: str) -> None:
    assert {item.benchmark for item in read_benchmarks(against, only=("gsm", "arc"))} == {"gsm8k", "arc"}
    with pytest.raises(
        FileNotFoundError, match="holds no benchmark whose name contains mmlu; there are arc, gsm8k, mbpp"
    ):
        read_benchmarks(against, only=("mmlu",))
    with pytest.raises(ValueError, match="no benchmark's name contains 'mmlu'"):
        read_benchmarks(against, only=("arc", "mmlu"))


def test_the_fingerprint_is_of_the_content_alone(write: Write, against: str, tmp_path: Path) -> None:
    first = prepare(against, str(tmp_path / "x"))
    again = prepare(against, str(tmp_path / "y"))
    assert (first, repr(first)) == (again, repr(again))
    assert repr(first) == f"Benchmarks({first.fingerprint}, 3 files)"
    assert pickle.loads(pickle.dumps(first)).items() == first.items() == tuple(read_benchmarks(against))
    write({"arc": [{"question": "Another one?", "answer": "yes"}]})
    assert prepare(against, str(tmp_path / "x")).fingerprint != first.fingerprint


def test_a_file_that_changed_under_the_run_is_refused(against: str, tmp_path: Path) -> None:
    benchmarks = prepare(against, str(tmp_path / "x"))
    Path(benchmarks.path).write_text("{}\n")
    with pytest.raises(ValueError, match="is not what the run began with"):
        benchmarks.items()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "are empty"),
        ("{broken\n", "line 1 is not JSON"),
        ('{"question": "a b?"}\n[1]\n', "line 2: a row is an object"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "x.jsonl").write_text(content)
    with pytest.raises(ValueError, match=message):
        read_benchmarks(str(tmp_path))


def test_two_files_of_one_name_are_two_benchmarks(tmp_path: Path) -> None:
    (tmp_path / "arc.jsonl").write_text('{"question": "Which gas do plants take from the air?"}\n')
    pq.write_table(pa.table({"question": ["What do roots take from the soil?"]}), tmp_path / "arc.parquet")
    (tmp_path / "gsm8k.jsonl").write_text('{"question": "How many bolts does a robe take?"}\n')
    found = {item.benchmark: item.text for item in read_benchmarks(str(tmp_path))}
    assert found == {
        "arc.jsonl": "Which gas do plants take from the air?",
        "arc.parquet": "What do roots take from the soil?",
        "gsm8k": "How many bolts does a robe take?",
    }


@pytest.mark.parametrize("name", ["mmlu.csv", "mmlu.jsonl.zst", "mmlu"])
def test_what_may_be_a_benchmark_and_is_not_read_is_an_error(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "eval"
    folder.mkdir()
    (folder / "arc.jsonl").write_text('{"question": "Which gas do plants take from the air?"}\n')
    (folder / "README.md").write_text("Benchmarks")
    (folder / ".cache.zip").write_bytes(b"")
    if name.startswith("mmlu."):
        (folder / name).write_bytes(b"")
    else:  # a link to a folder
        (tmp_path / "elsewhere").mkdir()
        (folder / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=f"{name} may hold a benchmark and is not read: write it there as .jsonl"):
        read_benchmarks(str(folder))
    assert {item.benchmark for item in read_benchmarks(str(folder), only=("arc",))} == {"arc"}


def test_fields_are_named_for_the_benchmarks_that_we_do_not_know(tmp_path: Path) -> None:
    (tmp_path / "arc.jsonl").write_text('{"question": "Which gas do plants take from the air?", "answer": "CO2"}\n')
    (tmp_path / "mine.jsonl").write_text('{"frage": "Was nehmen Pflanzen aus der Luft?", "antwort": "CO2"}\n')
    items = read_benchmarks(str(tmp_path), fields=Fields.parse("question=frage,answer=antwort"))
    assert [(item.benchmark, item.text.split()[0], item.answer) for item in items] == [
        ("arc", "Which", "CO2"),
        ("mine", "Was", "CO2"),
    ]
    with pytest.raises(ValueError, match="mine, row 0: there is no field 'reply'"):
        read_benchmarks(str(tmp_path), fields=Fields.parse("question=frage,answer=reply"))
    with pytest.raises(ValueError, match="no benchmark of arc has a field 'frage', which --fields names"):
        read_benchmarks(str(tmp_path), only=("arc",), fields=Fields.parse("question=frage"))


def test_a_gzip_file_that_is_cut_short_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl.gz").write_bytes(gzip.compress(b'{"question": "a b?"}\n' * 100)[:-20])
    with pytest.raises(ValueError, match=r"x\.jsonl\.gz is no gzip file, or cut short"):
        read_benchmarks(str(tmp_path))


def test_a_missing_or_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist; give a file or folder of benchmarks"):
        read_benchmarks(str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match=r"holds no benchmark \(.jsonl, .json or .parquet\)"):
        read_benchmarks(str(tmp_path))
