import pytest

from curate.teacher.pace import Pace


def test_requests_start_evenly_spaced():
    pace = Pace(requests_per_minute=120)
    assert [pace.reserve(100, now_s=10.0) for _ in range(4)] == [10.0, 10.5, 11.0, 11.5]
    assert pace.reserve(100, now_s=60.0) == 60.0  # time that passed unused is not saved up for a burst


def test_tokens_space_requests_by_their_size_and_unused_ones_are_given_back():
    pace = Pace(tokens_per_minute=6000)  # 100 a second
    assert pace.reserve(200, now_s=0.0) == 0.0
    assert pace.reserve(200, now_s=0.0) == 2.0
    pace.settle(reserved=200, used=50)
    assert pace.reserve(200, now_s=0.0) == 2.5


def test_the_tighter_of_two_limits_holds():
    pace = Pace(requests_per_minute=60, tokens_per_minute=6000)
    assert [pace.reserve(10, now_s=0.0) for _ in range(3)] == [0.0, 1.0, 2.0]
    assert [pace.reserve(300, now_s=0.0) for _ in range(3)] == [3.0, 6.0, 9.0]


def test_a_pause_holds_everything_back_and_a_shorter_one_does_not_end_it():
    pace = Pace()
    pace.pause(until_s=5.0)
    pace.pause(until_s=3.0)
    assert pace.reserve(1, now_s=0.0) == 5.0
    assert pace.reserve(1, now_s=7.0) == 7.0


def test_a_limit_that_lets_nothing_through_is_refused():
    with pytest.raises(ValueError, match="requests_per_minute=0"):
        Pace(requests_per_minute=0)
