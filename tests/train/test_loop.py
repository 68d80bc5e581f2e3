import json
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from curate.train.checkpoint import checkpoints
from curate.train.data import Phase
from curate.train.forensics import batch_documents
from curate.train.held_out import HeldOut
from curate.train.job import Job, Machine, Plan, Watch
from curate.train.log import EVALUATIONS
from curate.train.loop import anneal, from_anywhere, pretrain, read_log
from curate.train.model import model_config
from curate.train.optim import AdamW
from curate.train.schedule import WSD

from .conftest import TINY

SETTINGS = {"model": TINY, "seq_len": 16, "batch_tokens": 64, "threads": 1, "device": "cpu", "quiet": True}


def losses(run) -> list[float]:
    return [line["loss"] for line in read_log(run)]


def weights(run) -> dict[str, torch.Tensor]:
    return load_file(run.checkpoint / "model.safetensors")


@pytest.fixture(scope="module")
def stable(token_folders, tmp_path_factory):
    """Twenty steps of a stable phase, never interrupted."""
    out = tmp_path_factory.mktemp("runs") / "stable"
    return pretrain(token_folders["stories"], out, steps=20, decay=0, checkpoint_every=7, **SETTINGS)


def test_the_loss_falls_and_the_run_says_what_it_did(stable, token_folders):
    log = read_log(stable.path)
    assert [line["step"] for line in log] == list(range(20))
    assert log[-1]["loss"] < log[0]["loss"] - 0.5
    assert stable.num_tokens == 20 * 64
    assert stable.loss == pytest.approx((log[-1]["loss"] + log[-2]["loss"]) / 2)
    assert 0 < stable.epochs[token_folders["stories"]] < 1
    assert {path.name for path in (stable.path / "checkpoints").iterdir()} == {
        "step-000007",
        "step-000014",
        "step-000020",
    }


def test_a_run_stopped_anywhere_goes_on_as_if_it_had_not_been(stable, token_folders, tmp_path):
    for stop in (3, 9, None):
        run = pretrain(
            token_folders["stories"], tmp_path, steps=20, decay=0, checkpoint_every=7, stop_after=stop, **SETTINGS
        )
        assert (run.model is None) == (stop is not None)
    assert losses(tmp_path) == losses(stable.path)
    expected = weights(stable)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in weights(run).items())


def test_a_run_killed_hard_goes_on_as_if_it_had_not_been(stable, token_folders, tmp_path):
    program = (
        "import sys\nfrom curate.train.loop import pretrain\nfrom curate.train.model import Size\n"
        f"pretrain(sys.argv[1], sys.argv[2], steps=20, decay=0, checkpoint_every=7, **{SETTINGS!r})"
    )
    arguments = [sys.executable, "-c", program, token_folders["stories"], str(tmp_path)]
    process = subprocess.Popen(arguments)
    while process.poll() is None and not (tmp_path / "checkpoints" / "step-000007").exists():
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 1')  # a line that was being written
    (tmp_path / "checkpoints" / ".step-000020.tmp").mkdir(exist_ok=True)
    pretrain(token_folders["stories"], tmp_path, steps=20, decay=0, checkpoint_every=7, **SETTINGS)
    assert losses(tmp_path) == losses(stable.path)


def test_a_finished_run_is_not_trained_again(stable, token_folders):
    again = pretrain(token_folders["stories"], stable.path, steps=20, decay=0, checkpoint_every=7, **SETTINGS)
    assert again == stable


def test_another_recipe_into_the_same_folder_is_refused(stable, token_folders):
    with pytest.raises(ValueError, match="holds a run with another plan"):
        pretrain(token_folders["stories"], stable.path, steps=21, decay=0, **SETTINGS)
    with pytest.raises(ValueError, match="holds a run with another data"):
        pretrain(token_folders["sums"], stable.path, steps=20, decay=0, **SETTINGS)


def test_accumulated_gradients_are_those_of_the_whole_batch(token_folders, tmp_path, stable):
    pretrain(token_folders["stories"], tmp_path, steps=20, decay=0, micro_tokens=16, **SETTINGS)
    assert losses(tmp_path) == pytest.approx(losses(stable.path), abs=1e-4)


def test_anneal_decays_from_the_peak_on_another_mixture(stable, token_folders, tmp_path):
    before = stable.path / "checkpoints" / "step-000014"
    run = anneal(
        before, {token_folders["sums"]: 0.5, token_folders["stories"]: 0.5}, tmp_path, steps=8, threads=1, quiet=True
    )
    log = read_log(tmp_path)
    assert [line["lr"] / 3e-3 for line in log] == pytest.approx([1 - (step / 8) ** 0.5 for step in range(8)])
    assert len(run.epochs) == 2
    assert (run.model / "config.json").exists()
    with pytest.raises(ValueError, match="not of the stable phase"):
        anneal(tmp_path, token_folders["sums"], tmp_path / "again", steps=2, quiet=True)


def test_a_decay_takes_a_fifth_of_all_steps_also_of_a_stable_phase_in_two_runs(stable, token_folders, tmp_path):
    on = {"threads": 1, "quiet": True}
    longer = anneal(stable.path, token_folders["sums"], tmp_path / "longer", steps=8, shape="constant", **on)
    anneal(longer.path, token_folders["stories"], tmp_path / "decay", stop_after=1, **on)
    anneal(stable.path, token_folders["stories"], tmp_path / "early", stop_after=1, **on)
    plans = [json.loads((tmp_path / name / "run.json").read_text())["plan"] for name in ("decay", "early")]
    assert [plan["steps"] for plan in plans] == [7, 5]  # a quarter of 20 + 8, and of 20


def test_anneal_goes_on_with_the_state_of_the_optimiser(stable, token_folders, tmp_path):
    """On the same mixture, annealing's first step differs from going on only in the batch; a fresh Adam would jump."""
    run = anneal(stable.path, token_folders["stories"], tmp_path, steps=4, checkpoint_every=1, threads=1, quiet=True)
    first = torch.load(tmp_path / "checkpoints" / "step-000001" / "optimizer.pt", weights_only=True)
    assert {float(state["step"]) for state in first["state"].values()} == {21.0}
    assert run.step == 4


def test_divergence_stops_the_run_and_says_what_to_try(token_folders, tmp_path):
    with pytest.raises(FloatingPointError, match=r"step \d+: loss .*last checkpoint is .*half the learning rate"):
        pretrain(token_folders["stories"], tmp_path, steps=30, lr=1e38, warmup=0, checkpoint_every=1, **SETTINGS)
    assert not (tmp_path / "hf").exists()


def test_mistakes_are_named(stable, token_folders, tmp_path):
    with pytest.raises(ValueError, match="must be a multiple of seq_len"):
        pretrain(token_folders["stories"], tmp_path, **(SETTINGS | {"batch_tokens": 50}))
    with pytest.raises(ValueError, match="longer than the run of 10 steps"):
        pretrain(token_folders["stories"], tmp_path, steps=10, warmup=8, decay=3, **SETTINGS)
    with pytest.raises(ValueError, match="cosine decays from the warm-up to the end"):
        pretrain(token_folders["stories"], tmp_path, steps=10, decay=3, shape="cosine", **SETTINGS)
    with pytest.raises(ValueError, match="are numbers of steps, 0 or more"):
        pretrain(token_folders["stories"], tmp_path, steps=10, decay=-3, **SETTINGS)
    with pytest.raises(ValueError, match="does not divide by 3 workers"):
        pretrain(token_folders["stories"], tmp_path, steps=10, ray="local", workers=3, **SETTINGS)
    with pytest.raises(ValueError, match="not both"):
        pretrain(token_folders["stories"], tmp_path, steps=1, num_tokens=1, **SETTINGS)
    with pytest.raises(ValueError, match="keep is 0 and evaluate_every is 0; give 1 or more"):
        pretrain(token_folders["stories"], tmp_path, steps=1, keep=0, evaluate_every=0, **SETTINGS)
    with pytest.raises(ValueError, match="stop_after is 0; give 1 or more"):
        anneal(stable.path, token_folders["stories"], tmp_path, steps=1, stop_after=0)
    with pytest.raises(FileNotFoundError, match="neither a run nor a checkpoint"):
        anneal(tmp_path / "nowhere", token_folders["stories"], tmp_path / "out")


def steps_kept(run) -> list[int]:
    return [int(path.name[5:]) for path in checkpoints(run.path)]


def test_a_failing_evaluation_comes_after_the_checkpoint_and_is_made_up_for(token_folders, tmp_path):
    calls = []

    def fails_once(model, step):
        assert (tmp_path / "checkpoints" / f"step-{step:06d}" / "state.json").exists()
        calls.append(step)
        if len(calls) == 2:
            raise RuntimeError("the evaluation's own mistake")
        return {"score": float(step)}

    settings = SETTINGS | {"steps": 9, "evaluate": fails_once, "evaluate_every": 3, "keep": 1}
    with pytest.raises(RuntimeError, match="own mistake"):
        pretrain(token_folders["stories"], tmp_path, **settings)
    run = pretrain(token_folders["stories"], tmp_path, **settings)
    assert calls == [3, 6, 6, 9]
    assert steps_kept(run) == [7, 9]  # the last of the stable phase and the last
    assert [line["score"] for line in read_log(tmp_path, EVALUATIONS)] == [3, 6, 9]
    assert [line["step"] for line in read_log(tmp_path)] == list(range(9))


def test_keep_bounds_the_disk_and_spares_the_stable_phase(token_folders, tmp_path):
    settings = SETTINGS | {"steps": 12, "warmup": 2, "decay": 6, "shape": "linear", "checkpoint_every": 1}
    run = pretrain(token_folders["stories"], tmp_path, keep=2, **settings)
    rates = [1 / 2, 1, 1, 1, 1, 1, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6, 0]  # of the step after the n-th
    assert [rates[step] for step in steps_kept(run)] == [1, 1, 1 / 6, 0]
    assert steps_kept(run) == [5, 6, 11, 12]


@pytest.mark.parametrize("changes", [{"optimizer": "muon"}, {"mask_documents": True, "z_loss": 1e-2}])
def test_every_way_to_train_goes_on_to_the_bit(token_folders, tmp_path, changes):
    settings = SETTINGS | {"steps": 12, "checkpoint_every": 5} | changes
    whole = pretrain(token_folders["stories"], tmp_path / "whole", **settings)
    pretrain(token_folders["stories"], tmp_path / "halves", stop_after=7, **settings)
    halves = pretrain(token_folders["stories"], tmp_path / "halves", **settings)
    assert losses(halves.path) == losses(whole.path)
    assert losses(whole.path)[-1] < losses(whole.path)[0] - 0.3
    expected = weights(whole)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in weights(halves).items())


def test_a_later_phase_reads_another_mixture(token_folders, tmp_path):
    stories, sums = token_folders["stories"], token_folders["sums"]
    run = pretrain([Phase(3, {stories: 1.0}), Phase(None, {sums: 1.0})], tmp_path, steps=6, **SETTINGS)
    read = [{document.corpus for document in batch_documents(run.path, step)} for step in range(6)]
    assert read == [{stories}] * 3 + [{sums}] * 3


def test_annealing_the_same_corpus_reads_on_where_the_stable_phase_stopped(stable, token_folders, tmp_path):
    run = anneal(stable.path, token_folders["stories"], tmp_path, steps=1, shape="constant", threads=1, quiet=True)
    log = read_log(run.path)
    longer = pretrain(token_folders["stories"], tmp_path / "longer", steps=21, decay=0, warmup=1, **SETTINGS)
    assert log[0]["lr"] == 3e-3
    # the stable fixture's warm-up is one step too, so the 21st step of a longer run is this one
    assert log[0]["loss"] == pytest.approx(losses(longer.path)[20], abs=1e-6)
    again = anneal(run.path, token_folders["sums"], tmp_path / "decayed", steps=2, threads=1, quiet=True)
    assert again.step == 2  # what went on without decay can still be annealed


def test_bfloat16_products_follow_float32(token_folders, tmp_path, stable):
    settings = SETTINGS | {"steps": 20, "decay": 0, "precision": "bfloat16"}
    run = pretrain(token_folders["stories"], tmp_path, **settings)
    assert losses(run.path) == pytest.approx(losses(stable.path), rel=0.01)
    assert {tensor.dtype for tensor in weights(run).values()} == {torch.float32}


def test_a_job_of_relative_folders_runs_wherever_a_worker_stands(token_folders, tmp_path, monkeypatch):
    """Ray Train sends each worker into a folder of its own."""
    stories, sums = (Path(token_folders[name]) for name in ("stories", "sums"))
    monkeypatch.chdir(stories.parent)
    plan = Plan(2, 16, 4, WSD(1, 0), AdamW(), seed=0)
    machine = Machine(64, threads=1, device="cpu")
    watch = Watch(evaluate=HeldOut({"sums": sums.name}, max_tokens=100), quiet=True)
    job = Job(tmp_path, plan, {stories.name: 1.0}, model_config(TINY, 320, 16), None, None, machine, watch, {})
    sent = pickle.dumps(from_anywhere(job))
    monkeypatch.chdir(tmp_path)
    pickle.loads(sent)()
    assert [line["step"] for line in read_log(tmp_path)] == [0, 1]
    assert read_log(tmp_path, EVALUATIONS)[0]["sums"] > 0
