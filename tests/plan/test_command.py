"""The command that is planned: understood as it would be when given, and refused in one sentence."""

from pathlib import Path

import pytest

from curate.cli import app
from curate.plan.command import open_function, parse
from curate.plan.plan import parse_prices

PIPELINE = '''
def small(*, source: str, output: str, threshold: int = 3, ray: str | None = None) -> None:
    """Do little."""
'''


def test_a_verb_is_understood_with_its_defaults() -> None:
    command = parse(["score", "docs", "-o", "scored/", "--threshold", "3", "--workers", "64"], app)
    assert (command.verb, command.sources, command.out, command.workers) == ("score", ["docs"], "scored", 64)
    assert command.arguments["threshold"] == 3
    assert command.arguments["classifier"] == ["web_edu"]
    assert open_function(command.function) is app["score"].default_command


def test_a_pipeline_is_understood_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "small.py").write_text(PIPELINE)
    command = parse([str(tmp_path / "small.py"), "--source", "crawl", "--output", "runs/x"], app)
    assert (command.sources, command.out, command.arguments["threshold"]) == (["crawl"], "runs/x", 3)


def test_corpora_are_told_from_their_weights_and_named_as_tokenize_names_them() -> None:
    given = ["a/docs.parquet:0.7", "b/docs:3", "s3://bucket/docs-2", "docs", "x:y", "."]
    command = parse(["tokenize", *given, "-o", "tokens"], app)
    assert command.sources == ["a/docs.parquet", "b/docs", "s3://bucket/docs-2", "docs", "x:y", "."]
    assert command.weights["a/docs.parquet"] == ":0.7"
    assert command.weights["docs"] == ""
    assert [command.folders[source] for source in command.sources[:-1]] == [
        "docs",
        "docs-2",
        "docs-2-2",
        "docs-3",
        "x:y",
    ]


def test_only_arguments_that_are_there_change() -> None:
    command = parse(["extract", "crawl", "-o", "docs"], app)
    changed = command.with_arguments(source="sample", allow_empty=True)
    assert changed["source"] == "sample"
    assert "allow_empty" not in changed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "say what to plan"),
        (["scroe", "docs", "-o", "x"], "'scroe' cannot be planned; extract, filter, score"),
        (["why", "a", "b"], "'why' cannot be planned"),
        (["dedup", "--index", "i", "--delete", "ids.txt"], "dedup names no source"),
        (["gone.py", "--input", "a"], "gone.py is not there"),
    ],
)
def test_what_cannot_be_planned_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(words, app)


def test_a_file_without_the_pipelines_function_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(PIPELINE)
    with pytest.raises(ValueError, match="no function 'other'"):
        parse([str(tmp_path / "other.py"), "--input", "a"], app)


def test_prices_are_of_four_things() -> None:
    assert parse_prices(["cpu=0.04", "output=0.6"]) == {"cpu": 0.04, "output": 0.6}
    for wrong in ("cpu", "disk=1", "gpu=much", "cpu=-1"):
        with pytest.raises(ValueError, match=f"--price {wrong}: say cpu="):
            parse_prices([wrong])
