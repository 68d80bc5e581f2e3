from pathlib import Path

import pytest

from curate import ledger
from curate.corpus import Corpus
from curate.run import run
from curate.stage import Keep, Rule


def test_the_funnel_has_a_line_for_each_step_that_dropped(finished: str) -> None:
    lines = [(line.corpus, line.documents) for line in ledger.funnel(finished)]
    assert lines == [("1-clean", 40), ("1-clean", 39), ("1-clean", 29), ("2-scored", 25), ("2-scored", 19)]


def test_lines_of_production_begin_with_their_own_input(finished: str, source: Corpus, tmp_path: Path) -> None:
    run((Keep((Rule("t.digit", at_least=5),)),), Corpus(f"{finished}/1-clean"), str(tmp_path / "all/code/1-a"))
    run((Keep((Rule("t.digit", at_least=9),)),), Corpus(tmp_path / "all/code/1-a"), str(tmp_path / "all/code/2-b"))
    run((Keep((Rule("t.digit", at_least=5),)),), Corpus(f"{finished}/1-clean"), str(tmp_path / "all/web/1-a"))
    lines = [(line.corpus, line.documents) for line in ledger.funnel(str(tmp_path / "all"))]
    assert lines == [
        ("code/1-a", 29), ("code/1-a", 15), ("code/2-b", 3), ("web/1-a", 29), ("web/1-a", 15)
    ]  # fmt: skip


def test_numbers_in_names_count_as_numbers(finished: str) -> None:
    Path(f"{finished}/2-scored").rename(f"{finished}/10-scored")
    assert list(ledger.corpora(finished)) == ["1-clean", "10-scored"]


def test_a_recipe_knows_rules_steps_and_where_columns_come_from(finished: str) -> None:
    made = ledger.recipe(f"{finished}/1-clean")
    assert made is not None
    assert made.rules == ((3, Rule("t.chars", at_least=100, at_most=100_000, source="a test; page 1")),)
    assert made.since == {"quarantined": 1, "t.chars": 2, "t.digit": 2, "dropped_by": 3}
    assert made.step_of(["t.chars"]) == 3


def test_a_folder_without_runs_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no corpus that a run of curate wrote"):
        ledger.funnel(str(tmp_path))
