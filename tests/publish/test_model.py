"""The card of a model: its own shape, evaluation in the hub's form, the ablation's verdict; and its way to a hub."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import save_file

from curate.evaluate.record import weights_digest
from curate.publish import check_card, publish, write_card
from curate.train.card import model_card
from curate.train.model import ModelConfig
from tests.publish.hub import FakeHub

CONFIG = {
    "model_type": "llama", "vocab_size": 300, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "intermediate_size": 128, "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
}  # fmt: skip
MEASURED = {
    "arc_easy": {"num_items": 40, "chance": 0.25, "acc": {"value": 0.5, "stderr": 0.079}, "loss": {"value": None}}
}
VERDICT = {
    "comparisons": [
        {"measure": "bits per byte", "arm": "edu", "baseline": "raw", "difference": -0.05, "low": -0.07, "high": -0.03,
         "verdict": "better", "exploratory": False},
        {"measure": "acc", "arm": "edu", "baseline": "raw", "difference": 0.01, "low": -0.1, "high": 0.1,
         "verdict": "not resolved", "exploratory": True},
    ],
    "advice": ["six seeds would resolve <more>"],
}  # fmt: skip


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder like those that `curate pretrain` exports, 200 kB, in a run whose log is here."""
    folder = tmp_path / "run/hf"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    weights = {
        "model.embed_tokens.weight": np.ones((300, 64), np.float32),
        "model.norm.weight": np.ones(33_000, np.float32),
    }
    save_file(weights, folder / "model.safetensors")
    (folder / "tokenizer.json").write_text("{}")
    (folder / "optimizer.pt").write_bytes(b"not for others")
    for name, found in (("evaluation", MEASURED), ("ablation", VERDICT)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(json.dumps(found))
    return folder


def test_the_card_has_the_evaluation_with_its_errors_and_the_verdict(model: Path, tmp_path: Path) -> None:
    path = write_card(str(model), evaluation=f"{tmp_path}/evaluation", ablation=f"{tmp_path}/ablation", license="mit")
    card = Path(path).read_text()
    header = yaml.safe_load(card.split("---\n")[1])
    assert header["license"] == "mit"
    (result,) = header["model-index"][0]["results"]
    assert result["dataset"] == {"name": "arc_easy", "type": "arc_easy"}
    assert result["metrics"] == [{"type": "accuracy", "name": "acc", "value": 0.5}]
    assert f"# A language model of {300 * 64 + 33_000:,} parameters" in card
    assert "Llama: 2 layers of 64, 4 heads (2 of keys and values)" in card
    assert "| arc\\_easy | acc | 0.5000 | 0.0790 | 0.250 | 40 |" in card
    assert "| bits per byte | edu | raw | -0.0500 | [-0.0700, -0.0300] | better |" in card
    assert "| acc | edu" not in card
    assert "six seeds would resolve &lt;more>" in card
    assert str(tmp_path) not in card
    assert check_card(str(model)) == path


def test_the_card_of_a_model_fails_when_its_evaluation_is_another(model: Path, tmp_path: Path) -> None:
    write_card(str(model), evaluation=f"{tmp_path}/evaluation")
    (tmp_path / "evaluation/results.json").write_text(json.dumps(MEASURED).replace("0.5", "0.9"))
    with pytest.raises(ValueError, match="no longer agrees with the data"):
        check_card(str(model))


def test_an_evaluation_of_other_weights_is_not_put_on_the_card(model: Path, tmp_path: Path) -> None:
    results = tmp_path / "evaluation/results.json"
    own = {"path": "run/hf", "step": 7, "digest": weights_digest(model), "revision": None}
    results.write_text(json.dumps({"model": own, **MEASURED}))
    assert "arc\\_easy" in Path(write_card(str(model), evaluation=f"{tmp_path}/evaluation")).read_text()
    results.write_text(json.dumps({"model": {**own, "digest": "0" * 64}, **MEASURED}))
    with pytest.raises(ValueError, match=r"measured other weights .run/hf, sha256 000000000000. than those in"):
        write_card(str(model), evaluation=f"{tmp_path}/evaluation")


def test_the_card_that_training_left_gives_way_to_a_fuller_one(model: Path, tmp_path: Path) -> None:
    shape = ModelConfig(300, 64, 2, 4, 2, 128)
    (model / "README.md").write_text(model_card(shape, 52_200, "float32", model, None))
    assert "arc\\_easy" in Path(write_card(str(model), evaluation=f"{tmp_path}/evaluation")).read_text()


def test_without_an_evaluation_nothing_is_claimed(model: Path) -> None:
    card = Path(write_card(str(model))).read_text()
    assert "model-index" not in card
    assert "Evaluation" not in card
    with pytest.raises(FileNotFoundError, match="is it a folder of `curate evaluate`"):
        write_card(str(model), evaluation=str(model.parent))


@pytest.mark.filterwarnings("ignore:Use 'content:DeprecationWarning")  # huggingface_hub 2.4 and httpx2
def test_a_model_is_published_in_parts_and_what_is_not_for_others_stays(model: Path, hub: FakeHub) -> None:
    with pytest.raises(ValueError, match="is a model; publish it to hf://ada/small"):
        publish(str(model), "hf://datasets/ada/small", endpoint=hub.url)
    publish(str(model), "hf://ada/small", yes=True, endpoint=hub.url, say=lambda _: None)
    there = hub.repos["models/ada/small"].at("main")
    assert sorted(there) == [".gitattributes", "README.md", "config.json", "model.safetensors", "tokenizer.json"]
    assert there["model.safetensors"] == (model / "model.safetensors").read_bytes()
    assert hub.asked("/lfs/") > 4  # 209 kB in parts of 64, completed, verified
    assert b'from_pretrained("ada/small")' in there["README.md"]
