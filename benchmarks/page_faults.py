"""What it costs to give freed memory back and ask for it again: verbs with and without `curate.allocator`, in turn.

    python benchmarks/page_faults.py DOCUMENTS [--tokens FOLDER] [--rows 2000] [--repeats 3]

Each run is a process of its own, start included, and the two of a pair follow each other. Told for `score`, `filter`,
`dedup`, and, given token shards, for 40 steps of a 5M model: seconds by the wall and of processors, page faults and the
most memory held, without over with; the middle of the pairs. Without is done with a variable that says glibc's own
default and so changes nothing else.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

WITHOUT = {"MALLOC_ARENA_TEST": "8"}
ALONE = "--alone"  # first word of the process that counts what one command took
NAMES = ("wall", "processor", "page faults", "peak memory")


def alone(words: Sequence[str]) -> None:
    """Run one command and print what it took."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "curate.cli", *words], check=True, capture_output=True)
    seconds, used = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    print(seconds, used.ru_utime + used.ru_stime, used.ru_minflt, used.ru_maxrss)


def took(words: Sequence[str], variables: dict[str, str]) -> list[float]:
    with tempfile.TemporaryDirectory(prefix="curate-faults-") as out:
        told = subprocess.run(
            [sys.executable, __file__, ALONE, *words, "-o", f"{out}/out"],
            check=True, capture_output=True, text=True, env={**os.environ, **variables},
        )  # fmt: skip
    return [float(number) for number in told.stdout.split()]


def cut(documents: str, rows: int, folder: Path) -> str:
    """Write the first rows as files of a hundred."""
    batches = pq.ParquetFile(documents).iter_batches(100)
    for number in range(rows // 100):
        pq.write_table(pa.Table.from_batches([next(batches)]), folder / f"{number:05d}.parquet")
    return str(folder)


def main() -> None:
    if sys.argv[1] == ALONE:
        alone(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("documents", help="a Parquet file with id and text")
    parser.add_argument("--tokens", help="a folder that curate tokenize wrote")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="curate-faults-") as folder:
        texts = cut(options.documents, options.rows, Path(folder))
        verbs = [["score", texts, "--threshold", "3"], ["filter", texts, "--rules", "fineweb"], ["dedup", texts]]
        if options.tokens:
            verbs.append(["pretrain", options.tokens, "--model", "5m", "--steps", "40", "--batch-tokens", "4096"])
        for words in verbs:
            pairs = [(took(words, WITHOUT), took(words, {})) for _ in range(options.repeats)]
            ratios = [statistics.median(a[at] / b[at] for a, b in pairs) for at in range(len(NAMES))]
            print(f"{words[0]:>9}:", ", ".join(f"{n} {r:.2f}" for n, r in zip(NAMES, ratios, strict=True)), flush=True)


if __name__ == "__main__":
    main()
