"""The card of a corpus of code: every number by hand."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curate.corpus import Corpus, write_corpus
from curate.document import QUARANTINED, Batch, with_columns
from curate.ledger.card import NONE, card, write_card
from curate.run import run
from curate.signals.by_language import KeepByLanguage
from curate.stage import Keep, Measure, Rule, mark

FILES = [  # id, language, licence, text, score
    ("a1", "Python", "MIT", "x" * 10, 4.2),
    ("a2", "Python", "MIT", "é" * 10, 3.0),  # 20 bytes
    ("a3", "Python", "Apache-2.0", "x" * 5, 2.9),
    ("a4", "Python", "MIT", "x", 3.4),  # too short
    ("c1", "C", "BSD-3-Clause", "x" * 30, 2.6),
    ("c2", "C", None, "x" * 40, 1.0),
    ("c3", "C", None, "x" * 50, 2.9),  # a copy
    ("n1", None, "MIT", "x" * 60, 2.5),
    ("s1", "Shell", "MIT", "x", 5.0),  # too short, the only one
    ("q1", "C", "MIT", "x" * 70, 3.0),  # cannot be read
]
BY_LANGUAGE = KeepByLanguage(
    "test", {"Python": (Rule("int_score", at_least=4),)}, otherwise=(Rule("int_score", at_least=3),)
)


def length(batch: Batch) -> dict[str, pa.Array]:
    return {"t.chars": pa.array([len(text) for text in batch["text"].to_pylist()], pa.int64())}


def odd(batch: Batch) -> Batch:
    bad = ["OddError: bad byte" if i == "q1" else None for i in batch["id"].to_pylist()]
    return with_columns(batch, {QUARANTINED: pa.array(bad, pa.string())})


def scored(batch: Batch) -> Batch:
    score = dict(zip([f[0] for f in FILES], [f[4] for f in FILES], strict=True))
    raw = np.array([score[i] for i in batch["id"].to_pylist()], dtype=float)
    columns = {"score": pa.array(raw, pa.float32()), "int_score": pa.array(np.floor(raw + 0.5).astype(int), pa.int64())}
    return with_columns(batch, columns)


def copies(batch: Batch) -> Batch:
    return mark(batch, [("dedup.near", np.array([i == "c3" for i in batch["id"].to_pylist()], dtype=bool))])


def fair(batch: Batch) -> Batch:
    return mark(batch, [("fair", np.array([i == "c2" for i in batch["id"].to_pylist()], dtype=bool))])


@pytest.fixture
def stack(tmp_path: Path) -> str:
    names = ("id", "language", "license", "text")
    table = pa.table({name: [file[at] for file in FILES] for at, name in enumerate(names)})
    source = write_corpus(tmp_path / "in", table.to_batches(max_chunksize=4), shard_rows=4)
    short = Keep((Rule("t.chars", at_least=2),))
    run((odd, Measure((length,)), short), source, f"{tmp_path}/run/1-clean", keep_text=True)
    run((scored,), Corpus(tmp_path / "run/1-clean"), f"{tmp_path}/run/2-scored")
    run((copies, BY_LANGUAGE), Corpus(tmp_path / "run/2-scored"), f"{tmp_path}/run/3-edu", allow_empty=True)
    return f"{tmp_path}/run"


def test_every_language_has_its_files_bytes_scores_and_licences(stack: str) -> None:
    rows = {row.name: row for row in card(stack).languages}
    python = rows["Python"]  # a2 scored 3, below Python's 4; a3 rounds to 3
    assert (python.files, python.text_bytes, python.scores) == (1, 10, (0, 0, 0, 0, 1, 0))
    assert python.mean_score == pytest.approx(4.2)
    assert (rows["C"].files, rows["C"].text_bytes, dict(rows["C"].licenses)) == (1, 30, {"BSD-3-Clause": 1})
    assert (rows[NONE].files, rows[NONE].scores) == (1, (0, 0, 0, 1, 0, 0))
    assert (rows["Shell"].files, rows["Shell"].mean_score, rows["Shell"].scores) == (0, None, ())


def test_every_step_tells_what_it_kept_of_each_language(stack: str) -> None:
    found = card(stack)
    assert [(step.title, step.files) for step in found.steps] == [
        ("1-clean Keep", 7), ("3-edu copies", 6), ("3-edu KeepByLanguage", 3)
    ]  # fmt: skip
    kept = {row.name: (row.came, *row.kept) for row in found.languages}
    assert kept == {"Python": (4, 3, 3, 1), "C": (3, 3, 2, 1), NONE: (1, 1, 1, 1), "Shell": (1, 0, 0, 0)}
    assert (found.came, found.quarantined) == (10, 1)


def test_the_card_is_written_as_markdown(stack: str) -> None:
    path = write_card(stack)
    assert path == f"{stack}/CARD.md"
    text = Path(path).read_text()
    assert "3 files in 3 languages, 0.00 MB of text, out of 10 files read; 1 more could not be read" in text
    assert "| Python | 1 | 33.3% | 0.00 | 4.20 | MIT 100% |" in text
    assert "| C | 3 | 100% | 67% | 50% | 33.3% |" in text
    assert "| Shell | 1 | 0% | - | - | 0.0% |" in text


def test_it_may_lie_anywhere(stack: str, tmp_path: Path) -> None:
    assert write_card(stack, str(tmp_path / "elsewhere.md")) == str(tmp_path / "elsewhere.md")
    assert (tmp_path / "elsewhere.md").read_text() == str(card(stack))


def test_a_card_that_would_contradict_the_receipts_is_refused(stack: str) -> None:
    for shard in Path(stack, "1-clean/dropped").glob("*.parquet"):
        shard.unlink()
    with pytest.raises(ValueError, match="1-clean dropped 2 files by its receipts, and 0 are in its dropped/"):
        card(stack)


def test_marks_whose_step_cannot_be_told_make_their_corpus_one_step(stack: str, tmp_path: Path) -> None:
    """Two stages without rules both took files out: which took which is not on record."""
    other = str(tmp_path / "two")
    run((copies, fair), Corpus(f"{stack}/2-scored"), other)
    found = card(other)
    assert [(step.name, step.files) for step in found.steps] == [("all steps", 5)]
    assert {row.name: row.kept for row in found.languages} == {"Python": (3,), "C": (1,), NONE: (1,)}


def test_a_folder_of_parquet_that_no_run_made_has_a_card_without_steps(tmp_path: Path) -> None:
    write_corpus(
        tmp_path / "plain", [pa.record_batch({"id": ["1", "2"], "text": ["a|b", None], "language": ["C", "C"]})]
    )
    found = card(str(tmp_path / "plain"))
    assert (found.steps, found.languages[0].text_bytes, found.languages[0].licenses) == ((), 3, {NONE: 2})
    assert "| C | 2 | 100.0% | 0.00 | - | - |" in str(found)
    assert "What each step kept" not in str(found)


def test_a_corpus_without_languages_is_an_error(finished: str) -> None:
    with pytest.raises(ValueError, match="has no column 'language'"):
        card(finished)
