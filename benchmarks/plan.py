"""How far `curate plan` on a tenth is off: each command is planned with several seeds, run whole, and held against it.

    python benchmarks/plan.py --data ../shared/data [--cases filter pretrain ...] [--share 0.1] [--seeds 3]

Input is cut into many files first, in its own order, as a crawl lies: documents of `web/text.parquet` (filter, score,
cascade), pages of `web/*.warc.gz` (web: the whole FineWeb-Edu pipeline), files of `code/code.parquet` (code: the whole
Stack-Edu pipeline). A training (pretrain: a 1M model on 2M tokens of those documents) is planned by its first steps,
whatever the share. Each plan is followed by a whole run of its own, for the machine's speed is not the same from one
minute to the next. Printed: for each plan, its error on the documents and bytes that come out, or on speed and memory,
and on time, by the wall and by the processor; and how many of the 90 % intervals held.
"""

import argparse
import gzip
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from fastwarc.warc import ArchiveIterator, WarcRecordType

from curate.cli import app
from curate.plan.command import parse
from curate.plan.error import Held, compare, tell
from curate.plan.measure import measure
from curate.plan.plan import plan
from curate.plan.training import WALL, compare_training, plan_training

TEXT_FILES, PAGE_FILES, CODE_FILES = 96, 100, 100
PIPELINES = Path(__file__).parents[1] / "pipelines"


def cut_table(table: pa.Table, folder: Path, num_files: int) -> Path:
    """Write a table as so many Parquet files of consecutive rows."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(num_files):
        lo, hi = (len(table) * at // num_files for at in (number, number + 1))
        pq.write_table(table.slice(lo, hi - lo), folder / f"{number:05d}.parquet", compression="zstd")
    return folder


def cut_pages(files: Sequence[Path], folder: Path, num_files: int) -> Path:
    """Write the responses of some archives as so many archives, each record a gzip member."""
    folder.mkdir(parents=True, exist_ok=True)
    records = [record for file in files for record in responses(file)]
    for number in range(num_files):
        lo, hi = (len(records) * at // num_files for at in (number, number + 1))
        (folder / f"{number:05d}.warc.gz").write_bytes(b"".join(records[lo:hi]))
    return folder


def responses(file: Path) -> Iterator[bytes]:
    with gzip.open(file) as stream:
        for record in ArchiveIterator(stream, record_types=WarcRecordType.response, parse_http=False):
            head = "\r\n".join(["WARC/1.0", *(f"{name}: {value}" for name, value in record.headers.items()), "", ""])
            yield gzip.compress(head.encode() + record.reader.read() + b"\r\n\r\n", mtime=0)


def words_of(case: str, data: Path, work: Path) -> list[str]:
    """Cut the input of a case and return its command line without the output."""
    if case == "web":
        pages = cut_pages(sorted((data / "web").glob("*.warc.gz")), work / "pages", PAGE_FILES)
        return [str(PIPELINES / "fineweb_edu.py"), "--input", str(pages), "--output"]
    if case == "code":
        code = cut_table(pq.read_table(data / "code" / "code.parquet"), work / "code", CODE_FILES)
        return [str(PIPELINES / "stack_edu.py"), "--input", str(code), "--licenses", "any", "--output"]
    texts = cut_table(pq.read_table(data / "web" / "text.parquet"), work / "texts", TEXT_FILES)
    if case == "pretrain":
        run_whole(["tokenize", str(texts), "-o", str(work / "tokens"), "--vocab", "4096"])
        held_out = ["--held-out", f"web={work}/tokens/texts", "--evaluate-every", "100"]
        return ["pretrain", f"{work}/tokens/texts", "--model", "1m", "--num-tokens", "2M", *held_out, "-o"]
    options = {"filter": [], "score": ["--threshold", "3"], "cascade": ["--recall", "0.9"]}[case]
    return ["filter" if case == "filter" else "score", str(texts), *options, "-o"]


def run_whole(words: Sequence[str]) -> None:
    first, *rest = words
    program = [first] if first.endswith(".py") else ["-m", "curate.cli", first]
    subprocess.run([sys.executable, *program, *rest], check=True, stdout=subprocess.DEVNULL)


def held(case: str, data: Path, work: Path, share: float, seeds: int) -> list[list[Held]]:
    """With each seed, plan a case, run it whole, and return what the plan's totals were and should have been."""
    out = work / "out"
    command = parse([*words_of(case, data, work), str(out)], app)
    found = []
    for seed in range(seeds):
        shutil.rmtree(out, ignore_errors=True)
        if command.trains:
            training = plan_training(command)
            training.save()
            run_whole(command.words)
            found.append(compare_training(training, str(out)))
        else:
            planned = plan(command, share=share, seed=seed)
            planned.save()
            run_whole(command.words)
            found.append(compare(planned, measure(str(out))))
        print(tell(str(out)))
    return found


def show(case: str, found: Sequence[Sequence[Held]], share: float) -> None:
    """Print each plan's errors on the last documents, all bytes on disk, and the times."""
    last = [one.name for one in found[0] if one.name.endswith("documents out")][-1:]
    names = [*last, "disk", "processor time", "worker time", "wall time", "tokens/s", "memory of a process", WALL]
    names = [name for name in names if any(one.name == name for one in found[0])]
    for seed, totals in enumerate(found):
        errors = {one.name: one for one in totals}
        told = ", ".join(f"{name} {errors[name].error:+.1%}" for name in names if name in errors)
        inside = sum(one.real in one.planned for one in totals)
        print(f"{case}, {share:.0%}, seed {seed}: {told}; {inside} of {len(totals)} intervals held")
    worst = {name: max(abs(one.error) for totals in found for one in totals if one.name == name) for name in names}
    print(f"{case}: at worst {', '.join(f'{name} {error:.1%}' for name, error in worst.items())}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cases", nargs="+", default=["filter", "score", "cascade", "web", "code", "pretrain"])
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--work", type=Path, help="folder for input and output, kept; a temporary one by default")
    options = parser.parse_args()
    for case in options.cases:
        work = Path(options.work or tempfile.mkdtemp(prefix="curate-plan-"), case)
        try:
            show(case, held(case, options.data, work, options.share, options.seeds), options.share)
        finally:
            if options.work is None:
                shutil.rmtree(work.parent)


if __name__ == "__main__":
    main()
