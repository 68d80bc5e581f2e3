"""The whole recipe in minutes, on what a bare machine holds: `make demo`, or `python pipelines/demo.py`.

    python pipelines/demo.py --web crawl.warc.gz --code ~/repositories      the same on your own pages and files

Web:  read -> extract -> measure -> drop by FineWeb's rules -> grade a sample -> score -> one copy of each -> threshold
Code: read -> measure -> drop by The Stack's rules          -> score -> one copy of each -> threshold
Then: tokenizer -> tokens -> pretrain on all that is clean -> anneal on the best -> evaluate -> report

Every step is a folder below runs/demo; a stopped demo goes on where it was, and another input wants another --out.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter

from classifiers import web_edu
from curate.classify.score import Score, at_threshold, score_stage
from curate.cli import main
from curate.cli.options import to_text
from curate.cli.tables import print_funnel
from curate.corpus import Corpus, Source
from curate.dedup import dedup
from curate.document import ID, TEXT
from curate.evaluate.suites import Suite, evaluate, format_results, make_cloze
from curate.readers import open_source
from curate.report import report
from curate.run import RunError, run
from curate.signals.code import PYTHON_RULES, Python
from curate.signals.rules import FINEWEB_CHAIN, RULE_SETS, SIGNALS
from curate.stage import Keep, Measure, Sample
from curate.teacher.agreement import agree
from curate.teacher.annotate import annotate
from curate.teacher.local import LocalTeacher
from curate.tokenizer.bpe import train_tokenizer
from curate.tokenizer.pack import tokenize
from curate.train.loop import anneal, pretrain
from pipelines.bare_machine import gather

NUM_MODULES, NUM_FILES = 2000, 1500  # pages and files gathered on a bare machine
NUM_GRADED = 24  # by the local teacher
THRESHOLD = 2  # a bare machine holds references and READMEs more than lessons; FineWeb-Edu's 3 leaves too few to see
HELD_OUT = 0.08  # share of clean documents that no model trains on
VOCAB, SEQ_LEN, BATCH_TOKENS = 4096, 256, 4096
MODEL, TRAIN_TOKENS = "1m", 500_000


def demo(
    *,
    web: str | None = None,
    code: str | None = None,
    out: Annotated[str, Parameter(name=["--out", "-o"])] = "runs/demo",
    threshold: int = THRESHOLD,
    num_graded: int = NUM_GRADED,
    num_tokens: int = TRAIN_TOKENS,
    ray: str | None = None,
    workers: int | None = None,
) -> None:
    """Curate pages and code into a corpus, and train a small model on it.

    Args:
        web: WARC, JSONL or Parquet of your own; by default, pages made of this machine's documentation.
        code: folder, JSONL or Parquet of source code; by default, this machine's Python files.
        out: folder for everything.
        threshold: keep documents scored at least this, 0 to 5.
        num_graded: pages for the local teacher, two seconds each.
        num_tokens: to train on; a quarter as many again are for the annealing, a fifth of all as in SmolLM.
        ray: none (this process), local, auto or ADDRESS.
        workers: splits at a time; needs --ray.
    """
    with step("input"):
        pages, files = (web, code) if web and code else own_input(Path(out, "input"), web, code)
    engine = {"ray": ray, "workers": workers}
    with step("web: extract, measure, drop by FineWeb's rules"):
        source = open_source(str(pages))
        run((*to_text(source), *FINEWEB_CHAIN), source, f"{out}/web/1-clean", keep_text=True, **engine)
    with step("code: measure, drop by The Stack's rules"):
        measure = Measure((*SIGNALS["stack"], Python()))
        keep = Keep((*RULE_SETS["stack"], *PYTHON_RULES))
        source = open_source(str(files))
        run((*to_text(source), measure, keep), source, f"{out}/code/1-clean", keep_text=True, **engine)
    with step(f"a local teacher grades {num_graded} pages"):
        graded = grade(Corpus(f"{out}/web/1-clean"), f"{out}/labels", num_graded, engine)
    with step("web: score, one copy of each, threshold"):
        best_copies("web", out, score_stage("web_edu"), threshold, engine)
    with step("code: score, one copy of each, threshold"):
        best_copies("code", out, score_stage("code_edu"), threshold, engine)
    with step("tokenizer and tokens"):
        mixture, best, held_out = tokens(out, engine)
        suite = questions(held_out, f"{out}/cloze.jsonl")
    with step(f"pretrain {MODEL} on {num_tokens:,} tokens"):
        stable = pretrain(
            mixture, f"{out}/pretrain", model=MODEL, num_tokens=num_tokens, seq_len=SEQ_LEN,
            batch_tokens=BATCH_TOKENS, decay=0, quiet=True,
        )  # fmt: skip
    with step(f"anneal on {num_tokens // 4:,} tokens of what scored {threshold} or more"):
        final = anneal(stable.checkpoint, best, f"{out}/anneal", num_tokens=num_tokens // 4, quiet=True)
    with step("evaluate"):
        results = evaluate(str(final.model), suites=[suite], texts=held_out, limit=100, out=f"{out}/evaluation")
    page = report(out)
    conclude(out, threshold, graded, format_results(results), f"{final.model}", str(page))


def own_input(folder: Path, web: str | None, code: str | None) -> tuple[str, str]:
    pages, files = gather(folder, num_modules=NUM_MODULES, num_files=NUM_FILES)
    return web or str(pages), code or str(files)


def best_copies(kind: str, out: str, score: Score, threshold: int, engine: dict[str, object]) -> None:
    """Score what is clean, keep the best copy of each document, and take those at the threshold."""
    run((score,), Corpus(f"{out}/{kind}/1-clean"), f"{out}/{kind}/2-scored", **engine)
    allow = ["python"] if kind == "code" else []
    dedup(Corpus(f"{out}/{kind}/2-scored"), f"{out}/{kind}/3-unique", allow=allow, keep_text=True, **engine)
    run((Keep((at_threshold(threshold),)),), Corpus(f"{out}/{kind}/3-unique"), f"{out}/{kind}/4-edu", **engine)


def grade(clean: Source, out: str, count: int, engine: dict[str, object]) -> str:
    """Let the local teacher grade a sample, and say how far it agrees with the classifier that ships."""
    labels = annotate(clean, out, rubric=web_edu.RUBRIC, teacher=LocalTeacher(), n=count, **engine)  # type: ignore[arg-type]
    table = labels.corpus.table()
    teacher = np.array(table["score"].to_pylist(), dtype=np.float64)
    batch = table.select([ID, TEXT]).combine_chunks().to_batches()[0]
    shipped = np.array(score_stage("web_edu")(batch)["score"].to_pylist())
    known = ~np.isnan(teacher)
    return f"{agree(teacher[known], shipped[known])}"


def tokens(out: str, engine: dict[str, object]) -> tuple[dict[str, float], dict[str, float], dict[str, list[str]]]:
    """Learn a tokenizer, and write the tokens of all clean documents and of the best; hold some documents out.

    Returns: folders of tokens with weights for pretraining and for annealing, and the held-out texts by kind.
    """
    held_out: dict[str, list[str]] = {}
    for kind in ("web", "code"):
        for name in ("3-unique", "4-edu"):
            run((Sample(1 - HELD_OUT),), Corpus(f"{out}/{kind}/{name}"), f"{out}/_train/{kind}-{name}", keep_text=True)
        held_out[kind] = apart(f"{out}/_train/{kind}-3-unique/dropped", f"--{kind}")
    names = [f"{kind}-{name}" for kind in ("web", "code") for name in ("3-unique", "4-edu")]
    folder = train_tokenizer([f"{out}/_train/{n}" for n in names[::2]], f"{out}/tokens/tokenizer", vocab_size=VOCAB)
    packed = {n: tokenize(f"{out}/_train/{n}", f"{out}/tokens/{n}", tokenizer=folder, **engine) for n in names}
    sizes = {name: float(found.num_tokens) for name, found in packed.items()}  # weights as they are: one epoch of all
    mixture = {f"{out}/tokens/{name}": sizes[name] for name in names if name.endswith("unique")}
    best = {f"{out}/tokens/{name}": sizes[name] for name in names if name.endswith("edu")}
    return mixture, best, held_out


def apart(dropped: str, option: str) -> list[str]:
    """Return the texts that were held out of one kind.

    Raises:
        ValueError: there is none.
    """
    try:
        return list(Corpus(dropped).table([TEXT])[TEXT].to_pylist())
    except FileNotFoundError as error:
        raise ValueError(
            f"of so few documents none is among the {HELD_OUT:.0%} to be held out; give more with {option}"
        ) from error


def questions(held_out: dict[str, list[str]], path: str) -> Suite:
    """Make the questions to ask at the end before anything is trained: of too few documents there are none."""
    try:
        return make_cloze([text for texts in held_out.values() for text in texts], path, num_items=100)
    except ValueError as error:
        raise ValueError(f"{error}; give more documents with --web or --code") from error


def conclude(out: str, threshold: int, graded: str, results: str, model: str, page: str) -> None:
    print_funnel(out)
    print(f"\nlocal teacher (135M) against the shipped classifier: {graded}")
    print(f"\n{results}\n")
    print(f"corpus   {out}/web/4-edu and {out}/code/4-edu (Parquet)\nmodel    {model}\nreport   {page}")
    print(
        "\nThis shows that every step works on this machine. A model this small, trained for minutes, cannot show that "
        f"documents scored {threshold} or more make a better one: that takes larger models and several seeds."
    )


@contextmanager
def step(title: str) -> Iterator[None]:
    print(f"== {title}", flush=True)
    start = time.monotonic()
    try:
        yield
    except RunError as error:
        if error.failures or error.tally.rows_out or error.tally.num_quarantined:
            raise
        left = ", ".join(f"{rows:,}" for _, rows, _ in error.tally.steps)
        lower = ", or a lower --threshold" if "threshold" in title else ""
        raise ValueError(
            f"{title}: no document is left (after each stage: {left}); give more documents with --web or --code{lower}"
        ) from error
    print(f"   {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main(demo)
