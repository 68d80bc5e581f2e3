"""Verbs that teach a classifier: annotate (a teacher grades a sample), fit, threshold (where to cut)."""

import importlib
import os
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from curate.cli.options import Engine, Inputs, Kind, Number, Out, open_input

if TYPE_CHECKING:
    from curate.teacher.client import Teacher
    from curate.teacher.rubric import Rubric


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
    max_tokens: int = 256,
    temperature: float = 0.0,
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
    second_key: str = "",
    ray: Engine = None,
    workers: int | None = None,
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
        model: the model's name on the server, which the grades are kept under; `local` needs none.
        n: documents to grade.
        seed: of the sample.
        strata: what to divide the sample by, such as source,length,score or gopher.word_count:200:1000 (length:
            characters). Numbers need edges, where they are neither length nor a grade.
        at_least: documents of each stratum.
        allocation: of the others: proportional to the strata's sizes, or by size times spread of score (neyman).
        in_flight: requests at a time.
        requests_per_minute: the server's limit.
        tokens_per_minute: the server's limit, of tokens in and out together.
        max_tokens: of an answer; a model that reasons out of sight (o3, deepseek-r1, qwen3) needs thousands.
        temperature: of the sampling; some of OpenAI's models answer at 1 only.
        budget_tokens: stop when this many tokens are used.
        budget: stop when this much money is spent; needs the prices.
        input_price: of a million tokens in.
        output_price: of a million tokens out.
        structured: ask the server to hold the answers to a JSON schema (response_format).
        check: then ask again about some documents and report on the teacher: self-consistency, the ceiling for any
            classifier, length and position bias, parse failures. The budget covers this too.
        check_documents: how many to ask again about, some five or six times each.
        repeats: of the same question, for self-consistency.
        second_teacher: URL of another teacher for the check to compare with, or `local`. Each has a folder of its own.
            A served one counts to the budget, at the same prices, and takes the same max_tokens and temperature.
        second_model: its model's name.
        second_key: NAME of the environment variable that holds its key. By default OPENAI_API_KEY goes to a server at
            the first teacher's host, and no key to any other.
        ray: none (this process), local (start Ray here), auto or ADDRESS (a running cluster). The sample is drawn
            there, and a local teacher runs there; a server is asked from here, within the limits above.
        workers: documents in hand at a time; needs --ray.
        kind: what to read where a folder holds several kinds of files; by the files' endings otherwise.
    """
    from curate.teacher.annotate import annotate as grade
    from curate.teacher.budget import Budget
    from curate.teacher.strata import parse

    how = {"in_flight": in_flight, "max_tokens": max_tokens, "temperature": temperature}
    pace = {"requests_per_minute": requests_per_minute, "tokens_per_minute": tokens_per_minute}
    asked = open_teacher(teacher, model=model, seed=seed, **how, **pace)  # type: ignore[arg-type]
    other = None
    if second_teacher:
        key = key_of_second(second_teacher, teacher, second_key)
        other = open_teacher(second_teacher, model=second_model, key=key, **how)  # type: ignore[arg-type]
    if other is not None and not check:
        raise ValueError("a second teacher is for --check to compare with; give --check too, or leave it out")
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
        ray=ray,
        workers=workers,
    )
    print(done)
    if done.unanswered:
        raise RuntimeError(
            f"{len(done.unanswered)} documents got no answer; run the same command again to ask for them (texts that "
            f"the server refuses are settled only while they are few)"
        )
    if check:
        from curate.teacher.check import check as examine

        limit, options = Budget(budget_tokens, budget, input_price, output_price), {"n": check_documents}
        chosen = {"rubric": rubric_of(rubric), "teacher": asked, "second": other, "structured": structured}
        chosen |= {"ray": ray, "workers": workers}
        print(examine(out, budget=limit, repeats=repeats, **options, **chosen))  # type: ignore[arg-type]


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
    ray: Engine = None,
    workers: int | None = None,
    num_gpus: float = 0,
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
        ray: none (this process), local (start Ray here), auto or ADDRESS (a running cluster): where texts are embedded.
        workers: chunks of 256 texts at a time; needs --ray.
        num_gpus: GPUs for each of them.
    """
    from curate.classify.fit import fit as learn

    options = {"documents": documents, "at_least": at_least, "held_out": held_out, "folds": folds, "seed": seed}
    engine = {"ray": ray, "workers": workers, "num_gpus": num_gpus}
    print(learn(labels, out, classifier=classifier, languages=tuple(languages), **options, **engine))  # type: ignore[arg-type]


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
        labels: annotations, as for `curate fit`; those that the model learnt from are judged by held-out scores, or
            left out where it has none of them (`curate fit --held-out`).
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
    key: str | None = None,
    in_flight: int = 32,
    seed: int = 0,
    requests_per_minute: float | None = None,
    tokens_per_minute: float | None = None,
    max_tokens: int = 256,
    temperature: float = 0.0,
) -> "Teacher":
    """Return the teacher of a name or URL; a server gets `key`, by default OPENAI_API_KEY."""
    if teacher == "local":
        from curate.teacher.local import LocalTeacher

        return LocalTeacher()
    from curate.teacher.client import OpenAITeacher

    if not model:
        raise ValueError(
            f"name the model at {teacher}, one of GET {teacher.rstrip('/')}/models: without a name, another model's "
            f"grades could continue this one's"
        )
    return OpenAITeacher(
        base_url=teacher,
        model=model,
        api_key=os.environ.get("OPENAI_API_KEY", "") if key is None else key,
        max_in_flight=in_flight,
        seed=seed,
        requests_per_minute=requests_per_minute,
        tokens_per_minute=tokens_per_minute,
        max_tokens=max_tokens,
        temperature=temperature,
    )


def key_of_second(second: str, first: str, variable: str) -> str:
    """Return the key for a second server: that of a named variable, or the first one's where they are one host."""
    if variable:
        if variable not in os.environ:
            raise ValueError(f"there is no environment variable {variable}; name the one with the key of {second}")
        return os.environ[variable]
    same = urlsplit(second)[:2] == urlsplit(first)[:2]  # scheme, host and port
    return os.environ.get("OPENAI_API_KEY", "") if same else ""
