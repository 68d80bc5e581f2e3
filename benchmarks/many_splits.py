"""A hundred thousand tiny splits: what the engine costs where the work costs nothing.

    python benchmarks/many_splits.py [--splits 100000] [--folder DIR] [--files] [--engine none --engine local]

Each split is four rows of a hundred characters, so all that is measured is listing, receipts, scheduling, opening,
writing and placing shards, the log and the tallies. Printed for a fresh run and for one that finds everything done, in
this process and on a local Ray with two workers: milliseconds a split by the clock, milliseconds of the driver's own
processor, and the most memory the driver ever held. Each run is a process of its own. `--files` reads as many small
Parquet files instead of rows made in memory. What a split costs beside its work is told by the run's own log. `--sends`
sends units that do nothing, singly and in groups, for the rate of the scheduler alone.
"""

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from curate.cluster import connect, map_units
from curate.corpus import Corpus, Source, Split
from curate.document import Batch
from curate.progress import events
from curate.run import run
from curate.stage import Keep, Measure, Rule

SCHEMA = pa.schema([("text", pa.string()), ("id", pa.string()), ("url", pa.string())])
WORKERS = 2


@dataclass(frozen=True)
class Tiny:
    """`num` splits of four rows, made where they are read."""

    num: int

    @property
    def schema(self) -> pa.Schema:
        return SCHEMA

    def splits(self) -> list[Split]:
        return [Split(f"{i // 1000:04d}/{i:07d}", "memory", i, i + 1, 4, 400) for i in range(self.num)]

    def read(self, split: Split) -> Iterator[Batch]:
        yield rows(split.start)


def rows(number: int) -> Batch:
    """Three documents that stay and one that leaves."""
    texts = [f"{number} " + "x" * 100] * 3 + ["short"]
    ids = [f"{number}/{row}" for row in range(4)]
    return pa.RecordBatch.from_arrays(list(map(pa.array, (texts, ids, ids))), schema=SCHEMA)


def chars(batch: Batch) -> dict[str, pa.Array]:
    return {"t.chars": pa.array([len(text) for text in batch["text"].to_pylist()], pa.int64())}


STAGES = (Measure((chars,)), Keep((Rule("t.chars", at_least=50),)))


def nothing(unit: int) -> int:
    return unit


def write_files(folder: Path, num: int) -> None:
    for number in range(num):
        file = folder / f"{number // 1000:04d}" / f"{number:07d}.parquet"
        if not number % 1000:
            file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_batches([rows(number)]), file)


def measured(num: int, files: str, out: str, engine: str) -> dict[str, Any]:
    """Run once in this process, which does nothing else, and say what it took."""
    if engine == "local":
        connect("local", WORKERS)  # its seconds to start are not a split's
    source: Source = Corpus(files) if files else Tiny(num)
    wall, cpu = time.perf_counter(), time.process_time()
    run(STAGES, source, out, ray=engine, workers=WORKERS if engine == "local" else None)
    seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": seconds, "driver_cpu": cpu_seconds, "peak": peak}


def parts(out: str) -> dict[str, float]:
    """Return the mean milliseconds that the newest run into `out` spent on each part of a split."""
    newest = max(Path(out, "_log").glob("*.log"), key=lambda path: path.stat().st_mtime)
    found: dict[str, list[float]] = {}
    for line in events(str(newest)):
        for name, seconds, *_ in line.get("parts", ()):
            found.setdefault(name, []).append(1000 * seconds)
    return {name: statistics.fmean(values) for name, values in found.items()}


def in_child(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--child", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def sending(num: int) -> None:
    """Print the rate at which units that do nothing come back, sent one by one and in groups."""
    ray = connect("local", WORKERS)
    task = ray.remote(nothing)
    list(map_units(nothing, range(100), ray="local"))
    for name, send in (("one task a unit", None), ("in groups", map_units)):
        wall, cpu = time.perf_counter(), time.process_time()
        if send is None:
            assert len(ray.get([task.remote(unit) for unit in range(num)])) == num
        else:
            assert sum(1 for _ in send(nothing, range(num), ray="local", workers=WORKERS)) == num
        seconds, busy = time.perf_counter() - wall, time.process_time() - cpu
        print(
            f"{name:<16} {num:,} units: {num / seconds:9,.0f} a second, driver {1000 * busy / num:.3f} ms of CPU each"
        )


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--splits", type=int, default=100_000)
    parser.add_argument("--folder", help="where to write; a temporary folder otherwise")
    parser.add_argument("--files", action="store_true", help="read small Parquet files")
    parser.add_argument("--engine", action="append", choices=["none", "local"])
    parser.add_argument("--sends", type=int, help="only send so many units that do nothing")
    parser.add_argument("--child", nargs=4, metavar=("NUM", "FILES", "OUT", "ENGINE"), help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.child:
        num, files, out, engine = options.child
        print(json.dumps(measured(int(num), files, out, engine)))
        return
    if options.sends:
        sending(options.sends)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        files = ""
        if options.files:
            files = f"{folder}/in"
            write_files(Path(files), options.splits)
            begun = time.perf_counter()
            found = len(Corpus(files).splits())
            print(f"listing {found:,} files: {1000 * (time.perf_counter() - begun) / found:.2f} ms each")
        for engine in options.engine or ["none", "local"]:
            for what in ("fresh", "again"):
                took = in_child(str(options.splits), files, f"{folder}/out", engine)
                each, cpu = (1000 * took[name] / options.splits for name in ("seconds", "driver_cpu"))
                print(
                    f"{engine:<6}{what:<6}{options.splits:,} splits: {took['seconds']:8.1f} s, {each:6.2f} ms each, "
                    f"driver {cpu:.2f} ms of CPU each, at most {took['peak'] / 2**20:,.0f} MB",
                    flush=True,
                )
                if what == "fresh":
                    spent = ", ".join(f"{name} {value:.2f}" for name, value in parts(f"{folder}/out").items())
                    print(f"            in a split, ms: {spent}", flush=True)
            shutil.rmtree(f"{folder}/out")


if __name__ == "__main__":
    main()
