"""A training is planned by its first steps, and the run that follows is held against the plan."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from curate.cli import app, is_planned_so
from curate.corpus import write_corpus
from curate.plan.command import parse
from curate.plan.error import tell
from curate.plan.first_steps import FirstSteps, TooShortError, first_steps
from curate.plan.rehearse import RehearsalError
from curate.plan.result import read_plan
from curate.plan.training import TrainingPlan, mean_of, planned, read_training, training_table
from curate.tokenizer.bpe import train_tokenizer
from curate.tokenizer.pack import tokenize
from curate.train.checkpoint import checkpoints
from curate.train.log import EVALUATIONS, read_log
from tests.here import python

SMALL = ("--model", "1m", "--seq-len", "16", "--batch-tokens", "64", "--threads", "1")
STEPS = 24
FIRST = FirstSteps(
    steps=1000,
    step_tokens=8192,
    num_parameters=5_000_000,
    mfu=0.5,
    start_seconds=7.0,
    step_seconds=(2.0,) * 10,
    saves=10,
    save_seconds=0.5,
    evaluations=2,
    evaluation_seconds=4.0,
    kept=3,
    checkpoint_bytes=60_000_000,
    export_seconds=1.0,
    model_bytes=20_000_000,
    log_bytes=100_000,
    peak_bytes=10**9,
    gpu_peak_bytes=0,
    busy=1.5,
    epochs={"tokens/web": 0.5},
    token_bytes=8_000_000,
    rehearsal_seconds=30.0,
)


def curate(*words: object) -> subprocess.CompletedProcess[str]:
    return python("-m", "curate.cli", *words)


def plan_of(first: FirstSteps, out: Path, prices: Mapping[str, float] | None = None, *more: str) -> TrainingPlan:
    return planned(parse(["pretrain", "tokens/web", "-o", str(out), *more], app), first, prices or {})


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("planned")
    texts = [f"The {n}th day was like the day before, and {n} birds sang in {n + 1} trees.\n" * 4 for n in range(40)]
    corpus = write_corpus(folder / "corpus", [pa.record_batch({"id": [f"{n}" for n in range(40)], "text": texts})])
    train_tokenizer(corpus, folder / "tokenizer", vocab_size=300)
    return Path(tokenize(corpus, folder / "tokens", tokenizer=folder / "tokenizer", ray="none").path)


@pytest.fixture(scope="module")
def trained(tokens: Path) -> tuple[Path, str, str]:
    """The folder of a run that was planned and then done, and what the plan and the run said."""
    out = tokens.parent / "run"
    words = ["pretrain", tokens, "-o", out, "--steps", STEPS, "--checkpoint-every", 5, "--evaluate-every", 7]
    words += ["--held-out", f"held={tokens}", "--keep", 2, *SMALL]
    told = curate("plan", *words, "--price", "cpu=0.04")
    assert told.returncode == 0, told.stderr
    assert [path.name for path in out.rglob("*") if path.is_file()] == ["plan.json"]  # nothing was trained there
    done = curate(*words)
    assert done.returncode == 0, done.stderr
    return out, told.stdout, done.stdout


def test_the_whole_is_its_steps_its_checkpoints_and_its_looks_at_held_out_data(tmp_path: Path) -> None:
    plan = plan_of(FIRST, tmp_path)
    assert plan.steps_seconds.value == 2000.0
    assert plan.wall.value == 2000 + 7 + 10 * 0.5 + 2 * 4 + 1
    assert plan.tokens_per_s.value == 4096
    assert plan.disk == 3 * 60_000_000 + 20_000_000 + 100_000
    assert (plan.peak_bytes.value, plan.peak_bytes.high) == pytest.approx((1e9, 1.108e9))  # tokens are mapped
    assert plan.cpu_hours.value == pytest.approx(1.5 * 2021 / 3600)
    assert plan.money is None


def test_money_is_of_what_has_a_price_and_is_used(tmp_path: Path) -> None:
    paid = plan_of(FIRST, tmp_path, {"cpu": 0.1, "gpu": 3.0}).money
    assert paid is not None
    assert paid.value == pytest.approx(0.1 * 1.5 * 2021 / 3600)  # no GPU is at work
    there = replace(FIRST, gpu_peak_bytes=10**10, busy=None)
    plan = plan_of(there, tmp_path, {"cpu": 0.1, "gpu": 3.0}, "--ray", "auto", "--workers", "8")
    assert plan.money is not None
    assert plan.gpu_hours.value == pytest.approx(8 * 2021 / 3600)
    assert plan.money.value == pytest.approx(3.1 * 8 * 2021 / 3600)  # each worker holds a processor and a GPU
    assert "10 GB of a GPU" in training_table(plan)


def test_the_interval_of_a_step_is_as_wide_as_its_steps_differ() -> None:
    steady = mean_of([2.0] * 10)
    assert (steady.value, steady.low, steady.high) == pytest.approx((2.0, 1.9, 2.1))  # a long run is not its start
    wide, narrow = mean_of([1.0, 3.0] * 2), mean_of([1.9, 2.1] * 2)
    assert wide.value == narrow.value == pytest.approx(2.0)
    assert wide.low < narrow.low < 2 < narrow.high < wide.high


def test_what_a_person_should_know_is_said(tmp_path: Path) -> None:
    (tmp_path / "checkpoints" / "step-000300").mkdir(parents=True)
    told = training_table(plan_of(replace(FIRST, epochs={"web": 7.25}, checkpoint_bytes=10**15), tmp_path))
    assert "web is read 7.2 times; more than about 4 teach little" in told
    assert f"are free at {tmp_path}, too little" in told
    assert "holds 300 of 1,000 steps" in told


def test_the_first_steps_tell_what_the_run_does(trained: tuple[Path, str, str]) -> None:
    out, told, _ = trained
    plan = read_training(str(out))
    assert plan is not None
    first = plan.first
    assert first.steps == len(read_log(out)) == STEPS
    saved = sorted({*range(5, STEPS, 5), *range(7, STEPS, 7), STEPS})
    assert first.saves == len(saved)
    assert first.evaluations == len(read_log(out, EVALUATIONS)) == 4
    assert first.kept == len(checkpoints(out)) == 4  # two of the stable phase, two of the decay
    assert first.epochs == pytest.approx(json.loads(json.dumps(first.epochs)))
    assert f"{first.num_parameters:,} parameters" in told
    assert f"{STEPS * 64:,}" in told
    assert "4 looks at held-out data" in told
    assert "money for machines" in told


def test_the_run_is_held_against_the_plan(trained: tuple[Path, str, str]) -> None:
    out, _, said = trained
    assert "and the run:" in said
    (disk,) = [line.split() for line in said.splitlines() if line.startswith("disk")]
    assert disk[-1] == "inside"  # what is written is known but for the length of some numbers
    assert "tokens/s" in said
    assert "wall time, first step to last" in said
    assert tell(str(out), lambda words: False).startswith(f"{out}/_log/plan.json is of another command")
    assert read_plan(str(out)) is None  # it is of no corpus


def test_a_run_that_stopped_on_its_way_is_not_held_against_the_wall(trained: tuple[Path, str, str]) -> None:
    out = trained[0]
    log = (out / "log.jsonl").read_text()
    later = [json.loads(line) for line in log.splitlines()]
    try:
        for line in later[10:]:
            line["unix"] += 3600
        (out / "log.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in later))
        said = tell(str(out))
        assert "wall time" not in said.replace("its wall time is not compared", "")
        assert "the run stopped on its way" in said
        (out / "log.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in later[:10]))
        assert "has taken 10 of 24 steps" in tell(str(out))
    finally:
        (out / "log.jsonl").write_text(log)


def test_the_same_training_is_the_planned_one_wherever_it_runs(tokens: Path) -> None:
    words = ["pretrain", str(tokens), "-o", "runs/x", "--num-tokens", "20M"]
    assert is_planned_so(app, words, [*words[:2], "-o", "y", "--num-tokens", "20000000", "--ray", "local"])
    assert not is_planned_so(app, words, [*words, "--lr", "1e-3"])


def test_an_annealing_is_planned_too(trained: tuple[Path, str, str], tokens: Path) -> None:
    stable, decay = tokens.parent / "stable", tokens.parent / "decay"
    assert curate("pretrain", tokens, "-o", stable, "--steps", 4, "--decay", 0, *SMALL).returncode == 0
    scratch = tokens.parent / "scratch"
    for steps in (11, 12):  # the first steps of a plan before are none of the next one's
        words = ["anneal", stable, tokens, "-o", decay, "--steps", steps, "--threads", 1]
        told = curate("plan", *words, "--scratch", scratch)
        assert told.returncode == 0, told.stderr
    assert len(checkpoints(scratch / "timed")) == 1
    plan = read_training(str(decay))
    assert plan is not None
    assert (plan.first.steps, plan.first.step_tokens, plan.first.kept) == (12, 64, 12)
    assert plan.first.evaluations == 0
    assert not (stable / "_log").exists()


def test_a_run_that_fails_is_refused_with_its_own_words(tokens: Path, tmp_path: Path) -> None:
    words = ["pretrain", str(tokens), "-o", str(tmp_path / "out"), "--steps", "20"]
    with pytest.raises(RehearsalError, match=r"the first steps failed, as the run would: .* use a shorter seq_len"):
        first_steps(parse([*words, "--seq-len", "1000000", "--batch-tokens", "1000000"], app), str(tmp_path / "a"))
    with pytest.raises(TooShortError, match=r"^a run of 5 steps takes hardly longer than planning it"):
        first_steps(parse([*words, *SMALL, "--stop-after", "5"], app), str(tmp_path / "b"))
    assert not (tmp_path / "out").exists()
