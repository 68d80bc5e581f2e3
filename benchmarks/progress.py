"""What the log and the view cost: of a run, and of each of 100,000 splits.

    python benchmarks/progress.py --input web/text.parquet [--splits 100000] [--runs 9]

First the same `curate filter --rules c4` (the lightest set, so the worst case) with everything that measures and tells,
and with nothing in its place, in turn, in processor seconds of this process. Then the driver's side of many splits:
each goes out, comes back with six stages' times and becomes a line. Printed: seconds, their ratio, microseconds and
bytes of log for a split, and how much memory grows on the way.
"""

import argparse
import contextlib
import io
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import curate.run as runner
from curate.corpus import Corpus
from curate.progress import Meter, Part, Progress, RunLog, Spent, peak_bytes
from curate.signals.rules import stages

LOOKS = 100_000
PARTS = tuple(Part(f"Stage{number}", 0.1, 0.1, 100, 10_000, 0.01) for number in range(6))


class Counting(Meter):
    """Counts how often the clocks are looked at."""

    looks = 0

    def part(self, index: int, rows: int = 0, num_bytes: int = 0) -> Any:
        Counting.looks += 1
        return super().part(index, rows, num_bytes)


class Silent:
    """Takes the place of whatever measures or tells and does nothing."""

    doing = path = ""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __enter__(self) -> "Silent":
        return self

    def __exit__(self, *_: object) -> None: ...

    def __getattr__(self, name: str) -> Any:
        return Silent

    def part(self, *_: Any) -> "Silent":
        return self

    aside = part

    def reading(self, batches: Iterator[Any]) -> Iterator[Any]:
        return batches

    def spent(self) -> None: ...


@contextlib.contextmanager
def replaced(names: Mapping[str, type]) -> Iterator[None]:
    """Let `curate.run` use other classes."""
    kept = {name: getattr(runner, name) for name in names}
    try:
        for name, value in names.items():
            setattr(runner, name, value)
        yield
    finally:
        for name, value in kept.items():
            setattr(runner, name, value)


SILENT: dict[str, type] = dict.fromkeys(("Meter", "Progress", "RunLog"), Silent)


def filtered(source: str) -> float:
    """Return the processor seconds of one run."""
    out = tempfile.mkdtemp()
    with contextlib.redirect_stderr(io.StringIO()):
        begun = time.process_time()
        runner.run(stages("c4"), Corpus(source), out)
        took = time.process_time() - begun
    shutil.rmtree(out)
    return took


def of_a_run(source: str, runs: int) -> None:
    times: dict[str, list[float]] = {"measured and told": [], "silent": []}
    filtered(source)  # compiles the kernels
    for number in range(runs):
        for name in sorted(times, reverse=bool(number % 2)):
            with replaced(SILENT if name == "silent" else {}):
                times[name].append(filtered(source))
    for name, seconds in times.items():
        print(f"{name:<18} {', '.join(f'{value:.3f}' for value in seconds)} s")
    told, silent = (statistics.median(seconds) for seconds in times.values())
    least = min(times["measured and told"]) / min(times["silent"]) - 1
    print(f"share of the run: {told / silent - 1:+.2%} by the medians, {least:+.2%} by the least of each")
    with replaced({"Meter": Counting}):
        filtered(source)
    begun, meter = time.process_time(), Meter(("a",))
    for _ in range(LOOKS):
        with meter.part(1, 512, 1000):
            pass
    each = (time.process_time() - begun) / LOOKS
    share = each * Counting.looks / silent
    print(f"of that, {Counting.looks:,} parts of batches timed, {each * 1e6:.1f} us each: {share:.3%}")


def of_splits(count: int) -> None:
    with tempfile.TemporaryDirectory() as out:
        log = RunLog(out, "run")
        log.start()
        spent = Spent(time.time(), 0.5, 0.4, 2**28, "host:1", PARTS)
        rows = {"in": 100, "kept": 50, "dropped": 50, "quarantined": 0}
        before, begun = peak_bytes(), time.process_time()
        with Progress(out, count, count, log=log, stream=io.StringIO()) as progress:
            for number in range(count):
                progress.submitted(f"part-{number:06}")
                progress.split(1, 100, name=f"part-{number:06}", rows=rows, spent=spent)
        took, size = time.process_time() - begun, os.path.getsize(Path(log.path))  # noqa: PTH202
        grown = (peak_bytes() - before) / 2**20
    each = took / count * 1e6
    print(f"{count:,} splits: {each:.0f} us and {size / count:.0f} bytes of log each; memory {grown:+.1f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--input", required=True)
    parser.add_argument("--splits", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=9)
    options = parser.parse_args()
    of_splits(options.splits)
    of_a_run(options.input, options.runs)


if __name__ == "__main__":
    main()
