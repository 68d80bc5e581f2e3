"""Which corpus is published, and the history that its receipts prove."""

import shutil
from pathlib import Path

import pytest

from curate.corpus import Corpus, write_corpus
from curate.publish.refuse import warnings
from curate.publish.subset import subsets
from curate.run import run
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
