"""How long do questions to the ledger take? `curate why` and the rest over a run of a million documents.

    python benchmarks/ledger.py [--rows 1000000] [--folder /tmp/ledger] [--runs 5]

Makes a run of two steps (rules, then a score and a threshold) from documents with random ids, URLs and 24 signals, and
times each question as a whole process, Python's start included, in turn with DuckDB's answer to the same question where
it has one (a scan of the same files, its own use of the Bloom filters included). The same run is then copied without
Bloom filters, which is what files of other writers cost. Times are medians; seconds of processor are what counts on a
busy machine.
"""

import argparse
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curate.corpus import Corpus, write_corpus
from curate.document import Batch, with_columns
from curate.ledger.ids import hash_ids
from curate.run import run
from curate.stage import Keep, Measure, Rule

NUM_SIGNALS = 24
SHARD_ROWS = 31_250
TEXT = "A document of the benchmark. " * 8  # what the ledger never reads
RULES = tuple(Rule(f"signal.s{i}", at_least=0.04) for i in range(NUM_SIGNALS))  # a third or so stays


def signals(batch: Batch) -> dict[str, pa.Array]:
    return {f"signal.s{i}": pa.array(uniform(batch, i)) for i in range(NUM_SIGNALS)}


def score(batch: Batch) -> Batch:
    raw = uniform(batch, 99) * 5
    whole = pa.array(np.floor(raw + 0.5).astype(np.int64))
    return with_columns(batch, {"score": pa.array(raw.astype(np.float32)), "int_score": whole})


def uniform(batch: Batch, seed: int) -> np.ndarray:
    return hash_ids(batch["id"], seed) / 2.0**64


def documents(num_rows: int) -> Iterator[Batch]:
    """Ids and URLs as random as a crawl's."""
    for shard in range(0, num_rows, SHARD_ROWS):
        n = min(SHARD_ROWS, num_rows - shard)
        digits = np.random.default_rng(shard).bytes(16 * n).hex()
        names = [digits[32 * i : 32 * i + 32] for i in range(n)]
        ids = [f"<urn:uuid:{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}>" for h in names]
        urls = [f"https://www.site{h[:3]}.example/articles/{h[3:20]}/index.html" for h in names]
        columns = {"text": [f"{h} {TEXT}" for h in names], "id": ids, "url": urls}
        yield pa.RecordBatch.from_pydict(columns | {"language": [("en", "de", "fr")[i % 3] for i in range(n)]})


def make(folder: Path, num_rows: int) -> None:
    source = write_corpus(folder / "input", documents(num_rows), shard_rows=SHARD_ROWS)
    run((Measure((signals,)), Keep(RULES)), source, f"{folder}/run/1-clean")
    run((score, Keep((Rule("int_score", at_least=3),))), Corpus(folder / "run/1-clean"), f"{folder}/run/2-edu")


def without_filters(folder: Path) -> None:
    """Copy the run's files as another writer would leave them."""
    for file in (folder / "run").rglob("*.parquet"):
        target = folder / "plain" / file.relative_to(folder / "run")
        target.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pq.read_table(file), target, compression="zstd", row_group_size=4096)


def seconds(command: list[str]) -> tuple[float, float]:
    """Return the seconds that a process took, and those of them (of all its threads) on a processor."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    took, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0 or "no document with id" in done.stderr, done.stderr
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def curate(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "curate.cli", *arguments]


def duckdb(query: str) -> list[str]:
    return [sys.executable, "-c", f"import duckdb; print(len(duckdb.sql({query!r}).fetchall()))"]


def questions(folder: Path) -> dict[str, list[str]]:
    kept, left = (
        next(iter(Corpus(folder / path).batches(["id", "url"]))).slice(100, 1).to_pylist()[0]
        for path in ("run/2-edu", "run/1-clean/dropped")
    )
    whole, plain = f"{folder}/run", f"{folder}/plain"
    scan = f"select * from read_parquet('{{}}/**/*.parquet', union_by_name=true) where id = '{kept['id']}'"
    both = f"{scan} or url = '{kept['id']}'"
    return {
        "curate --help (Python's and our start)": curate("--help"),
        "why, of a kept document, by id": curate("why", kept["id"], whole),
        "why, of a dropped document, by URL": curate("why", left["url"], whole),
        "why, of one that is not there": curate("why", "<urn:uuid:0>", whole),
        "why, files without Bloom filters": curate("why", kept["id"], plain),
        "  DuckDB: where id = ..": duckdb(scan.format(whole)),
        "  DuckDB: where id = .. or url = ..": duckdb(both.format(whole)),
        "  DuckDB: the same without Bloom filters": duckdb(both.format(plain)),
        "sample of what a rule dropped": curate("sample", whole, "--dropped-by", "signal.s3", "-n", "20"),
        "sample near a score": curate("sample", whole, "--near", "score=2.5", "-n", "20"),
        "funnel": curate("funnel", whole),
    }


def heavy(folder: Path) -> dict[str, list[str]]:
    """Questions that look at every document."""
    whole, out = f"{folder}/run", f"{folder}/replayed"
    again = ["replay", whole, "-o", out, "--threshold", "2", "--bound", "signal.s3>=0.02"]
    return {
        "replay with another threshold and bound": curate(*again),
        "diff of the run and its replay": curate("diff", whole, out),
        "diff --texts of the input and the run": curate("diff", f"{folder}/input", whole, "--texts"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/ledger"))
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    if not (options.folder / "plain").exists():
        shutil.rmtree(options.folder, ignore_errors=True)
        start = time.perf_counter()
        make(options.folder, options.rows)
        print(f"made {options.rows:,} documents and their run in {time.perf_counter() - start:.0f} s")
        without_filters(options.folder)
    sizes = {
        name: sum(f.stat().st_size for f in (options.folder / name).rglob("*.parquet")) for name in ("run", "plain")
    }
    cost = (sizes["run"] - sizes["plain"]) / options.rows
    print(f"Bloom filters: {cost:+.1f} bytes a document, of {sizes['plain'] / options.rows:.0f} in both corpora\n")
    asked = questions(options.folder)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in asked}
    for _ in range(options.runs):
        for name, command in asked.items():
            times[name].append(seconds(command))
    for name, found in times.items():
        walls, cpus = zip(*found, strict=True)
        spread = f"{min(walls):.2f} to {max(walls):.2f}"
        print(f"{name:<44} {statistics.median(walls):6.2f} s ({spread}), {statistics.median(cpus):.2f} s of processor")
    shutil.rmtree(options.folder / "replayed", ignore_errors=True)
    for name, command in heavy(options.folder).items():
        wall, cpu = seconds(command)
        print(f"{name:<44} {wall:6.2f} s once, {cpu:.2f} s of processor")


if __name__ == "__main__":
    main()
