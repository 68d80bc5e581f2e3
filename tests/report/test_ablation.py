"""The section about an ablation, from files as `curate ablate` leaves them."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.report import report
from curate.report.ablation import gather, section

COMPARISON = {
    "measure": "bits per byte",
    "arm": "edu",
    "baseline": "raw",
    "exploratory": False,
    "value": 1.2,
    "baseline_value": 1.25,
    "difference": -0.05,
    "low": -0.08,
    "high": -0.02,
    "detectable": 0.04,
    "verdict": "better",
    "note": "",
}
ARM = {"arm": "edu", "documents": 1234, "num_tokens": 56_789, "epochs": 4.5, "held_out": 7}


@pytest.fixture
def ablation(tmp_path: Path) -> Path:
    """Two arms, two seeds, two domains, three looks; one comparison decides, one is for looking."""
    domain = COMPARISON | {"measure": "bits per byte <b>", "exploratory": True}
    single = COMPARISON | {"measure": "acc_norm", "exploratory": True, "low": None, "high": None, "detectable": None}
    results = {
        "comparisons": [COMPARISON, domain, single | {"verdict": "no verdict"}],
        "arms": [ARM, ARM | {"arm": "raw"}],
        "tokens_to_equal_loss": [{"arm": "edu", "ratio": 1.5, "low": 1.2, "high": 1.9, "reached": [True], "note": ""}],
        "advice": ["edu: half of that takes 9 seeds"],
        "warnings": ["edu is read 4.5 times"],
    }
    (tmp_path / "results.json").write_text(json.dumps(results))
    rows = [
        {
            "arm": arm,
            "seed": seed,
            "domain": domain,
            "tokens": look * 1000,
            "bits_per_byte": 2.0 - look / 10 + seed + at,
        }
        for arm in ("raw", "edu")
        for seed in (0, 1)
        for at, domain in enumerate(("web", "books"))
        for look in (1, 2, 3)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "curves.parquet")
    return tmp_path


def test_curves_are_means_over_domains_and_seeds_with_the_extremes_as_band(ablation: Path) -> None:
    (found,) = gather(ablation)
    assert found.curves["edu"] == tuple(
        (1000.0 * look, pytest.approx(3.0 - look / 10), pytest.approx(2.5 - look / 10), pytest.approx(3.5 - look / 10))
        for look in (1, 2, 3)
    )


def test_the_verdict_its_interval_and_the_warnings_are_shown(ablation: Path) -> None:
    shown = section(gather(ablation))
    assert "edu against raw" in shown
    assert "-0.0500 bits per byte, [-0.0800, -0.0200]; 1.50 times as quick to the same loss" in shown
    assert "better*" in shown
    assert "no interval" in shown
    assert "edu is read 4.5 times" in shown
    assert "edu: half of that takes 9 seeds" in shown
    assert "&lt;b&gt;" in shown
    assert "<b>" not in shown


def test_a_folder_of_trainings_without_a_corpus_has_a_page(ablation: Path) -> None:
    with pytest.raises(FileNotFoundError):
        report(f"{ablation}", f"{ablation}/report.html")
    (ablation / "runs").mkdir()
    (ablation / "runs/log.jsonl").write_text("".join(json.dumps({"step": n, "loss": 2.0}) + "\n" for n in range(4)))
    page = report(f"{ablation}", f"{ablation}/report.html").read_text()
    assert page.index('<section id="ablation"') < page.index('<section id="training"')


def test_there_is_no_section_without_an_ablation(tmp_path: Path) -> None:
    assert gather(tmp_path) == []
    assert gather(None) == []
