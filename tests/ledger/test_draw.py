from pathlib import Path

import pyarrow as pa
import pytest

from curate import ledger
from curate.corpus import write_corpus
from curate.ledger.conditions import as_rules, parse
from curate.stage import Rule


def ids(rows: list[dict[str, object]]) -> list[object]:
    return [row["id"] for row in rows]


@pytest.fixture
def numbered(tmp_path: Path) -> str:
    """A thousand rows of 0.000 to 0.999 in row groups of their order."""
    table = pa.table({"id": [f"r{i}" for i in range(1000)], "x": [i / 1000 for i in range(1000)]})
    return write_corpus(tmp_path / "numbered", table.to_batches(max_chunksize=100), shard_rows=100).path


def test_a_sample_of_what_a_rule_dropped_has_text_and_reason(finished: str) -> None:
    rows = ledger.sample(f"{finished}/1-clean", dropped_by="t.chars", n=3)
    assert len(rows) == 3
    assert all(row["text"].startswith("Buy now") and row["dropped_by"] == ["t.chars"] for row in rows)
    assert ledger.sample(f"{finished}/1-clean", dropped_by="t.chars", n=3) == rows
    assert ledger.sample(f"{finished}/1-clean", dropped_by="any", n=3) == rows


def test_a_whole_run_is_searched_for_a_rule_and_its_last_corpus_sampled(finished: str) -> None:
    low = ledger.sample(finished, dropped_by="score")
    assert set(ids(low)) == {"doc-001", "doc-010", "doc-011", "doc-021", "doc-030", "doc-031"}
    assert len(ledger.sample(finished, n=100)) == 19


def test_evidence_is_sampled_where_it_is_named(finished: str) -> None:
    dropped = ledger.sample(f"{finished}/1-clean/dropped", n=100)
    assert len(dropped) == 10
    assert all(row["dropped_by"] == ["t.chars"] for row in dropped)
    assert set(ids(ledger.sample(f"{finished}/2-scored/dropped/", dropped_by="score"))) == {
        "doc-001", "doc-010", "doc-011", "doc-021", "doc-030", "doc-031"
    }  # fmt: skip
    assert [row["quarantined"] for row in ledger.sample(f"{finished}/1-clean/quarantine")] == ["OddError: bad byte"]


@pytest.mark.parametrize(("score", "expected"), [(">=9", {9.0}), ("<3", {2.0}), ("==5", {5.0}), ("=5", {5.0})])
def test_a_sample_by_score_holds_its_condition(finished: str, score: str, expected: set[float]) -> None:
    assert {row["score"] for row in ledger.sample(f"{finished}/2-scored", score=score)} == expected


def test_every_condition_holds(numbered: str) -> None:
    rows = ledger.sample(numbered, where=["x >= 0.25", "x<0.253"], n=10)
    assert sorted(row["x"] for row in rows) == [0.25, 0.251, 0.252]


def test_a_boundary_sample_is_the_nearest_rows(numbered: str) -> None:
    rows = ledger.sample(numbered, near="x=0.5", n=3)
    assert {row["x"] for row in rows} == {0.499, 0.5, 0.501}
    assert rows[0]["x"] == 0.5


def test_a_larger_sample_goes_on_where_a_smaller_one_stopped(numbered: str) -> None:
    assert ids(ledger.sample(numbered, n=50, seed=3))[:20] == ids(ledger.sample(numbered, n=20, seed=3))
    assert ids(ledger.sample(numbered, n=20, seed=3)) != ids(ledger.sample(numbered, n=20, seed=4))


def test_a_sample_is_spread_over_the_rows(numbered: str) -> None:
    mean = sum(row["x"] for row in ledger.sample(numbered, n=400)) / 400
    assert abs(mean - 0.5) < 0.045  # 4 standard errors: 0.29 / 20 * sqrt(0.6)


def test_the_order_of_files_does_not_matter(tmp_path: Path, pages: pa.Table) -> None:
    batches = pages.to_batches(max_chunksize=10)
    forth = write_corpus(tmp_path / "forth", batches, shard_rows=10)
    back = write_corpus(tmp_path / "back", batches[::-1], shard_rows=10)
    assert ids(ledger.sample(forth.path, n=7)) == ids(ledger.sample(back.path, n=7))


def test_what_cannot_be_asked_is_explained(finished: str) -> None:
    with pytest.raises(ValueError, match="should look like '>=3'"):
        ledger.sample(f"{finished}/2-scored", score="three")
    with pytest.raises(ValueError, match=r"has no column 'score' of numbers; it has t.chars.*Run `curate score` first"):
        ledger.sample(f"{finished}/1-clean", score=">=3")
    with pytest.raises(ValueError, match=r"no rule 't.words' dropped anything.*dedup.near, score, t.chars did"):
        ledger.sample(finished, dropped_by="t.words")
    with pytest.raises(LookupError, match="no row that is score>=100"):
        ledger.sample(f"{finished}/2-scored", score=">=100")


def test_conditions_read_as_people_type_them() -> None:
    assert str(parse(" gopher.word_count < 50 ")) == "gopher.word_count<50"
    with pytest.raises(ValueError, match=r"should look like 'gopher.word_count<50'"):
        parse("gopher.word_count ~ 50")


def test_bounds_read_as_rules() -> None:
    said = ["a>=1", "b<=2", "a<=3"]
    assert as_rules(said) == [
        Rule("a", at_least=1, at_most=3, source="the command line"),
        Rule("b", at_most=2, source="the command line"),
    ]
    with pytest.raises(ValueError, match="a rule's bound is >= or <="):
        as_rules(["a>1"])
