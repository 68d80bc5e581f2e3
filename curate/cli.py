"""The command line: one verb for each thing a person wants, and each verb is the function of that name here.

    curate score pages.parquet -o scored --threshold 3        score("pages.parquet", out="scored", threshold=3)

Every verb prints a short table and exits with 1 if anything failed. Heavy packages load where they are used.
"""

import importlib
import os
import re
import select
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

if TYPE_CHECKING:
    from curate.classify.cascade import Certificate
    from curate.corpus import Source
    from curate.stage import Keep, Stage
    from curate.tally import Tally
    from curate.teacher.client import Teacher
    from curate.teacher.rubric import Rubric
    from curate.train.held_out import HeldOut
    from curate.train.loop import Trained

app = App(
    name="curate",
    help="Turn raw web pages and source code into a small, excellent training corpus, and train a small model on it.",
    version_flags=["--version"],
)

Out = Annotated[str, Parameter(name=["--out", "-o"])]
Engine = Annotated[str | None, Parameter(name="--ray")]
Number = Annotated[int, Parameter(name=["-n", "--num"])]
Kind = Literal["warc", "jsonl", "parquet", "code", "archive"] | None
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
    rules: Inputs = ["fineweb"],  # noqa: B006  cyclopts copies it
    urls: str | None = None,
    pii: bool = False,
    secrets: bool = False,
    lid: str | None = None,
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
        rules: a published set: fineweb (English pages), fineweb2 (a hundred languages; fineweb2:CONFIGS for all
            published ones), gopher, c4, stack or starcoder2 (source code), license (permissive only); or your own tuple
            of rules or stages: my_rules.py:RULES. Repeat it for several.
        urls: drop pages by their URL first: `default` is the small lists that ship, else a file of domains or a
            folder of UT1's lists.
        pii: put others in the place of e-mail and public IP addresses, last.
        secrets: put <KEY> or <PASSWORD> in the place of keys, tokens and passwords; each is told by `curate why`.
        lid: fastText model that tells languages: path, URL or hub name, such as cis-lmu/glotlid; lid.176 by default.
            With fineweb2, `columns` believes the `language` and `language_script` of the input.
        keep_text: keep the text of dropped documents too.
        allow_empty: accept that nothing is kept.
        ray: none (this process), local (start Ray here), auto or ADDRESS (a running cluster).
        workers: splits at a time; needs --ray.
        kind: what to read where a folder holds several kinds of files; by the files' endings otherwise.
        limit: read no more than about this many documents.
    """
    from curate.run import run
    from curate.signals.pii import ReplaceAddresses
    from curate.signals.rules import stages as stages_of
    from curate.signals.rules import url_stages
    from curate.signals.secrets import ReplaceSecrets

    held: list[Stage] = [stage for name in rules for stage in stages_of(name, lid=lid)]
    if lid is not None and held == [stage for name in rules for stage in stages_of(name)]:
        raise ValueError(f"--lid {lid}: {', '.join(rules)} never ask for the language; leave it out, or add a set")
    opened = open_input(source, kind)
    first = url_stages(None if urls == "default" else urls) if urls else ()
    of_code = "path" in opened.schema.names
    last: list[Stage] = [ReplaceSecrets()] if secrets else []
    last += [ReplaceAddresses(code=of_code)] if pii else []
    stages: tuple[Stage, ...] = (*first, *to_text(opened), *held, *last)
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
    strata: str = "",
    at_least: int = 2,
    allocation: Literal["proportional", "neyman"] = "proportional",
    in_flight: int = 32,
    requests_per_minute: float | None = None,
    tokens_per_minute: float | None = None,
    budget_tokens: int | None = None,
    budget: float | None = None,
    input_price: float = 0.0,
    output_price: float = 0.0,
    structured: bool = False,
    check: bool = False,
    check_documents: int = 100,
    repeats: int = 3,
    second_teacher: str | None = None,
    second_model: str = "",
    kind: Kind = None,
) -> None:
    """Let a teacher (a large language model) grade a random sample of documents.

    Run it again to go on after an interruption or a spent budget; answers that arrived are never paid for again.

    Args:
        source: corpus, JSONL or Parquet with text and id.
        out: folder for the annotations: grade, the teacher's reasons, tokens, the weight of each document.
        teacher: URL of an OpenAI-compatible server, such as http://127.0.0.1:8000/v1 (vLLM, TGI, llama.cpp, hosted);
            its key is read from OPENAI_API_KEY. Or `local`: SmolLM2-135M on this machine, to try the loop.
        rubric: name of a classifier whose rubric to use (web_edu, code_edu).
        model: the model's name on the server.
        n: documents to grade.
        seed: of the sample.
        strata: what to divide the sample by, such as source,length,score or gate.score:0.2:0.8 (length: characters).
        at_least: documents of each stratum.
        allocation: of the others: proportional to the strata's sizes, or by size times spread of score (neyman).
        in_flight: requests at a time.
        requests_per_minute: the server's limit.
        tokens_per_minute: the server's limit, of tokens in and out together.
        budget_tokens: stop when this many tokens are used.
        budget: stop when this much money is spent; needs the prices.
        input_price: of a million tokens in.
        output_price: of a million tokens out.
        structured: ask the server to hold the answers to a JSON schema (response_format).
        check: then ask again about some documents and report on the teacher: self-consistency, the ceiling for any
            classifier, length and position bias, parse failures. The budget covers this too.
        check_documents: how many to ask again about, some five or six times each.
        repeats: of the same question, for self-consistency.
        second_teacher: URL of another teacher for the check to compare with, or `local`.
        second_model: its model's name.
        kind: what to read where a folder holds several kinds of files; by the files' endings otherwise.
    """
    from curate.teacher.annotate import annotate as grade
    from curate.teacher.budget import Budget
    from curate.teacher.strata import parse

    pace = {"requests_per_minute": requests_per_minute, "tokens_per_minute": tokens_per_minute}
    asked = open_teacher(teacher, model=model, in_flight=in_flight, seed=seed, **pace)
    done = grade(
        open_input(source, kind),
        out,
        rubric=rubric_of(rubric),
        teacher=asked,
        n=n,
        seed=seed,
        strata=parse(strata),
        at_least=at_least,
        allocation=allocation,
        budget=Budget(budget_tokens, budget, input_price, output_price),
        structured=structured,
    )
    print(done)
    if done.unanswered:
        raise RuntimeError(
            f"{len(done.unanswered)} documents got no answer; run the same command again to ask for them"
        )
    if check:
        from curate.teacher.check import check as examine

        other = open_teacher(second_teacher, model=second_model, in_flight=in_flight) if second_teacher else None
        limit, options = Budget(budget_tokens, budget, input_price, output_price), {"n": check_documents}
        chosen = {"rubric": rubric_of(rubric), "teacher": asked, "second": other, "structured": structured}
        print(examine(out, budget=limit, repeats=repeats, **options, **chosen))  # type: ignore[arg-type]


@app.command
def fit(
    labels: str,
    *,
    out: Out,
    classifier: str = "web_edu",
    documents: str | None = None,
    at_least: int = 3,
    languages: Inputs = [],  # noqa: B006  cyclopts copies it
    held_out: float = 0.0,
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
        languages: those with a calibration to themselves, by the column `language`; documents of all other languages
            share one. By default all are calibrated together.
        held_out: a share of the documents, such as 0.3, to learn nothing from: measures and certificates are then of
            this very model, not of its siblings in cross-validation.
        folds: of the cross-validation.
        seed: of the folds.
    """
    from curate.classify.fit import fit as learn

    options = {"documents": documents, "at_least": at_least, "held_out": held_out, "folds": folds, "seed": seed}
    print(learn(labels, out, classifier=classifier, languages=tuple(languages), **options))  # type: ignore[arg-type]


@app.command
def score(
    source: str,
    *,
    out: Out,
    classifier: Inputs = ["web_edu"],  # noqa: B006  cyclopts copies it
    threshold: int | None = None,
    min_score: float | None = None,
    recall: float | None = None,
    part: Literal["mean", "gate", "head", "cascade"] | None = None,
    pool: Literal["first", "mean", "max"] | None = None,
    keep_text: bool = False,
    allow_empty: bool = False,
    ray: Engine = None,
    workers: int | None = None,
    num_gpus: float = 0,
    kind: Kind = None,
    limit: int | None = None,
) -> None:
    """Score documents with classifiers, and keep those at or above a threshold if one is given.

    At the end it says whether the corpus is like the documents that the classifier's grades were drawn from.

    Args:
        source: WARC, JSONL, Parquet or a folder of code; local, s3://, gs:// or hf://.
        out: folder of the corpus to write, with FineWeb-Edu's columns `score` and `int_score`.
        classifier: web_edu, code_edu (calibrated by the column `language`; without it every file counts as Python), or
            the folder of a model from `curate fit`. Given several times, all score in one
            pass, NAME.score each, and the first decides. Or one that others trained: hf:NAME or hf:FOLDER (Hugging
            Face, such as hf:HuggingFaceFW/fineweb-edu-classifier) or fasttext:FILE.bin (such as DCLM's).
        threshold: keep rounded scores from here: 3 means int_score >= 3, which is a raw score >= 2.5.
        min_score: keep raw scores from here, such as 2.7, instead of --threshold.
        recall: keep at least this share of what the teacher would grade 3 or more, with 95 % confidence, such as 0.9;
            the certified cut takes the place of --threshold. The encoder reads what the gate is unsure of.
        part: gate (n-grams and layout, thousands of pages a second), head (the encoder), mean of both, or cascade (the
            encoder only where it can change which side of the cut a document is on); by default what the classifier's
            card names as best.
        pool: score the first, middle and last 4,000 characters and let this one of their scores count; all three are
            kept as columns. By default the beginning alone is read.
        keep_text: keep the text of dropped documents too.
        allow_empty: accept that nothing is kept.
        ray: none (this process), local (start Ray here), auto or ADDRESS (a running cluster).
        workers: splits at a time; needs --ray.
        num_gpus: GPUs for each of them.
        kind: what to read where a folder holds several kinds of files; by the files' endings otherwise.
        limit: read no more than about this many documents.
    """
    from curate.run import run

    opened = open_input(source, kind)
    from curate.classify.external import EXTERNAL

    certificate, grading = grade(classifier, part, recall, threshold, min_score, pool)
    stages = (*to_text(opened), *grading)
    engine = {"ray": ray, "workers": workers, "num_gpus": num_gpus}
    show(run(stages, opened, out, limit=limit, keep_text=keep_text, allow_empty=allow_empty, **engine))  # type: ignore[arg-type]
    if certificate is not None:
        print(certificate)
    if pool is None:  # drift is of whole documents
        show_drift([name for name in classifier if not name.startswith(EXTERNAL)], out)


@app.command
def threshold(
    labels: str,
    model: str,
    *,
    documents: str | None = None,
    precision: float | None = None,
    recall: float | None = None,
    kept: float | None = None,
    part: Literal["mean", "gate", "head", "cascade"] | None = None,
) -> None:
    """Show precision, recall, F1 and yield of every cut on graded documents, with bands, and recommend one.

    Args:
        labels: annotations, as for `curate fit`; those that the model learnt from are judged by held-out scores.
        model: web_edu, code_edu, or the folder of a model from `curate fit`.
        documents: Parquet with the texts by id, where the labels hold none.
        precision: recommend the cut that keeps most at this share of good documents, such as 0.9.
        recall: recommend the cut that keeps this share of the good documents, certified with 95 % confidence.
        kept: recommend the cut that keeps this share of all documents.
        part: gate, head, mean or cascade; by default what `curate score` takes.
    """
    from curate.classify.threshold import threshold as table

    wish = {"precision": precision, "recall": recall, "kept": kept}
    print(table(labels, model, documents=documents, part=part, **wish))  # type: ignore[arg-type]


@app.command
def concatenate(
    source: str,
    *,
    out: Out,
    by: Literal["repo", "file"] = "repo",
    max_chars: int = 65_536,
    named: float = 1.0,
    seed: int = 0,
    kind: Kind = None,
) -> None:
    """Put the files of each repository of code together, in the order of their paths, with StarCoder2's separators.

    Args:
        source: a corpus, table or folder of source files; local, s3://, gs:// or hf://.
        out: folder of the corpus to write.
        by: repo for documents of repositories; file for one of each file, under the same separators.
        max_chars: of a document; what is larger is several, cut between files where it can be.
        named: share of the repositories whose name and paths are written; StarCoder2 wrote half.
        seed: of the draw of those.
        kind: what to read where a folder holds several kinds of files; by the files' endings otherwise.
    """
    from curate.concatenate import concatenate as write

    done = write(open_input(source, kind), out, by=by, max_chars=max_chars, named=named, seed=seed)
    rows = [("files", f"{done.files:,}"), ("without text", f"{done.without_text:,}")]
    print_table(("", ""), [*rows, ("documents", f"{done.documents:,}")])


@app.command
def dedup(
    source: str | None = None,
    *,
    out: Annotated[str | None, Parameter(name=["--out", "-o"])] = None,
    settings: Literal["fineweb", "stack", "characters"] = "fineweb",
    similarity: float | None = None,
    containment: bool = False,
    by_url: bool = False,
    index: str | None = None,
    delete: str | None = None,
    memory: float = 2.0,
    max_source_loss: float | None = None,
    max_cluster: int | None = None,
    allow: Inputs = [],  # noqa: B006  cyclopts copies it
    keep_text: bool = False,
    ray: Engine = None,
    workers: int | None = None,
) -> None:
    """Remove exact and near-duplicates; of each cluster the best copy stays (score, then length, then id).

    With --index a new dump is held against every dump before it, of which nothing changes, and is then added. To take
    documents out of an index: curate dedup --index DIR --delete ids.txt

    Args:
        source: a corpus of Parquet shards.
        out: folder of the corpus to write; each removed row in OUT/dropped names its survivor and their similarity.
        settings: fineweb (14 bands of 8 minima of word 5-grams, 0.8), stack (The Stack's: 25 of 10, 5-grams of code
            tokens, 0.7) or characters (14 of 8, 9-grams of letters, for languages without spaces, 0.8).
        similarity: from which two documents are copies, verified exactly; that of the settings by default.
        containment: compare by how much of the worse document the better one has, not by Jaccard similarity.
        by_url: of the documents of one URL, too, only the best stays; scheme, www., ports, fragments, tracking
            parameters and slashes at the end do not tell URLs apart.
        index: folder of the index; made where there is none.
        delete: file of ids, one a line, to take out of the index.
        memory: GB that one task may use; the work is cut accordingly, and what cannot hold is refused before it starts.
        max_source_loss: stop if a source would lose more than this share of its documents.
        max_cluster: stop if one document would replace more than this many.
        allow: sources or survivors that may exceed these limits.
        keep_text: keep the text of dropped documents too.
        ray: none (this process), local (start Ray here), auto or ADDRESS (a running cluster).
        workers: splits at a time; needs --ray.
    """
    from dataclasses import replace

    from curate.corpus import Corpus
    from curate.dedup import SETTINGS
    from curate.dedup import dedup as deduplicate

    if delete is not None:
        delete_from(index, delete, source)
        return
    if source is None or out is None:
        raise ValueError("give a corpus and --out; without them only --index DIR --delete FILE makes sense")
    limits = {"max_source_loss": max_source_loss, "max_cluster": max_cluster}
    given = {name: value for name, value in limits.items() if value is not None}
    chosen = replace(SETTINGS[settings], similarity="containment" if containment else "jaccard")
    how = {"settings": chosen, "threshold": similarity, "by_url": by_url, "index": index}
    options = {"memory": int(memory * 1e9), "allow": allow, "keep_text": keep_text, "ray": ray, "workers": workers}
    told = {"on_plan": lambda planned: print(planned, file=sys.stderr)}
    print(deduplicate(Corpus(source), out, **how, **given, **options, **told))  # type: ignore[arg-type]


def delete_from(index: str | None, path: str, source: str | None) -> None:
    """Take the ids that a file lists out of an index."""
    from curate.dedup.index import delete

    if index is None or source is not None:
        raise ValueError("--delete FILE takes ids out of the index that --index names; it goes without a corpus")
    print(delete(index, [line.strip() for line in Path(path).read_text().splitlines() if line.strip()]))


@app.command
def decontaminate(
    source: str,
    *,
    out: Out,
    against: str,
    method: Inputs = ["ngram", "ast"],  # noqa: B006  cyclopts copies it
    only: Inputs = [],  # noqa: B006
    fields: str = "",
    max_share: float | None = None,
    max_run: int | None = None,
    tau: float | None = None,
    passages: bool = False,
    cut: Literal["document", "span"] = "document",
    keep_text: bool = False,
    allow_empty: bool = False,
    ray: Engine = None,
    workers: int | None = None,
    kind: Kind = None,
    limit: int | None = None,
) -> None:
    """Drop the documents in which benchmarks stand, and say which item of which benchmark was found where.

    Every hit stays in the column decontaminate.hits, of dropped documents and of kept ones below the bound, so that a
    bound can be moved later: curate replay OUT -o other --bound 'decontaminate.ngram<=0.8'

    Args:
        source: corpus, JSONL, Parquet or a folder of code; local, s3://, gs:// or hf://.
        out: folder of the corpus to write; what is dropped goes to OUT/dropped with the evidence.
        against: file or folder of benchmarks, JSON lines or Parquet; each file is one benchmark.
        method: ngram (runs of words, confirmed by alignment: text and code), ast (syntax trees: Python solutions that
            were renamed or reformatted); both by default.
        only: benchmarks whose names contain this, such as humaneval; repeat it, or part them by commas.
        fields: what the fields of unknown benchmarks are: question=FIELD,answer=FIELD,choices=...,passage=...,
            solution=...,id=...
        max_share: of an item's words; a document with more of one leaves. 0.5 by default, which is cosmopedia's.
        max_run: words in a row of any item; a document with more leaves too: 12 is the 13-gram rule of GPT-3 and
            FineMath, 11 is datatrove's. Without it runs are evidence only.
        tau: match rate of syntax trees from which a document leaves; phi-1 tried .8 to .95.
        passages: let a passage that a question is about count without the question too.
        cut: drop the document, or cut out only the span and 200 characters on either side, as GPT-3 did.
        keep_text: keep the text of dropped documents too.
        allow_empty: accept that nothing is kept.
        ray: none (this process), local (start Ray here), auto or ADDRESS (a running cluster).
        workers: splits at a time; needs --ray.
        kind: what to read where a folder holds several kinds of files; by the files' endings otherwise.
        limit: read no more than about this many documents.
    """
    from curate.decontaminate import Fields
    from curate.decontaminate import decontaminate as clean

    asked = {"max_share": max_share, "max_run": max_run, "tau": tau, "passages": passages, "cut": cut}
    names = {"methods": split_commas(method), "only": split_commas(only), "fields": Fields.parse(fields)}
    rest = {"keep_text": keep_text, "allow_empty": allow_empty, "ray": ray, "workers": workers, "limit": limit}
    report = clean(open_input(source, kind), out, against, **asked, **names, **rest)  # type: ignore[arg-type]
    show(report.tally)
    print(report)


def split_commas(said: Sequence[str]) -> list[str]:
    """Read `a,b c` and `a b c` alike."""
    return [name for item in said for name in item.split(",") if name]


@app.command
def tokenize(
    sources: Inputs,
    *,
    out: Out,
    vocab: int = 49_152,
    tokenizer: str | None = None,
    sample_bytes: int = 500_000_000,
    also: Sequence[Literal["nanotron", "megatron"]] = (),
    beside: Sequence[str] = (),
    by: str | None = None,
    markup: bool = False,
    seed: int = 0,
    ray: Engine = None,
    workers: int | None = None,
) -> None:
    """Turn corpora into token shards, with a tokenizer learned from them or a given one.

    Args:
        sources: one or more corpora of documents, each optionally with its weight in the tokenizer's sample:
            `runs/edu:0.7 runs/code:0.3`. Without weights every corpus gives the same share of its documents.
        out: folder for tokens; each corpus gets a subfolder of its name, the tokenizer OUT/tokenizer.
        vocab: size of the vocabulary to learn.
        tokenizer: folder of a Hugging Face tokenizer to use instead of learning one.
        sample_bytes: text to learn the tokenizer from.
        also: write the tokens for another trainer too, into OUT/NAME-nanotron (.ds) or OUT/NAME-megatron (.bin, .idx).
        beside: folders of other tokenizers, to compare bytes per token on a sample of each corpus.
        by: a column, such as `source` or `language`; bytes per token for each of its values.
        markup: read `<repo_name>`, `<file_sep>` and other special tokens where a text spells them; never its end.
        seed: of the tokenizer's sample.
        ray: none (this process), local (start Ray here), auto or ADDRESS (a running cluster).
        workers: splits at a time; needs --ray.
    """
    from curate.tokenizer.bpe import train_tokenizer
    from curate.tokenizer.fertility import fertilities, texts_by
    from curate.tokenizer.formats import FORMATS
    from curate.tokenizer.pack import tokenize as pack

    paths = weights(sources)
    opened = {path: open_text(path) for path in paths}
    lacking = [path for path, source in opened.items() if by and by not in source.schema.names]
    if lacking:
        raise ValueError(f"{lacking[0]} has no column {by!r}; it has {', '.join(opened[lacking[0]].schema.names)}")
    weighted = [(opened[path], weight) for path, weight in paths.items()]
    learn_from = weighted if len(set(paths.values())) > 1 else list(opened.values())
    how = {"vocab_size": vocab, "sample_bytes": sample_bytes, "seed": seed}
    folder = tokenizer or str(train_tokenizer(learn_from, f"{out}/tokenizer", **how))
    names, rows = subfolders(list(paths)), []
    for path, source in opened.items():
        place = f"{out}/{names[path]}"
        tokens = pack(source, place, tokenizer=folder, markup=markup, ray=ray, workers=workers)
        for trainer in also:
            FORMATS[trainer](tokens, f"{place}-{trainer}")
        fertility = tokens.num_bytes / (tokens.num_tokens - tokens.num_documents)  # without the ends of documents
        rows.append((path, f"{tokens.num_documents:,}", f"{tokens.num_tokens:,}", f"{fertility:.2f}"))
    print_table(("corpus", "documents", "tokens", "bytes/token"), rows)
    if beside or by:
        compared = {"this one": folder, **{Path(other).name: other for other in beside}}
        lines = []
        for path, source in opened.items():
            for kind, found in fertilities(texts_by(source, by), compared).items():
                lines.append((f"{names[path]} {kind}" if by else path, *(f"{value:.2f}" for value in found.values())))
        print_table(("bytes/token", *compared), lines)


@app.command
def pretrain(
    tokens: Inputs,
    *,
    out: Out,
    model: str = "5m",
    steps: int | None = None,
    num_tokens: int | None = None,
    seq_len: int = 512,
    batch_tokens: int = 8192,
    optimizer: Literal["adamw", "muon"] = "adamw",
    lr: float | None = None,
    warmup: int | None = None,
    decay: int | None = None,
    shape: Literal["linear", "1-sqrt", "cosine"] = "1-sqrt",
    z_loss: float = 0.0,
    mask_documents: bool = False,
    seed: int = 0,
    checkpoint_every: int | None = None,
    keep: int | None = None,
    held_out: Inputs = [],  # noqa: B006  cyclopts copies it
    evaluate_every: int | None = None,
    micro_tokens: int = 16_384,
    threads: int | None = None,
    device: str | None = None,
    precision: Literal["float32", "bfloat16"] | None = None,
    compile: bool | None = None,
    ray: Engine = None,
    workers: int = 1,
    sharding: Literal["ddp", "fsdp"] = "ddp",
    track: Literal["trackio", "wandb"] | None = None,
    stop_after: int | None = None,
) -> None:
    """Train a Llama-style model on token shards: warm-up, stable phase, decay. Run it again to go on after a stop.

    Args:
        tokens: token folders from `curate tokenize`, each optionally weighted: `tokens/web:0.7`.
        out: folder for checkpoints, log.jsonl and OUT/hf, which transformers loads.
        model: 1m, 5m, 15m, 30m; 135m, 360m, 1.7b with SmolLM's shapes; phi-1-small, phi-1.
        steps: to take; or give num_tokens.
        num_tokens: to train on; 20 for each parameter by default.
        seq_len: tokens in a window.
        batch_tokens: tokens in one step.
        optimizer: adamw, or muon for the matrices with adamw for embeddings and norms.
        lr: peak learning rate; 3e-3 by default.
        warmup: steps; 2 % of the run by default.
        decay: steps; a fifth of the run by default, 0 leaves a stable phase to anneal from.
        shape: of the decay; cosine has no stable phase.
        z_loss: weight of the squared log of the softmax's denominator, such as 1e-4.
        mask_documents: keep attention within documents.
        seed: of the weights and of the order of the data.
        checkpoint_every: steps between checkpoints; a tenth of the run by default.
        keep: checkpoints to keep of the stable phase, and as many of the rest; all by default.
        held_out: token folders to measure bits per byte on, each optionally named (`edu=tokens/held/edu`), at the end
            and every `evaluate_every` steps.
        evaluate_every: steps between these measurements.
        micro_tokens: tokens of one forward and backward pass on one process; the rest of a batch is accumulated.
        threads: of this process.
        device: cpu or cuda; the GPU by default where there is one.
        precision: of the products; bfloat16 on GPUs by default.
        compile: torch.compile; on GPUs by default.
        ray: none (this process), local (start Ray here), auto or ADDRESS (a running cluster).
        workers: processes that share each step's batch, a GPU each where there are any; needs --ray, or torchrun.
        sharding: ddp, or fsdp for models that do not fit beside their optimiser.
        track: also send the values to trackio or wandb.
        stop_after: stop after this step; the next call goes on.
    """
    from curate.train.loop import pretrain as train

    trained = train(
        weights(tokens), out, model=model, steps=steps, num_tokens=num_tokens, seq_len=seq_len,
        batch_tokens=batch_tokens, optimizer=optimizer, lr=lr, warmup=warmup, decay=decay, shape=shape, z_loss=z_loss,
        mask_documents=mask_documents, seed=seed, checkpoint_every=checkpoint_every, keep=keep,
        evaluate=look_at(held_out, mask_documents), evaluate_every=evaluate_every, micro_tokens=micro_tokens,
        threads=threads, device=device, precision=precision, compile=compile, ray=ray, workers=workers,
        sharding=sharding, track=track, stop_after=stop_after,
    )  # fmt: skip
    show_trained(trained)


@app.command
def anneal(
    checkpoint: str,
    tokens: Inputs,
    *,
    out: Out,
    steps: int | None = None,
    num_tokens: int | None = None,
    batch_tokens: int | None = None,
    shape: Literal["linear", "1-sqrt", "constant"] = "1-sqrt",
    seed: int | None = None,
    checkpoint_every: int | None = None,
    keep: int | None = None,
    held_out: Inputs = [],  # noqa: B006  cyclopts copies it
    evaluate_every: int | None = None,
    micro_tokens: int = 16_384,
    threads: int | None = None,
    device: str | None = None,
    precision: Literal["float32", "bfloat16"] | None = None,
    compile: bool | None = None,
    ray: Engine = None,
    workers: int = 1,
    sharding: Literal["ddp", "fsdp"] = "ddp",
    track: Literal["trackio", "wandb"] | None = None,
    stop_after: int | None = None,
) -> None:
    """Decay the learning rate from a stable-phase checkpoint on another mixture, such as the best data only.

    Args:
        checkpoint: folder of a checkpoint, or of a run, whose last one is taken.
        tokens: token folders, each optionally weighted: `tokens/web:0.7`.
        out: folder for checkpoints, log.jsonl and OUT/hf.
        steps: to take; a quarter of those before by default.
        num_tokens: to train on, instead of steps.
        batch_tokens: tokens in one step; as before by default.
        shape: of the decay; constant goes on with the stable phase.
        seed: of the order of the data; the one before by default, and then corpora go on where they were.
        checkpoint_every: steps between checkpoints; a tenth of the run by default.
        keep: checkpoints to keep of the stable phase, and as many of the rest; all by default.
        held_out: token folders to measure bits per byte on, each optionally named (`edu=tokens/held/edu`), at the end
            and every `evaluate_every` steps.
        evaluate_every: steps between these measurements.
        micro_tokens: tokens of one forward and backward pass on one process; the rest of a batch is accumulated.
        threads: of this process.
        device: cpu or cuda; the GPU by default where there is one.
        precision: of the products; bfloat16 on GPUs by default.
        compile: torch.compile; on GPUs by default.
        ray: none (this process), local (start Ray here), auto or ADDRESS (a running cluster).
        workers: processes that share each step's batch, a GPU each where there are any; needs --ray, or torchrun.
        sharding: ddp, or fsdp for models that do not fit beside their optimiser.
        track: also send the values to trackio or wandb.
        stop_after: stop after this step; the next call goes on.
    """
    from curate.train.loop import anneal as train
    from curate.train.loop import stable_state

    masked = stable_state(checkpoint)[1]["plan"]["mask_documents"]
    trained = train(
        checkpoint, weights(tokens), out, steps=steps, num_tokens=num_tokens, batch_tokens=batch_tokens, shape=shape,
        seed=seed, checkpoint_every=checkpoint_every, keep=keep, evaluate=look_at(held_out, masked),
        evaluate_every=evaluate_every, micro_tokens=micro_tokens, threads=threads, device=device, precision=precision,
        compile=compile, ray=ray, workers=workers, sharding=sharding, track=track, stop_after=stop_after,
    )  # fmt: skip
    show_trained(trained)


@app.command
def batch(run: str, step: int | None = None, *, top: int = 5) -> None:
    """Name the documents that a training step read; without a step, the steps whose loss jumped most.

    Args:
        run: folder of a training run.
        step: number of the step, as in log.jsonl.
        top: jumps to list.
    """
    from curate.train.forensics import batch_documents, spikes

    if step is None:
        rows = [(str(s.step), f"{s.loss:.3f}", f"{s.expected:.3f}", f"{s.grad_norm:.2f}") for s in spikes(run)[:top]]
        print_table(("step", "loss", "before it", "gradient"), rows)
        return
    print_table(("document", "row", "corpus"), [(d.id, f"{d.row}", d.corpus) for d in batch_documents(run, step)])


@app.command
def evaluate(
    model: str,
    *,
    suite: Inputs = [],  # noqa: B006  cyclopts copies it
    tasks: str = "",
    data: str = "eval",
    text: Inputs = [],  # noqa: B006
    limit: int | None = None,
    shots: int | None = None,
    samples: int = 20,
    against: str | None = None,
    dtype: Literal["float32", "bfloat16", "float16", "auto"] = "float32",
    device: str | None = None,
    unsafe_sandbox: bool = False,
    allow_missing: bool = False,
    out: Annotated[str | None, Parameter(name=["--out", "-o"])] = None,
) -> None:
    """Measure a model: published suites or questions of your own, bits per byte on held-out text, programs.

    Args:
        model: folder, or hub name, of any causal language model that transformers loads.
        suite: smollm, fineweb, harness (lm-evaluation-harness' wordings) or code (HumanEval and MBPP); or a JSONL file
            of items with `query, choices, gold` or `context, continuation`. Repeat it for several.
        tasks: some tasks of the suites only, such as arc_easy,piqa.
        data: folder of the tasks' JSONL or Parquet files, or hub.
        text: held-out documents, each optionally named: `edu=heldout/edu`; corpora, Parquet, JSONL or WARC.
        limit: items of each task (of each of MMLU's subjects), and documents, to take at most; fineweb takes 1000.
        shots: solved examples before each question, of tasks that have a file of them; each task's own by default.
        samples: programs for each problem at temperature 0.2, beside the greedy one; 0 for greedy alone.
        against: folder of another model's evaluation, to compare with item by item.
        dtype: of the weights; bfloat16 is what SmolLM was measured in.
        device: cpu or cuda; the GPU by default where there is one.
        unsafe_sandbox: run the model's programs even where this machine has no way to contain them.
        allow_missing: leave out, and name, the tasks whose files --data lacks, where they would stop the evaluation.
        out: folder for results.json, results.md, items.parquet and answers.parquet; the model's folder by default.
    """
    from curate.evaluate.held_out import named_path, read_texts
    from curate.evaluate.results import compare, format_comparison
    from curate.evaluate.suites import Suite, chosen, format_results
    from curate.evaluate.suites import evaluate as measure

    files = [Suite(Path(path).stem, path) for path in suite if path.endswith((".jsonl", ".parquet"))]
    named, most = chosen([name for name in suite if not name.endswith((".jsonl", ".parquet"))], tasks, limit)
    texts = {name: read_texts(path, limit) for name, path in map(named_path, text)}
    asked = {"suites": files, "tasks": named, "data": data, "texts": texts, "limit": most, "shots": shots}
    how = {"samples": samples, "dtype": dtype, "device": device, "unsafe_sandbox": unsafe_sandbox, "out": out}
    how["allow_missing"] = allow_missing
    print(format_results(measure(model, **asked, **how)))  # type: ignore[arg-type]
    if against is not None:
        print(f"\nfirst: {against}; second: {model}\n{format_comparison(compare(against, out or model))}")


@app.command
def ablate(
    arms: Inputs,
    *,
    out: Out,
    tokens: str,
    model: str = "5m",
    seeds: int = 3,
    seed: int = 0,
    baseline: str | None = None,
    held_out: Inputs = [],  # noqa: B006  cyclopts copies it
    held_out_documents: int = 200,
    tokenizer: str | None = None,
    vocab: int | None = None,
    against: str | None = None,
    suite: Inputs = [],  # noqa: B006
    tasks: str = "",
    data: str = "eval",
    limit: int | None = None,
    anneal: str | None = None,
    seq_len: int = 512,
    batch_tokens: int = 8192,
    lr: float | None = None,
    evaluate_every: int | None = None,
    effect: float | None = None,
    seed_sd: float | None = None,
    pilot: bool = False,
    dry_run: bool = False,
    threads: int | None = 1,
    device: str | None = None,
    ray: Engine = None,
    workers: int | None = None,
    num_gpus: float = 0,
) -> None:
    """Compare corpora by the models they make: same tokens, same model, paired seeds; a verdict with its interval.

    Killed anywhere, the same command goes on and repeats no training; with more --seeds it adds those.

    Args:
        arms: the corpora, each with a name: `raw=clean edu=scored`; folders of documents, or of tokens that share a
            tokenizer. `mix=clean:0.7,scored:0.3` is a mixture.
        out: folder for results.md, results.json, results.parquet, items.parquet and everything trained.
        tokens: that each training reads: 50M, 1.5B, or a number.
        model: 1m, 5m, 15m, 30m; 135m, 360m, 1.7b with SmolLM's shapes.
        seeds: trainings of each arm; with one there is no verdict.
        seed: the first of them.
        baseline: the arm that all others are held against; the first by default.
        held_out: documents to measure bits per byte on, from no arm, by domain: `wiki=heldout/wiki`; repeat it.
            Documents of the arms that hold one are taken out. Without it an equal number of each arm's is held out.
        held_out_documents: of each domain at most.
        tokenizer: folder of one for all arms; learned from as many bytes of each by default.
        vocab: size of the vocabulary to learn; what suits the model by default.
        against: folder of benchmarks, to take out of all arms alike as `curate decontaminate` does.
        suite: questions with choices to ask too: smollm, fineweb, harness, or a JSONL file; repeat it for several.
        tasks: some tasks of the suites only, such as arc_easy,piqa.
        data: folder of the tasks' JSONL or Parquet files, or hub.
        limit: items of each task at most.
        anneal: a run or checkpoint of the stable phase, to anneal on each arm in place of training from nothing: the
            cheap form. Model, tokenizer and sequence length are its own; seeds are orders of the data.
        seq_len: tokens in a window.
        batch_tokens: tokens in one step.
        lr: peak learning rate; 3e-3 by default.
        evaluate_every: steps between looks at held-out data; a twentieth of a training by default.
        effect: difference in bits per byte that would matter; the seeds it takes are told first.
        seed_sd: standard deviation of an arm's bits per byte between seeds, where it is known; by default that of the
            baseline's seeds that are done, else from a table.
        pilot: train the baseline's seeds only, and say what the whole would find; the whole goes on from them.
        dry_run: prepare the tokens, say how long it takes and what it can find, and stop.
        threads: of each training.
        device: cpu or cuda; the GPU by default where there is one.
        ray: none (this process), local (start Ray here), auto or ADDRESS (a running cluster).
        workers: trainings at a time; needs --ray.
        num_gpus: GPUs for each of them.
    """
    from curate.ablate.design import named, read_arms
    from curate.ablate.run import ablate as compare

    found = compare(
        read_arms(arms), out, tokens=tokens, model=model, seeds=seeds, seed=seed, baseline=baseline,
        held_out=named(held_out, "held-out set", "wiki=heldout/wiki"), held_out_documents=held_out_documents,
        tokenizer=tokenizer, vocab=vocab, against=against, suites=suite, tasks=tasks, data=data, limit=limit,
        anneal=anneal, seq_len=seq_len, batch_tokens=batch_tokens, lr=lr, evaluate_every=evaluate_every, effect=effect,
        seed_sd=seed_sd, pilot=pilot, dry_run=dry_run, threads=threads, device=device, ray=ray, workers=workers,
        num_gpus=num_gpus,
    )  # fmt: skip
    if found is not None:
        print(found)


@app.command
def scaling(
    tokens: Inputs = [],  # noqa: B006  cyclopts copies it
    *,
    out: Out,
    rows: Annotated[str | None, Parameter(name="--from")] = None,
    held_out: str | None = None,
    models: Inputs = [],  # noqa: B006
    budgets: Inputs = [],  # noqa: B006
    seeds: int = 1,
    predict: Inputs = [],  # noqa: B006
    measure: str = "loss",
    count: Literal["all", "non-embedding"] = "all",
    delta: float = 1e-3,
    resamples: int = 1000,
    seed: int = 0,
    seq_len: int = 512,
    batch_tokens: int = 8192,
    decay_share: float = 0.2,
    rate_scale: float = 1.0,
    warmup: float = 1.0,
    held_out_tokens: int = 200_000,
    dry_run: bool = False,
    threads: int | None = None,
    device: str | None = None,
    checkpoint_every: int = 1000,
    ray: Engine = None,
    workers: int | None = None,
    num_gpus: float = 0,
) -> None:
    """Fit L(N, D) = E + A / N^alpha + B / D^beta to a sweep of small models, and predict larger ones with intervals.

    Each size is one stable run and a decay for each budget. Killed anywhere, the same command goes on; with more sizes
    or budgets it trains those alone. The cost is told first.

    Args:
        tokens: token folders from `curate tokenize`, each optionally weighted: `tokens/web:0.7`.
        out: folder for results.parquet, fit.json, scaling.md, scaling.html and everything trained.
        rows: fit this table of runs (Parquet, CSV, JSON lines), anybody's, and train nothing.
        held_out: token folder to measure on, of documents that are not trained on.
        models: sizes: names of `curate pretrain` or parameters, such as 0.3m,1m,2m,4m.
        budgets: tokens of the runs: 2M,8M,32M, or tokens a parameter: 5x,10x,20x,40x.
        seeds: stable runs of each size; two or more tell how far runs differ by chance.
        predict: runs to predict, PARAMETERS:TOKENS, such as 135m:600B or 1b:20x.
        measure: the column to fit: loss (nats a token) or bits_per_byte.
        count: parameters that N counts; all, as Chinchilla did, or those outside the embeddings, as Kaplan et al. did.
        delta: of the Huber loss on log losses.
        resamples: fits to resampled runs, for the intervals.
        seed: of the resampling.
        seq_len: tokens in a window.
        batch_tokens: tokens in one step, of all sizes.
        decay_share: of a run's steps.
        rate_scale: on the rule for each size's learning rate.
        warmup: tokens a parameter.
        held_out_tokens: to measure on at most.
        dry_run: only say what the sweep costs.
        threads: of each training.
        device: cpu or cuda; the GPU by default where there is one.
        checkpoint_every: steps between checkpoints of the stable runs.
        ray: none (this process), local (start Ray here), auto or ADDRESS (a running cluster).
        workers: stable runs at a time; needs --ray.
        num_gpus: GPUs for each of them.
    """
    from curate.scaling.run import scaling as fit_law

    recipe = {
        "seq_len": seq_len, "batch_tokens": batch_tokens, "decay_share": decay_share, "rate_scale": rate_scale,
        "warmup": warmup, "held_out_tokens": held_out_tokens,
    }  # fmt: skip
    fit_law(
        weights(tokens) or None, out=out, rows=rows, held_out=held_out, models=split_commas(models),
        budgets=split_commas(budgets), seeds=seeds, predict=split_commas(predict), measure=measure, count=count,
        delta=delta, resamples=resamples, seed=seed, dry_run=dry_run, sweep=recipe,
        machine={"threads": threads, "device": device, "checkpoint_every": checkpoint_every}, ray=ray, workers=workers,
        num_gpus=num_gpus,
    )  # fmt: skip


@app.command
def generate(
    model: str,
    prompt: str,
    *,
    max_tokens: int = 100,
    temperature: float = 0.8,
    top_p: float = 0.95,
    seed: int = 0,
    chat: bool = False,
    device: str | None = None,
) -> None:
    """Let a model continue a prompt, for a look.

    Args:
        model: folder of a causal language model, or its name on the Hugging Face hub.
        prompt: the text to continue; with --chat, what the user says.
        max_tokens: to write at most.
        temperature: 0 takes the likeliest token each time; higher is more varied.
        top_p: draw among the likeliest tokens that have this probability together.
        seed: of the draw; the same one writes the same text.
        chat: put the prompt into the tokenizer's chat template.
        device: cpu or cuda; the GPU by default where there is one.
    """
    from curate.train.generate import generate as write

    if not chat:
        print(prompt, end="", flush=True)
    chosen = {"temperature": temperature, "top_p": top_p, "seed": seed, "chat": chat, "device": device}
    for piece in write(model, prompt, max_new_tokens=max_tokens, **chosen):  # type: ignore[arg-type]
        print(piece, end="", flush=True)
    print()


@app.command
def funnel(runs: Inputs) -> None:
    """Show how many documents and how much text are left after each step of a run.

    Args:
        runs: folders of runs, or of one corpus each.
    """
    for run in runs:
        if len(runs) > 1:
            print(f"{run}")
        print_funnel(run)


@app.command
def why(document: str, run: str) -> None:
    """Say what happened to one document: every signal, every rule beside its bounds, the copy that replaced it.

    Args:
        document: its id or URL, whole; all documents of a URL are told.
        run: folder of a run or of several, one corpus, or one Parquet file.
    """
    from curate.ledger import Search, tell
    from curate.ledger import why as events

    search = Search()
    print(tell(events(document, run, search)))
    print(f"(searched {search})", file=sys.stderr)


@app.command
def sample(
    corpus: str,
    *,
    dropped_by: str | None = None,
    score: str | None = None,
    where: Inputs = [],  # noqa: B006  cyclopts copies it
    near: str | None = None,
    n: Number = 20,
    seed: int = 0,
) -> None:
    """Show random documents of a corpus, or of what one rule dropped; the same seed draws the same ones.

    Args:
        corpus: folder of one corpus, or of a run: its last corpus, or all that the rule dropped in it.
        dropped_by: name of a rule, such as gopher.word_count; any for all of them.
        score: a condition on the score, such as '>=3'.
        where: a condition on any column of numbers, such as 'gopher.word_count<50'; repeat it for more.
        near: COLUMN=VALUE takes the documents closest to a value, such as web_edu.score=2.5, instead of random ones.
        n: how many.
        seed: of the draw.
    """
    from curate.ledger import sample as draw
    from curate.ledger.conditions import parse

    shown = ["id", "url", "score", "dropped_by", *(parse(said).column for said in [*where, *([near] if near else [])])]
    for row in draw(corpus, dropped_by=dropped_by, score=score, where=where, near=near, n=n, seed=seed):
        head = " ".join(f"{name}={row[name]}" for name in dict.fromkeys(shown) if row.get(name) is not None)
        print(f"--- {head}\n{(row.get('text') or '(its text was not kept; run with --keep-text)')[:600]}\n")


@app.command
def diff(
    a: str,
    b: str,
    *,
    texts: bool = False,
    by: Inputs = ["source", "dump", "language"],  # noqa: B006
    n: Number = 5,
    seed: int = 0,
) -> None:
    """Show what one run keeps and the other does not, and what the other did with it.

    Args:
        a: folder of a run, of one corpus, or a Parquet file.
        b: the other one.
        texts: read the kept texts too: how many bytes, and how many documents have another text.
        by: columns to count the differences by, where there are such.
        n: documents to name on each side.
        seed: of the draw.
    """
    from curate.ledger import diff as compare

    print(compare(a, b, texts=texts, by=by, num_examples=n, seed=seed))


@app.command
def replay(
    run: str,
    *,
    out: Out,
    rules: Inputs = [],  # noqa: B006
    threshold: int | None = None,
    min_score: float | None = None,
    bound: Inputs = [],  # noqa: B006
    without: Inputs = [],  # noqa: B006
    with_text: bool = False,
    texts: str | None = None,
    allow_empty: bool = False,
    ray: Engine = None,
    workers: int | None = None,
) -> None:
    """Decide again about every document of a run by other rules or thresholds, from the columns it measured.

    No text is read. What is not given stays as it was. Documents for which a rule's column was never measured, because
    they had left before, are counted and not kept. `curate diff RUN OUT` shows what changes.

    Args:
        run: folder of a run whose corpora read one another, or of one corpus.
        out: folder of the corpus to write: ids and signals, and what is dropped in OUT/dropped.
        rules: rule sets in place of all rules of the run, except cuts on a score; see `curate filter`.
        threshold: in place of the run's cut on a score: 3 means int_score >= 3, which is a raw score >= 2.5.
        min_score: the same on the raw score, such as 2.7.
        bound: another number in the rule on a column, or a further rule, such as 'gopher.word_count>=30'.
        without: a column whose rules are to fall, such as c4.curly_bracket.
        with_text: give the kept documents their text, so that the next step can read OUT.
        texts: the run's input, for the texts of newly kept documents where the run was made without --keep-text.
        allow_empty: accept that nothing is kept.
        ray: none (this process), local (start Ray here), auto or ADDRESS (a running cluster).
        workers: splits at a time; needs --ray.
    """
    from curate.ledger import replay as decide
    from curate.ledger.conditions import as_rules
    from curate.stage import Measure

    keep: list[Stage] | None = None
    if rules:
        from curate.signals.rules import stages as stages_of

        keep = [stage for name in rules for stage in stages_of(name) if not isinstance(stage, Measure)]
    cuts = [rule for stage in cut_stages(threshold, min_score) for rule in stage.rules]
    source = None if texts is None else open_input(texts, None)
    done = decide(
        run,
        out,
        keep=keep,
        cut=cuts[0] if cuts else None,
        bounds=as_rules(bound),
        without=without,
        with_text=with_text or texts is not None,
        texts=source,
        allow_empty=allow_empty,
        ray=ray,
        workers=workers,
    )
    show(done.tally)
    print(done)


@app.command
def lost(
    run: str,
    *,
    classifier: str = "web_edu",
    threshold: int = 3,
    part: Literal["mean", "gate", "head"] = "gate",
    n: Number = 2000,
    seed: int = 0,
) -> None:
    """Show what each rule costs: how many of the documents it dropped score high, and come back if it falls.

    Where a run kept no text of what it dropped (--keep-text), only documents with a score on record count.

    Args:
        run: folder of a run whose corpora read one another, or of one corpus.
        classifier: scores the dropped documents: web_edu, code_edu, or the folder of a model from `curate fit`.
        threshold: the rounded score that is high: 3 is a raw score of 2.5 or more.
        part: gate (n-grams, thousands of pages a second), head, or mean of both.
        n: documents to score of each rule; what they stand for has a 95 % interval.
        seed: of the draw.
    """
    from curate.classify.score import score_stage
    from curate.ledger import lost as measure
    from curate.ledger.lost import table

    stage = score_stage(classifier, part=part)
    found = measure(run, lambda batch: stage(batch)["score"].to_numpy(), at_least=threshold - 0.5, most=n, seed=seed)
    head, *rows = table(found, f"{classifier} >= {threshold}")
    print_table(head, rows)


@app.command
def verify(folders: Inputs) -> None:
    """Hold every byte of a run against its checksum, and every count against its receipt; exit 1 if any is damaged.

    Args:
        folders: of corpora, or of whole runs; local, s3://, gs://.
    """
    from curate.verify import verify as verify_folders

    found = verify_folders(folders)
    if found.damaged:
        raise ValueError(str(found))
    print(found)


@app.command
def plan(
    *words: Annotated[str, Parameter(allow_leading_hyphen=True)],
    share: float = 0.02,
    draw_seed: int = 0,
    scratch: str | None = None,
    price: Inputs = [],  # noqa: B006  cyclopts copies it
) -> None:
    """Say what a command will take before it is given: time, processors, memory, disk, a teacher's bill.

    The command runs on a random share of its input in a temporary folder: curate plan score docs -o scored --workers 64
    Nothing is written into its output but OUT/_log/plan.json; the real run then tells how far the plan was off.

    Args:
        words: the command as you would give it, without `curate`: extract, filter, score, dedup, decontaminate,
            tokenize, concatenate, annotate, or a pipeline by its file: pipelines/stack_edu.py --input ... --output ...
        share: of the input's bytes to rehearse on; at least eight pieces of it where there are as many.
        draw_seed: of the draw.
        scratch: folder for the rehearsal, kept and used again; a temporary one, deleted, by default.
        price: what things cost, for the bill: cpu=0.04 and gpu=2.5 (an hour), input=0.15 and output=0.6 (a million
            tokens of the teacher).
    """
    from curate.plan.command import parse
    from curate.plan.plan import parse_prices
    from curate.plan.plan import plan as rehearse
    from curate.plan.table import table

    planned = rehearse(parse(words, app), share=share, seed=draw_seed, scratch=scratch, prices=parse_prices(price))
    print(f"{table(planned)}\nsaved: {planned.save()}")


@app.command
def report(run: str, *, out: Annotated[str | None, Parameter(name=["--out", "-o"])] = None) -> None:
    """Write one self-contained HTML page about a run: funnel, rules, scores, samples, training, evaluation.

    Args:
        run: folder of a run.
        out: the page; RUN/report.html by default.
    """
    from curate.report import report as write

    print(write(run, out))


@app.command
def card(
    path: str,
    *,
    out: Annotated[str | None, Parameter(name=["--out", "-o"])] = None,
    check: bool = False,
    name: str = "",
    license: str = "",
    repo: str = "",
    evaluation: str = "",
    ablation: str = "",
) -> None:
    """Write the card of a corpus or a model: README.md as the hub shows it, every number from receipts and data.

    What was said once, and what a person wrote below the card, is kept when it is written again.

    Args:
        path: a run, one of its corpora, any folder of Parquet, or a model's folder (RUN/hf).
        out: the card; PATH/README.md by default.
        check: write nothing, and fail if the card that is there no longer agrees with the data.
        name: of the corpus or model; the folder's by default.
        license: the hub's name of it, such as odc-by; by default what every document states, or nothing.
        repo: USER/NAME on the hub, for the examples.
        evaluation: of a model, folder of `curate evaluate`; the model's own by default.
        ablation: of a model, folder of the `curate ablate` that chose its data.
    """
    from curate.publish import check_card, write_card

    if check:
        print(f"{check_card(path, out)} agrees with the data")
        return
    said = {"name": name, "license": license, "repo": repo, "evaluation": evaluation, "ablation": ablation}
    print(write_card(path, out, **said))


@app.command
def publish(
    path: str,
    target: str,
    *,
    yes: bool = False,
    dry_run: bool = False,
    public: bool = False,
    delete: bool = False,
    allow: Inputs = [],  # noqa: B006
    name: str = "",
    license: str = "",
) -> None:
    """Show what would be uploaded to the Hugging Face hub; with --yes, upload it in one commit and verify it there.

    A public upload cannot be taken back, so a plan is what comes without --yes, and a new repository is private.

    Args:
        path: a run, one of its corpora, any folder of Parquet, or a model's folder (RUN/hf).
        target: hf://datasets/USER/NAME, for a model hf://USER/NAME; with @REVISION and /SUBFOLDER if wanted.
        yes: do it.
        dry_run: only show the plan, as without --yes.
        public: make a new repository public, or add to one that is public.
        delete: in the same commit, delete data files there that are not of this corpus.
        allow: publish although this speaks against it: addresses, secrets, unfinished, unknown. Repeat it for several.
        name: of the corpus or model, for its card.
        license: the hub's name of it, such as odc-by, for its card.
    """
    from curate.publish import publish as put

    if yes and dry_run:
        raise ValueError("--yes and --dry-run contradict each other; leave one out")
    options = {"public": public, "delete": delete, "name": name, "license": license}
    print(put(path, target, yes=yes, allow=allow, **options))  # type: ignore[arg-type]
    if not yes:
        print("nothing was uploaded; add --yes to do it")


def open_input(path: str, kind: Kind) -> "Source":
    from curate.readers import open_source

    return open_source(path, kind=kind)


def open_text(path: str) -> "Source":
    """Open what holds text already."""
    from curate.readers import needs_extract

    source = open_input(path, None)
    if needs_extract(source):
        raise ValueError(f"{path} is HTML; `curate filter` makes text of it: name the folder that it writes")
    return source


def subfolders(paths: Sequence[str]) -> dict[str, str]:
    """Return a folder name for each path: its last part, with a number where two are alike."""
    names: dict[str, str] = {}
    for path in paths:
        name = re.sub(r"\.(parquet|jsonl?|ndjson)(\.\w+)?$", "", Path(path).name)
        same = [known for known in names.values() if known == name or known.startswith(f"{name}-")]
        names[path] = f"{name}-{len(same) + 1}" if same else name
    return names


def to_text(source: "Source") -> "tuple[Stage, ...]":
    """Return the stage that makes text of crawled pages, or none where there is text already."""
    from curate.readers import needs_contents, needs_extract
    from curate.readers.html import Extract
    from curate.readers.software_heritage import FetchContents

    if needs_extract(source):
        return (Extract(),)
    return (FetchContents(),) if needs_contents(source) else ()


def grade(
    classifiers: Sequence[str],
    part: "Literal['mean', 'gate', 'head', 'cascade'] | None",
    recall: float | None,
    threshold: int | None,
    min_score: float | None,
    pool: "Literal['first', 'mean', 'max'] | None" = None,
) -> "tuple[Certificate | None, tuple[Stage, ...]]":
    """Return the stages that score and keep, and the certificate where a recall is promised."""
    from curate.classify.chunks import Chunked
    from curate.classify.external import EXTERNAL, open_classifier
    from curate.classify.score import cascade_stages, find, score_stages

    external = any(name.startswith(EXTERNAL) for name in classifiers)
    if external and (len(classifiers) > 1 or part is not None or recall is not None):
        raise ValueError("hf: and fasttext: classifiers score alone, as a whole, and without a promise of recall")
    if pool is not None and (recall is not None or part == "cascade"):
        raise ValueError("a cascade is certified on the beginnings of documents; leave out --pool or the cascade")
    if recall is None and part != "cascade":
        scoring: Stage = open_classifier(classifiers[0]) if external else score_stages(classifiers, part=part)
        scoring = scoring if pool is None else Chunked(scoring, pool)
        return None, (scoring, *cut_stages(threshold, min_score))
    if len(classifiers) > 1:
        raise ValueError("a cascade has one classifier; score the others in a run of their own")
    if recall is None:
        cuts = cut_stages(threshold, min_score)
        if not cuts:
            raise ValueError("--part cascade calls the encoder around a cut; give --threshold, --min-score or --recall")
        return cascade_stages(classifiers[0], cut=threshold - 0.5 if threshold is not None else min_score)
    good = find(classifiers[0])[0].at_least
    if part not in (None, "cascade") or min_score is not None or threshold not in (None, good):
        raise ValueError(
            f"--recall chooses the cut itself, for grades of {good} or more; leave out --part, --min-score and "
            f"any --threshold but {good}"
        )
    return cascade_stages(classifiers[0], recall=recall)


def show_drift(classifiers: Sequence[str], out: str) -> None:
    """Say whether the scored corpus is like the documents that the grades are of."""
    from curate.classify.drift import report_drift

    for classifier in classifiers:
        print(report_drift(classifier, out))


def cut_stages(threshold: int | None, min_score: float | None) -> "tuple[Keep, ...]":
    """Return the stage that cuts at a rounded or a raw score, or none."""
    from curate.classify.score import at_score, at_threshold
    from curate.stage import Keep

    if threshold is not None and min_score is not None:
        raise ValueError("give --threshold (rounded scores) or --min-score (raw scores), not both")
    if threshold is not None:
        return (Keep((at_threshold(threshold),)),)
    return () if min_score is None else (Keep((at_score(min_score),)),)


def rubric_of(classifier: str) -> "Rubric":
    """Return the rubric of a shipped classifier."""
    from curate.classify.score import available

    if classifier not in available():
        raise ValueError(f"no rubric is called {classifier!r}; there are {', '.join(available())}")
    rubric: Rubric = importlib.import_module(f"classifiers.{classifier}").RUBRIC
    return rubric


def open_teacher(
    teacher: str,
    *,
    model: str,
    in_flight: int = 32,
    seed: int = 0,
    requests_per_minute: float | None = None,
    tokens_per_minute: float | None = None,
) -> "Teacher":
    if teacher == "local":
        from curate.teacher.local import LocalTeacher

        return LocalTeacher()
    from curate.teacher.client import OpenAITeacher

    key = os.environ.get("OPENAI_API_KEY", "")
    return OpenAITeacher(
        base_url=teacher,
        model=model,
        api_key=key,
        max_in_flight=in_flight,
        seed=seed,
        requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute,
    )


def weights(tokens: Sequence[str]) -> dict[str, float]:
    """Read `folder` or `folder:weight` for each corpus of a mixture."""
    mixture: dict[str, float] = {}
    for item in tokens:
        folder, colon, weight = item.rpartition(":")
        weighted = bool(colon) and not weight.startswith("//")  # s3://bucket/tokens has none
        try:
            path, share = (folder, float(weight)) if weighted else (item, 1.0)
        except ValueError as error:
            raise ValueError(
                f"{item!r} should be a folder of tokens, or folder:weight such as tokens/web:0.7"
            ) from error
        if path in mixture:
            raise ValueError(f"{path} is given twice; name it once, with the weight of both")
        mixture[path] = share
    return mixture


def look_at(held_out: Sequence[str], mask_documents: bool = False) -> "HeldOut | None":
    """Return what measures bits per byte on token folders while a model trains."""
    from curate.evaluate.held_out import named_path
    from curate.train.held_out import HeldOut

    named = dict(map(named_path, held_out))
    if len(named) < len(held_out):
        raise ValueError("two held-out folders have one name; tell them apart with NAME=FOLDER")
    return HeldOut(named, mask_documents=mask_documents) if held_out else None


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
    from curate.ledger import corpora, tally
    from curate.ledger import funnel as lines

    rows = [(f"{n.corpus}  {short(n.step)}", f"{n.documents:,}", megabytes(n.text_bytes)) for n in lines(run)]
    print_table(("after", "documents", "MB of text"), rows)
    for name, path in corpora(run).items():
        counted = ", ".join(f"{what} {n:,}" for what, n in tally(path).counted.most_common())
        if counted:
            print(f"{name} replaced {counted}")


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
        try:
            call(command)
        finally:
            print(end="", flush=True)  # nothing where stdout is closed
    except BrokenPipeError as error:
        if not reader_left():
            sys.exit(f"curate: {error}")
        sys.exit(141)  # as a shell tells of a program that SIGPIPE ended
    except (ValueError, LookupError, OSError, ImportError, RuntimeError) as error:
        from curate.progress import failure_table

        print(*(f"{line}\n" for line in failure_table(error)), sep="", end="", file=sys.stderr)
        sys.exit(f"curate: {error}")
    except KeyboardInterrupt:
        sys.exit("curate: stopped; run the same command again to go on from the finished shards")


def call(command: Callable[..., None] | None) -> None:
    """Do what the command line of this process says; if it had been planned, say how far the plan was off."""
    commands = app if command is None else App()
    if command is not None:
        commands.default(command)
    commands(result_action="return_value")
    _, bound, _ = commands.parse_args()
    out = bound.arguments.get("out") or bound.arguments.get("output")
    if isinstance(out, str):
        from curate.plan.result import is_planned

        if is_planned(out):
            from curate.plan.error import tell

            print(tell(out))


def reader_left() -> bool:
    """Tell whether nobody reads our output any more (`| head`); then the rest of it goes nowhere, quietly."""
    output = select.poll()
    output.register(sys.stdout.fileno(), 0)  # 0: errors alone
    if not output.poll(0):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True


if __name__ == "__main__":
    main()
