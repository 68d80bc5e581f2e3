"""The SmolLM pipeline: its table against the published files, its mixtures, and a tiny run from text to model."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from curate.corpus import write_corpus
from curate.train.log import EVALUATIONS
from curate.train.loop import read_log
from pipelines.smollm import HUB, RECIPES, TINY, mixtures, read_corpora, scaled
from tests.here import python

# model, recipe: peak rate, warm-up, steps, first step of the decay, tokens a batch; from nanotron's files:
# micro_batch_size x batch_accumulation_per_replica x dp x sequence_length, and lr_decay_starting_step
PUBLISHED = {
    ("135m", "smollm"): (3e-3, 5000, 600_000, 500_000, 8 * 2 * 32 * 2048),
    ("360m", "smollm"): (3e-3, 5000, 600_000, 500_000, 8 * 2 * 32 * 2048),
    ("1.7b", "smollm"): (5e-4, 2000, 500_000, 400_000, 4 * 4 * 64 * 2048),
    ("135m", "smollm2"): (3e-3, 2000, 2_000_000, 1_600_000, 8 * 1 * 64 * 2048),
    ("360m", "smollm2"): (3e-3, 2000, 2_600_000, 2_080_000, 6 * 1 * 128 * 2048),
    ("1.7b", "smollm2"): (5e-4, 2000, 5_240_000, 4_716_000, 4 * 1 * 256 * 2048),
}


@pytest.mark.parametrize("which", PUBLISHED)
def test_the_table_has_the_published_numbers(which) -> None:
    recipe = RECIPES[which]
    found = (recipe.lr, recipe.warmup, recipe.steps, recipe.steps - recipe.decay, recipe.windows * recipe.seq_len)
    assert found == PUBLISHED[which]
    assert recipe.shape == ("1-sqrt" if which[1] == "smollm" else "linear")
    assert recipe.vocab_size == 49_152


@pytest.mark.parametrize("which", RECIPES)
def test_the_weights_of_a_mixture_are_all_of_it(which) -> None:
    for part in (RECIPES[which].mixture, RECIPES[which].second):
        if part is not None:
            assert sum(part.values()) == pytest.approx(1.0)
            assert set(part) <= set(HUB)


def test_all_parts_of_the_large_model_change_at_the_published_step() -> None:
    recipe = RECIPES["1.7b", "smollm"]
    names = {*recipe.mixture, *(recipe.second or {})}
    phases = mixtures(recipe, {name: {f"tokens/{name}": 1.0} for name in names})
    assert [phase.until for phase in phases] == [300_000, None]
    assert phases[0].weights["tokens/starcoder_python"] == pytest.approx(0.08)
    assert "tokens/starcoder_python" not in phases[1].weights
    assert phases[1].weights["tokens/deepmind_math"] == pytest.approx(0.005)


def test_corpora_of_one_name_share_its_weight() -> None:
    paths = read_corpora(["fineweb_edu=a:3", "fineweb_edu=s3://bucket/b:1", *(f"{n}={n}" for n in FEW[1:])])
    (phase,) = mixtures(RECIPES["135m", "smollm"], paths)
    assert phase.weights["a"] == pytest.approx(0.70 * 0.75)
    assert phase.weights["s3://bucket/b"] == pytest.approx(0.70 * 0.25)
    assert sum(phase.weights.values()) == pytest.approx(1.0)


def test_a_corpus_given_for_two_parts_has_the_weight_of_both() -> None:
    paths = read_corpora(["fineweb_edu=web", "cosmopedia=web", *(f"{n}={n}" for n in FEW[2:])])
    (phase,) = mixtures(RECIPES["135m", "smollm"], paths)
    assert phase.weights["web"] == pytest.approx(0.85)


def test_the_tiny_run_mixes_by_the_weights_given() -> None:
    (phase,) = mixtures(TINY, read_corpora(["stories=a:3", "sums=b"]))
    assert phase.weights == {"a": pytest.approx(0.75), "b": pytest.approx(0.25)}


FEW = ["fineweb_edu", "cosmopedia", "python_edu", "open_web_math", "stackoverflow"]


def test_a_missing_part_is_named_with_its_place_on_the_hub_unless_left_out() -> None:
    paths = {"fineweb_edu": {"a": 1.0}, "cosmopedia": {"b": 1.0}}
    with pytest.raises(
        ValueError, match="--corpus python_edu=PATH    hf://datasets/HuggingFaceTB/smollm-corpus/python"
    ):
        mixtures(RECIPES["135m", "smollm"], paths)
    (phase,) = mixtures(RECIPES["135m", "smollm"], paths, leave_out=True)
    assert phase.weights == {"a": pytest.approx(0.70 / 0.85), "b": pytest.approx(0.15 / 0.85)}
    with pytest.raises(ValueError, match="no part 'edu'"):
        mixtures(RECIPES["135m", "smollm"], {"edu": {"a": 1.0}})
    with pytest.raises(ValueError, match="should be NAME=PATH"):
        read_corpora(["runs/edu"])


def test_fewer_steps_keep_the_proportions() -> None:
    short = scaled(RECIPES["1.7b", "smollm"], 500)
    assert (short.steps, short.warmup, short.decay, short.switch) == (500, 2, 100, 300)
    assert scaled(TINY, None) == TINY


@pytest.fixture(scope="module")
def texts(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("texts")
    made = {
        "stories": [f"On day {n} the {n % 7}th bird sang {n} songs, and the trees listened.\n" * 6 for n in range(120)],
        "sums": [f"{n} + {n} = {2 * n}\n{n} * {n} = {n * n}\n" * 8 for n in range(120)],
        "held": [f"On day {n} the {n % 7}th bird slept under {n} trees.\n" * 6 for n in range(500, 512)],
    }
    for name, rows in made.items():
        batch = pa.RecordBatch.from_pydict({"id": [f"{name}{n}" for n in range(len(rows))], "text": rows})
        write_corpus(folder / name, [batch])
    lines = [json.dumps({"id": f"h{n}", "text": text}) for n, text in enumerate(made["held"])]
    (folder / "held.jsonl").write_text("\n".join(lines))
    return {name: str(folder / name) for name in made} | {"held": str(folder / "held.jsonl")}


@pytest.fixture(scope="module")
def trained(texts, tmp_path_factory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("smollm") / "run"
    corpora = [f"--corpus=stories={texts['stories']}:3", f"--corpus=sums={texts['sums']}"]
    more = [f"--held-out=birds={texts['held']}", "--steps=12", "--vocab=400", "--device=cpu"]
    done = python("pipelines/smollm.py", "--scale=tiny", *corpora, *more, "-o", out)
    assert done.returncode == 0, done.stdout + done.stderr
    return out, done.stdout


def test_a_tiny_run_trains_decays_evaluates_and_leaves_a_model(trained) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    out, printed = trained
    model, tokenizer = (kind.from_pretrained(out / "decay/hf") for kind in (AutoModelForCausalLM, AutoTokenizer))
    assert model.config.vocab_size == len(tokenizer) <= 400
    log = [line for folder in ("stable", "decay") for line in read_log(out / folder)]
    assert [line["step"] for line in log] == [*range(10), *range(2)]
    assert log[9]["lr"] == max(line["lr"] for line in log) > log[-1]["lr"]
    assert "bits_per_byte" in printed
    assert "birds" in printed
    card = (out / "decay/hf/README.md").read_text()
    assert "## 1. Training" in card
    assert "## 2. Decay, from step 10" in card
    measured = read_log(out / "decay", EVALUATIONS)[-1]
    assert measured["birds"] > 0
    assert f"| birds | {measured['birds']:.4f} |" in card


def test_the_decay_goes_on_with_the_data_where_the_stable_phase_stopped(trained) -> None:
    out, _ = trained
    recipe = json.loads((out / "decay/run.json").read_text())
    state = json.loads((next((out / "stable/checkpoints").glob("step-000010")) / "state.json").read_text())
    assert {part["path"] for part in recipe["data"][-1]["data"]} == {
        str(out / "tokens" / n) for n in ("stories", "sums")
    }
    assert sum(state["drawn"].values()) == 10 * TINY.windows
