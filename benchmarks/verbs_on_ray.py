"""annotate, fit and evaluate on Ray: the same files as in one process, and the time with none, one and N workers.

    python benchmarks/verbs_on_ray.py annotate PAGES.parquet [-n 48]        # a local teacher
    python benchmarks/verbs_on_ray.py served [-n 4000]                      # a served one: what the driver's limit is
    python benchmarks/verbs_on_ray.py fit LABELS.jsonl PAGES.parquet
    python benchmarks/verbs_on_ray.py evaluate MODEL DATA [--tasks arc_easy,piqa] [-n 300]

Workers start and load their models before the clock does, as on a cluster where a verb takes hours. Give
OMP_NUM_THREADS=1, as each worker has one CPU: "none" then has one too. The ways take turns, the best of two counts.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from curate.cluster import connect
from curate.corpus import Corpus, write_corpus
from curate.teacher.annotate import annotate
from curate.teacher.client import OpenAITeacher, Teacher
from curate.teacher.rubric import WEB_EDU

TURNS = 2


def files(folder: Path) -> dict[str, bytes]:
    """Return what a verb made, without its log and its progress."""
    kinds = {".parquet", ".json", ".npz", ".md"}
    return {path.name: path.read_bytes() for path in folder.glob("*") if path.suffix in kinds}


def compare(verb: Callable[[str, str | None, int | None], object], workers: int) -> None:
    """Run `verb(out, ray, workers)` in turns in this process, with one worker and with all; hold the files together."""
    connect("local", workers)
    ways: list[tuple[str, int | None]] = [("none", None), ("local", 1), ("local", workers)]
    best = dict.fromkeys(ways, float("inf"))
    with tempfile.TemporaryDirectory() as scratch:
        for ray, number in (ways[0], ways[-1]):
            verb(f"{scratch}/warm-{ray}", ray, number)
        for turn in range(TURNS):
            for ray, number in ways:
                begun = time.perf_counter()
                verb(f"{scratch}/{turn}-{ray}-{number}", ray, number)
                best[ray, number] = min(best[ray, number], time.perf_counter() - begun)
        first, *others = (
            files(Path(f"{scratch}/{turn}-{ray}-{number}")) for turn in range(TURNS) for ray, number in ways
        )
        alike = all(other == first for other in others)
    for (ray, number), seconds in best.items():
        print(f"--ray {ray:<6} workers {number or '-'}: {seconds:6.1f} s, {best[ways[0]] / seconds:.2f} of one process")
    print(f"files: {', '.join(sorted(first))}; the same bytes in all {1 + len(others)} runs: {alike}")
    sys.exit(not alike)


def grade(pages: str, n: int, workers: int) -> None:
    from curate.teacher.local import LocalTeacher

    drawn = Corpus(pages).table(["id", "text"]).slice(0, 20 * n)

    def verb(out: str, ray: str | None, number: int | None) -> object:
        how = {"teacher": LocalTeacher(), "rubric": WEB_EDU, "n": n}
        return annotate(write_corpus(f"{out}-in", drawn.to_batches()), out, ray=ray, workers=number, **how)

    compare(verb, workers)


def served(n: int) -> None:
    """Grade n short documents by an instant server, in a process of its own; the driver writes and pays for each."""
    command = [sys.executable, "-m", "curate.teacher.fake_server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process, tempfile.TemporaryDirectory() as out:
        assert process.stdout is not None
        teacher: Teacher = OpenAITeacher(process.stdout.readline().strip(), "m", max_in_flight=256)
        texts = [f"Page {i}. " + "All about it. " * 100 for i in range(n)]
        corpus = write_corpus(f"{out}/in", pa.table({"text": texts, "id": [str(i) for i in range(n)]}).to_batches())
        begun, spent = time.perf_counter(), time.process_time()
        annotate(corpus, f"{out}/out", rubric=WEB_EDU, teacher=teacher, n=n)
        seconds, cpu = time.perf_counter() - begun, time.process_time() - spent
        process.terminate()
    print(f"{n} answers in {seconds:.1f} s: {n / seconds:,.0f} a second; {cpu / n * 1000:.2f} ms of processor each")


def learn(labels: str, pages: str, workers: int) -> None:
    from curate.classify.fit import fit

    compare(lambda out, ray, number: fit(labels, out, documents=pages, folds=2, ray=ray, workers=number), workers)


def ask(model: str, data: str, tasks: str, n: int, workers: int) -> None:
    from curate.evaluate.suites import chosen, evaluate

    named, _ = chosen(["harness"], tasks)
    how = {"tasks": named, "data": data, "limit": n, "device": "cpu"}
    compare(lambda out, ray, number: evaluate(model, out=out, ray=ray, workers=number, **how), workers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=["annotate", "served", "fit", "evaluate"])
    parser.add_argument("given", nargs="*")
    parser.add_argument("-n", type=int, help="documents, or items of each task")
    parser.add_argument("--tasks", default="arc_easy,piqa")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    told = parser.parse_args()
    if told.verb == "annotate":
        grade(*told.given, n=told.n or 48, workers=told.workers)
    elif told.verb == "served":
        served(told.n or 4000)
    elif told.verb == "fit":
        learn(*told.given, workers=told.workers)
    else:
        ask(*told.given, tasks=told.tasks, n=told.n or 300, workers=told.workers)


if __name__ == "__main__":
    main()
