"""Our text signals beside datatrove's filters: the same documents, one core, one run; then what a whole filter costs.

    python benchmarks/signals.py docs.parquet --documents 500

1. Speed. datatrove runs the four filters of its examples/fineweb.py over each document, in that order and stopping at
   the first that drops it, which is its fastest way; its words are cached from one filter to the next. Ours measures
   everything of every document, with nothing to stop for.
2. First use: what compiling the kernels costs, and what loading them costs after that.
3. Decisions: see parity.py.
4. `curate filter` with FineWeb's rules from Parquet to Parquet beside the bare kernels, with and without language
   identification, on the whole file. Its share of the kernels' speed falls with the share of text that is kept,
   because compressing costs as much as measuring; so also with rules that keep everything.
5. Memory: the peak of a process that filters a file of one row group, and one of ten times its size.

Seconds are the processor's, of all threads: unlike the clock's they do not grow when others use the machine.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import parity
import pyarrow as pa
import pyarrow.parquet as pq

from curate.corpus import Corpus, write_corpus
from curate.run import run
from curate.signals.language import ENGLISH, Language
from curate.signals.text import TextSignals
from curate.stage import Keep, Measure, Rule, Stage

BATCH = 500
RULES = tuple(rule for rules in parity.RULES.values() for rule in rules)
ROUNDS = 3


def main() -> None:
    """Print the five parts."""
    if sys.argv[1:2] == ["--filter-alone"]:
        return filter_alone(*sys.argv[2:4])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", help="a Parquet file of documents")
    parser.add_argument("--documents", type=int, default=500, help="for 1 and 3, spread over the file; 0 for all")
    parser.add_argument("--column", default="text")
    parser.add_argument("--show", action="store_true", help="print every document on which a filter differs")
    args = parser.parse_args()
    texts = parity.spread(args.path, args.column, args.documents)
    speed(texts, args.path)
    first_use()
    parity.agreement(texts, show=args.show)
    column = pq.read_table(args.path, columns=[args.column])[args.column].drop_null().combine_chunks()
    with tempfile.TemporaryDirectory() as folder:
        filter_speed(column, Path(folder))
        memory(column, Path(folder))
    return None


def speed(texts: list[str], path: str) -> None:
    """Time datatrove's chain once, between rounds of ours."""
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    print(f"{len(texts)} documents, {megabytes:.2f} MB of {path}")
    measure = Measure((TextSignals(),))
    batches = pa.table({"text": pa.array(texts, pa.large_string())}).to_batches(max_chunksize=BATCH)
    measure(batches[0])  # compiles, if need be
    parity.theirs("chain", "A warm and sunny day. " * 20, parity.SPACY)  # spaCy loads on first use
    before = [timed(lambda: [measure(batch) for batch in batches]) for _ in range(ROUNDS)]
    theirs = timed(lambda: [parity.theirs("chain", text, parity.SPACY) for text in texts])
    after = [timed(lambda: [measure(batch) for batch in batches]) for _ in range(ROUNDS)]
    ours = sorted(before + after)[ROUNDS]  # the median
    for name, spent in (("datatrove", theirs), ("curate", ours)):
        print(f"  {name:10} {megabytes / spent:8.2f} MB/s  {len(texts) / spent:8.0f} documents/s")
    print(f"  ratio      {theirs / ours:8.0f}")


def first_use() -> None:
    """Time the first batch of two processes, the first of which finds no compiled kernel."""
    code = (
        "import time, pyarrow as pa; from curate.signals.text import TextSignals; s = time.process_time();"
        "TextSignals()(pa.RecordBatch.from_pydict({'text': ['A page.']})); print(time.process_time() - s)"
    )
    with tempfile.TemporaryDirectory() as cache:
        compiled, loaded = (
            float(subprocess.check_output([sys.executable, "-c", code], env=os.environ | {"NUMBA_CACHE_DIR": cache}))
            for _ in range(2)
        )
    print(f"\nfirst use of our kernels: {compiled:.1f} s to compile them, {loaded:.1f} s to load them ever after")


def filter_speed(column: pa.Array, folder: Path) -> None:
    """Time the whole run from Parquet to Parquet beside the bare kernels."""
    table = pa.table({"text": column, "id": [str(i) for i in range(len(column))]})
    source = write_corpus(folder / "in", table.to_batches(max_chunksize=BATCH))
    batches = list(source.batches(["text"]))
    everything = (Rule("gopher.word_count", at_least=-1),)
    ways: dict[str, Callable[[], object]] = {
        "the kernels alone": lambda: [TextSignals()(batch) for batch in batches],
        "FineWeb's rules": lambda: filtered(source, folder, (Measure((TextSignals(),)), Keep(RULES))),
        "keeping everything": lambda: filtered(source, folder, (Measure((TextSignals(),)), Keep(everything))),
        "language id alone": lambda: [Language()(batch) for batch in batches],
        "both": lambda: filtered(source, folder, (Measure((Language(), TextSignals())), Keep((*ENGLISH, *RULES)))),
    }
    seconds = {way: min(timed(work) for _ in range(ROUNDS)) for way, work in ways.items()}
    megabytes = sum(batch["text"].nbytes for batch in batches) / 1e6
    print(f"\ncurate filter, Parquet to Parquet, {megabytes:.0f} MB of text")
    for way, spent in seconds.items():
        print(f"  {way:20} {megabytes / spent:7.1f} MB/s   {seconds['the kernels alone'] / spent:6.2f} of the kernels'")


def filtered(source: Corpus, folder: Path, stages: tuple[Stage, ...]) -> None:
    """Filter into a new folder, without the progress line."""
    with tempfile.TemporaryDirectory(dir=folder) as out:
        run(stages, source, f"{out}/clean")


def memory(column: pa.Array, folder: Path) -> None:
    """Print the peak memory of filtering 40 MB and 400 MB, each in one row group and a process of its own."""
    print("\nmemory of a process that filters a file of one row group")
    for megabytes in (40, 400):
        table, size = pa.table({"text": column}), column.nbytes / 1e6
        table = pa.concat_tables([table] * (int(megabytes / size) + 1))
        table = table.slice(0, int(len(table) * megabytes / (size * (int(megabytes / size) + 1))))
        table = table.append_column("id", pa.array([str(i) for i in range(len(table))]))
        path = folder / f"{megabytes}.parquet"
        pq.write_table(table, path, row_group_size=len(table), compression="none", use_dictionary=False)
        command = [sys.executable, __file__, "--filter-alone", str(path), str(folder / f"out{megabytes}")]
        peak = int(subprocess.check_output(command, stderr=subprocess.DEVNULL).split()[-1]) / 1000
        print(f"  {path.stat().st_size / 1e6:5.0f} MB of Parquet: {peak:5.0f} MB at the peak")
        path.unlink()


def filter_alone(path: str, out: str) -> None:
    """Filter one file and print this process's peak in kB, as Linux counts it."""
    run((Measure((TextSignals(),)), Keep(RULES)), Corpus(path), out)
    print(next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line))


def timed(work: Callable[[], object]) -> float:
    """Return the processor seconds that `work` takes."""
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    main()
