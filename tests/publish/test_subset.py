"""Which corpus is published, and the history that its receipts prove."""

import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from curate.concatenate import concatenate
from curate.corpus import Corpus, write_corpus
from curate.ledger.card import card
from curate.publish.dataset import build_card
from curate.publish.refuse import refusals, warnings
from curate.publish.settings import Settings
from curate.publish.subset import subsets
from curate.run import run
from curate.signals.secrets import CODE_PRIVACY
from curate.stage import Keep, Rule


def test_the_corpus_at_the_end_of_a_run_comes_with_all_before_it(edu: Path) -> None:
    (found,) = subsets(str(edu))
    assert (found.name, found.path) == ("default", f"{edu}/5-final")
    assert [part.name for part in found.parts] == ["1-clean", "2-scored", "3-unique", "4-edu", "5-final"]
    assert (found.missing, found.limit, found.size.rows) == ((), None, 21)
    assert found.ran("ReplaceAddresses")
    assert not found.ran("Extract")


def test_names_do_not_matter_receipts_do(edu: Path, tmp_path: Path) -> None:
    for old, new in (("1-clean", "z"), ("2-scored", "m"), ("3-unique", "a")):
        shutil.copytree(edu / old, tmp_path / "run" / new)
    (found,) = subsets(f"{tmp_path}/run")
    assert [part.name for part in found.parts] == ["z", "m", "a"]
    (alone,) = subsets(f"{tmp_path}/run/m")
    assert [part.name for part in alone.parts] == ["z", "m"]


def test_a_run_with_two_ends_must_be_told_which(edu: Path, tmp_path: Path) -> None:
    shutil.copytree(edu / "1-clean", tmp_path / "run/1-clean")
    for name, least in (("2-low", 1), ("2-high", 20)):
        run((Keep((Rule("t.chars", at_least=least),)),), Corpus(tmp_path / "run/1-clean"), f"{tmp_path}/run/{name}")
    with pytest.raises(ValueError, match=r"several corpora end here \(2-high, 2-low\)"):
        subsets(f"{tmp_path}/run")
    assert subsets(f"{tmp_path}/run/2-low")[0].parts[0].name == "1-clean"


def test_what_is_missing_of_an_unfinished_corpus_is_named_and_a_limit_is_no_lack(edu: Path, tmp_path: Path) -> None:
    shutil.copytree(edu, tmp_path / "edu")
    (tmp_path / "edu/5-final/00002.parquet").unlink()
    (found,) = subsets(f"{tmp_path}/edu")
    assert found.missing == ("00002",)
    run((Keep((Rule("t.chars", at_least=1),)),), Corpus(edu / "1-clean"), f"{tmp_path}/some/2-few", limit=5)
    shutil.copytree(edu / "1-clean", tmp_path / "some/1-clean")
    (few,) = subsets(f"{tmp_path}/some")
    assert (few.missing, few.limit) == ((), 5)


def test_shards_of_another_run_among_them_are_an_error(edu: Path, tmp_path: Path) -> None:
    shutil.copytree(edu / "1-clean", tmp_path / "mixed")
    shutil.copy(edu / "2-scored/00001.parquet", tmp_path / "mixed/00001.parquet")
    with pytest.raises(ValueError, match=r"00001.parquet has other columns than"):
        subsets(f"{tmp_path}/mixed")


def test_folders_of_the_machine_in_receipts_are_warned_of(edu: Path, tmp_path: Path) -> None:

    write_corpus(tmp_path / "in", Corpus(edu / "1-clean").table().to_batches())
    rule = Rule("t.chars", at_least=1, source="/home/ada/rules.py")
    run((Keep((rule,)),), Corpus(tmp_path / "in"), f"{tmp_path}/out")
    (found,) = subsets(f"{tmp_path}/out")
    assert any(
        "name folders of the machine it was made on: /home/ada/rules.py" in said for said in warnings([found], [], [])
    )


def test_documents_of_files_put_together_have_the_history_of_the_files(tmp_path: Path) -> None:
    """Secrets and addresses were replaced in the files; the run itself is still its files, and its card theirs."""
    columns: dict[str, list[object]] = {name: [f"{n}" for n in range(9)] for name in ("id", "path")}
    columns |= {"text": [f"# by a{n}@b.org\nx = {n}\n" for n in range(9)], "language": ["Python"] * 9}
    columns |= {"repo_name": ["r/a", "r/b", "r/c"] * 3, "stars": list(range(9))}
    source = write_corpus(tmp_path / "in", pa.table(columns).to_batches(max_chunksize=2), shard_rows=2)
    place = f"{tmp_path}/code"
    run((Keep((Rule("stars", at_least=1),)),), source, f"{place}/1-clean", keep_text=True)
    run(CODE_PRIVACY, Corpus(f"{place}/1-clean"), f"{place}/2-corpus")
    before = str(card(place))
    concatenate(Corpus(f"{place}/2-corpus"), f"{place}/3-repositories")
    (found,) = subsets(f"{place}/3-repositories")
    assert [part.name for part in found.parts] == ["1-clean", "2-corpus", "3-repositories"]
    assert (found.missing, found.size.rows, refusals([found])) == ((), 3, [])
    assert subsets(place)[0].path == f"{place}/2-corpus"
    assert str(card(place)) == before
    told = build_card(f"{place}/3-repositories", Settings())
    assert "3 documents in 1 Parquet file" in told
    assert "curate concatenate 2-corpus -o 3-repositories\n" in told
    assert "| concatenate: repo, max\\_chars=65536, named=1.0, seed=0 | 3-repositories | 3 |  | 0.00 |" in told
    shutil.copytree(f"{place}/3-repositories", tmp_path / "alone/x")
    (alone,) = subsets(f"{tmp_path}/alone/x")
    assert [refusal.allow for refusal in refusals([alone])] == ["addresses", "secrets"]
    assert "0 documents" not in build_card(alone.path, Settings())
    (tmp_path / "code/2-corpus/00001.parquet").unlink()
    assert subsets(place)[0].missing == ("00001",)
