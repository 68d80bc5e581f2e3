"""A corpus like the labels is not reported, one unlike them is, and by name."""

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from curate.classify.drift import drift, names, numbers, psi, report_drift
from curate.classify.model import Model, read_model
from curate.corpus import write_corpus
from curate.document import Batch

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def model() -> Model:
    return read_model(ROOT / "classifiers" / "web_edu")


def scored(gate: np.ndarray, sizes: np.ndarray, language: str | None = None) -> Batch:
    columns = {"web_edu.gate": pa.array(gate, pa.float32()), "web_edu.bytes": pa.array(sizes, pa.int32())}
    if language:
        columns["language"] = pa.array([language] * len(gate))
    return pa.RecordBatch.from_pydict({"id": [str(i) for i in range(len(gate))]} | columns)


def test_the_index_is_the_sum_over_bins_of_the_difference_times_the_log_of_the_ratio() -> None:
    found = psi(np.array([499.5, 299.5, 199.5]), np.array([199.5, 299.5, 499.5]))  # half a document more in each
    p, q = np.array([500, 300, 200]) / 1000, np.array([200, 300, 500]) / 1000
    assert found == pytest.approx(sum((a - b) * math.log(a / b) for a, b in zip(p, q, strict=True)))
    assert found == pytest.approx(0.5498, abs=1e-4)


def test_without_a_shift_chance_alone_is_reported_in_few_corpora_of_any_size() -> None:
    rng = np.random.default_rng(0)
    reported = []
    for rows in (30, 100, 1000):
        labelled = rng.normal(size=1000)
        shifts = [numbers("x", labelled, np.ones(1000), rng.normal(size=rows)) for _ in range(300)]
        reported.append(np.mean([shift.level != "none" for shift in shifts]))
    assert max(reported) < 0.1
    assert np.mean([numbers("x", labelled, np.ones(1000), rng.normal(size=100)).psi > 0.1 for _ in range(300)]) > 0.2


@pytest.mark.parametrize(("moved", "level"), [(0.0, "none"), (0.4, "some"), (1.0, "large")])
def test_a_moved_mean_is_some_or_a_large_shift(moved: float, level: str) -> None:
    rng = np.random.default_rng(1)
    labelled, here = rng.normal(size=2000), rng.normal(moved, 1, size=5000)
    assert numbers("x", labelled, np.ones(2000), here).level == level


def test_weights_of_the_labels_count() -> None:
    values = np.repeat([0.0, 1.0, 2.0, 3.0], 500)
    weights = np.repeat([4.0, 1.0, 1.0, 1.0], 500)
    here = np.repeat([0.0, 1.0, 2.0, 3.0], [800, 200, 200, 200])
    assert numbers("x", values, weights, here).psi < 0.01 < numbers("x", values, np.ones(2000), here).psi


def test_rare_languages_are_one_bin_and_unseen_ones_fall_into_it() -> None:
    labelled = {"en": 900, "de": 80, "fr": 15, "it": 5}
    assert names("language", labelled, {"en": 900, "de": 80, "es": 20}).level == "none"
    shift = names("language", labelled, {"ja": 500, "en": 500})
    assert shift.level == "large"
    assert "50% other here, 2% other among the labels" in str(shift)


def test_a_language_is_the_same_in_any_case() -> None:
    labelled = {"Python": 500, "C": 300, "python": 20, "Go": 180}
    shift = names("language", labelled, {"python": 520, "c": 300, "GO": 180})
    assert (shift.level, shift.psi) == ("none", pytest.approx(0.0, abs=1e-6))
    assert "Python" in str(names("language", labelled, {"c": 800, "go": 200}))


def test_a_corpus_like_the_labels_passes_dropped_rows_included(model: Model, tmp_path: Path) -> None:
    held = model.held_out
    kept = held.gate > 1.0
    write_corpus(tmp_path / "out", [scored(held.gate[kept], held.sizes[kept])])
    write_corpus(tmp_path / "out" / "dropped", [scored(held.gate[~kept], held.sizes[~kept])])
    assert all(shift.level == "none" and shift.psi < 0.01 for shift in drift(model, tmp_path / "out"))
    assert "is like the labelled documents" in report_drift("web_edu", tmp_path / "out")


def test_a_corpus_of_other_documents_is_warned_of_by_name(model: Model, tmp_path: Path) -> None:
    held = model.held_out
    write_corpus(tmp_path / "out", [scored(held.gate[held.gate > 1.5], held.sizes[held.gate > 1.5], "ja")])
    shifts = {shift.name: shift for shift in drift(model, tmp_path / "out")}
    assert shifts["web_edu.gate"].level == shifts["language"].level == "large"
    told = report_drift("web_edu", tmp_path / "out")
    assert "web_edu.gate: PSI" in told
    assert "curate annotate" in told


def test_a_corpus_scored_without_the_gate_is_said_not_to_be_compared(tmp_path: Path) -> None:
    write_corpus(tmp_path / "out", [pa.RecordBatch.from_pydict({"id": ["a"], "score": [1.0]})])
    assert report_drift("web_edu", tmp_path / "out").startswith("not compared")
