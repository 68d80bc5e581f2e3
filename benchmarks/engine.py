"""Ray tasks beside Ray Data over the same units of work: why `curate.cluster` uses tasks.

    python benchmarks/engine.py [--units 400] [--runs 3]

All map one function over the same list of small units on the same local Ray, in turn; the unit sleeps a little and
returns a small dict, as a split does. `groups` is `curate.cluster.map_units`, which sends small units together; `tasks`
sends each alone. Printed: seconds for each run, and the ratios of the medians.
"""

import argparse
import statistics
import time
from collections.abc import Callable

from curate.cluster import connect, map_units

SLEEP_S = 0.01


def work(unit: int) -> dict[str, int]:
    time.sleep(SLEEP_S)
    return {"unit": unit, "rows": 1}


def with_groups(units: list[int]) -> int:
    return sum(result["rows"] for _, result in map_units(work, units, ray="local"))


def with_tasks(units: list[int]) -> int:
    import ray

    task = ray.remote(work)
    return sum(result["rows"] for result in ray.get([task.remote(unit) for unit in units]))


def with_ray_data(units: list[int]) -> int:
    import ray

    data = ray.data.from_items([{"unit": unit} for unit in units], override_num_blocks=len(units))
    done = data.map(lambda row: work(row["unit"]), num_cpus=1)
    return sum(row["rows"] for row in done.iter_rows())


def seconds(run: Callable[[list[int]], int], units: list[int]) -> float:
    start = time.perf_counter()
    assert run(units) == len(units)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=400)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    connect("local", 2)
    units = list(range(options.units))
    times: dict[str, list[float]] = {"groups": [], "tasks": [], "ray data": []}
    for _ in range(options.runs):
        times["groups"].append(seconds(with_groups, units))
        times["tasks"].append(seconds(with_tasks, units))
        times["ray data"].append(seconds(with_ray_data, units))
    for name, found in times.items():
        rounded = ", ".join(f"{value:.2f}" for value in found)
        each_ms = 1000 * statistics.median(found) / options.units
        print(f"{name:<10} {options.units} units: {rounded} s; {each_ms:.1f} ms each")
    for name in ("tasks", "ray data"):
        print(f"{name} / groups: {statistics.median(times[name]) / statistics.median(times['groups']):.1f}")


if __name__ == "__main__":
    main()
