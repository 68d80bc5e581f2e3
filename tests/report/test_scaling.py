"""The section about a scaling law, from the fit.json that `curate scaling` leaves."""

import json
import re
from pathlib import Path

from curate.report import scaling


def test_the_law_its_prediction_and_its_runs_are_those_of_the_fit(evidence: Path) -> None:
    (found,) = scaling.gather(evidence)
    fit = json.loads((evidence / "scaling/fit.json").read_text())
    shown = scaling.section([found])
    (target,) = fit["predictions"]
    assert "135M on 600B tokens" in shown
    assert f"{target['loss']['value']:.4f}" in shown
    assert f"{target['loss']['low']:.4f} to {target['loss']['high']:.4f}" in shown
    assert f"{fit['law']['alpha']:.4g}" in shown
    assert "Predictions 3,750 times beyond the largest run" in shown  # 600B tokens by 160M
    assert f"holds {sum(run['inside'] for run in fit['largest_held_out']['runs'])} of 4 of them" in shown


def test_loss_by_compute_draws_every_run_above_the_frontier_with_its_band(evidence: Path) -> None:
    (found,) = scaling.gather(evidence)
    drawn = scaling.by_compute(found.fit)
    assert len(re.findall("<circle", drawn)) == 16
    assert len(re.findall("<polyline", drawn)) == 1
    assert len(re.findall("<polygon", drawn)) == 2, "the band, and the diamond of the prediction"
    frontier = found.fit["frontier"]
    assert all(one["low"] <= one["loss"] <= one["high"] for one in frontier)
    assert frontier[0]["flops"] < frontier[-1]["flops"]
    assert frontier[0]["loss"] > frontier[-1]["loss"]


def test_a_law_that_is_not_identified_says_so_and_predicts_nothing(evidence: Path) -> None:
    (found,) = scaling.gather(evidence)
    prediction = {**found.fit["predictions"][0], "loss": None}
    fit = {**found.fit, "problems": ["B runs away"], "predictions": [prediction], "optima": [], "frontier": []}
    shown = scaling.section([scaling.Scaling("", fit)])
    assert "Not identified: B runs away." in shown
    assert "not identified" in shown
    assert "<polyline" not in shown
    assert "The best use of a budget" not in shown


def test_other_files_of_that_name_are_no_law(tmp_path: Path) -> None:
    (tmp_path / "fit.json").write_text('{"classifier": "web_edu"}')
    assert scaling.gather(tmp_path) == []
    assert scaling.gather(None) == []
