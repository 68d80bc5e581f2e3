"""Ray tasks beside Ray Data over the same units of work: why `curate.cluster` uses tasks.

    python benchmarks/engine.py [--units 400] [--runs 3]

Both map one function over the same list of small units on the same local Ray, in turn; the unit sleeps a little and
returns a small dict, as a split does. Printed: seconds for each run, and the ratio of the medians.
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


def with_tasks(units: list[int]) -> int:
    return sum(result["rows"] for _, result in map_units(work, units, ray="local"))


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
    times: dict[str, list[float]] = {"tasks": [], "ray data": []}
    for _ in range(options.runs):
        times["tasks"].append(seconds(with_tasks, units))
        times["ray data"].append(seconds(with_ray_data, units))
    for name, found in times.items():
        rounded = ", ".join(f"{value:.2f}" for value in found)
        each_ms = 1000 * statistics.median(found) / options.units
        print(f"{name:<10} {options.units} units: {rounded} s; {each_ms:.1f} ms each")
    print(f"ray data / tasks: {statistics.median(times['ray data']) / statistics.median(times['tasks']):.1f}")


if __name__ == "__main__":
    main()
