"""From a sample to the whole: exact where the sample says all, and intervals that hold as often as they claim."""

import numpy as np
import pytest

from curate.plan.fit import DRAWS, Estimate, Whole, count_interval, interval


def test_a_total_is_the_bytes_of_the_whole_times_what_a_byte_has() -> None:
    whole = Whole.of([100, 300], None, 4000, None, num_pieces=20)
    # 8 + 32 rows in 400 bytes are 0.1 a byte
    assert whole.total([8, 32])[0] == pytest.approx(400)
    assert whole.total([8, 32]).shape == (1 + DRAWS,)


def test_rows_carry_what_goes_by_rows_and_bytes_what_goes_by_bytes() -> None:
    whole = Whole.of([100, 300], [10, 10], 4000, 100, num_pieces=10)
    assert whole.total([5, 5])[0] == pytest.approx(50)  # half of the whole's 100 rows
    assert whole.total([1, 3])[0] == pytest.approx(40)  # a hundredth of its bytes


def test_what_is_in_proportion_is_known_exactly() -> None:
    whole = Whole.of([100, 300, 200], None, 6000, None, num_pieces=30)
    found = interval(whole.total([10, 30, 20]), whole.num)
    assert (found.value, found.low, found.high) == pytest.approx((600, 600, 600))


def test_a_sample_of_everything_leaves_nothing_to_chance() -> None:
    whole = Whole.of([100, 100], None, 200, None, num_pieces=2)
    found = whole.total([1, 7])
    assert np.ptp(found) == 0
    assert interval(found, 2, share=1.0) == Estimate.exactly(8.0)


def test_nothing_of_nothing_is_nothing() -> None:
    assert not Whole.of([100, 100], None, 2000, None, num_pieces=20).total([0, 0]).any()


def test_one_piece_is_told_as_a_guess() -> None:
    whole = Whole.of([100], None, 1000, None, num_pieces=10)
    assert interval(whole.total([5]), 1) == Estimate(50.0, 25.0, 100.0)


def test_a_rare_thing_has_the_interval_of_its_count() -> None:
    # none of a tenth: up to 3.0 (Poisson, 95 %) could have been, thirty in the whole
    none = count_interval(np.zeros(1 + DRAWS), 8, share=0.1, seen=0, among=1e9)
    assert none.value == 0
    assert none.high == pytest.approx(3.0 / 0.1 * np.sqrt(0.9), rel=0.01)
    # four of a tenth: 1.37 to 9.15 (Garwood), so far from 40 as the rest of the whole can make it
    four = count_interval(np.full(1 + DRAWS, 40.0), 8, share=0.1, seen=4, among=1e9)
    assert four.low == pytest.approx(40 - np.sqrt(0.9) * (40 - 13.7), rel=0.01)
    assert four.high == pytest.approx(40 + np.sqrt(0.9) * (91.5 - 40), rel=0.01)


def test_what_all_documents_do_is_no_matter_of_counting() -> None:
    found = count_interval(np.full(1 + DRAWS, 40.0), 8, share=0.1, seen=4, among=4)
    assert (found.low, found.high) == (40.0, 40.0)


@pytest.mark.parametrize(("num", "skew"), [(8, 0.3), (20, 0.3), (20, 1.0)])
def test_ninety_percent_intervals_hold_nine_times_in_ten(num: int, skew: float) -> None:
    """Pieces of a log-normal kind, drawn 300 times: 90 % within what 300 tosses allow (4 deviations: 7 %)."""
    random = np.random.default_rng(7)
    sizes = random.lognormal(0, 0.5, 200)
    values = sizes * random.lognormal(0, skew, 200)
    held = 0
    for seed in range(300):
        rows = random.choice(200, num, replace=False)
        whole = Whole(sizes[None, rows], np.array([sizes.sum()]), 200, seed)
        held += values.sum() in interval(whole.total(values[rows]), num)
    assert held / 300 > 0.83
    assert held / 300 < 0.97
