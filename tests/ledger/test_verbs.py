"""The ledger's verbs as a person types them."""

import subprocess
from pathlib import Path

import pytest

from tests.here import python


def curate(*arguments: object) -> subprocess.CompletedProcess[str]:
    return python("-m", "curate.cli", *arguments)


def test_a_person_asks_samples_replays_and_compares(finished: str, tmp_path: Path) -> None:
    asked = curate("why", "http://127.0.0.1/4", finished)
    assert " ".join(asked.stdout.split()).count("t.chars 9 100 to 100000 BROKEN a test; page 1") == 1
    assert "searched 69 rows of 1-clean, 2-scored" in asked.stderr
    drawn = curate("sample", finished, "--dropped-by", "t.chars", "--where", "t.chars<10", "-n", 2)
    assert drawn.stdout.count("--- id=doc-00") == 2
    replayed = curate("replay", finished, "-o", tmp_path / "other", "--min-score", 1)
    assert "23 of 39 documents are kept; 19 were." in replayed.stdout
    compared = curate("diff", finished, tmp_path / "other")
    assert "2-scored: score" in compared.stdout
    cost = curate("lost", f"{finished}/1-clean")
    assert cost.stdout.splitlines()[1].startswith("t.chars")
    both = curate("funnel", finished, tmp_path / "other")
    assert both.stdout.count("documents") == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("why", "doc-9", "{run}"), "no document with id or url 'doc-9'"),
        (("replay", "{run}", "-o", "{run}/3", "--rules", "c4"), "was never measured"),
        (("replay", "{run}", "-o", "{run}/3", "--bound", "t.chars>1"), "a rule's bound is >= or <="),
        (("lost", "{run}/2-scored"), "run the filter with --keep-text"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(finished: str, arguments: tuple[str, ...], message: str) -> None:
    done = curate(*(argument.format(run=finished) for argument in arguments))
    assert done.returncode == 1
    assert done.stderr.startswith("curate: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
