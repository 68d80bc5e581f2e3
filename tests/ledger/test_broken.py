"""The bounds that differ by language, told beside what was measured."""

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate import ledger
from curate.corpus import Corpus
from curate.ledger.broken import BROKEN, broken_rules
from curate.run import run
from curate.signals import by_language
from curate.signals.by_language import KeepByLanguage
from curate.stage import Keep, Measure, Rule
from tests.ledger.conftest import chars, last_digit, poisoned

TABLE = {
    "ell_Grek": (Rule("t.chars", at_least=100), Rule("t.digit", at_most=2.5)),
    "deu_Latn": (Rule("t.digit", at_least=1, at_most=8),),
}
BY_LANGUAGE = KeepByLanguage("a test", TABLE)


def language(batch: pa.RecordBatch) -> dict[str, pa.Array]:
    """Pages below 20 are Greek, below 36 German, the others Klingon."""
    numbers = [int(i[-3:]) for i in batch["id"].to_pylist()]
    found = ["ell_Grek" if n < 20 else "deu_Latn" if n < 36 else "tlh_Latn" for n in numbers]
    return {"language": pa.array(found, pa.string())}


@pytest.fixture
def by_table(tmp_path: Path, source: Corpus) -> str:
    """A run in which a record went to quarantine before the table, and a rule on one of its columns came after it."""
    stages = (poisoned, Measure((chars, last_digit, language)), BY_LANGUAGE, Keep((Rule("t.chars", at_least=100),)))
    run(stages, source, tmp_path / "out")
    return str(tmp_path / "out")


def test_the_column_is_the_one_that_the_stage_writes() -> None:
    assert BROKEN == by_language.BROKEN


bounds = st.none() | st.integers(-(10**5), 10**5).map(lambda n: n / 1000)


@given(st.lists(st.tuples(bounds, bounds).filter(any), min_size=1), st.sampled_from(["deu_Latn", "Graphviz (DOT)"]))
def test_what_the_stage_tells_is_read_back(sides: list[tuple[float | None, float | None]], language: str) -> None:
    rules = tuple(Rule(f"a.column_{i}", low, high) for i, (low, high) in enumerate(sides))
    read = broken_rules(f"{language}: {'; '.join(map(str, rules))}")
    assert [str(rule) for rule in read] == [str(rule) for rule in rules]
    assert {rule.source for rule in read} == {f"for {language}"}


@pytest.mark.parametrize("told", [None, "", "tlh_Latn: no rules in fineweb2", "None: no rules in fineweb2"])
def test_a_language_without_rules_tells_no_bounds(told: str | None) -> None:
    assert broken_rules(told) == ()


def test_why_shows_the_language_s_bounds_beside_the_values(by_table: str) -> None:
    (event,) = ledger.why("doc-008", by_table)
    assert event.step == 3
    assert [(c.rule.column, c.value, c.wanted, c.broken) for c in event.checks[:2]] == [
        ("t.chars", 9.0, "at least 100", True),
        ("t.digit", 8, "at most 2.5", True),
    ]
    told = " ".join(ledger.tell([event]).split())
    assert "t.digit 8 at most 2.5 BROKEN for ell_Grek" in told
    assert "at step 3 of 4: KeepByLanguage" in told
    assert "t.chars 9 at least 100 not asked" in told  # the rule of the next step, on the same column
    assert BROKEN not in told


def test_why_tells_a_language_without_rules_in_words(by_table: str) -> None:
    told = " ".join(ledger.tell(ledger.why("doc-037", by_table)).split())
    assert "broken_rules tlh_Latn: no rules in a test" in told


def test_replay_by_another_table_knows_who_was_measured_despite_a_record_in_quarantine(
    by_table: str, tmp_path: Path
) -> None:
    """Digits up to 5 in Greek: 1, 2, 3, 5 of each ten (short ones are multiples of 4); German as it was."""
    table = {**TABLE, "ell_Grek": (Rule("t.chars", at_least=100), Rule("t.digit", at_most=5))}
    done = ledger.replay(by_table, str(tmp_path / "again"), keep=[KeepByLanguage("other", table)])
    assert done.unmeasured == {}
    kept = {int(i[-3:]) for i in Corpus(tmp_path / "again").table(["id"])["id"].to_pylist()}
    greek = {n for n in range(20) if n % 4 and n % 10 <= 5}
    german = {n for n in range(20, 36) if 1 <= n % 10 <= 8}
    assert kept == greek | german


def test_a_rule_that_is_not_there_cannot_fall(by_table: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no rule on 't.digit' that could fall; there are rules on t.chars"):
        ledger.replay(by_table, str(tmp_path / "again"), without=["t.digit"])


def test_a_bound_beside_a_table_is_a_further_rule(by_table: str, tmp_path: Path) -> None:
    wide = {name: (Rule("t.chars", at_least=0), Rule("t.digit", at_most=9)) for name in TABLE}
    out = str(tmp_path / "again")
    ledger.replay(by_table, out, keep=[KeepByLanguage("wide", wide)], bounds=[Rule("t.digit", at_least=7)])
    digits = Corpus(out).table(["t.digit"])["t.digit"].to_pylist()
    assert digits
    assert min(digits) == 7


def test_why_refuses_an_empty_id_and_a_place_that_is_not_there(source: Corpus) -> None:
    with pytest.raises(ValueError, match="is empty"):
        ledger.why("  ", source.path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        ledger.why("doc-001", f"{source.path}-nowhere")


def test_a_sample_of_none_is_refused(source: Corpus) -> None:
    with pytest.raises(ValueError, match="one document or more"):
        ledger.sample(source.path, n=0)
