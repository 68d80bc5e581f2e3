"""The section about evaluations: which model each is of, and that nothing else is taken for one."""

import json
from pathlib import Path

from curate.report.evaluations import gather, section
from tests.report.conftest import ablation, trainings


def test_an_evaluation_is_told_by_the_model_that_it_measured(tmp_path: Path) -> None:
    trainings(tmp_path)
    (found,) = gather(tmp_path)
    assert [(one.task, one.measure, one.value) for one in found.measured] == [("arc_easy", "acc", 0.5)]
    assert f"Model: runs/anneal/hf, step 1,000, weights sha256 {'9c1f' * 4}." in section([found])


def test_an_evaluation_that_names_no_model_says_so(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(json.dumps({"piqa": {"num_items": 2, "acc": {"value": 0.5, "stderr": 0.1}}}))
    shown = section(gather(tmp_path))
    assert "does not say" in shown
    assert "piqa" in shown


def test_a_standard_error_that_is_not_known_is_not_told_as_none(tmp_path: Path) -> None:
    """Of one document there is no spread; the results say null."""
    book = {"num_items": 1, "bits_per_byte": {"value": 1.25, "stderr": None}}
    (tmp_path / "results.json").write_text(json.dumps({"bits_per_byte book": book}))
    shown = section(gather(tmp_path))
    assert "1.2500" in shown
    assert "0.0000" not in shown


def test_an_ablation_is_no_evaluation(tmp_path: Path) -> None:
    ablation(tmp_path / "ablation")
    assert gather(tmp_path) == []
