"""What it costs to give freed memory back and ask for it again: verbs with and without `curate.allocator`, in turn.

    python benchmarks/page_faults.py DOCUMENTS [--tokens FOLDER] [--rows 2000] [--repeats 3]

Each run is a process of its own, start included, and the two of a pair follow each other. Told for `score`, `filter`,
`dedup`, and, given token shards, for 40 steps of a 5M model: seconds by the wall and of processors, page faults and the
most memory held, without over with; the middle of the pairs. Without is done with a variable that says glibc's own
default and so changes nothing else.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
from plan import cut_table

WITHOUT = {"MALLOC_ARENA_TEST": "8"}
NAMES = ("wall", "processor", "page faults", "peak memory")


def took(words: Sequence[str], variables: dict[str, str]) -> list[float]:
    """Run one command in a process of its own and return what it took, in the order of `NAMES`."""
    with tempfile.TemporaryDirectory(prefix="curate-faults-") as out:
        command = [sys.executable, "-m", "curate.cli", *words, "-o", f"{out}/out"]
        quiet, began = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}, time.perf_counter()
        process = subprocess.Popen(command, env={**os.environ, **variables}, **quiet)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - began
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return [seconds, used.ru_utime + used.ru_stime, used.ru_minflt, used.ru_maxrss]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("documents", help="a Parquet file with id and text")
    parser.add_argument("--tokens", help="a folder that curate tokenize wrote")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="curate-faults-") as folder:
        documents = pq.read_table(options.documents).slice(0, options.rows)
        texts = str(cut_table(documents, Path(folder), options.rows // 100))
        verbs = [["score", texts, "--threshold", "3"], ["filter", texts, "--rules", "fineweb"], ["dedup", texts]]
        if options.tokens:
            verbs.append(["pretrain", options.tokens, "--model", "5m", "--steps", "40", "--batch-tokens", "4096"])
        for words in verbs:
            pairs = [(took(words, WITHOUT), took(words, {})) for _ in range(options.repeats)]
            ratios = [statistics.median(a[at] / b[at] for a, b in pairs) for at in range(len(NAMES))]
            print(f"{words[0]:>9}:", ", ".join(f"{n} {r:.2f}" for n, r in zip(NAMES, ratios, strict=True)), flush=True)


if __name__ == "__main__":
    main()
