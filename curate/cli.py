"""The command line: one verb for each thing a person wants, and each verb is the function of that name here.

    curate score pages.parquet -o scored --threshold 3        score("pages.parquet", out="scored", threshold=3)

Every verb prints a short table and exits with 1 if anything failed. Heavy packages load where they are used.
"""

import importlib
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter
from cyclopts import run as run_function

if TYPE_CHECKING:
    from curate.classify.score import Score
    from curate.corpus import Source
    from curate.stage import Stage
    from curate.tally import Tally
    from curate.teacher.client import Teacher
    from curate.teacher.rubric import Rubric
    from curate.train.loop import Trained

app = App(
    name="curate",
    help="Turn raw web pages and source code into a small, excellent training corpus, and train a small model on it.",
    version_flags=["--version"],
)

Out = Annotated[str, Parameter(name=["--out", "-o"])]
Engine = Annotated[str | None, Parameter(name="--ray")]
Number = Annotated[int, Parameter(name=["-n", "--num"])]
Kind = Literal["warc", "jsonl", "parquet", "code"] | None
Inputs = Annotated[list[str], Parameter(negative=())]


@app.command
def extract(
    source: str,
    *,
    out: Out,
    extractor: Literal["resiliparse", "trafilatura"] = "resiliparse",
    ray: Engine = None,
    workers: int | None = None,
    kind: Kind = None,
    limit: int | None = None,
) -> None:
    """Turn crawled pages (WARC) into a corpus of plain text.

    Args:
        source: a WARC file, or a folder of them; local, s3://, gs:// or hf://.
        out: folder of the corpus to write.
        extractor: resiliparse is some ten times as fast; trafilatura is what FineWeb used.
        ray: none (this process), local (start Ray here), auto or ADDRESS (a running cluster).
        workers: files at a time; needs --ray.
        kind: what to read where a folder holds several kinds of files; by the files' endings otherwise.
        limit: read no more than about this many pages.
    """
    from curate.readers.html import Extract
    from curate.run import run

    stages = (Extract(extractor=extractor),)
    show(run(stages, open_input(source, kind), out, ray=ray, workers=workers, limit=limit))


@app.command
def filter(
    source: str,
    *,
    out: Out,
    rules: Literal["fineweb", "gopher", "c4", "stack"] = "fineweb",
    keep_text: bool = False,
    allow_empty: bool = False,
    ray: Engine = None,
    workers: int | None = None,
    kind: Kind = None,
    limit: int | None = None,
) -> None:
    """Measure quality signals and drop the documents that break a rule; see `curate why` and `curate sample`.

    Args:
        source: WARC, JSONL, Parquet or a folder of code; local, s3://, gs:// or hf://.
        out: folder of the corpus to write; what is dropped goes to OUT/dropped with every signal.
        rules: a published set: fineweb (web pages), gopher, c4, stack (source code).
        keep_text: keep the text of dropped documents too.
        allow_empty: accept that nothing is kept.
        ray: none (this process), local (start Ray here), auto or ADDRESS (a running cluster).
        workers: splits at a time; needs --ray.
        kind: what to read where a folder holds several kinds of files; by the files' endings otherwise.
        limit: read no more than about this many documents.
    """
    from curate.run import run
    from curate.signals.rules import RULE_SETS, SIGNALS
    from curate.stage import Keep, Measure

    opened = open_input(source, kind)
    stages: tuple[Stage, ...] = (*to_text(opened), Measure(SIGNALS[rules]), Keep(RULE_SETS[rules]))
    engine = {"ray": ray, "workers": workers}
    show(run(stages, opened, out, limit=limit, keep_text=keep_text, allow_empty=allow_empty, **engine))  # type: ignore[arg-type]


@app.command
def annotate(
    source: str,
    *,
    out: Out,
    teacher: str,
    rubric: str = "web_edu",
    model: str = "",
    n: Number = 1000,
    seed: int = 0,
    in_flight: int = 32,
    budget_tokens: int | None = None,
    kind: Kind = None,
) -> None:
    """Let a teacher (a large language model) grade a random sample of documents.

    Run it again to go on after an interruption or a spent budget; no document is paid for twice.

    Args:
        source: corpus, JSONL or Parquet with text and id.
        out: folder for the annotations: grade, the teacher's reasons, tokens.
        teacher: URL of an OpenAI-compatible server, such as http://127.0.0.1:8000/v1 (vLLM, TGI, llama.cpp, hosted);
            its key is read from OPENAI_API_KEY. Or `local`: SmolLM2-135M on this machine, to try the loop.
        rubric: name of a classifier whose rubric to use (web_edu, code_edu).
        model: the model's name on the server.
        n: documents to grade.
        seed: of the sample.
        in_flight: requests at a time.
        budget_tokens: stop when this many tokens are used.
        kind: what to read where a folder holds several kinds of files; by the files' endings otherwise.
    """
    from curate.teacher.annotate import annotate as grade

    chosen = rubric_of(rubric)
    asked = open_teacher(teacher, model=model, in_flight=in_flight, seed=seed)
    done = grade(
        open_input(source, kind), out, rubric=chosen, teacher=asked, n=n, seed=seed, budget_tokens=budget_tokens
    )
    print(done)
    if done.unanswered:
        raise RuntimeError(
            f"{len(done.unanswered)} documents got no answer; run the same command again to ask for them"
        )


@app.command
def fit(
    labels: str,
    *,
    out: Out,
    classifier: str = "web_edu",
    documents: str | None = None,
    at_least: int = 3,
    folds: int = 5,
    seed: int = 0,
) -> None:
    """Teach a classifier the grades of a sample, and say by cross-validation how well it learned them.

    Args:
        labels: annotations from `curate annotate`, or JSONL or Parquet with text and score.
        out: folder for the fitted model; pass it to `curate score --classifier`.
        classifier: name of the quality; its score becomes the column NAME.score.
        documents: Parquet with the texts by id, where the labels hold none.
        at_least: the grade from which a document counts as good in the measures.
        folds: of the cross-validation.
        seed: of the folds.
    """
    from curate.classify.fit import fit as learn

    options = {"documents": documents, "at_least": at_least, "folds": folds, "seed": seed}
    print(learn(labels, out, classifier=classifier, **options))  # type: ignore[arg-type]


@app.command
def score(
    source: str,
    *,
    out: Out,
    classifier: str = "web_edu",
    threshold: int | None = None,
    min_score: float | None = None,
    part: Literal["mean", "gate", "head"] | None = None,
    keep_text: bool = False,
    allow_empty: bool = False,
    ray: Engine = None,
    workers: int | None = None,
    num_gpus: float = 0,
    kind: Kind = None,
    limit: int | None = None,
) -> None:
    """Score documents with a classifier, and keep those at or above a threshold if one is given.

    Args:
        source: WARC, JSONL, Parquet or a folder of code; local, s3://, gs:// or hf://.
        out: folder of the corpus to write, with FineWeb-Edu's columns `score` and `int_score`.
        classifier: web_edu, code_edu, or the folder of a model from `curate fit`.
        threshold: keep rounded scores from here: 3 means int_score >= 3, which is a raw score >= 2.5.
        min_score: keep raw scores from here, such as 2.7, instead of --threshold.
        part: gate (word and character n-grams, thousands of pages a second), head (the encoder, some ten a second and
            core), or mean of both; by default what the classifier's card names as best.
        keep_text: keep the text of dropped documents too.
        allow_empty: accept that nothing is kept.
        ray: none (this process), local (start Ray here), auto or ADDRESS (a running cluster).
        workers: splits at a time; needs --ray.
        num_gpus: GPUs for each of them.
        kind: what to read where a folder holds several kinds of files; by the files' endings otherwise.
        limit: read no more than about this many documents.
    """
    from curate.classify.score import score_stage
    from curate.run import run

    opened = open_input(source, kind)
    stages = (*to_text(opened), *score_and_keep(score_stage(classifier, part=part), threshold, min_score))
    engine = {"ray": ray, "workers": workers, "num_gpus": num_gpus}
    show(run(stages, opened, out, limit=limit, keep_text=keep_text, allow_empty=allow_empty, **engine))  # type: ignore[arg-type]


@app.command
def dedup(
    source: str,
    *,
    out: Out,
    similarity: float = 0.8,
    max_source_loss: float | None = None,
    max_cluster: int | None = None,
    allow: Inputs = [],  # noqa: B006  cyclopts copies it
    keep_text: bool = False,
    ray: Engine = None,
    workers: int | None = None,
) -> None:
    """Remove exact and near-duplicates; of each cluster the best copy stays (score, then length, then id).

    Args:
        source: a corpus of Parquet shards.
        out: folder of the corpus to write; each removed row in OUT/dropped names its survivor and their similarity.
        similarity: Jaccard similarity of word 5-grams from which two documents are copies; verified exactly.
        max_source_loss: stop if a source would lose more than this share of its documents.
        max_cluster: stop if one document would replace more than this many.
        allow: sources or survivors that may exceed these limits.
        keep_text: keep the text of dropped documents too.
        ray: none (this process), local (start Ray here), auto or ADDRESS (a running cluster).
        workers: splits at a time; needs --ray.
    """
    from curate.corpus import Corpus
    from curate.dedup import dedup as deduplicate

    limits = {"max_source_loss": max_source_loss, "max_cluster": max_cluster}
    given = {name: value for name, value in limits.items() if value is not None}
    options = {"allow": allow, "keep_text": keep_text, "ray": ray, "workers": workers}
    print(deduplicate(Corpus(source), out, threshold=similarity, **given, **options))  # type: ignore[arg-type]


@app.command
def tokenize(
    sources: Inputs,
    *,
    out: Out,
    vocab: int = 49_152,
    tokenizer: str | None = None,
    ray: Engine = None,
    workers: int | None = None,
) -> None:
    """Turn corpora into token shards, with a tokenizer learned from them or a given one.

    Args:
        sources: one or more corpora of Parquet shards.
        out: folder for tokens; each corpus gets a subfolder of its name, the tokenizer OUT/tokenizer.
        vocab: size of the vocabulary to learn.
        tokenizer: folder of a Hugging Face tokenizer to use instead of learning one.
        ray: none (this process), local (start Ray here), auto or ADDRESS (a running cluster).
        workers: splits at a time; needs --ray.
    """
    from curate.tokenizer.bpe import train_tokenizer
    from curate.tokenizer.pack import tokenize as pack

    folder = tokenizer or str(train_tokenizer(sources, f"{out}/tokenizer", vocab_size=vocab))
    rows = []
    for source in sources:
        tokens = pack(source, f"{out}/{Path(source).name}", tokenizer=folder, ray=ray, workers=workers)
        fertility = tokens.num_bytes / (tokens.num_tokens - tokens.num_documents)  # without the ends of documents
        rows.append((source, f"{tokens.num_documents:,}", f"{tokens.num_tokens:,}", f"{fertility:.2f}"))
    print_table(("corpus", "documents", "tokens", "bytes/token"), rows)


@app.command
def pretrain(
    tokens: Inputs,
    *,
    out: Out,
    model: str = "5m",
    num_tokens: int = 10_000_000,
    seq_len: int = 512,
    batch_tokens: int = 8192,
    lr: float = 3e-3,
    seed: int = 0,
    checkpoint_every: int | None = None,
    device: str | None = None,
) -> None:
    """Train a Llama-style model on token shards: warm-up, stable phase, decay. Run it again to go on after a stop.

    Args:
        tokens: token folders from `curate tokenize`, each optionally weighted: `web=tokens/web:0.7`.
        out: folder for checkpoints, log.jsonl and OUT/model, which transformers loads.
        model: 1m, 5m, 15m, 30m, 135m, 360m or 1.7b; the larger ones have SmolLM's shapes.
        num_tokens: to train on.
        seq_len: tokens in a window.
        batch_tokens: tokens in one step.
        lr: peak learning rate.
        seed: of the weights and of the order of the data.
        checkpoint_every: steps between checkpoints.
        device: cpu or cuda; the GPU by default where there is one.
    """
    from curate.train.loop import pretrain as train

    sizes = {"num_tokens": num_tokens, "seq_len": seq_len, "batch_tokens": batch_tokens, "lr": lr}
    rest = {"seed": seed, "checkpoint_every": checkpoint_every, "device": device}
    show_trained(train(weights(tokens), out, model=model, **sizes, **rest))  # type: ignore[arg-type]


@app.command
def anneal(
    checkpoint: str, tokens: Inputs, *, out: Out, num_tokens: int | None = None, device: str | None = None
) -> None:
    """Decay the learning rate from a stable-phase checkpoint on another mixture, such as the best data only.

    Args:
        checkpoint: folder of a checkpoint, or of a run, whose last one is taken.
        tokens: token folders, each optionally weighted: `tokens/web:0.7`.
        out: folder for checkpoints, log.jsonl and OUT/model.
        num_tokens: to train on; a quarter of what came before by default.
        device: cpu or cuda.
    """
    from curate.train.loop import anneal as train

    show_trained(train(checkpoint, weights(tokens), out, num_tokens=num_tokens, device=device))


@app.command
def evaluate(
    model: str,
    *,
    suite: Inputs = [],  # noqa: B006  cyclopts copies it
    text: Inputs = [],  # noqa: B006
    limit: int | None = None,
    out: Annotated[str | None, Parameter(name=["--out", "-o"])] = None,
) -> None:
    """Measure a model: accuracy on multiple-choice files, bits per byte on held-out text.

    Args:
        model: folder of any causal language model that transformers loads.
        suite: JSONL files of items with `query, choices, gold` or `context, continuation`.
        text: corpora of held-out documents.
        limit: items, or documents, of each.
        out: folder for results.json.
    """
    from curate.corpus import Corpus
    from curate.document import TEXT
    from curate.evaluate.suites import Suite, format_results
    from curate.evaluate.suites import evaluate as measure

    suites = [Suite(Path(path).stem, path) for path in suite]
    texts = {Path(path).name: Corpus(path).table([TEXT])[TEXT].to_pylist()[:limit] for path in text}
    print(format_results(measure(model, suites=suites, texts=texts, limit=limit, out=out)))


@app.command
def generate(model: str, prompt: str, *, max_tokens: int = 100, seed: int = 0) -> None:
    """Let a trained model continue a prompt, for a look.

    Args:
        model: folder of a causal language model.
        prompt: the text to continue.
        max_tokens: to write at most.
        seed: of the draw.
    """
    from curate.train.export import generate as write

    print(write(model, prompt, max_new_tokens=max_tokens, seed=seed))


@app.command
def funnel(run: str) -> None:
    """Show how many documents and how much text are left after each step of a run.

    Args:
        run: folder of a run, or of one corpus.
    """
    print_funnel(run)


@app.command
def why(document: str, run: str) -> None:
    """Say what happened to one document: every signal, every broken rule, the copy that replaced it.

    Args:
        document: its id or URL.
        run: folder of a run.
    """
    from curate.ledger import why as events

    for event in events(document, run):
        print(f"{event.corpus}: {event.decision}")
        for name, value in event.row.items():
            if value is not None:
                print(f"    {name:<32} {value}")


@app.command
def sample(
    corpus: str, *, dropped_by: str | None = None, score: str | None = None, n: Number = 20, seed: int = 0
) -> None:
    """Show random documents of a corpus, or of what one rule dropped.

    Args:
        corpus: folder of one corpus.
        dropped_by: name of a rule, such as gopher.word_count.
        score: a condition on the score, such as '>=3'.
        n: how many.
        seed: of the draw.
    """
    from curate.ledger import sample as draw

    for row in draw(corpus, dropped_by=dropped_by, score=score, n=n, seed=seed):
        head = " ".join(
            f"{name}={row[name]}" for name in ("id", "url", "score", "dropped_by") if row.get(name) is not None
        )
        print(f"--- {head}\n{(row.get('text') or '(its text was not kept; run with --keep-text)')[:600]}\n")


@app.command
def report(run: str, *, out: Annotated[str | None, Parameter(name=["--out", "-o"])] = None) -> None:
    """Write one self-contained HTML page about a run: funnel, rules, scores, samples, training, evaluation.

    Args:
        run: folder of a run.
        out: the page; RUN/report.html by default.
    """
    from curate.report import report as write

    print(write(run, out))


def open_input(path: str, kind: Kind) -> "Source":
    from curate.readers import open_source

    return open_source(path, kind=kind)


def to_text(source: "Source") -> "tuple[Stage, ...]":
    """Return the stage that makes text of crawled pages, or none where there is text already."""
    from curate.readers import needs_extract
    from curate.readers.html import Extract

    return (Extract(),) if needs_extract(source) else ()


def score_and_keep(stage: "Score", threshold: int | None, min_score: float | None) -> "tuple[Stage, ...]":
    from curate.classify.score import at_score, at_threshold
    from curate.stage import Keep

    if threshold is not None and min_score is not None:
        raise ValueError("give --threshold (rounded scores) or --min-score (raw scores), not both")
    if threshold is not None:
        return (stage, Keep((at_threshold(threshold),)))
    return (stage,) if min_score is None else (stage, Keep((at_score(min_score),)))


def rubric_of(classifier: str) -> "Rubric":
    """Return the rubric of a shipped classifier."""
    from curate.classify.score import available

    if classifier not in available():
        raise ValueError(f"no rubric is called {classifier!r}; there are {', '.join(available())}")
    rubric: Rubric = importlib.import_module(f"classifiers.{classifier}").RUBRIC
    return rubric


def open_teacher(teacher: str, *, model: str, in_flight: int = 32, seed: int = 0) -> "Teacher":
    if teacher == "local":
        from curate.teacher.local import LocalTeacher

        return LocalTeacher()
    from curate.teacher.client import OpenAITeacher

    key = os.environ.get("OPENAI_API_KEY", "")
    return OpenAITeacher(base_url=teacher, model=model, api_key=key, max_in_flight=in_flight, seed=seed)


def weights(tokens: Sequence[str]) -> dict[str, float]:
    """Read `folder` or `folder:weight` for each corpus of a mixture."""
    mixture: dict[str, float] = {}
    for item in tokens:
        folder, colon, weight = item.rpartition(":")
        try:
            mixture[folder if colon else item] = float(weight) if colon else 1.0
        except ValueError as error:
            raise ValueError(
                f"{item!r} should be a folder of tokens, or folder:weight such as tokens/web:0.7"
            ) from error
    return mixture


def show(tally: "Tally") -> None:
    """Print the funnel of one run and the rules that dropped most."""
    rows = [(short(name), f"{rows:,}", megabytes(size)) for name, rows, size in tally.steps]
    print_table(("step", "documents", "MB of text"), rows)
    if tally.broken:
        broken = [(rule, f"{n:,}", f"{tally.alone[rule]:,}") for rule, n in tally.broken.most_common(12)]
        print_table(("rule", "documents broke it", "and no other"), broken)
    if tally.num_quarantined:
        reasons = "; ".join(f"{n:,} x {reason}" for reason, n in tally.quarantined.most_common(5))
        print(f"{tally.num_quarantined:,} records in quarantine: {reasons}")


def show_trained(trained: "Trained") -> None:
    """Print where the model is and what it was trained on."""
    epochs = [f"{Path(path).name} x {times:.2f}" for path, times in trained.epochs.items()]
    print_table(
        ("model", "parameters", "tokens", "loss"),
        [(str(trained.model), f"{trained.num_parameters:,}", f"{trained.num_tokens:,}", f"{trained.loss:.3f}")],
    )
    print(f"epochs: {', '.join(epochs)}")


def print_funnel(run: str) -> None:
    """Print what is left after each step of a run."""
    from curate.ledger import funnel as lines

    rows = [(f"{n.corpus}  {short(n.step)}", f"{n.documents:,}", megabytes(n.text_bytes)) for n in lines(run)]
    print_table(("after", "documents", "MB of text"), rows)


def megabytes(text_bytes: int) -> str:
    return f"{text_bytes / 1e6:,.2f}" if text_bytes else "-"  # before extraction there is no text


def short(step: str, width: int = 48) -> str:
    return step if len(step) <= width else f"{step[: width - 3]}..."


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    lines = [tuple(head), *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for line in lines:
        print(
            f"{line[0]:<{widths[0]}}  "
            + "  ".join(f"{cell:>{w}}" for cell, w in zip(line[1:], widths[1:], strict=True))
        )


def main(command: Callable[..., None] | None = None) -> None:
    """Run the command line, or a pipeline's one function; a failure is one message on stderr and exit code 1."""
    os.environ.setdefault("TQDM_DISABLE", "1")  # other packages' bars; ours says where a run is
    try:
        app() if command is None else run_function(command)
    except (ValueError, LookupError, OSError, ImportError, RuntimeError) as error:
        failures = getattr(error, "failures", {})
        for name, failure in list(failures.items())[:20]:
            print(f"failed: {name}: {failure.splitlines()[0]}", file=sys.stderr)
        sys.exit(f"curate: {error}")
    except KeyboardInterrupt:
        sys.exit("curate: stopped; run the same command again to go on from the finished shards")


if __name__ == "__main__":
    main()
