"""Whatever fails in whatever verb: exit code 1, one clear sentence, and a table of the units that failed."""

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pytest
from cyclopts import Parameter

from curate.cli import app, main
from curate.corpus import Corpus, write_corpus
from curate.progress import Failure, attach, failure_table, one_line, read_log
from curate.run import run

pytestmark = pytest.mark.filterwarnings("ignore:Cyclopts application invoked without tokens")  # as a user does

VERBS = [name for name in app if not name.startswith("-")]
Curate = Callable[..., tuple[int, str]]


@pytest.fixture
def curate(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Curate:
    """Give a command line in this process; return its exit code and what it said on stderr."""

    def call(*arguments: object, command: Callable[..., None] | None = None) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["curate", *map(str, arguments)])
        try:
            main(command)
            code = 0
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else int(left.code is not None)
            said = left.code if isinstance(left.code, str) else ""  # Python prints it and exits with 1
            return code, capsys.readouterr().err + said
        return code, capsys.readouterr().err

    return call


def tear(file: Path) -> None:
    """Destroy the rows of a Parquet file and leave its footer."""
    whole = file.read_bytes()
    footer = int.from_bytes(whole[-8:-4], "little") + 8
    file.write_bytes(b"PAR1" + bytes(len(whole) - footer - 4) + whole[-footer:])


@pytest.fixture
def torn(tmp_path: Path, pages: pa.Table) -> Path:
    """Four shards of ten documents, two of which are damaged."""
    write_corpus(tmp_path / "in", pages.to_batches(max_chunksize=5), shard_rows=10)
    tear(tmp_path / "in/00001.parquet")
    tear(tmp_path / "in/00003.parquet")
    return tmp_path / "in"


def needed(verb: str) -> list[str]:
    """Return the names of the arguments that a verb cannot do without."""
    command = app[verb].default_command
    assert command is not None
    parameters = inspect.signature(command).parameters.values()
    return [parameter.name for parameter in parameters if parameter.default is parameter.empty]


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_that_cannot_do_what_is_asked_says_why_in_one_sentence(
    verb: str, curate: Curate, tmp_path: Path
) -> None:
    given = {"out": tmp_path / "out"}
    options = [item for name in needed(verb) for item in (f"--{name}", given.get(name, tmp_path / "nowhere"))]
    code, said = curate(verb, *options)
    assert code == 1
    assert "Traceback" not in said
    assert len([line for line in said.splitlines() if line.startswith("curate: ")]) == 1, said
    assert not (tmp_path / "out").exists(), "what was refused has left nothing"


UNITS = [  # verb, its options, the stage of the failure
    ("filter", ("--rules", "c4"), "reading"),
    ("score", ("--part", "gate"), "reading"),
    ("decontaminate", ("--against", "items.jsonl"), "reading"),
    ("dedup", (), "-"),
    ("tokenize", ("--tokenizer", "tokenizer"), "-"),
]


@pytest.fixture
def beside(tmp_path: Path, pages: pa.Table) -> None:
    """What some verbs need beside documents: benchmark items, a tokenizer."""
    from curate.tokenizer.bpe import train_tokenizer

    question = '{"question": "Which cells of a leaf turn light into sugar, and how?", "answer": "All of them."}\n'
    (tmp_path / "items.jsonl").write_text(question)
    train_tokenizer(write_corpus(tmp_path / "text", pages.to_batches()), tmp_path / "tokenizer", vocab_size=290)


@pytest.mark.usefixtures("beside")
@pytest.mark.parametrize(("verb", "options", "stage"), UNITS, ids=[unit[0] for unit in UNITS])
def test_failed_units_are_a_table_and_the_others_are_done(
    verb: str, options: tuple[str, ...], stage: str, curate: Curate, torn: Path, tmp_path: Path
) -> None:
    placed = [tmp_path / option if (tmp_path / option).exists() else option for option in options]
    code, said = curate(verb, torn, "-o", tmp_path / "out", *placed)
    assert code == 1
    assert "Traceback" not in said
    lines = said.splitlines()
    head = next(number for number, line in enumerate(lines) if line.split() == ["failed", "stage", "error"])
    table = [line.split(maxsplit=2) for line in lines[head + 1 : head + 3]]
    assert [row[:2] for row in table] == [["00001", stage], ["00003", stage]]
    assert all("is damaged" in row[2] for row in table)
    (log,) = tmp_path.glob("out*/**/_log/*.log")
    assert f'tracebacks: {log}, its lines with "event": "failed"' in lines
    (told,) = read_log(str(log.parents[1]))
    assert [failed["name"] for failed in told.failures] == ["00001", "00003"]
    assert all("Traceback (most recent call last)" in failed["traceback"] for failed in told.failures)
    assert {unit["name"] for unit in told.units} >= {"00000", "00002"}
    assert told.end is not None
    assert told.end["state"] == "failed"


def pipeline(*, source: str, out: Annotated[str, Parameter(name=["--out", "-o"])]) -> None:
    """Run as the files in pipelines/ do."""
    run((), Corpus(source), out)


def test_a_pipeline_that_failed_shows_the_same_table(curate: Curate, torn: Path, tmp_path: Path) -> None:
    code, said = curate("--source", torn, "-o", tmp_path / "out", command=pipeline)
    assert code == 1
    assert [line.split()[:2] for line in said.splitlines() if line[:5] in ("00001", "00003")] == [
        ["00001", "reading"],
        ["00003", "reading"],
    ]
    assert "2 of 4 splits failed (00001, 00003); the rest are done" in said


def test_a_table_of_many_failures_names_twenty_and_counts_the_rest() -> None:
    failures = {f"web-{number:03}": Failure("it is cut short", "reading") for number in range(123)}
    lines = failure_table(attach(RuntimeError("no"), failures, "out/_log/x.log"))
    assert len(lines) == 23
    assert lines[1] == "web-000  reading  it is cut short"
    assert lines[-2:] == ["... and 103 more", 'tracebacks: out/_log/x.log, its lines with "event": "failed"']


def test_an_error_without_units_has_no_table() -> None:
    assert failure_table(ValueError("no")) == []


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("it is cut short"), "it is cut short"),
        (ValueError("it is\n  cut short"), "it is cut short"),
        (ValueError("it is cut short\n" + "a longer tale\n" * 50), "it is cut short"),
        (KeyError("text"), "KeyError: 'text'"),
        (ZeroDivisionError(), "ZeroDivisionError"),
        (MemoryError("std::bad_alloc"), "MemoryError: std::bad_alloc"),
    ],
)
def test_an_error_becomes_one_line_that_says_something(error: Exception, line: str) -> None:
    assert one_line(error) == line
