"""Small models, a few dozen steps: the sweep itself, and what survives a kill."""

import json
import pickle
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from curate.scaling.cost import Cost, flops
from curate.scaling.line import Machine
from curate.scaling.run import scaling
from curate.scaling.sweep import Sweep
from curate.train.log import read_log

from .conftest import TRUE, rows_of_law, table_of

MODELS, BUDGETS = ("19k", "28k", "93k"), ("8k", "16k", "40k")
SMALL = {"seq_len": 32, "batch_tokens": 512, "held_out_tokens": 2000, "warmup": 0.05}
MACHINE = Machine(threads=1, device="cpu")


def sweep(tokens: tuple[str, str], models=MODELS, budgets=BUDGETS, **more) -> Sweep:
    return Sweep(*tokens, models=models, budgets=budgets, **SMALL, **more)


@pytest.fixture(scope="module")
def whole(token_folders, tmp_path_factory) -> Path:
    """A sweep that nobody interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    sweep(token_folders).run(folder, machine=MACHINE)
    return folder


def losses(folder: Path) -> dict[tuple[str, int], float]:
    rows = pq.read_table(folder / "results.parquet").to_pylist()
    return {(row["model"], row["num_tokens"]): row["loss"] for row in rows}


def test_every_size_has_a_run_of_every_budget_and_more_of_either_is_better(whole: Path) -> None:
    rows = pq.read_table(whole / "results.parquet").to_pylist()
    assert [(row["model"], row["steps"]) for row in rows] == [(m, s) for m in MODELS for s in (16, 31, 78)]
    for row in rows:
        assert row["num_tokens"] == 512 * row["steps"]
        assert row["stable_run"] == f"{row['model']}-s0"
        assert 0 < row["bits_per_byte"] < row["loss"] < 6
    by_tokens = [row["loss"] for row in rows if row["model"] == "93k"]
    assert by_tokens == sorted(by_tokens, reverse=True)


def test_a_run_decays_from_the_shared_stable_phase_on_its_own_last_tokens(whole: Path) -> None:
    stable = read_log(whole / "runs/93k-s0/stable")
    assert len(stable) == 78 - 16  # of the longest run, without its decay
    assert len({line["lr"] for line in stable[9:]}) == 1
    for steps, decay in ((16, 3), (31, 6), (78, 16)):
        folder = whole / f"runs/93k-s0/{steps * 512}"
        recipe = json.loads((folder / "run.json").read_text())
        assert recipe["annealed_from"]["step"] == steps - decay
        assert sum(recipe["drawn"].values()) == (steps - decay) * 16  # goes on with the windows after these
        rates = [line["lr"] for line in read_log(folder)]
        assert len(rates) == decay
        assert rates == sorted(rates, reverse=True)


def test_the_cost_counts_the_stable_phase_once(token_folders, whole: Path) -> None:
    planned = sweep(token_folders)
    line = planned.lines[0]
    assert line.name == "93k-s0"
    assert (line.steps, line.steps_apart) == (62 + 3 + 6 + 16, 16 + 31 + 78)
    trained = sum(len(read_log(log.parent)) for log in (whole / "runs").glob("93k-s0/*/log.jsonl"))
    assert flops(line) == pytest.approx(trained * 512 * line.flops_per_token)
    cost = Cost.of(planned, MACHINE)
    assert cost.saving == pytest.approx(1 - 87 / 125)
    assert cost.hours(2) <= cost.hours(1)
    assert cost.hours(1) == pytest.approx(sum(cost.seconds) / 3600)


def test_more_sizes_and_budgets_go_on_from_what_is_there(token_folders, tmp_path: Path, whole: Path) -> None:
    sweep(token_folders, models=MODELS[:1], budgets=BUDGETS[:1]).run(tmp_path, machine=MACHINE)
    first = (tmp_path / "runs/19k-s0/8192/row.json").stat().st_mtime_ns
    sweep(token_folders, models=MODELS[:2], budgets=BUDGETS[:2]).run(tmp_path, machine=MACHINE)
    assert (tmp_path / "runs/19k-s0/8192/row.json").stat().st_mtime_ns == first
    assert len(losses(tmp_path)) == 4
    assert losses(tmp_path).items() <= losses(whole).items()


def test_a_killed_sweep_goes_on_and_ends_in_the_same_losses(token_folders, tmp_path: Path, whole: Path) -> None:
    settings = f"models={MODELS[2:]!r}, budgets={BUDGETS!r}, **{SMALL!r}"
    code = (
        "from curate.scaling.line import Machine\nfrom curate.scaling.sweep import Sweep\n"
        f"Sweep(*{token_folders!r}, {settings}).run({str(tmp_path)!r}, machine=Machine(threads=1, device='cpu'))\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    end = time.monotonic() + 300
    while not list(tmp_path.glob("runs/*/*/row.json")) and child.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    child.kill()
    child.wait()
    assert list(tmp_path.glob("runs/*/*/row.json"))
    sweep(token_folders, models=MODELS[2:]).run(tmp_path, machine=MACHINE)
    assert len(losses(tmp_path)) == 3
    assert losses(tmp_path).items() <= losses(whole).items()


def test_checkpoints_that_a_kill_left_go_with_the_next_run(token_folders, tmp_path: Path, whole: Path) -> None:
    folder = shutil.copytree(whole, tmp_path / "killed")
    line = folder / "runs/19k-s0"
    stable = sorted(path.name for path in (line / "stable/checkpoints").iterdir())
    shutil.copytree(line / "stable/checkpoints" / stable[0], line / "stable/checkpoints/step-000005")
    shutil.copytree(line / "stable/checkpoints" / stable[0], line / "8192/checkpoints/step-000003")
    sweep(token_folders, models=["19k"], budgets=["16k"]).run(folder, machine=MACHINE)
    assert not (line / "8192/checkpoints").exists()
    assert sorted(path.name for path in (line / "stable/checkpoints").iterdir()) == stable


def test_a_sweep_and_its_data_can_be_moved(token_folders, tmp_path: Path, whole: Path) -> None:
    folder = shutil.copytree(whole, tmp_path / "whole")
    moved = tuple(f"{shutil.copytree(path, tmp_path / Path(path).name)}" for path in token_folders)
    sweep(moved).run(folder, machine=MACHINE)
    assert losses(folder) == losses(whole)
    places = {Path(row["path"]) for row in pq.read_table(folder / "results.parquet").to_pylist()}
    assert places == {file.parent for file in folder.glob("runs/*/*/row.json")}
    with pytest.raises(ValueError, match="another data "):
        sweep((token_folders[1], token_folders[0])).run(folder, machine=MACHINE)


def test_a_line_travels_to_another_process_whole(token_folders) -> None:
    (line,) = sweep(token_folders, models=["19k"], budgets=["8k"]).lines
    assert pickle.loads(pickle.dumps(line)) == line


def test_another_recipe_in_the_same_folder_is_refused(token_folders, whole: Path) -> None:
    with pytest.raises(ValueError, match="another decay_share"):
        sweep(token_folders, decay_share=0.4).run(whole)


def test_budgets_within_the_warm_up_and_shared_held_out_text_are_refused(token_folders) -> None:
    with pytest.raises(ValueError, match="before the end of the warm-up"):
        sweep(token_folders, models=["93k"], budgets=["5k"])
    with pytest.raises(ValueError, match="is also trained on"):
        sweep((token_folders[0], token_folders[0]))


def test_a_budget_before_a_stable_run_that_went_on_is_refused(token_folders, tmp_path: Path) -> None:
    sweep(token_folders, models=["19k"], budgets=["16k"]).run(tmp_path, machine=MACHINE)
    with pytest.raises(ValueError, match="kept no checkpoint there"):
        sweep(token_folders, models=["19k"], budgets=["8k"]).run(tmp_path, machine=MACHINE)


def test_seeds_are_stable_runs_of_their_own(token_folders, tmp_path: Path) -> None:
    table = sweep(token_folders, models=["19k"], budgets=["8k"], seeds=2).run(tmp_path, machine=MACHINE)
    assert table["stable_run"].to_pylist() == ["19k-s0", "19k-s1"]
    assert len(set(table["loss"].to_pylist())) == 2


def test_files_and_words_agree_whatever_the_verdict(token_folders, whole: Path, capsys) -> None:
    """Nine runs of toys on a few hundred sentences need not show the law; what they show is told alike everywhere."""
    tokens, held_out = token_folders
    asked = {"models": MODELS, "budgets": BUDGETS, "predict": ["1m:10M"], "resamples": 60, "sweep": SMALL}
    refusal = ""
    try:
        scaling({tokens: 1.0}, out=whole, held_out=held_out, **asked, machine={"threads": 1, "device": "cpu"})
    except ValueError as error:
        refusal = str(error)
    fit = json.loads((whole / "fit.json").read_text())
    printed = capsys.readouterr().out
    assert "30% saved" in printed
    assert f"{fit['law']['alpha']:.4g}" in printed
    assert fit["num_runs"] == 9
    assert fit["identified"] == (fit["predictions"][0]["loss"] is not None)
    assert ("does not identify the law" in refusal) != fit["identified"]
    assert ("Not identified" in (whole / "scaling.md").read_text()) != fit["identified"]


def test_a_sweep_that_could_not_be_fitted_is_refused_before_it_is_paid_for(
    token_folders, tmp_path: Path, capsys
) -> None:
    asked = {"models": MODELS[:2], "budgets": BUDGETS, "sweep": SMALL, "machine": {"threads": 1, "device": "cpu"}}
    with pytest.raises(ValueError, match="nothing was trained: 6 runs of 2 sizes"):
        scaling({token_folders[0]: 1.0}, out=tmp_path / "out", held_out=token_folders[1], **asked)
    assert not (tmp_path / "out").exists()
    with pytest.raises(ValueError, match="a sweep needs --held-out"):
        scaling({token_folders[0]: 1.0}, out=tmp_path / "out")
    how = asked | {"models": MODELS, "held_out": token_folders[1]}
    with pytest.raises(ValueError, match="a sweep measures loss and bits_per_byte, not 'bits'"):
        scaling({token_folders[0]: 1.0}, out=tmp_path / "out", measure="bits", **how)
    with pytest.raises(ValueError, match="0 resamples"):
        scaling({token_folders[0]: 1.0}, out=tmp_path / "out", resamples=0, **how)
    assert not (tmp_path / "out").exists()
    with pytest.raises(ValueError, match="nothing to fit"):
        scaling(out=tmp_path / "out")
    with pytest.raises(ValueError, match=r"--from a\.csv trains nothing"):
        scaling({token_folders[0]: 1.0}, out=tmp_path / "out", rows="a.csv")


def test_a_table_of_others_is_fitted_by_the_command_line_function(tmp_path: Path, capsys) -> None:
    pq.write_table(table_of(rows_of_law(noise=0.002)), tmp_path / "theirs.parquet")
    found = scaling(out=tmp_path / "out", rows=str(tmp_path / "theirs.parquet"), predict=["64m:640M"], resamples=100)
    assert found is not None
    low, high = found.targets[0].loss.low, found.targets[0].loss.high
    assert low < TRUE(64e6, 64e7) < high
    assert found.targets[0].beyond == 8.0
    printed = capsys.readouterr().out
    assert "25 runs from 5 stable phases" in printed
    page = (tmp_path / "out/scaling.html").read_text()
    assert page.count("<circle") == 50  # each run in two pictures
    assert page.count("<svg") == 2
    assert "<script" not in page
    told = (tmp_path / "out/scaling.md").read_text()
    for name in ("The largest model, left out", "Predictions", "The best use of a budget", "Runs"):
        assert f"## {name}" in told
        assert f"<h2>{name}</h2>" in page
