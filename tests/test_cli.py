"""The command line as a person meets it: help, exit codes, one-sentence errors."""

import inspect
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa
import pytest

from curate import cli
from curate.cli import app
from curate.cli.options import weights
from curate.corpus import Corpus, write_corpus
from curate.tokenizer.tokens import subfolders

VERBS = [name for name in app if not name.startswith("-")]


def curate(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "curate.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_says_what_it_does_and_what_each_option_means(verb: str) -> None:
    function = app[verb].default_command
    assert function is not None
    told = inspect.getdoc(function) or ""
    assert told.split("\n")[0].endswith(".")
    for name in inspect.signature(function).parameters:
        assert f"    {name}: " in told, f"{verb} does not explain {name}"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_the_function_of_that_name(verb: str) -> None:
    assert app[verb].default_command is getattr(cli, verb)


def test_the_version_is_that_of_the_package() -> None:
    assert curate("--version").stdout == f"{version('curate')}\n"


def test_a_threshold_of_three_is_said_to_be_rounded() -> None:
    told = curate("score", "--help").stdout.replace("│", " ")
    assert "int_score >= 3, which is a raw score >= 2.5" in " ".join(told.split())


def test_a_run_prints_its_funnel_and_leaves_a_corpus(tmp_path: Path, pages: pa.Table) -> None:
    write_corpus(tmp_path / "in", pages.to_batches())
    done = curate("filter", tmp_path / "in", "-o", tmp_path / "out", "--rules", "c4")
    assert done.returncode == 0, done.stderr
    assert "documents" in done.stdout
    assert Corpus(tmp_path / "out").num_rows == 30


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "does not exist"),
        (lambda folder: folder.mkdir(), ""),
        (lambda folder: folder.with_suffix(".parquet").write_bytes(b"no"), "not a readable Parquet file"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_one(tmp_path: Path, make, message: str) -> None:
    make(tmp_path / "in")
    (path,) = list(tmp_path.iterdir()) or [tmp_path / "in"]
    done = curate("filter", path, "-o", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.startswith("curate: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert path.name in done.stderr


def test_notebooks_in_a_folder_of_code_become_text(tmp_path: Path) -> None:
    (tmp_path / "in/r").mkdir(parents=True)
    cells = [{"cell_type": "markdown", "source": "# Birds"}, {"cell_type": "code", "source": "x = 1", "outputs": []}]
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}
    (tmp_path / "in/r/a.ipynb").write_text(json.dumps(notebook))
    (tmp_path / "in/r/b.py").write_text("y = 2\n")
    cli.filter(str(tmp_path / "in"), out=str(tmp_path / "out"), rules=[])
    texts = dict(zip(*(Corpus(tmp_path / "out").table()[name].to_pylist() for name in ("path", "text")), strict=True))
    assert texts["a.ipynb"].startswith("# Birds")
    assert '"cells"' not in texts["a.ipynb"]
    assert texts["b.py"] == "y = 2\n"


def test_workers_without_an_engine_are_refused(tmp_path: Path, pages: pa.Table) -> None:
    write_corpus(tmp_path / "in", pages.to_batches())
    done = curate("filter", tmp_path / "in", "-o", tmp_path / "out", "--workers", 4)
    assert done.returncode == 1
    assert "--ray local" in done.stderr


def test_failed_splits_are_listed(tmp_path: Path, pages: pa.Table) -> None:
    write_corpus(tmp_path / "in", pages.to_batches())
    (tmp_path / "in/00000.parquet").rename(tmp_path / "in/good.parquet")
    whole = (tmp_path / "in/good.parquet").read_bytes()
    footer = int.from_bytes(whole[-8:-4], "little") + 8
    (tmp_path / "in/torn.parquet").write_bytes(b"PAR1" + bytes(len(whole) - footer - 4) + whole[-footer:])
    done = curate("filter", tmp_path / "in", "-o", tmp_path / "out", "--rules", "c4")
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert [line.split()[:2] for line in lines if line.startswith(("failed ", "torn "))] == [
        ["failed", "stage"],
        ["torn", "reading"],
    ]
    assert "torn.parquet, row groups 0-1, is damaged" in done.stderr
    (log,) = (tmp_path / "out/_log").iterdir()
    assert f'tracebacks: {log}, its lines with "event": "failed"' in lines
    assert (tmp_path / "out/good.parquet").exists()


def test_a_mixture_reads_folders_with_weights() -> None:
    assert weights(["tokens/web:0.7", "tokens/code"]) == {"tokens/web": 0.7, "tokens/code": 1.0}
    with pytest.raises(ValueError, match="folder:weight"):
        weights(["tokens/web:much"])


def test_a_reader_that_leaves_ends_it_quietly(tmp_path: Path, pages: pa.Table) -> None:
    write_corpus(tmp_path / "in", pages.to_batches())
    command = [sys.executable, "-m", "curate.cli", "sample", str(tmp_path / "in"), "-n", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 141


def test_a_language_model_that_no_rule_asks_for_is_refused(tmp_path: Path, pages: pa.Table) -> None:
    write_corpus(tmp_path / "in", pages.to_batches())
    done = curate("filter", tmp_path / "in", "-o", tmp_path / "out", "--rules", "c4", "--lid", "model.bin")
    assert done.returncode == 1
    assert "--lid model.bin: c4 never ask for the language" in done.stderr


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["runs/edu-2", "runs/edu"], ["edu-2", "edu"]),
        (["a/edu", "b/edu", "c/edu-2"], ["edu", "edu-2", "edu-2-2"]),
        (["a/x.parquet", "b/x.jsonl.gz", "c/x"], ["x", "x-2", "x-3"]),
        (["data/train-*.parquet", "data/*.parquet", "data/*/*.jsonl"], ["train", "data", "data-2"]),
    ],
)
def test_no_two_inputs_share_a_folder(paths: list[str], expected: list[str]) -> None:
    assert list(subfolders(paths).values()) == expected


def test_the_folder_one_stands_in_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "edu" / "tokens").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "edu" / "tokens")
    assert subfolders([".", ".."]) == {".": "tokens", "..": "edu"}
