from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curate.corpus import Corpus, write_corpus
from curate.document import Batch
from curate.ledger.lost import Share, lost, table
from curate.run import run
from curate.stage import Keep, Rule


def by_digit(batch: Batch) -> np.ndarray:
    return np.array([float(i[-1]) / 2 for i in batch["id"].to_pylist()])


def test_a_rule_s_cost_is_counted_from_texts(finished: str) -> None:
    (loss,) = lost(f"{finished}/1-clean", by_digit)
    # dropped are 0, 4, ..., 36; a score of 2.5 or more have 8, 16, 28, 36
    assert (loss.rule, loss.corpus) == ("t.chars", "1-clean")
    assert loss.broke == loss.alone == Share(10, 10, 4)
    assert table([loss], "x >= 3")[1] == ("t.chars", "10", "4", "40%", "10", "4", "40%")


def test_neither_duplicates_nor_cuts_on_a_score_are_rules_with_a_cost(finished: str) -> None:
    with pytest.raises(LookupError, match="run the filter with --keep-text"):
        lost(f"{finished}/2-scored", by_digit)


def test_a_score_on_record_needs_no_text(tmp_path: Path, pages: pa.Table) -> None:
    scored = pages.append_column("score", pa.array([i / 10 for i in range(40)], pa.float32()))
    numbered = scored.append_column("n", pa.array([i % 5 for i in range(40)]))
    source = write_corpus(tmp_path / "in", numbered.to_batches())
    run((Keep((Rule("n", at_least=1), Rule("score", at_least=1))),), source, f"{tmp_path}/run")
    (loss,) = lost(f"{tmp_path}/run", None)
    assert loss.broke == Share(8, 8, 3)  # 0, 5, ..., 35; from 2.5 on: 25, 30, 35
    assert loss.alone == Share(6, 6, 3)  # 0 and 5 break the cut too


def test_a_sample_stands_for_the_rest_with_an_interval(tmp_path: Path) -> None:
    ids = [f"doc-{i:05}" for i in range(5000)]
    rows = pa.table({"id": ids, "text": ["x"] * 5000, "n": [0] * 5000})
    run((Keep((Rule("n", at_least=1),)),), write_corpus(tmp_path / "in", rows.to_batches()), f"{tmp_path}/run",
        keep_text=True, allow_empty=True)  # fmt: skip
    (loss,) = lost(f"{tmp_path}/run", by_digit, most=400)  # half of the digits are 5 or more
    assert (loss.broke.documents, loss.broke.sampled) == (5000, 400)
    low, high = loss.broke.interval
    assert low < 0.5 < high
    assert high - low == pytest.approx(2 * 1.96 * (0.25 / 400) ** 0.5, rel=0.02)


def test_a_scorer_sees_the_language_of_what_was_dropped(tmp_path: Path) -> None:
    languages = ["Go", "Python", "Python", "Java"] * 5
    ids = [f"doc-{i:02}" for i in range(20)]
    rows = pa.table({"id": ids, "text": ["x"] * 20, "language": languages, "n": [0] * 20})
    run((Keep((Rule("n", at_least=1),)),), write_corpus(tmp_path / "in", rows.to_batches()), f"{tmp_path}/run",
        keep_text=True, allow_empty=True)  # fmt: skip
    by_language = {"Go": 1.0, "Python": 4.0, "Java": 2.0}
    (loss,) = lost(f"{tmp_path}/run", lambda batch: np.array([by_language[i] for i in batch["language"].to_pylist()]))
    assert loss.broke == Share(20, 20, 10)


def test_the_interval_is_wilson_s() -> None:
    # 10 of 100: (0.1 + z^2/200 -+ z sqrt(0.1 * 0.9 / 100 + z^2 / 40000)) / (1 + z^2 / 100), z = 1.96
    assert Share(1000, 100, 10).interval == pytest.approx((0.05523, 0.17437), abs=1e-4)
    assert Share(1000, 100, 0).interval == pytest.approx((0.0, 0.03699), abs=1e-4)
    assert str(Share(1000, 100, 10)) == "100 [55, 174]"
    assert Share(100, 100, 10).interval == (0.1, 0.1)
    assert str(Share(100, 100, 10)) == "10"


def test_a_run_without_texts_or_scores_says_so(tmp_path: Path, source: Corpus) -> None:
    numbered = write_corpus(tmp_path / "n", source.table().append_column("n", pa.array(range(40))).to_batches())
    run((Keep((Rule("n", at_least=10),)),), numbered, f"{tmp_path}/run")
    with pytest.raises(LookupError, match="has a score or a text"):
        lost(f"{tmp_path}/run", by_digit)
