"""Verbs that measure what data is worth: evaluate (a model), ablate (corpora by their models), scaling."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from curate.cli.options import Engine, Inputs, Out, OutOrBeside, split_commas, weights


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
    ray: Engine = None,
    workers: int | None = None,
    num_gpus: float = 0,
    out: OutOrBeside = None,
) -> None:
    """Measure a model: published suites or questions of your own, bits per byte on held-out text, programs.

    Args:
        model: folder, or hub name, of any causal language model that transformers loads.
        suite: smollm, fineweb, harness (lm-evaluation-harness' wordings) or code (HumanEval and MBPP); or a JSONL file
            of items with `query, choices, gold` or `context, continuation`. Repeat it for several.
        tasks: some tasks of the suites only, such as arc_easy,piqa.
        data: folder of the tasks' JSONL or Parquet files, or hub.
        text: held-out documents, each optionally named: `edu=heldout/edu`; corpora, Parquet, JSONL or WARC.
        limit: items of each task (of each of MMLU's subjects), and documents, to take at most; 1000 of everything
            where fineweb is asked.
        shots: solved examples before each question, of tasks that have a file of them; each task's own by default.
        samples: programs for each problem at temperature 0.2, beside the greedy one; 0 for greedy alone.
        against: folder of another model's evaluation, to compare with item by item.
        dtype: of the weights; bfloat16 is what SmolLM was measured in.
        device: cpu or cuda; the GPU by default where there is one.
        unsafe_sandbox: run the model's programs even where this machine has no way to contain them.
        allow_missing: leave out, and name, the tasks whose files --data lacks, where they would stop the evaluation.
        ray: none (this process), local (start Ray here), auto or ADDRESS (a running cluster whose nodes see the
            model's folder).
        workers: pieces of tasks at a time, each with a CPU and the model in memory; needs --ray.
        num_gpus: GPUs for each of them.
        out: folder for results.json, results.md, items.parquet and answers.parquet, in place of an earlier
            evaluation's; the model's folder by default, which a hub name has not.
    """
    from curate.evaluate.held_out import named_path, read_texts
    from curate.evaluate.results import compare, compared_files, format_comparison
    from curate.evaluate.suites import Suite, chosen, format_results
    from curate.evaluate.suites import evaluate as measure

    if against is not None:
        compared_files(against)  # a folder of no evaluation is told now, not after this one
        if Path(against).resolve() == Path(out or model).resolve():
            raise ValueError(f"--against {against} is where this evaluation will be written; give it another --out")
    places = dict(map(named_path, text))
    if len(places) < len(text):
        raise ValueError("two --text have one name; tell them apart with NAME=PATH")
    files = [Suite(Path(path).stem, path) for path in suite if path.endswith((".jsonl", ".parquet"))]
    named, most = chosen([name for name in suite if not name.endswith((".jsonl", ".parquet"))], tasks, limit)
    texts = {name: read_texts(path, most) for name, path in places.items()}
    asked = {"suites": files, "tasks": named, "data": data, "texts": texts, "limit": most, "shots": shots}
    how = {"samples": samples, "dtype": dtype, "device": device, "unsafe_sandbox": unsafe_sandbox, "out": out}
    how["allow_missing"] = allow_missing
    engine = {"ray": ray, "workers": workers, "num_gpus": num_gpus}
    print(format_results(measure(model, **asked, **how, **engine)))  # type: ignore[arg-type]
    if against is not None:
        print(f"\nfirst: {against}; second: {model}\n{format_comparison(compare(against, out or model))}")


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
            cheap form. Model, tokenizer, sequence length and learning rate are its own; seeds are orders of the data.
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
