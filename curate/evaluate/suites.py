"""Evaluate a model: suites of public benchmarks, files of one's own, held-out text by domain.

    results = evaluate("runs/annealed/model", tasks=pick("smollm"), data="eval/", texts={"edu": texts}, limit=500)
    print(format_results(results))

Everything measured is written, task by task, so that two models can be compared item by item; see
`curate.evaluate.results`.
"""

import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import torch

from curate.evaluate import code as code_tasks
from curate.evaluate.cloze import Suite, make_cloze
from curate.evaluate.estimate import Estimate, mean
from curate.evaluate.generate import Decoding, generate
from curate.evaluate.held_out import HeldOut
from curate.evaluate.items import Item, chance, measures, score_items
from curate.evaluate.model import Dtype, load, max_length
from curate.evaluate.results import Results, format_results, row, write
from curate.evaluate.sandbox import Sandbox
from curate.evaluate.tasks import LIMITS, SUITES, Answer, Code, Likelihood, Task, pick, require_data

__all__ = ["Suite", "evaluate", "format_results", "make_cloze", "pick"]

MACRO = ("acc", "acc_norm")  # also as the plain mean over subjects, as lighteval averages MMLU


def evaluate(
    model_dir: str | os.PathLike[str],
    *,
    suites: Sequence[Suite] = (),
    tasks: Sequence[Task] = (),
    data: str | os.PathLike[str] = "eval",
    texts: Mapping[str, Iterable[str]] | None = None,
    limit: int | None = None,
    shots: int | None = None,
    samples: int = code_tasks.SAMPLED.num_samples,
    out: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    device: str | None = None,
    dtype: Dtype = "float32",
    unsafe_sandbox: bool = False,
    allow_missing: bool = False,
) -> Results:
    """Measure a Hugging Face model and write all it did into `out` (the model's folder by default).

    Args:
        suites: JSONL files of questions.
        tasks: of the published suites, see `curate.evaluate.tasks.pick`.
        data: folder of the tasks' files, or "hub".
        texts: held-out texts by domain, for bits per byte.
        limit: take only the first items of each task (of each subject) and the first texts of each domain.
        shots: examples before each question, of tasks that have a file of them; each task's own number by default.
        samples: programs for each problem at temperature 0.2, beside the greedy one; 0 for greedy alone.
        unsafe_sandbox: run programs even where this machine cannot contain them.
        allow_missing: leave out, and name on stderr, the tasks whose files the folder lacks.

    Returns: {"arc_easy": {"num_items": 200, "chance": 0.25, "acc": {"value": 0.27, "stderr": 0.03}, ...}, ...}
    """
    if not suites and not tasks and not texts:
        raise ValueError("nothing to evaluate on; give suites, tasks, texts or several of them")
    there = require_data(tasks, data, num_shots=shots, allow_missing=allow_missing) if tasks else []
    if left_out := [task.name for task in tasks if task not in there]:
        print(f"left out, no file in {data}: {', '.join(left_out)}", file=sys.stderr)
    if any(isinstance(task, Code) for task in there):
        with Sandbox(unsafe=unsafe_sandbox):
            pass  # a machine that cannot contain programs says so now, not after hours
    if threads is not None:
        torch.set_num_threads(threads)
    model, tokenizer = load(model_dir, device, dtype)
    place = out or Path(model_dir)
    results: Results = {}
    if texts:
        first = {domain: [text for text in some if text][:limit] for domain, some in texts.items()}
        held = HeldOut.of(first, tokenizer, window=max_length(model))
        found = held(model)
        results |= {f"bits_per_byte {name}": row(len(first[name]), {"bits_per_byte": e}) for name, e in found.items()}
    items: list[pa.Table] = []
    answers: list[dict[str, Any]] = []
    for suite in suites:
        items += _likelihood(model, tokenizer, suite.name, suite.items(limit), results)
    for task in there:
        started = time.monotonic()
        if isinstance(task, Likelihood):
            asked = task.items(data, limit=limit, num_shots=shots)
            items += _likelihood(model, tokenizer, task.name, asked, results)
        elif isinstance(task, Answer):
            answers += _answers(model, tokenizer, task, data, limit, shots, results)
        else:
            answers += _programs(model, tokenizer, task, data, limit, samples, unsafe_sandbox, results)
        write(place, results, items, answers)  # a long evaluation that is stopped keeps what it has
        seconds = time.monotonic() - started
        print(f"{task.name}: {results[task.name]['num_items']} items in {seconds:.0f} s", file=sys.stderr)
    write(place, results, items, answers)
    return results


def chosen(suites: Sequence[str], tasks: str = "", limit: int | None = None) -> tuple[list[Task], int | None]:
    """Return the tasks of some suites, or of them those that `tasks` names with commas, and how many items of each."""
    names = [name.strip() for name in tasks.split(",") if name.strip()]
    if names and not suites:
        raise ValueError(f"--tasks {tasks} names tasks of a suite; add --suite, one of {', '.join(SUITES)}")
    found = {task.name: task for suite in suites for task in pick(suite)}
    unknown = [name for name in names if name not in found]
    if unknown:
        raise ValueError(f"{', '.join(suites)} has no task {', '.join(unknown)}; it has {', '.join(found)}")
    least = min((LIMITS[suite] for suite in suites if suite in LIMITS), default=None)
    return [found[name] for name in names or found], limit if limit is not None else least


def _likelihood(model: Any, tokenizer: Any, name: str, items: Sequence[Item], results: Results) -> list[pa.Table]:
    """Score the items, subject by subject where there are subjects, and note the measures of each and of all."""
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(item.group, []).append(item)
    if not groups:
        raise ValueError(f"no items to score in {name}; is its file empty?")
    tables, start = [], 0
    for some in groups.values():
        table = score_items(model, tokenizer, name, some)
        place = table.schema.get_field_index("item")
        tables.append(table.set_column(place, "item", pc.add(table["item"], pa.scalar(start, pa.int32()))))
        start += len(some)
    parts = {group: measures(table) for group, table in zip(groups, tables, strict=True)}
    macro = {
        f"{measure}_macro": _macro([part[measure] for part in parts.values()]) for measure in MACRO if len(parts) > 1
    }
    results[name] = row(len(items), measures(pa.concat_tables(tables)) | macro, chance=chance(items))
    if len(parts) > 1:
        results |= {f"{name}/{group}": row(len(groups[group]), found) for group, found in parts.items()}
    return tables


def _macro(parts: Sequence[Estimate]) -> Estimate:
    """Return the plain mean over subjects, whose items are independent."""
    spread = sum(part.stderr**2 for part in parts) ** 0.5 / len(parts)
    return Estimate(sum(part.value for part in parts) / len(parts), spread)


def _answers(
    model: Any,
    tokenizer: Any,
    task: Answer,
    data: str | os.PathLike[str],
    limit: int | None,
    shots: int | None,
    results: Results,
) -> list[dict[str, Any]]:
    asked, prompts = task.questions(data, limit=limit, num_shots=shots)
    texts = [samples[0] for samples in generate(model, tokenizer, prompts, task.decoding)]
    judged = [task.judge(text, one) for text, one in zip(texts, asked, strict=True)]
    found = {measure: mean(float(verdict[measure]) for verdict in judged) for measure in judged[0]}
    results[task.name] = row(len(asked), found)
    return [
        _answer(task.name, number, "", 0, text, measure, right, "")
        for number, (text, verdict) in enumerate(zip(texts, judged, strict=True))
        for measure, right in verdict.items()
    ]


def _programs(
    model: Any,
    tokenizer: Any,
    task: Code,
    data: str | os.PathLike[str],
    limit: int | None,
    samples: int,
    unsafe: bool,
    results: Results,
) -> list[dict[str, Any]]:
    """Let the model write programs, greedily and by sampling, and run them all."""
    problems = task.problems(data, limit=limit)
    ways = {"greedy": code_tasks.GREEDY}
    if samples:
        ways["sampled"] = replace(code_tasks.SAMPLED, num_samples=samples)
    found: dict[str, Estimate] = {}
    answers = []
    with Sandbox(unsafe=unsafe) as sandbox:
        for way, decoding in ways.items():
            texts = _write_programs(model, tokenizer, problems, decoding)
            flat = [(number, k, text) for number, some in enumerate(texts) for k, text in enumerate(some)]
            outcomes = sandbox.run_all([problems[number].program(text) for number, _, text in flat])
            passed = [[] for _ in problems]  # type: list[list[bool]]
            for (number, k, text), outcome in zip(flat, outcomes, strict=True):
                passed[number].append(outcome.passed)
                name = problems[number].name
                answers.append(_answer(task.name, number, name, k, text, way, outcome.passed, outcome.reason))
            rates = code_tasks.pass_rates(passed)
            found |= {f"{rate} {way}": estimate for rate, estimate in rates.items()}
    results[task.name] = row(len(problems), found, num_samples=samples)
    return answers


def _write_programs(
    model: Any, tokenizer: Any, problems: Sequence[code_tasks.Problem], decoding: Decoding
) -> list[list[str]]:
    chosen = replace(decoding, stop=problems[0].stop, max_new_tokens=problems[0].max_new_tokens)
    return generate(model, tokenizer, [problem.prompt for problem in problems], chosen)


def _answer(
    task: str, item: int, name: str, sample: int, text: str, measure: str, right: bool, reason: str
) -> dict[str, Any]:
    return {
        "task": task,
        "item": item,
        "name": name,
        "sample": sample,
        "text": text,
        "measure": measure,
        "right": right,
        "reason": reason,
    }
