from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate import ledger
from curate.corpus import Corpus, write_corpus
from curate.ledger.history import Search


def way(document: str, run: str) -> list[tuple[str, str]]:
    return [(event.corpus, event.decision) for event in ledger.why(document, run)]


def test_why_tells_a_document_s_way_through_every_corpus(finished: str) -> None:
    assert way("doc-012", finished) == [("1-clean", "dropped")]
    assert way("doc-011", finished) == [("1-clean", "kept"), ("2-scored", "dropped")]
    assert way("doc-013", finished) == [("1-clean", "kept"), ("2-scored", "kept")]
    assert way("doc-039", finished) == [("1-clean", "quarantined")]


def test_a_rule_is_told_with_its_bounds_its_value_and_its_source(finished: str) -> None:
    (event,) = ledger.why("doc-004", finished)
    (check,) = event.checks
    assert (check.value, check.broken, check.step) == (9.0, True, 3)
    assert (check.wanted, check.rule.source) == ("100 to 100000", "a test; page 1")
    told = ledger.tell([event])
    assert "dropped by t.chars, at step 3 of 3: Keep(100 <= t.chars <= 100000)" in told
    assert " ".join(told.split()).count("t.chars 9 100 to 100000 BROKEN a test; page 1") == 1


def test_a_copy_names_its_survivor_and_was_not_held_against_later_rules(finished: str) -> None:
    event = ledger.why("doc-017", finished)[-1]
    assert event.step == 1  # the only stage of the corpus without rules that dropped anything
    told = ledger.tell([event])
    assert "copy of doc-001, similarity 0.900, first shared band 3" in told
    assert "score" in told
    assert "not asked" in told


def test_a_column_is_told_once_until_it_changes(finished: str) -> None:
    told = ledger.tell(ledger.why("doc-013", finished))
    assert told.count("t.digit") == 1
    assert told.count("score ") == 1


def test_quarantine_gives_its_reason(finished: str) -> None:
    assert "1-clean: quarantined: OddError: bad byte" in ledger.tell(ledger.why("doc-039", finished))


def test_all_documents_of_a_url_are_told(tmp_path: Path, pages: pa.Table) -> None:
    urls = pa.array(["http://127.0.0.1/same" if i in (3, 33) else f"http://127.0.0.1/{i}" for i in range(40)])
    write_corpus(tmp_path / "in", pages.set_column(2, "url", urls).to_batches(max_chunksize=10), shard_rows=10)
    events = ledger.why("http://127.0.0.1/same", str(tmp_path / "in"))
    assert [event.row["id"] for event in events] == ["doc-003", "doc-033"]
    assert ledger.tell(events).startswith("2 documents have this URL.")


def test_a_url_leads_to_corpora_that_hold_ids_only(finished: str) -> None:
    grades = pa.table({"id": ["doc-013", "doc-014"], "grade": [4, 1]})
    write_corpus(f"{finished}/3-grades", grades.to_batches())
    events = ledger.why("http://127.0.0.1/13", finished)
    assert [(event.corpus, event.decision) for event in events][-1] == ("3-grades", "listed")
    assert events[-1].row["grade"] == 4


@pytest.mark.parametrize(
    ("below", "expected"),
    [
        ("", [("1-clean", "kept"), ("2-scored", "dropped")]),
        ("1-clean", [("1-clean", "kept")]),
        ("2-scored", [("2-scored", "dropped")]),
        ("1-clean/00001.parquet", [("00001.parquet", "kept")]),
        ("2-scored/dropped/00001.parquet", [("00001.parquet", "dropped")]),
    ],
)
def test_a_run_a_corpus_and_a_file_can_be_asked(finished: str, below: str, expected: list[tuple[str, str]]) -> None:
    assert way("doc-011", f"{finished}/{below}") == expected


def test_a_folder_above_several_runs_can_be_asked(finished: str, source: Corpus) -> None:
    assert source.num_rows == 40
    above = str(Path(finished).parent)
    assert way("doc-011", above) == [("in", "listed"), ("run/1-clean", "kept"), ("run/2-scored", "dropped")]


def test_a_remote_run_can_be_asked(finished: str) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(finished, "/why", recursive=True)
    assert way("doc-011", "memory://why") == [("1-clean", "kept"), ("2-scored", "dropped")]


def test_an_unknown_document_is_answered_with_those_that_are_like_it(finished: str) -> None:
    with pytest.raises(LookupError, match=r"among 69 rows of 1-clean, 2-scored\. There are doc-013"):
        ledger.why("DOC-013", finished)
    with pytest.raises(LookupError, match=r"There are http://127\.0\.0\.1/13"):
        ledger.why("https://127.0.0.1/13/", finished)
    with pytest.raises(LookupError, match="No id or URL contains it"):
        ledger.why("elsewhere", finished)


def test_ids_are_read_only_where_no_filter_speaks_for_them(finished: str, tmp_path: Path) -> None:
    search = Search()
    ledger.why("doc-013", finished, search)
    assert (search.num_rows, search.num_read) == (69, 0)  # 40 and 29
    pq.write_table(Corpus(f"{finished}/1-clean").table(), tmp_path / "plain.parquet")
    ledger.why("doc-013", str(tmp_path / "plain.parquet"), search)
    assert search.num_read == 29
    assert "read the ids of 29, whose files have no Bloom filter" in str(search)


def test_a_folder_without_parquet_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no Parquet file"):
        ledger.why("doc-001", str(tmp_path))


def test_an_id_that_several_shards_hold_is_counted_and_every_row_told(tmp_path: Path, pages: pa.Table) -> None:
    ids = pa.array(["twice" if i in (3, 33) else f"doc-{i}" for i in range(40)])
    at = pages.schema.get_field_index("id")
    write_corpus(tmp_path / "in", pages.set_column(at, "id", ids).to_batches(max_chunksize=10), shard_rows=10)
    events = ledger.why("twice", str(tmp_path / "in"))
    assert len({event.file for event in events}) == 2
    assert "2 rows of in have this id" in ledger.tell(events)
