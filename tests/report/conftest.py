"""A run with something of everything, and of everything that a page must survive."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.classify.score import score_stage
from curate.corpus import Corpus, write_corpus
from curate.decontaminate import decontaminate
from curate.dedup import dedup
from curate.run import run
from curate.scaling.analyse import analyse
from curate.signals.rules import stages
from curate.stage import Keep, Rule

LESSON = (
    "In this lesson we learn what photosynthesis is. Photosynthesis is the process by which plants use energy from "
    "sunlight to make glucose from carbon dioxide and water. For example, consider leaf number {i}.\n\n"
    "The chloroplasts in its cells contain chlorophyll, which absorbs light. The light reactions produce ATP, and the "
    "cycle uses them to build sugars.\n\nExercise {i}: why does a plant need both light and carbon dioxide? "
    "Explain the difference between the light reactions and the Calvin cycle of leaf {i}.\n"
)
QUESTION = "A farmer has seventeen blue marbles, loses four in the tall grass and finds three more. How many are there?"
HOSTILE = (
    "</script><script>document.title = 'taken'; console.error('run')</script>",
    "<img src=http://127.0.0.1:9/x onerror=alert(1)>",
    "\u202eright to left\u202c \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 \x00\x07\ufeff",
    "x" * 1_000_000,
    "{" * 300 + "\u200b" * 5000,
    "&lt;b&gt; ]]> --> <!-- <style>body{display:none}</style> <base href=http://127.0.0.1:9/>",
)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 96 pages: hostile ones, spam, lessons, a near-copy, one with a benchmark's question, two trainings."""
    folder = tmp_path_factory.mktemp("report")
    texts = [LESSON.format(i=i) * 2 if i % 3 else f"Buy now {{ {i} }} cheap\nBuy now\nBuy now" for i in range(90)]
    texts[4] = texts[1].replace("absorbs", "takes up")
    texts[7] += f"\n{QUESTION}"
    table = pa.table(
        {
            "text": [*texts, *HOSTILE],
            "id": [f"doc-{i:03}" for i in range(96)],
            "url": [f"https://site{i % 5}.example/{i}?q=<b>" for i in range(96)],
        }
    )
    source = write_corpus(folder / "in", table.to_batches())
    out = folder / "run"
    run(stages("fineweb"), source, f"{out}/1-clean", keep_text=True, allow_empty=True)
    run((score_stage("web_edu", part="gate"),), source, f"{out}/2-scored", keep_text=True)
    dedup(Corpus(f"{out}/2-scored"), f"{out}/3-unique", max_source_loss=1.0, max_cluster=1000)
    run((Keep((Rule("score", at_least=0.5),)),), Corpus(f"{out}/3-unique"), f"{out}/4-edu")
    (folder / "marbles.jsonl").write_text(json.dumps({"question": QUESTION, "answer": "16"}) + "\n")
    decontaminate(Corpus(f"{out}/4-edu"), f"{out}/5-final", str(folder / "marbles.jsonl"), keep_text=True)
    trainings(out)
    return out


@pytest.fixture(scope="session")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trainings, an evaluation, an ablation with every verdict and a scaling law, without a corpus."""
    out = tmp_path_factory.mktemp("evidence") / "study"
    out.mkdir()
    trainings(out)
    ablation(out / "ablation")
    scaling(out / "scaling")
    return out


def trainings(out: Path) -> None:
    """Two logs as a training leaves them, and an evaluation."""
    for name, shift in (("pretrain", 0.0), ("anneal", -0.5)):
        (out / name).mkdir()
        losses = [{"step": step, "loss": 4 + shift - step / 1000} for step in range(1000)]
        (out / name / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in losses))
    measured = {"num_items": 40, "chance": 0.25, "acc": {"value": 0.5, "stderr": 0.079}}
    model = {"path": "runs/anneal/hf", "step": 1000, "digest": "9c1f" * 16, "revision": None}
    (out / "evaluation").mkdir()
    (out / "evaluation" / "results.json").write_text(json.dumps({"model": model, "arc_easy": measured}))


COMPARISON = {
    "measure": "bits per byte", "arm": "edu", "baseline": "raw", "exploratory": False, "value": 1.2,
    "baseline_value": 1.25, "difference": -0.05, "low": -0.08, "high": -0.02, "detectable": 0.04, "verdict": "better",
    "note": "",
}  # fmt: skip
ARM = {"arm": "edu", "documents": 1234, "num_tokens": 56_789, "epochs": 4.5, "held_out": 7}


def ablation(folder: Path) -> Path:
    """Three arms, two seeds, two domains, three looks, as `curate ablate` leaves them; two comparisons decide."""
    domain = COMPARISON | {"measure": "bits per byte <b>", "exploratory": True}
    open_ = COMPARISON | {"arm": "all", "low": -0.1, "high": 0.04, "difference": -0.03, "verdict": "not resolved"}
    worse = domain | {"arm": "all", "low": 0.01, "high": 0.06, "difference": 0.04, "verdict": "worse"}
    single = COMPARISON | {"measure": "acc_norm", "exploratory": True, "low": None, "high": None, "detectable": None}
    results = {
        "comparisons": [COMPARISON, open_, domain, worse, single | {"verdict": "no verdict"}],
        "arms": [ARM, ARM | {"arm": "all"}, ARM | {"arm": "raw"}],
        "tokens_to_equal_loss": [{"arm": "edu", "ratio": 1.5, "low": 1.2, "high": 1.9, "reached": [True], "note": ""}],
        "advice": ["edu: half of that takes 9 seeds"],
        "warnings": ["edu is read 4.5 times"],
    }
    folder.mkdir(parents=True)
    (folder / "results.json").write_text(json.dumps(results))
    rows = [
        {
            "arm": arm,
            "seed": seed,
            "domain": domain,
            "tokens": look * 1000,
            "bits_per_byte": 2.0 - look / 10 + seed + at,
        }
        for arm in ("raw", "edu", "all")
        for seed in (0, 1)
        for at, domain in enumerate(("web", "books"))
        for look in (1, 2, 3)
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "curves.parquet")
    return folder


def scaling(folder: Path) -> Path:
    """A law of twelve runs by `curate scaling`, with a prediction far beyond them."""
    sizes, budgets = (1e6, 2e6, 4e6, 8e6), (2e7, 4e7, 8e7, 16e7)
    pairs = [(n, d) for n in sizes for d in budgets]
    off = np.random.default_rng(0).normal(0, 0.003, len(pairs))
    loss = [(1.8 + 400 / n**0.34 + 2000 / d**0.36) * np.exp(e) for (n, d), e in zip(pairs, off, strict=True)]
    columns = {"num_parameters": [n for n, _ in pairs], "num_tokens": [d for _, d in pairs], "loss": loss}
    analyse(pa.table(columns), targets=[(135e6, 600e9)], resamples=25).write(folder)
    return folder
