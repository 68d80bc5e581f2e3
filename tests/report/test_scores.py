"""Whose scores the page tells, and of which classifier."""

from pathlib import Path

import pyarrow as pa

from curate.classify.score import score_stages
from curate.corpus import Corpus, write_corpus
from curate.report import rules, samples, scores
from curate.report.view import View
from curate.run import run
from curate.stage import Keep, Rule
from tests.report.conftest import LESSON


def test_scores_are_the_runs_own_and_not_those_its_input_came_with(tmp_path: Path) -> None:
    """Eight documents that somebody scored 5; of two classifiers of ours the first decides, and takes its place."""
    table = pa.table(
        {
            "text": [LESSON.format(i=i) for i in range(8)],
            "id": [f"{i}" for i in range(8)],
            "n": [1] * 8,
            "score": pa.array([5.0] * 8, pa.float32()),
            "int_score": [5] * 8,
        }
    )
    source = write_corpus(tmp_path / "in", table.to_batches())
    clean, scoring = f"{tmp_path}/run/1-clean", score_stages(["web_edu", "code_edu"], part="gate")
    run((Keep((Rule("n", at_least=1),)),), source, clean)
    run((scoring,), Corpus(clean), f"{tmp_path}/run/2-scored")
    (line,) = View.of(f"{tmp_path}/run").families.values()
    found = scores.gather(line)
    assert found is not None
    ours = Corpus(f"{tmp_path}/run/2-scored").table(["int_score"])["int_score"].to_pylist()
    assert (found.corpus, found.num, found.grades[5]) == ("2-scored", 8, ours.count(5))
    assert ours != [5] * 8
    assert found.judge is not None
    assert found.judge.name == "web_edu"
    assert rules.classifier_of(line) == "web_edu"
    assert {group.part.name for group in samples.gather(line, ())} == {"2-scored"}
