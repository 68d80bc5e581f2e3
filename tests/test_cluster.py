"""Units of work on an engine: each once, small ones together, in the order given, and none lost without a word."""

import os
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from time import sleep

import pytest

from curate.cluster import GROUP_S, LostUnits, _memory_to_ask, _not_joined, map_groups, map_stream, map_units


def double(unit: int) -> int:
    return 2 * unit


def in_company(seconds: float, units: Iterable[int]) -> Iterator[tuple[str, int]]:
    """Name the group that a unit was done in; the last hundred units of a thousand are slow."""
    name = uuid.uuid4().hex
    for unit in units:
        sleep(seconds if unit >= 900 else 0)
        yield name, unit


def failing(unit: int) -> int:
    if unit == 3:
        raise ZeroDivisionError(f"unit {unit}")
    return unit


def deadly(folder: str, unit: int) -> int:
    """End the worker at unit 150, always, and leave a trace of each attempt."""
    if unit == 150:
        Path(folder, uuid.uuid4().hex).touch()
        os._exit(1)
    return unit


def test_without_an_engine_units_are_done_here_one_by_one_as_they_are_asked_for() -> None:
    begun: list[int] = []
    results = map_units(begun.append, range(5), ray="none")
    assert next(results) == (0, None)
    assert begun == [0]


def test_several_workers_without_an_engine_are_refused() -> None:
    with pytest.raises(ValueError, match="2 workers need an engine"):
        list(map_units(double, range(3), ray="none", workers=2))


@pytest.mark.parametrize("workers", [0, -1])
def test_no_workers_are_refused_instead_of_doing_nothing(workers: int) -> None:
    for engine in ("none", "local"):
        with pytest.raises(ValueError, match=f"{workers} workers do no work; give 1 or more"):
            list(map_units(double, range(3), ray=engine, workers=workers))


def test_no_units_are_no_work(local_ray: str) -> None:
    assert list(map_units(double, [], ray=local_ray)) == []


def test_every_unit_comes_back_once_and_knows_its_index(local_ray: str) -> None:
    units = list(range(1000, 0, -1))
    results = list(map_units(double, units, ray=local_ray, workers=2))
    assert sorted(results) == [(index, 2 * unit) for index, unit in enumerate(units)]


def test_units_leave_in_the_order_given(local_ray: str) -> None:
    left: list[int] = []
    done = [index for index, _ in map_units(double, range(300), ray=local_ray, workers=2, on_submit=left.append)]
    assert list(dict.fromkeys(left)) == list(range(300))
    assert sorted(done) == list(range(300))


def test_small_units_travel_together_and_large_ones_go_back_when_time_is_up(local_ray: str) -> None:
    slow = GROUP_S / 2
    results = [result for _, result in map_groups(partial(in_company, slow), range(910), ray=local_ray, workers=2)]
    assert sorted(unit for _, unit in results) == list(range(910))
    quick = Counter(name for name, unit in results if unit < 900)
    assert len(quick) < 450
    assert max(Counter(name for name, unit in results if unit >= 900).values()) <= 2  # a third begins in no time left


def test_what_work_raises_comes_through_as_it_is(local_ray: str) -> None:
    with pytest.raises(ZeroDivisionError, match="unit 3"):
        list(map_units(failing, range(10), ray=local_ray, workers=2))


def test_of_a_group_that_kills_its_worker_only_the_unit_that_does_it_is_lost(local_ray: str, tmp_path: Path) -> None:
    done: list[int] = []
    with pytest.raises(LostUnits, match=r"1 units were lost .* the first 150 \(WorkerCrashedError") as error:
        done.extend(unit for _, unit in map_units(partial(deadly, str(tmp_path)), range(200), ray=local_ray, workers=2))
    assert sorted(done) == [unit for unit in range(200) if unit != 150]
    assert list(error.value.lost) == [150]
    assert len(list(tmp_path.iterdir())) >= 4  # alone it was tried again three times


def test_before_and_work_are_one_where_there_is_no_engine() -> None:
    results = map_groups(partial(map, double), range(4), ray="none", before=partial(map, double))
    assert list(results) == [(0, 0), (1, 4), (2, 8), (3, 12)]


def test_work_goes_on_from_what_was_done_on_a_cpu_before(local_ray: str) -> None:
    results = map_groups(partial(map, double), range(40), ray=local_ray, workers=2, before=partial(map, double))
    assert sorted(results) == [(unit, 4 * unit) for unit in range(40)]


def test_a_stream_is_taken_as_it_is_worked_on_and_its_results_come_in_its_order(local_ray: str) -> None:
    taken: list[int] = []
    units = (taken.append(unit) or unit for unit in range(100_000_000))
    results = map_stream(partial(map, double), units, lost=str, ray=local_ray, workers=2)
    assert [next(results) for _ in range(2000)] == [2 * unit for unit in range(2000)]
    assert len(taken) < 10_000
    results.close()


def test_of_a_stream_a_unit_that_kills_its_worker_is_told_in_its_place(local_ray: str, tmp_path: Path) -> None:
    work = partial(map, partial(deadly, str(tmp_path)))
    results = list(map_stream(work, iter(range(160)), lost="lost: {}".format, ray=local_ray, workers=2))
    assert [result for unit, result in enumerate(results) if unit != 150] == [n for n in range(160) if n != 150]
    assert results[150].startswith("lost: WorkerCrashedError")


def test_without_an_engine_a_stream_is_worked_on_here() -> None:
    assert list(map_stream(partial(map, double), iter(range(3)), lost=str, ray="none")) == [0, 2, 4]
    with pytest.raises(ValueError, match="2 workers need an engine"):
        list(map_stream(partial(map, double), [], lost=str, ray="none", workers=2))


def test_a_cluster_that_does_not_answer_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    late = TimeoutError("no answer in 30 s\nand much more")
    assert f"{_not_joined('10.0.0.1:6379', late)}" == (
        "no Ray cluster answers at 10.0.0.1:6379 (TimeoutError: no answer in 30 s); give --ray HOST:6379 of its head, "
        "see it with `ray status`, or run without one: --ray local, --ray none"
    )
    assert "no Ray cluster answers on this machine" in f"{_not_joined('auto', late)}"
    assert "could not be started here" in f"{_not_joined('local', late)}"


@pytest.mark.parametrize(
    ("nodes", "asked"),
    [
        ([], {}),
        ([{"memory": 1e9}], {}),  # a head that runs no tasks
        ([{"CPU": 4.0, "memory": 8e9}], {}),
        ([{"CPU": 4.0, "memory": 8e9}, {"CPU": 8.0, "memory": 7e9}], {"memory": 10**9}),
        ([{"CPU": 2.0, "memory": 6e8}], {"memory": 6 * 10**8}),  # one at a time, rather than none ever
    ],
)
def test_memory_is_asked_for_only_where_nodes_have_little(nodes: list[dict[str, float]], asked: dict[str, int]) -> None:
    assert _memory_to_ask(nodes, 10**9) == asked
