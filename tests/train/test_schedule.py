import math

import pytest

from curate.train.schedule import WSD, Cosine


def test_wsd_follows_its_three_phases():
    schedule = WSD(warmup=4, decay=4, shape="linear")
    assert [schedule(step, 12) for step in range(12)] == [0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25]


def test_one_minus_sqrt_decay():
    schedule = WSD(warmup=0, decay=4)
    expected = [1, 1, 1 - math.sqrt(1 / 4), 1 - math.sqrt(2 / 4), 1 - math.sqrt(3 / 4)]
    assert [schedule(step, 5) for step in range(5)] == pytest.approx(expected)


def test_without_decay_the_rate_stays():
    assert {WSD(warmup=2, decay=0)(step, 10) for step in range(2, 10)} == {1.0}


def test_smollm_at_its_published_points():
    schedule = WSD(warmup=5_000, decay=100_000)  # SmolLM-135M: 600,000 steps, peak 3e-3
    assert 3e-3 * schedule(4_999, 600_000) == 3e-3
    assert 3e-3 * schedule(499_999, 600_000) == 3e-3
    assert 3e-3 * schedule(525_000, 600_000) == pytest.approx(1.5e-3)


def test_cosine_ends_at_its_final_share():
    schedule = Cosine(warmup=2, final=0.1)
    assert [schedule(0, 12), schedule(1, 12), schedule(2, 12)] == [0.5, 1.0, 1.0]
    assert schedule(7, 12) == pytest.approx(0.55)
    assert schedule(12, 12) == pytest.approx(0.1)
