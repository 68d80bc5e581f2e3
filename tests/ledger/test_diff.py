from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

from curate.corpus import Corpus, write_corpus
from curate.ledger.diff import diff
from curate.ledger.replay import replay
from curate.run import run
from curate.stage import Keep, Rule


def test_a_run_and_its_replay_differ_by_the_cut(finished: str, tmp_path: Path) -> None:
    replay(finished, f"{tmp_path}/other", cut=Rule("score", at_least=1))
    found = diff(finished, f"{tmp_path}/other", texts=True)
    assert (found.inputs, found.kept, found.both) == ((40, 39), (19, 23), 19)
    ours, theirs = found.one_sided
    assert ours.documents == 0
    assert theirs.documents == 4
    assert theirs.by_fate == theirs.alone == Counter({"2-scored: score": 4})
    assert {example[0] for example in theirs.examples} == {"doc-001", "doc-011", "doc-021", "doc-031"}
    assert found.only_in == (1, 0)  # the record in quarantine
    assert found.moved == 0


def test_every_broken_rule_counts_and_only_reasons_are_told_apart(tmp_path: Path, source: Corpus) -> None:
    table = source.table().append_column("n", pa.array(range(40)))
    numbered = write_corpus(tmp_path / "n", table.to_batches())
    run((Keep((Rule("n", at_most=19), Rule("n", at_least=5))),), numbered, f"{tmp_path}/a")
    run((Keep((Rule("n", at_least=10),)),), numbered, f"{tmp_path}/b")
    found = diff(f"{tmp_path}/a", f"{tmp_path}/b")
    assert (found.kept, found.both) == ((15, 30), 10)  # 5..19 and 10..39
    assert [side.documents for side in found.one_sided] == [5, 20]
    assert found.one_sided[0].by_fate == {"b: n": 5}
    assert found.moved == 0  # 0..4 broke the same rule in both


def test_changed_texts_and_bytes_are_counted_on_request(tmp_path: Path, pages: pa.Table) -> None:
    a = write_corpus(tmp_path / "a", pages.to_batches())
    changed = [text if i != 5 else "other" for i, text in enumerate(pages["text"].to_pylist())][:30]
    b = write_corpus(tmp_path / "b", pages.slice(0, 30).set_column(0, "text", pa.array(changed)).to_batches())
    found = diff(a.path, b.path, texts=True)
    assert (found.both, found.changed) == (30, 1)
    assert found.one_sided[0].text_bytes == sum(len(text) for text in pages["text"].to_pylist()[30:])
    assert found.one_sided[0].by_fate == {"not in its input": 10}
    assert diff(a.path, b.path).changed is None
    assert "30, 1 of them with another text" in str(found)


def test_differences_are_counted_by_source_and_language(tmp_path: Path, pages: pa.Table) -> None:
    languages = pa.array(["en" if i % 2 else None for i in range(40)])
    table = pages.append_column("language", languages)
    a, b = (
        write_corpus(tmp_path / name, part.to_batches()) for name, part in (("a", table), ("b", table.slice(0, 37)))
    )
    (ours, _) = diff(a.path, b.path).one_sided
    assert ours.by_group == {"language": Counter({"en": 2, "": 1})}  # 37, 38, 39


def test_the_order_of_documents_does_not_matter_and_repeated_ids_are_told(tmp_path: Path, pages: pa.Table) -> None:
    a = write_corpus(tmp_path / "a", pages.to_batches(max_chunksize=7), shard_rows=7)
    twice = pa.concat_tables([pages.slice(20), pages])
    b = write_corpus(tmp_path / "b", twice.to_batches())
    found = diff(a.path, b.path, texts=True)
    assert (found.both, found.changed, found.repeated) == (40, 0, (0, 20))
    assert [side.documents for side in found.one_sided] == [0, 0]


def test_two_runs_without_a_document_in_common_can_be_compared(tmp_path: Path, pages: pa.Table) -> None:
    a = write_corpus(tmp_path / "a", pages.slice(0, 10).to_batches())
    b = write_corpus(tmp_path / "b", pages.slice(10).to_batches())
    found = diff(a.path, b.path)
    assert [side.documents for side in found.one_sided] == [10, 30]
    empty = write_corpus(tmp_path / "empty", [], schema=pages.schema)
    assert diff(a.path, empty.path).one_sided[0].documents == 10


def test_documents_without_ids_cannot_be_compared(tmp_path: Path, pages: pa.Table) -> None:
    a = write_corpus(tmp_path / "a", pages.drop_columns(["id"]).to_batches())
    with pytest.raises(ValueError, match="has no column 'id' to compare documents by"):
        diff(a.path, a.path)
