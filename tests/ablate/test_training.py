"""One training: paired by its seed, done once, measured item by item."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from curate.ablate.design import Arm, Design
from curate.ablate.measure import Questions, questions
from curate.ablate.prepare import Engine, Prepared, hold_out, prepare
from curate.ablate.training import Training, curve_tokens, do
from curate.train.checkpoint import last_checkpoint
from curate.train.log import read_log

from .conftest import TINY

ITEM = {"query": "light leaf cell", "choices": ["sugar water", "sun root", "qqq zzz"], "gold": 0}
SAID = {"context": "light leaf", "continuation": "cell"}


@pytest.fixture(scope="module")
def made(corpora, tmp_path_factory) -> Prepared:
    out = tmp_path_factory.mktemp("made")
    design = Design(
        (Arm("good", {corpora["good"]: 1.0}), Arm("noise", {corpora["noise"]: 1.0})),
        "good",
        1024,
        TINY,
        32,
        256,
        vocab_size=320,
    )
    return prepare(design, hold_out(design, {"x": corpora["held"]}, f"{out}", 50), f"{out}", engine=Engine("none"))


def training(made: Prepared, corpora, out: Path, arm: str = "good", seed: int = 0, **changes) -> Training:
    path = corpora[arm]
    design = Design((Arm("good", {path: 1.0}), Arm("noise", {path: 1.0})), "good", 1024, TINY, 32, 256)
    curves = {"x": str(Path(made.held.folder).parent / "tokens/held-x")}
    unit = Training(design, arm, seed, made.blend({path: 1.0}), out, made.held, curves, evaluate_every=4, device="cpu")
    return replace(unit, **changes)


def weights(unit: Training) -> dict[str, torch.Tensor]:
    last = last_checkpoint(unit.out)
    assert last is not None
    return load_file(last / "model.safetensors")


def test_a_seed_draws_the_same_first_weights_in_every_arm(made, corpora, tmp_path):
    """At a rate that moves nothing, the last weights are the first."""
    units = [
        training(made, corpora, tmp_path / f"{arm}-{seed}", arm, seed)
        for arm, seed in (("good", 0), ("noise", 0), ("noise", 1))
    ]
    units = [replace(unit, design=replace(unit.design, lr=1e-12)) for unit in units]
    for unit in units:
        unit.train()
    first, paired, other = map(weights, units)
    assert all(torch.allclose(tensor, paired[name], atol=1e-7) for name, tensor in first.items())
    assert not torch.allclose(other["embed_tokens.weight"], first["embed_tokens.weight"], atol=1e-2)


def test_a_seed_draws_the_same_order_of_the_same_text(made, corpora, tmp_path):
    copy = tmp_path / "elsewhere"
    shutil.copytree(made.parts[corpora["good"]].tokens, copy)
    one = training(made, corpora, tmp_path / "one")
    two = training(made, corpora, tmp_path / "two", arm="noise", blend={f"{copy}": 1.0})
    one.train()
    two.train()
    assert [line["loss"] for line in read_log(one.out)] == [line["loss"] for line in read_log(two.out)]


def test_every_document_and_every_question_is_a_row(made, corpora, tmp_path):
    (tmp_path / "quiz.jsonl").write_text(json.dumps(ITEM) + "\n" + json.dumps(ITEM) + "\n")
    (tmp_path / "last.jsonl").write_text(json.dumps(SAID) + "\n")
    asked, left_out = questions([f"{tmp_path}/quiz.jsonl", f"{tmp_path}/last.jsonl"], "", "eval", None)
    assert left_out == []
    table = training(made, corpora, tmp_path / "run", asked=asked)()
    counts = {(measure, task): len(rows) for (measure, task), rows in table.to_pandas().groupby(["measure", "task"])}
    assert counts == {
        ("bits_per_byte", "x"): 40,
        ("gold_probability", "quiz"): 2,
        ("acc_norm", "quiz"): 2,
        ("acc", "quiz"): 2,
        ("acc", "last"): 1,
        ("gold_bits_per_byte", "last"): 1,
    }
    bits = table.filter(np.asarray(table["measure"]) == "bits_per_byte").to_pandas()
    texts = made.held.texts("x").to_pandas()
    assert dict(zip(bits["item"], bits["weight"], strict=True)) == {
        item: float(len(text.encode())) for item, text in zip(texts["item"], texts["text"], strict=True)
    }
    chance = table.filter(np.asarray(table["measure"]) == "gold_probability")["value"].to_numpy()
    assert ((chance > 0) & (chance < 1)).all()


def test_bits_per_byte_are_those_of_curate_evaluate(made, corpora, tmp_path):
    from curate.evaluate.held_out import bits_per_byte
    from curate.tokenizer.bpe import load_tokenizer
    from curate.train.export import load_checkpoint_model

    unit = training(made, corpora, tmp_path / "run")
    rows = unit().to_pandas()
    last = last_checkpoint(unit.out)
    assert last is not None
    model, tokenizer = load_checkpoint_model(last), load_tokenizer(last)
    with torch.no_grad():
        expected = bits_per_byte(model, tokenizer, made.held.texts("x")["text"].to_pylist())
    assert (rows["value"] * rows["weight"]).sum() / rows["weight"].sum() == pytest.approx(expected.value, rel=1e-5)


def test_what_is_done_is_not_done_again_and_new_questions_are_asked_of_the_same_model(made, corpora, tmp_path):
    unit = training(made, corpora, tmp_path / "run")
    first = unit()
    assert unit.is_done
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*.safetensors")}
    assert unit() == first
    (tmp_path / "quiz.jsonl").write_text(json.dumps(ITEM) + "\n")
    asked = questions([f"{tmp_path}/quiz.jsonl"], "", "eval", None)[0]
    more = replace(unit, asked=asked)()
    assert more.slice(0, first.num_rows) == first
    assert more.num_rows == first.num_rows + 3
    checkpoint = {path: time for path, time in files.items() if "checkpoints" in path.parts}
    assert {path: path.stat().st_mtime_ns for path in checkpoint} == checkpoint


def test_a_divergence_and_a_failure_come_back_as_outcomes(made, corpora, tmp_path):
    unit = training(made, corpora, tmp_path / "run")
    wild = do(replace(unit, out=tmp_path / "wild", design=replace(unit.design, lr=1e30)))
    assert wild.diverged
    assert "loss" in wild.error
    lost = do(replace(unit, out=tmp_path / "lost", blend={f"{tmp_path}/nowhere": 1.0}))
    assert not lost.diverged
    assert lost.error.startswith("FileNotFoundError: ")
    assert "nowhere" in lost.error


def test_written_answers_are_left_out_and_alone_refused(shared_data):
    asked, left_out = questions(["smollm"], "piqa,gsm8k", f"{shared_data}/eval", 5)
    assert [task.name for task in asked.tasks] == ["piqa"]
    assert left_out == ["gsm8k"]
    with pytest.raises(ValueError, match="gsm8k want written answers"):
        questions(["smollm"], "gsm8k", f"{shared_data}/eval", 5)
    assert Questions().items() == {}


def test_all_looks_at_held_out_data_cost_a_thirtieth_of_a_training():
    tokens = 50_000_000
    assert 20 * 3 * curve_tokens(tokens, 3) / 3 == pytest.approx(0.03 * tokens, rel=1e-3)
