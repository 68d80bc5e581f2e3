"""Whole ablations of models that train in a second."""

import contextlib
import io
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from curate.ablate.run import Ablation, ablate
from curate.ablate.trainings import AblationError
from curate.corpus import Corpus
from curate.report import report
from curate.tokenizer.tokens import Tokens
from curate.train.loop import pretrain
from tests.here import python

from .conftest import SETTINGS, TINY, sentences, write


@pytest.fixture(scope="module")
def told(corpora, tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """Words against letters, measured on words: a dry run, then a pilot of two seeds, and what each said."""
    out, said = tmp_path_factory.mktemp("ablation") / "out", {}
    for name, how in {"dry": {"dry_run": True, "effect": 0.01}, "pilot": {"pilot": True, "seeds": 2}}.items():
        with contextlib.redirect_stderr(io.StringIO()) as heard:
            assert run(corpora, out, quiet=False, **how) is None
        said[name] = heard.getvalue() + f"runs: {sorted(path.name for path in out.glob('runs/*'))}"
    return out, said


@pytest.fixture(scope="module")
def finished(corpora, told) -> tuple[Ablation, Path]:
    """Then the whole, three seeds."""
    found = run(corpora, told[0], seeds=3)
    assert found is not None
    return found, told[0]


def run(corpora, out: Path, **changes) -> Ablation | None:
    arms = {"good": corpora["good"], "noise": corpora["noise"]}
    how = {"arms": arms, "held_out": {"words": corpora["held"]}, "evaluate_every": 4, **SETTINGS, **changes}
    return ablate(how.pop("arms"), out, **how)


def test_letters_in_disorder_make_a_worse_model_of_words(finished):
    found, _ = finished
    (decided,) = [one for one in found.comparisons if not one.exploratory]
    assert decided.measure == "bits per byte"
    assert (decided.arm, decided.baseline, decided.verdict) == ("noise", "good", "worse")
    assert 0 < decided.low < decided.difference < decided.high
    assert decided.num_seeds == (3, 3)
    assert decided.num_items == 40
    assert found.verdicts == {"noise": "worse"}


def test_everything_is_kept_item_by_item_and_adds_up(finished):
    found, out = finished
    items = pq.read_table(out / "items.parquet").to_pandas()
    assert len(items) == 2 * 3 * 40
    assert set(zip(items["arm"], items["seed"], strict=True)) == {(a, s) for a in ("good", "noise") for s in range(3)}
    bits = (items["value"] * items["weight"]).groupby([items["arm"], items["seed"]]).sum()
    scores = (bits / items["weight"].groupby([items["arm"], items["seed"]]).sum()).groupby("arm").mean()
    assert found.comparisons[0].value == pytest.approx(scores["noise"])
    assert found.comparisons[0].baseline_value == pytest.approx(scores["good"])
    (row,) = pq.read_table(out / "results.parquet").to_pylist()
    assert row["difference"] == pytest.approx(scores["noise"] - scores["good"])
    assert row["verdict"] == "worse"


def test_the_page_and_the_json_say_the_verdict_the_arms_and_the_seeds(finished):
    found, out = finished
    page = (out / "results.md").read_text()
    assert "**noise against good: worse. Bits per byte +" in page
    assert "| good | 300 |" in page
    result = json.loads((out / "results.json").read_text())
    assert result["design"]["tokens"] == 4096
    assert result["comparisons"][0]["verdict"] == "worse"
    assert [arm["epochs"] < 1 for arm in result["arms"]] == [True, True]
    assert str(found).startswith("noise against good: worse")


def test_curves_are_kept_and_read_as_tokens_to_equal_loss(finished):
    found, out = finished
    curves = pq.read_table(out / "curves.parquet").to_pylist()
    assert len(curves) == 2 * 3 * 4
    assert {row["tokens"] for row in curves} == {1024, 2048, 3072, 4096}
    speedup = found.speedups["noise"]
    assert not speedup.ratio >= 1  # NaN where the curves never meet
    assert not any(speedup.reached)


def test_the_report_shows_the_verdict_first(finished, tmp_path):
    page = report(f"{finished[1]}", f"{tmp_path}/report.html").read_text()
    assert page.index('<section id="ablation"') < page.index('<section id="funnel"')
    assert "noise against good" in page
    assert "Held-out text while training" in page
    assert page.count("<polygon") == 2, "a band for each arm"


def test_seeds_are_added_and_nothing_is_trained_again(finished, corpora):
    """With the same command and one seed more only its two trainings are new."""
    before, out = finished
    weights = {path: path.stat().st_mtime_ns for path in out.rglob("model.safetensors")}
    again = run(corpora, out, seeds=3)
    assert again == before
    assert {path: path.stat().st_mtime_ns for path in weights if "checkpoints" in path.parts} == {
        path: when for path, when in weights.items() if "checkpoints" in path.parts
    }
    more = run(corpora, out, seeds=4)
    assert more is not None
    assert more.comparisons[0].num_seeds == (4, 4)
    assert {path.name for path in (out / "runs/good").iterdir()} == {f"seed-{n}" for n in range(4)}


def test_another_ablation_into_the_same_folder_is_refused(finished, corpora):
    _, out = finished
    with pytest.raises(ValueError, match="holds a run with another tokens"):
        run(corpora, out, tokens=8192)
    with pytest.raises(ValueError, match="another arms and documents"):
        run(corpora, out, arms={"good": corpora["good"], "noise": corpora["more"]})


def test_a_model_that_does_not_exist_leaves_the_folder_to_one_that_does(corpora, tmp_path):
    with pytest.raises(ValueError, match="no model size '3m'; there are 1m, 5m"):
        run(corpora, tmp_path / "out", model="3m")
    assert not (tmp_path / "out").exists()


def test_a_folder_can_be_moved_and_says_the_same(finished, corpora, tmp_path, capsys):
    shutil.copytree(finished[1], tmp_path / "moved")
    found = run(corpora, tmp_path / "moved", quiet=False)
    assert found is not None
    assert found.comparisons == finished[0].comparisons
    assert "6 of them done" in capsys.readouterr().err


def test_runs_of_other_data_are_no_divergence(finished, corpora, tmp_path):
    shutil.copytree(finished[1], tmp_path / "mixed")
    for file in (tmp_path / "mixed" / "runs" / "good").glob("*/run.json"):
        recipe = json.loads(file.read_text())
        recipe["data"][0]["data"][0]["content"] = "0" * 16
        file.write_text(json.dumps(recipe))
    with pytest.raises(AblationError, match=r"3 of 6 trainings failed, .*good, seed 0: ValueError: .*another data"):
        run(corpora, tmp_path / "mixed", quiet=False)


def test_a_killed_ablation_goes_on_and_gives_what_it_would_have(finished, corpora, tmp_path):
    """kill -9 in the second training, then the same call: the same numbers, and the first training left alone."""
    program = (
        "import sys, json\nfrom pathlib import Path\nfrom tests.ablate.test_run import run\n"
        "run(json.loads(sys.argv[1]), Path(sys.argv[2]), seeds=1)"
    )
    arguments = [sys.executable, "-c", program, json.dumps(corpora), str(tmp_path)]
    process = subprocess.Popen(arguments, cwd=Path(__file__).parents[2])
    second = tmp_path / "runs/noise/seed-0"
    ends = time.monotonic() + 300
    while process.poll() is None and not list(second.glob("checkpoints/step-*")) and time.monotonic() < ends:
        time.sleep(0.005)
    process.kill()
    process.wait()
    done = tmp_path / "runs/good/seed-0/measured.parquet"
    when = done.stat().st_mtime_ns
    assert not (tmp_path / "results.json").exists()
    found = run(corpora, tmp_path, seeds=1)
    assert found is not None
    assert done.stat().st_mtime_ns == when
    whole = pq.read_table(finished[1] / "items.parquet").to_pandas()
    mine = pq.read_table(tmp_path / "items.parquet").to_pandas()
    expected = whole[whole["seed"] < 1].reset_index(drop=True)
    assert mine.equals(expected)


def test_a_dry_run_prepares_says_and_trains_nothing(told):
    said = told[1]["dry"]
    assert "held-out documents: words (40)" in said
    assert "6 times: 2 arms x 3 seeds" in said
    assert "bits per byte (spread between seeds from a table, a rough guess; --pilot measures it); 0.0100" in said
    assert said.endswith("runs: []")


def test_a_pilot_trains_the_baseline_and_plans_with_its_spread(told):
    said = told[1]["pilot"]
    assert "2 of 2 done" in said
    assert "(spread between 2 seeds of good)" in said
    assert said.endswith("runs: ['good']")


def test_the_same_folder_twice_is_no_difference(corpora, tmp_path):
    found = run(corpora, tmp_path, arms={"a": corpora["good"], "b": corpora["good"]}, seeds=2, tokens=1024)
    assert found is not None
    assert found.comparisons[0].difference == 0
    assert found.comparisons[0].verdict == "not resolved"
    assert any("same folders" in said for said in found.warnings)


def test_failed_trainings_are_named_after_the_others_are_done_and_one_seed_has_no_verdict(corpora, tmp_path, capsys):
    (tmp_path / "runs/good").mkdir(parents=True)
    (tmp_path / "runs/good/seed-0").write_text("in the way")
    message = r"1 of 2 trainings failed, the first, good, seed 0: .*tries these again"
    with pytest.raises(AblationError, match=message) as failed:
        run(corpora, tmp_path, seeds=1, tokens=1024)
    assert list(failed.value.failures) == ["good, seed 0"]
    assert (tmp_path / "runs/noise/seed-0/measured.parquet").exists()
    (tmp_path / "runs/good/seed-0").unlink()
    found = run(corpora, tmp_path, seeds=1, tokens=1024, quiet=False)
    assert "one seed tells nothing" in capsys.readouterr().err
    assert found is not None
    assert found.verdicts == {"noise": "no verdict"}
    assert "no verdict (one seed" in str(found)


def test_a_stable_checkpoint_is_annealed_on_each_arm(finished, corpora, tmp_path):
    """The cheap form: one model, decayed on each arm; its tokenizer and sizes are taken."""
    _, out = finished
    sizes = {"seq_len": 32, "batch_tokens": 256, "device": "cpu", "quiet": True, "threads": 1}
    stable = pretrain(f"{out}/tokens/good", tmp_path / "stable", model=TINY, steps=8, decay=0, **sizes)
    how = {"tokens": 2048, "seeds": 1, "held_out": {"words": corpora["held"]}, "device": "cpu", "quiet": True}
    arms = {"good": corpora["good"], "noise": corpora["noise"]}
    found = ablate(arms, tmp_path / "out", anneal=stable.path, evaluate_every=4, **how)
    assert found is not None
    assert found.comparisons[0].difference > 0
    assert found.speedups == {}
    recipe = json.loads((tmp_path / "out/runs/good/seed-1/run.json").read_text())
    assert recipe["annealed_from"]["step"] == 8
    told = json.loads((tmp_path / "out/results.json").read_text())["design"]
    assert (told["model"], told["vocabulary"]) == (vars(TINY), Tokens(f"{out}/tokens/good").vocab_size)
    names = [path.name for path in (tmp_path / "out/runs/good").iterdir()]
    assert names == ["seed-1"], "seed 0 is the order that the checkpoint has seen"
    with pytest.raises(ValueError, match="annealed from the rate that it was trained at"):
        ablate(arms, tmp_path / "no", anneal=stable.path, lr=1e-3, **how)
    with pytest.raises(ValueError, match="brings its own tokenizer"):
        ablate(arms, tmp_path / "no", anneal=stable.path, tokenizer=f"{out}/tokenizer", **how)


def test_token_folders_and_mixtures_are_arms(finished, corpora, tmp_path):
    _, out = finished
    tokens = {name: f"{out}/tokens/{name}" for name in ("good", "noise")}
    arms = {"good": tokens["good"], "mix": {tokens["good"]: 1.0, tokens["noise"]: 3.0}}
    found = run(corpora, tmp_path, arms=arms, seeds=1, vocab=None, tokens=1024)
    assert found is not None
    assert not (tmp_path / "documents").exists()
    data = json.loads((tmp_path / "runs/mix/seed-0/run.json").read_text())["data"][0]["data"]
    assert [part["weight"] for part in data] == [1.0, 3.0]


def test_without_held_out_sets_the_arms_give_them(corpora, tmp_path):
    found = run(
        corpora, tmp_path, arms={"a": corpora["good"], "b": corpora["more"]}, held_out=None, seeds=1, tokens=1024
    )
    assert found is not None
    assert {one.measure for one in found.comparisons} == {
        "bits per byte",
        "bits per byte from-a",
        "bits per byte from-b",
    }
    assert any("drawn from the arms" in said for said in found.warnings)
    assert Corpus(tmp_path / "held/from-a").num_rows == 30


def test_the_command_line_prints_the_verdict(corpora, tmp_path):
    (tmp_path / "quiz.jsonl").write_text(
        json.dumps({"query": "light leaf", "choices": ["cell", "qq"], "gold": 0}) + "\n"
    )
    arms = [f"good={corpora['good']}", f"noise={corpora['noise']}"]
    sizes = ["--tokens", "1k", "--seq-len", "32", "--batch-tokens", "256", "--vocab", "320", "--model", "1m"]
    how = ["--seeds", "1", "--held-out", f"words={corpora['held']}", "--evaluate-every", "4", "--device", "cpu"]
    how += ["--suite", f"{tmp_path}/quiz.jsonl"]
    ablate = ["-m", "curate.cli", "ablate"]
    done = python(*ablate, *arms, "-o", f"{tmp_path}/out", *sizes, *how)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("noise against good: ")
    assert "gold_probability quiz" in done.stdout
    assert "2 of 2 done" in done.stderr
    assert json.loads((tmp_path / "out/results.json").read_text())["design"]["tokens"] == 1000
    refused = python(*ablate, *arms[:1], "-o", f"{tmp_path}/one", *sizes)
    assert refused.returncode != 0
    assert "two arms or more" in refused.stderr


def test_trainings_run_side_by_side_on_ray(finished, corpora, tmp_path, local_ray):
    """The same numbers as in one process."""
    found = run(corpora, tmp_path, seeds=1, ray=local_ray, workers=2)
    assert found is not None
    whole = pq.read_table(finished[1] / "items.parquet").to_pandas()
    mine = pq.read_table(tmp_path / "items.parquet").to_pandas()
    assert mine.equals(whole[whole["seed"] < 1].reset_index(drop=True))


def test_too_few_seeds_and_short_names_are_slips(corpora, tmp_path):
    with pytest.raises(ValueError, match="0 seeds"):
        run(corpora, tmp_path, seeds=0)
    with pytest.raises(ValueError, match="becomes a folder"):
        run(corpora, tmp_path, held_out={"a/b": corpora["held"]})
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        run(corpora, tmp_path, arms={"a": corpora["good"], "b": f"{tmp_path}/nowhere"})
    tiny = write(tmp_path / "tiny", sentences(9, 1))
    with pytest.raises(ValueError, match="arm b has 1 documents, too few"):
        run(corpora, tmp_path / "out", arms={"a": corpora["good"], "b": tiny}, held_out=None)
