"""More workers, and what comes after: measured on this machine, and on paper for FineWeb.

    python benchmarks/scaling_out.py workers CORPUS.parquet [--runs 3] [--copies 8]
    python benchmarks/scaling_out.py gpu
    python benchmarks/scaling_out.py s3
    python benchmarks/scaling_out.py fineweb [--mb-s 8.5] [--split-ms 3] [--driver-ms 0.21] ...

`workers`: FineWeb's filters over copies of a corpus on a local Ray with one and with two workers, in turn, and beside
them the same stages over the same batches in one and in two plain Python processes that write nothing: two hyperthreads
are one core, so the machine's own ceiling is rarely two. `gpu`: a stage that sleeps as a network would compute, behind
one that sleeps as extraction does: how much of its time the device had nothing to do, with and without the CPU's work
as tasks of their own. `s3`: requests that a split costs, counted by a real S3 server. `fineweb` puts measured constants
(the defaults; pass your own) together for 15 trillion tokens and names what gives out first. `many_splits.py` measures
those of the engine.
"""

import argparse
import multiprocessing
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pyarrow as pa
import pyarrow.parquet as pq
from many_splits import STAGES, rows

from curate.corpus import Corpus, Split, write_corpus
from curate.document import Batch, text_bytes, with_columns
from curate.progress import events
from curate.run import run
from curate.signals.rules import FINEWEB_CHAIN

REQUEST = re.compile(r'"(?:\x1b\[[0-9;]*m)*([A-Z]+) /')  # in the server's log, which may be coloured


@dataclass(frozen=True)
class Sleep:
    """Takes its time over a batch and leaves a note of when: the seconds of `begun` and `ended` in `folder`."""

    name: str
    seconds: float
    folder: str
    on_gpu: bool = False

    def __call__(self, batch: Batch) -> Batch:
        if batch.num_rows:
            begun = time.monotonic()
            time.sleep(self.seconds)
            Path(self.folder, f"{self.name} {begun} {time.monotonic()}").touch()
        return with_columns(batch, {f"t.{self.name}": pa.array(range(batch.num_rows), pa.int64())})


def copied(corpus: str, folder: Path, copies: int) -> Corpus:
    """Copies of a corpus, each a shard, so that two workers have several splits each."""
    for copy in range(copies):
        pq.write_table(pq.read_table(corpus), folder / f"{copy:03d}.parquet", row_group_size=4096)
    return Corpus(folder)


def filtered(source: Corpus, split: Split) -> int:
    """Pass a split through the stages as the runner does, and write nothing."""
    kept = 0
    for batch in source.read(split):
        for stage in FINEWEB_CHAIN:
            batch = stage(batch)
            if "dropped_by" in batch.schema.names:
                batch = batch.filter(pa.compute.is_null(batch["dropped_by"]))
        kept += batch.num_rows
    return kept


def plain(source: Corpus, processes: int) -> float:
    splits = source.splits()
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        pool.map(partial(filtered, source), splits[:processes], 1)  # kernels are loaded
        begun = time.perf_counter()
        pool.map(partial(filtered, source), splits, 1)
        return time.perf_counter() - begun


def on_ray(source: Corpus, out: Path, workers: int) -> float:
    begun = time.perf_counter()
    run(FINEWEB_CHAIN, source, str(out), ray="local", workers=workers)
    return time.perf_counter() - begun


def workers(options: argparse.Namespace) -> None:
    from curate.cluster import connect

    connect("local", 2)
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        (folder / "in").mkdir()
        source = copied(options.corpus, folder / "in", options.copies)
        split_mb = sum(text_bytes(batch) for split in source.splits() for batch in source.read(split, ["text"])) / 1e6
        on_ray(source, folder / "warm", 2)
        took: dict[str, list[float]] = {}
        for turn in range(options.runs):
            for count in (1, 2):
                took.setdefault(f"Ray, {count}", []).append(on_ray(source, folder / f"{turn}-{count}", count))
                took.setdefault(f"plain processes, {count}", []).append(plain(source, count))
        for what, seconds in sorted(took.items()):
            middle = statistics.median(seconds)
            print(f"{what:<20} {', '.join(f'{s:.1f}' for s in seconds)} s; {split_mb / middle:.2f} MB/s of text")
        for what in ("Ray", "plain processes"):
            ratios = [one / two for one, two in zip(took[f"{what}, 1"], took[f"{what}, 2"], strict=True)]
            print(f"{what}: two workers are {statistics.median(ratios):.2f} times as fast as one")
        spent = Counter[str]()
        peak = 0
        for log in folder.glob("*-1/_log/*.log"):
            for line in events(str(log)):
                peak = max(peak, line.get("peak_bytes", 0))
                for part, seconds, *_ in line.get("parts", ()):
                    spent[part] += seconds
        total = sum(spent.values())
        print("one worker's time: " + ", ".join(f"{part} {s / total:.1%}" for part, s in spent.most_common()))
        print(f"a worker holds at most {peak / 2**20:,.0f} MB")


def gpu(options: argparse.Namespace) -> None:
    """Two CPUs prepare a batch in 0.1 s each, the device needs 0.06 s: fed well, it has always something to do."""
    import ray

    ray.init(address="local", num_cpus=2, num_gpus=1, include_dashboard=False, log_to_driver=False)
    table = pa.table({"text": ["a document"] * 320, "id": [str(i) for i in range(320)]})
    for what, marked in (("CPU tasks feed it", True), ("it waits for its own", False)):
        with tempfile.TemporaryDirectory() as folder:
            write_corpus(f"{folder}/in", table.to_batches(max_chunksize=8), shard_rows=8)
            notes = Path(folder, "notes")
            notes.mkdir()
            stages = (Sleep("text", 0.1, str(notes)), Sleep("net", 0.06, str(notes), on_gpu=marked))
            run(stages, Corpus(f"{folder}/in"), f"{folder}/warm", ray="auto", num_gpus=1, limit=64)
            for note in notes.iterdir():
                note.unlink()
            run(stages, Corpus(f"{folder}/in"), f"{folder}/out", ray="auto", num_gpus=1)
            times = sorted(tuple(map(float, note.name.split()[1:])) for note in notes.glob("net *"))
        whole = times[-1][1] - times[0][0]
        print(f"{what:<22} {len(times)} batches in {whole:.1f} s, at work {sum(b - a for a, b in times) / whole:.0%}")


@contextmanager
def s3_server() -> Iterator[Path]:
    """Start a moto server with a bucket, tell this process of it, and yield the log of its requests."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = int(found.getsockname()[1])
    os.environ |= {"AWS_ACCESS_KEY_ID": "t", "AWS_SECRET_ACCESS_KEY": "t", "AWS_DEFAULT_REGION": "us-east-1"}
    os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{port}"
    with tempfile.NamedTemporaryFile("w") as log:
        command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        server = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            for _ in range(1200):
                try:
                    urlopen(f"http://127.0.0.1:{port}/moto-api/", timeout=5).close()
                    break
                except (URLError, ConnectionError):
                    time.sleep(0.1)
            import boto3

            boto3.client("s3").create_bucket(Bucket="bucket")
            yield Path(log.name)
        finally:
            server.terminate()
            server.wait()


def s3(options: argparse.Namespace) -> None:
    """Count the requests of runs over 10 and over 40 splits: what 30 more splits cost, fresh and when all is done."""
    with s3_server() as log:
        for number in range(40):
            write_corpus(f"s3://bucket/in/{number:03d}", [rows(number)])
        counted = {}
        for what in ("fresh", "again"):
            for splits in (10, 40):
                before = len(log.read_text().splitlines())
                run(STAGES, Corpus("s3://bucket/in"), f"s3://bucket/out-{splits}", limit=4 * splits)
                lines = log.read_text().splitlines()[before:]
                found = (REQUEST.search(line) for line in lines)
                counted[what, splits] = Counter(match[1] for match in found if match)
            more = counted[what, 40] - counted[what, 10]
            print(f"{what}: " + ", ".join(f"{name} {num / 30:.1f}" for name, num in sorted(more.items())) + " a split")


def fineweb(options: argparse.Namespace) -> None:
    """Put the constants together and name the first thing that gives out."""
    text_mb = options.tokens * options.bytes_per_token / 1e6
    splits = text_mb / options.split_mb
    work_s = text_mb / options.mb_s
    table = []
    for cores in (1_000, 10_000, 100_000):
        days = work_s / cores / 86_400
        feed = splits * options.driver_ms / 1000 / (work_s / cores)
        requests = splits * options.requests / (work_s / cores)
        network = text_mb * 2 * options.packed / 1000 / (work_s / cores)
        table.append((cores, days, feed, requests, network))
    listing = options.files * options.footer_ms / 1000
    print(f"FineWeb: {options.tokens:.2g} tokens, {text_mb / 1e6:.0f} TB of text in {options.files:,} files,")
    print(f"{splits:,.0f} splits of {options.split_mb} MB; FineWeb's filters at {options.mb_s} MB/s a core: ", end="")
    print(f"{work_s / 3600:,.0f} core hours, {options.split_mb / options.mb_s:.0f} s a split")
    print(
        f"the engine's {options.split_ms} ms a split: {options.split_ms / 10 * options.mb_s / options.split_mb:.4f} %"
    )
    print(f"the driver: footers of all files {listing / 60:.0f} minutes before the first task, ", end="")
    print(f"{splits * options.driver_ms / 60_000:.0f} minutes of CPU in all, ", end="")
    print(f"{(250e6 + splits * options.driver_bytes) / 1e9:.1f} GB")
    print(f"{'cores':>8} {'days':>8} {'driver busy':>12} {'S3 requests/s':>14} {'network GB/s':>13}")
    for cores, days, feed, requests, network in table:
        print(f"{cores:>8,} {days:>8.2f} {feed:>12.2%} {requests:>14,.0f} {network:>13.1f}")
    documents = text_mb * 1e6 / options.bytes_per_document
    deciding = [num * options.decision_bytes / 1e9 for num in (documents, documents / options.dumps)]
    print(
        f"deduplication decides in one process: {deciding[0]:,.0f} GB for all {documents:.2g} documents at once, ",
        end="",
    )
    print(f"{deciding[1]:.1f} GB for one of {options.dumps} dumps, as FineWeb did; with --index one after the other")
    limits = {  # cores at which each is at its limit
        "the driver's one core": work_s / (splits * options.driver_ms / 1000),
        "S3 at 5,500 GET/s of one prefix": 5_500 * work_s / (splits * options.requests),
        "a listing as long as the work": work_s / listing,
    }
    for what, cores in sorted(limits.items(), key=lambda item: item[1]):
        print(f"{what:<34} gives out at {cores:>12,.0f} cores")
    first = min(limits, key=lambda what: limits[what])
    if deciding[0] > options.memory_gb:
        print(f"first to give out: deduplication's one process, over {options.memory_gb:.0f} GB; dump by dump: {first}")
    else:
        print(f"first to give out: {first}")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parts = parser.add_subparsers(dest="part", required=True)
    with_workers = parts.add_parser("workers")
    with_workers.add_argument("corpus")
    with_workers.add_argument("--runs", type=int, default=3)
    with_workers.add_argument("--copies", type=int, default=8)
    with_workers.add_argument("--folder", help="where to write; a temporary folder otherwise")
    parts.add_parser("gpu")
    parts.add_parser("s3")
    paper = parts.add_parser("fineweb")
    for name, value, what in (
        ("--tokens", 15e12, "of GPT-2, as FineWeb's card counts"),
        ("--bytes-per-token", 4.6, "of English web text"),
        ("--files", 50_000, "of input"),
        ("--split-mb", 134, "of a split: curate.corpus.SPLIT_BYTES"),
        (
            "--mb-s",
            8.5,
            "of text a core: 42 by signals.py, and languages take four times as long; `workers` measures it",
        ),
        ("--packed", 0.4, "bytes of Parquet for a byte of text"),
        ("--split-ms", 3.0, "of the engine for a split: many_splits.py"),
        ("--driver-ms", 0.21, "of the driver's CPU for a split: many_splits.py"),
        ("--driver-bytes", 800, "of the driver's memory for a split: many_splits.py"),
        ("--bytes-per-document", 2_650.0, "of text: FineWeb has some 26 billion"),
        ("--dumps", 96, "that are deduplicated one by one"),
        ("--decision-bytes", 21, "of one process for a document: curate.dedup.plan"),
        ("--memory-gb", 256.0, "that one process may use"),
        ("--footer-ms", 13, "to read the footer of a file of 1,000 row groups"),
        ("--requests", 17, "to S3 for a split: 11 by `s3` for a tiny one, and one for every 16 MB read or written"),
    ):
        paper.add_argument(name, type=type(value), default=value, help=f"{what}; {value:g} by default")
    options = parser.parse_args(argv)
    {"workers": workers, "gpu": gpu, "s3": s3, "fineweb": fineweb}[options.part](options)


if __name__ == "__main__":
    main()
