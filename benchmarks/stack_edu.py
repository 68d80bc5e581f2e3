"""The whole pipeline `stack_edu` over real files: files a second, and where the time goes.

    python benchmarks/stack_edu.py code.parquet ~/repositories --against eval/ --files 60000 --ray local

The inputs are put together to one corpus first (not timed), in a random order that follows from the ids, so that a
smaller `--files` is a sample of all. Then the pipeline runs as a user would run it. A step's time is that between the
last file of the step before and its own, so starting Ray counts for the first. Last, the stages of `1-clean` one by one
over a sample, on one core: what the longest step consists of.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from curate.corpus import Corpus, write_corpus
from curate.document import CODE, ID, TEXT, Batch, text_bytes, with_columns
from curate.readers import open_source
from curate.stage import id_hash
from pipelines.stack_edu import rules, stack_edu, to_text

SAMPLE = 2_000  # files for the table of stages
SHARD = 5_000
LICENSES = "any"  # what is installed on a machine says seldom; the rule costs the same


def main() -> None:
    """Print one line per step, and one per stage of the first."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("inputs", nargs="+", help="folders of repositories, or files that curate reads as code")
    parser.add_argument("--against", required=True, help="benchmarks, for the decontamination")
    parser.add_argument("--files", type=int, default=60_000)
    parser.add_argument("--ray", default="none")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--scratch", help="a folder; a temporary one by default")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
        source = gather(args.inputs, args.files, f"{folder}/in")
        print(f"{source.num_rows:,} files, {megabytes(source):.0f} MB of text")
        start = time.time()
        engine = {"ray": args.ray, "workers": None if args.ray == "none" else args.workers}
        out = f"{folder}/out"
        stack_edu(
            source=source.path, output=out, against=args.against, licenses=LICENSES, max_source_loss=1.0, **engine
        )
        show_steps(Path(out), source, start)
        show_stages(source)


def gather(inputs: list[str], files: int, folder: str) -> Corpus:
    """Write up to `files` of all inputs' files, in an order that follows from their ids."""
    tables = [pa.Table.from_batches(read(path), CODE) for path in inputs]
    table = pa.concat_tables(tables)
    order = pa.array([id_hash(name, 0) for name in table[ID].to_pylist()], pa.uint64())
    table = table.take(pc.sort_indices(order)).slice(0, files)
    return write_corpus(folder, table.to_batches(512), shard_rows=SHARD)


def read(path: str) -> Iterator[Batch]:
    """Yield the columns of code of all files that can be read."""
    source = open_source(path, kind="code" if Path(path).is_dir() else None)
    for split in source.splits():
        for batch in source.read(split):
            missing = {f.name: pa.nulls(batch.num_rows, f.type) for f in CODE if f.name not in batch.schema.names}
            whole = with_columns(batch, missing).select(CODE.names).cast(CODE)
            yield whole.filter(pc.is_valid(whole[TEXT]))


def megabytes(source: Corpus) -> float:
    return sum(text_bytes(batch) for split in source.splits() for batch in source.read(split, [TEXT])) / 1e6


def show_steps(out: Path, source: Corpus, start: float) -> None:
    """Print seconds, share and rows of each step."""
    folders = sorted(path for path in out.iterdir() if path.is_dir())
    ends = [max(file.stat().st_mtime for file in folder.glob("*.parquet")) for folder in folders]
    whole, before, rows = ends[-1] - start, start, source.num_rows
    print(f"\n{rows / whole:,.0f} files/s, {megabytes(source) / whole:.2f} MB/s: {whole:.0f} s\n")
    print(f"{'step':20} {'seconds':>8} {'share':>6} {'files in':>9} {'files/s':>8} {'files out':>9}")
    for folder, end in zip(folders, ends, strict=True):
        left, seconds = Corpus(str(folder)).num_rows, end - before
        print(f"{folder.name:20} {seconds:8.1f} {seconds / whole:6.1%} {rows:9,} {rows / seconds:8,.0f} {left:9,}")
        before, rows = end, left


def show_stages(source: Corpus) -> None:
    """Print the speed of each stage of the first step on one core, on files as they come."""
    batches = list(source.read(source.splits()[0]))
    batches = pa.Table.from_batches(batches).slice(0, SAMPLE).combine_chunks().to_batches()
    size = sum(text_bytes(batch) for batch in batches) / 1e6
    print(f"\n{'stage of 1-clean':20} {'seconds':>8} {'files/s':>8} {'MB/s':>8}   (one core, {SAMPLE:,} files)")
    for stage in (*to_text(source, "swh"), *rules(LICENSES, ("Python",))):
        stage(batches[0].slice(0, 50))  # compiles
        start = time.perf_counter()
        batches = [stage(batch) for batch in batches]
        seconds = time.perf_counter() - start
        name = type(stage).__name__
        print(f"{name:20} {seconds:8.2f} {SAMPLE / seconds:8,.0f} {size / seconds:8.1f}")


if __name__ == "__main__":
    main()
