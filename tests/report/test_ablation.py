"""The section about an ablation, from files as `curate ablate` leaves them."""

from pathlib import Path

import pytest

from curate.report import report
from curate.report.ablation import gather, section
from tests.report.conftest import ablation, trainings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return ablation(tmp_path / "ablation")


def test_curves_are_means_over_domains_and_seeds_with_the_extremes_as_band(folder: Path) -> None:
    (found,) = gather(folder)
    assert found.curves["edu"] == tuple(
        (1000.0 * look, pytest.approx(3.0 - look / 10), pytest.approx(2.5 - look / 10), pytest.approx(3.5 - look / 10))
        for look in (1, 2, 3)
    )


def test_the_verdict_its_interval_and_the_warnings_are_shown(folder: Path) -> None:
    shown = section(gather(folder))
    assert "edu against raw" in shown
    assert "-0.0500 bits per byte, [-0.0800, -0.0200]; 1.50 times as quick to the same loss" in shown
    assert '<span class="verdict better">better</span>' in shown
    assert '<span class="verdict better">better*</span>' in shown, "for looking only"
    assert '<span class="verdict worse">worse*</span>' in shown
    assert '<span class="verdict open">not resolved</span>' in shown
    assert "no interval" in shown
    assert "edu is read 4.5 times" in shown
    assert "edu: half of that takes 9 seeds" in shown
    assert "&lt;b&gt;" in shown
    assert "<b>" not in shown


def test_a_bar_spans_the_interval_as_it_is_and_not_one_made_even(folder: Path) -> None:
    """Reach is 1.08 * .1: -.1 lies 4 + 152 * (1 - 1 / 1.08) / 2 from the left, .04 at 80 + 76 * .04 / .108."""
    shown = section(gather(folder))
    assert '<line x1="9.6" x2="108.1" y1="8" y2="8" stroke="var(--main)"' in shown


def test_a_folder_of_trainings_without_a_corpus_has_a_page(tmp_path: Path) -> None:
    ablation(tmp_path / "ablation")
    with pytest.raises(FileNotFoundError):
        report(f"{tmp_path}", f"{tmp_path}/report.html")
    trainings(tmp_path)
    page = report(f"{tmp_path}", f"{tmp_path}/report.html").read_text()
    assert page.index('<section id="ablation"') < page.index('<section id="training"')


def test_there_is_no_section_without_an_ablation(tmp_path: Path) -> None:
    assert gather(tmp_path) == []
    assert gather(None) == []
