"""Wall time of N workers, against the best order by trying all."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.plan.schedule import makespan


def test_the_longest_split_is_the_floor() -> None:
    assert makespan([9, 2, 2, 2], 2) == 9
    assert makespan([9, 2, 2, 2], 100) == 9


def test_one_worker_does_all() -> None:
    assert makespan([9, 2, 2, 2], 1) == 15


def test_the_largest_go_first() -> None:
    assert makespan([1, 1, 1, 1, 4], 2) == 4  # in the order given it would be 6


def test_no_workers_do_no_work() -> None:
    with pytest.raises(ValueError, match="1 or more"):
        makespan([1.0], 0)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 20), max_size=6), st.integers(1, 3))
def test_it_is_at_most_a_third_above_the_best_order(seconds: list[int], workers: int) -> None:
    ways = itertools.product(range(workers), repeat=len(seconds))
    best = min(
        max(sum(s for s, w in zip(seconds, way, strict=True) if w == at) for at in range(workers)) for way in ways
    )
    assert best <= makespan(seconds, workers) <= best * 4 / 3 + 1e-9
