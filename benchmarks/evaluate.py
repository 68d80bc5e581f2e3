"""Our suites beside lm-evaluation-harness: the same model and rows in one run; agreement item by item, and speed.

    python -m pip install lm-eval==0.4.13 --no-deps --target SCRATCH, and what it asks for; then
    PYTHONPATH=SCRATCH python benchmarks/evaluate.py MODEL EVAL_FOLDER [--limit 40] [--tasks arc_easy,piqa]

Each task runs through lm-evaluation-harness with its own wording over our JSONL file, then through ours. The clock
covers tokenizing and scoring alone, for the harness its `loglikelihood`; OMP_NUM_THREADS=1 gives both one thread.
Agreement is of every choice's log likelihood (largest difference) and of every item's verdict.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_CACHE", tempfile.mkdtemp(prefix="curate-benchmark-"))
os.environ.setdefault("TQDM_DISABLE", "1")

import numpy as np

from curate.evaluate.items import item_values, score_items
from curate.evaluate.model import load
from curate.evaluate.tasks import SUITES, Likelihood

LETTERS = ["A", "B", "C", "D", "E"]
CHOICES = {"doc_to_choice": "{{choices}}", "doc_to_target": "{{gold}}"}
HARNESS: dict[str, dict[str, Any]] = {  # lm-evaluation-harness' wording of each task over the fields of our files
    "arc_easy": {"doc_to_text": "{{query}}\nAnswer:", **CHOICES},
    "arc_challenge": {"doc_to_text": "{{query}}\nAnswer:", **CHOICES},
    "piqa": {
        "doc_to_text": "Question: {{goal}}\nAnswer:",
        "doc_to_target": "label",
        "doc_to_choice": "{{[sol1, sol2]}}",
    },
    "siqa": {
        "doc_to_text": "Q: {{context}} {{question}}\nA:",
        "doc_to_choice": "{{[answerA, answerB, answerC]}}",
        "doc_to_target": "{{ (label|int) - 1 }}",
    },
    "openbook_qa": {"doc_to_text": "{{query}}", **CHOICES},
    "commonsense_qa": {
        "doc_to_text": "{{query[:-8]}}\nA. {{choices[0]}}\nB. {{choices[1]}}\nC. {{choices[2]}}\nD. {{choices[3]}}\n"
        "E. {{choices[4]}}\nAnswer:",
        "doc_to_choice": LETTERS,
        "doc_to_target": "gold",
    },
    "winogrande": {},  # its own functions
    "hellaswag": {"doc_to_text": "{{query}}", **CHOICES},
    "lambada": {
        "output_type": "loglikelihood",
        "doc_to_text": "{{context}}",
        "doc_to_target": "{{' '+continuation}}",
        "metric_list": [
            {"metric": "perplexity", "aggregation": "perplexity", "higher_is_better": False},
            {"metric": "acc", "aggregation": "mean", "higher_is_better": True},
        ],
    },
    "mmlu": {
        "doc_to_text": "{{question.strip()}}\nA. {{choices[0]}}\nB. {{choices[1]}}\nC. {{choices[2]}}\n"
        "D. {{choices[3]}}\nAnswer:",
        "doc_to_choice": LETTERS[:4],
        "doc_to_target": "answer",
    },
    "mmlu_cloze": {
        "doc_to_text": "Question: {{question.strip()}}\nAnswer:",
        "doc_to_choice": "{{choices}}",
        "doc_to_target": "{{answer}}",
    },
    "boolq": {"doc_to_text": "{{query[9:]}}\nAnswer:", **CHOICES},
    "sciq": {
        "doc_to_text": "{{support.lstrip()}}\nQuestion: {{question}}\nAnswer:",
        "doc_to_target": 3,
        "doc_to_choice": "{{[distractor1, distractor2, distractor3, correct_answer]}}",
    },
    "copa": {"doc_to_text": "{{query}}", **CHOICES},
}
DESCRIPTIONS = {  # before MMLU's questions, by subject
    "mmlu": "The following are multiple choice questions (with answers) about {}.\n\n",
    "mmlu_cloze": "The following are questions (with answers) about {}.\n\n",
}

HEAD = (
    *("task", "items", "acc theirs, ours", "acc_norm theirs, ours", "verdicts that differ", "largest gap, nats"),
    *("theirs, s", "ours, s", "times as fast"),
)


@dataclass(frozen=True)
class Side:
    """What one program made of a task: per item the log likelihoods of its choices, and the verdicts."""

    logprobs: list[list[float]]
    acc: list[float]
    acc_norm: list[float]
    seconds: float


def harness_config(task: Likelihood, folder: str, subject: str) -> dict[str, Any]:
    """Return the task as lm-evaluation-harness reads it."""
    own: dict[str, Any] = dict(HARNESS[task.name])
    if task.name == "winogrande":
        from lm_eval.tasks.winogrande import preprocess_winogrande as functions

        own = {name: getattr(functions, name) for name in ("doc_to_text", "doc_to_target", "doc_to_choice")}
        own["metric_list"] = [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}]  # it has no other
    if subject:
        own["process_docs"] = of_subject(subject)
        own["description"] = DESCRIPTIONS[task.name].format(subject.replace("_", " "))
    file = task.data.file(folder)
    return {
        "task": f"{task.name}_{subject or 'all'}",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(file)}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "metric_list": [
            {"metric": name, "aggregation": "mean", "higher_is_better": True} for name in ("acc", "acc_norm")
        ],
        **own,
    }


def of_subject(subject: str) -> Callable[[Any], Any]:
    return lambda rows: rows.filter(lambda row: row["subject"] == subject)


class Clock:
    """Times a harness model's `loglikelihood`, which tokenizes and scores; reading and logging stay outside."""

    def __init__(self, model: Any) -> None:
        self.model, self.seconds, self.inner = model, 0.0, model.loglikelihood

    def __enter__(self) -> None:
        self.model.loglikelihood = self.timed

    def __exit__(self, *_: object) -> None:
        self.model.loglikelihood = self.inner

    def timed(self, requests: Any, **options: Any) -> Any:
        started = time.perf_counter()
        try:
            return self.inner(requests, **options)
        finally:
            self.seconds += time.perf_counter() - started


def run_harness(model: Any, task: Likelihood, folder: str, limit: int, subjects: list[str]) -> Side:
    import lm_eval

    logprobs, acc, acc_norm, clock = [], [], [], Clock(model)
    for subject in subjects:
        config = harness_config(task, folder, subject)
        with clock:
            done = lm_eval.simple_evaluate(model, tasks=[config], limit=limit, log_samples=True, bootstrap_iters=0)
        for sample in done["samples"][config["task"]]:
            logprobs.append([float(choice[0][0]) for choice in sample["resps"]])
            acc.append(float(sample["acc"]))
            acc_norm.append(float(sample.get("acc_norm", np.nan)))
    return Side(logprobs, acc, acc_norm, clock.seconds)


def run_ours(model: Any, tokenizer: Any, task: Likelihood, folder: str, limit: int, subjects: list[str]) -> Side:
    items = [item for item in task.items(folder, limit=limit) if item.group in subjects]
    started = time.perf_counter()
    tables = [score_items(model, tokenizer, task.name, [i for i in items if i.group == s]) for s in subjects]
    seconds = time.perf_counter() - started
    values = [item_values(table) for table in tables]
    logprobs: list[list[float]] = []
    for table in tables:
        for row in table.to_pylist():
            if row["choice"] == 0:
                logprobs.append([])
            logprobs[-1].append(row["logprob"])
    acc = [float(v) for value in values for v in value["acc"]]
    acc_norm = [float(v) for value in values for v in value.get("acc_norm", np.full(len(value["acc"]), np.nan))]
    return Side(logprobs, acc, acc_norm, seconds)


def compare(name: str, theirs: Side, ours: Side) -> str:
    """Return a line of the table; a differing verdict is counted."""
    assert len(theirs.logprobs) == len(ours.logprobs), f"{name}: {len(theirs.logprobs)} and {len(ours.logprobs)} items"
    gap = max(
        abs(a - b) for x, y in zip(theirs.logprobs, ours.logprobs, strict=True) for a, b in zip(x, y, strict=True)
    )
    differ = sum(a != b for a, b in zip(theirs.acc, ours.acc, strict=True))
    norms = [(a, b) for a, b in zip(theirs.acc_norm, ours.acc_norm, strict=True) if not np.isnan(a)]
    differ_norm = sum(a != b for a, b in norms)
    cells = (
        f"{len(ours.acc)}",
        f"{np.mean(theirs.acc):.4f} {np.mean(ours.acc):.4f}",
        f"{np.mean([a for a, _ in norms]):.4f} {np.mean([b for _, b in norms]):.4f}" if norms else "",
        f"{differ + differ_norm}",
        f"{gap:.1e}",
        f"{theirs.seconds:.1f}",
        f"{ours.seconds:.1f}",
        f"{theirs.seconds / ours.seconds:.1f}",
    )
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("folder")
    parser.add_argument("--limit", type=int, default=40, help="items of each task, of each subject of MMLU")
    parser.add_argument("--tasks", default=",".join(HARNESS))
    parser.add_argument("--subjects", type=int, default=57, help="of MMLU's subjects, take the first so many")
    parser.add_argument("--batch", type=int, default=16, help="lm-evaluation-harness' batch size")
    chosen = parser.parse_args()
    from lm_eval.models.huggingface import HFLM

    model, tokenizer = load(chosen.model)
    peer = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=chosen.batch)
    known = {task.name: task for task in SUITES["harness"] if isinstance(task, Likelihood)}
    print(f"| {' | '.join(HEAD)} |\n|---|{'---:|' * (len(HEAD) - 1)}")
    for name in chosen.tasks.split(","):
        task = known[name]
        groups = dict.fromkeys(item.group for item in task.items(chosen.folder))
        subjects = list(groups)[: chosen.subjects]
        theirs = run_harness(peer, task, chosen.folder, chosen.limit, subjects)
        ours = run_ours(model, tokenizer, task, chosen.folder, chosen.limit, subjects)
        print(compare(name, theirs, ours), flush=True)


if __name__ == "__main__":
    sys.exit(main())
