import dataclasses
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

from curate.train.data import Phase
from curate.train.export import export, llama_config, load_checkpoint_model
from curate.train.loop import anneal, pretrain

from .conftest import TINY


@pytest.fixture(scope="module")
def run(token_folders, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "run"
    return pretrain(
        token_folders["stories"],
        out,
        model=TINY,
        steps=5,
        seq_len=16,
        batch_tokens=64,
        threads=1,
        device="cpu",
        quiet=True,
    )


def test_transformers_loads_the_folder_and_computes_the_same(run):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    theirs = AutoModelForCausalLM.from_pretrained(run.model, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(run.model)
    tokens = tokenizer("The birds sang in 12 trees.", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        ours = load_checkpoint_model(run.checkpoint)(tokens)
        torch.testing.assert_close(ours, theirs(tokens).logits, atol=1e-5, rtol=1e-5)
    assert len(tokenizer) == theirs.config.vocab_size
    assert theirs.generation_config.eos_token_id == 0


def test_an_export_is_the_same_bytes_again(run, tmp_path):
    again = export(run.checkpoint, tmp_path, run=run.path)
    for file in run.model.iterdir():
        assert (again / file.name).read_bytes() == file.read_bytes(), file.name


def test_an_export_says_which_step_it_is_of(run):
    assert json.loads((run.model / "config.json").read_text())["curate_step"] == 5


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_weights_may_be_written_at_half_the_size(run, tmp_path, dtype):
    from transformers import AutoModelForCausalLM

    out = export(run.checkpoint, tmp_path, dtype=dtype)
    assert (out / "model.safetensors").stat().st_size < 0.6 * (run.model / "model.safetensors").stat().st_size
    assert AutoModelForCausalLM.from_pretrained(out, dtype="auto").dtype == getattr(torch, dtype)


def test_transformers_reads_the_rope_base_that_was_trained(run):
    from transformers import AutoConfig, LlamaConfig

    written = llama_config(dataclasses.replace(load_checkpoint_model(run.checkpoint).config, rope_theta=123_456.0), 0)
    assert LlamaConfig(**written).rope_parameters == {"rope_type": "default", "rope_theta": 123_456.0}
    without_new_name = {name: value for name, value in written.items() if name != "rope_parameters"}
    assert LlamaConfig(**without_new_name).rope_parameters["rope_theta"] == 123_456.0
    assert AutoConfig.from_pretrained(run.model).rope_parameters["rope_theta"] == 10_000.0


# What vLLM reads of a Llama's config.json and asks of its weights, by a reading of its model_executor/models/llama.py
# and config. vLLM itself is not run here: it needs a GPU or hours of compiling.
VLLM_FIELDS = {
    "architectures": list,
    "model_type": str,
    "vocab_size": int,
    "hidden_size": int,
    "intermediate_size": int,
    "num_hidden_layers": int,
    "num_attention_heads": int,
    "num_key_value_heads": int,
    "head_dim": int,
    "hidden_act": str,
    "rms_norm_eps": float,
    "rope_theta": float,
    "max_position_embeddings": int,
    "tie_word_embeddings": bool,
    "attention_bias": bool,
    "mlp_bias": bool,
    "bos_token_id": int,
    "eos_token_id": int,
    "torch_dtype": str,
}
VLLM_STACKED = {"qkv_proj": ("q_proj", "k_proj", "v_proj"), "gate_up_proj": ("gate_proj", "up_proj")}


def test_the_config_has_what_vllm_reads_with_the_values_it_accepts(run):
    config = json.loads((run.model / "config.json").read_text())
    assert {name: type(config.get(name)) for name in VLLM_FIELDS} == VLLM_FIELDS
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert config["hidden_act"] == "silu", "the only one its Llama knows"
    assert config["head_dim"] * config["num_attention_heads"] == config["hidden_size"]
    assert "rope_scaling" not in config


def test_every_weight_has_a_place_in_vllms_llama(run):
    """Its parameters have q, k and v in one, gate and up in one; with tied embeddings it has no output layer."""
    config = json.loads((run.model / "config.json").read_text())
    layer = ("input_layernorm", "post_attention_layernorm", "self_attn.qkv_proj", "self_attn.o_proj")
    theirs = {f"model.layers.{n}.{part}.weight" for n in range(config["num_hidden_layers"]) for part in layer}
    theirs |= {f"model.layers.{n}.mlp.{p}.weight" for n in range(config["num_hidden_layers"]) for p in MLP}
    theirs |= {"model.embed_tokens.weight", "model.norm.weight"}
    loaded = set()
    for name in load_file(run.model / "model.safetensors"):
        stacked = [(ours, whole) for whole, parts in VLLM_STACKED.items() for ours in parts if f".{ours}." in name]
        for ours, whole in stacked:
            name = name.replace(ours, whole)
        loaded.add(name)
    assert loaded == theirs


MLP = ("gate_up_proj", "down_proj")


def test_the_card_tells_the_run_in_its_own_numbers(run):
    card = (run.model / "README.md").read_text()
    log = [json.loads(line) for line in (run.path / "log.jsonl").read_text().splitlines()]
    assert "5 of 5 steps of 4 x 16 tokens: 320" in card
    assert f"loss {log[0]['loss']:.3f} at the first step, {log[-1]['loss']:.3f} over the last tenth" in card
    assert f"{run.num_parameters:,} parameters" in card
    assert "| the end | stories | 1.000 |" in card
    assert card.startswith("---\nlibrary_name: transformers\n")


def test_the_card_of_an_annealed_model_tells_both_runs_and_what_was_measured(token_folders, tmp_path):
    settings = {"threads": 1, "device": "cpu", "quiet": True}
    stable = pretrain(
        [Phase(2, {token_folders["stories"]: 1.0}), Phase(None, {token_folders["sums"]: 1.0})],
        tmp_path / "stable", model=TINY, steps=4, seq_len=16, batch_tokens=64, decay=0, **settings,
    )  # fmt: skip
    both = dict.fromkeys(token_folders.values(), 0.5)
    final = anneal(stable.checkpoint, both, tmp_path / "decay", steps=3, **settings)
    (tmp_path / "decay/evaluations.jsonl").write_text(
        '{"step": 3, "tokens": 192, "edu": {"value": 2.5, "stderr": 0.1}}\n{"step": 4, "tok'
    )
    card = (export(final.checkpoint, tmp_path / "hf", run=tmp_path / "decay") / "README.md").read_text()
    assert (
        card.index("## 1. Training") < card.index("## 2. Decay, from step 4") < card.index("Held-out data, at step 3")
    )
    assert "| step 2 | stories | 1.000 |" in card
    assert "| the end | sums | 0.500 |" in card
    assert "| edu | 2.5000 |" in card


def test_the_card_of_an_earlier_checkpoint_tells_no_later_step(token_folders, tmp_path):
    settings = {"threads": 1, "device": "cpu", "quiet": True}
    stable = pretrain(
        token_folders["stories"], tmp_path / "stable", model=TINY, steps=4, seq_len=16, batch_tokens=64, decay=0,
        checkpoint_every=2, **settings,
    )  # fmt: skip
    measured = [{"step": n, "tokens": 64 * n, "edu": float(n)} for n in (2, 4)]
    (stable.path / "evaluations.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in measured))
    early = stable.path / "checkpoints/step-000002"
    card = (export(early, tmp_path / "hf", run=stable.path) / "README.md").read_text()
    assert "2 of 4 steps of 4 x 16 tokens: 128" in card
    assert "| edu | 2.0000 |" in card
    final = anneal(early, token_folders["sums"], tmp_path / "decay", steps=1, **settings)
    card = (final.model / "README.md").read_text()
    assert "2 of 4 steps of 4 x 16 tokens: 128" in card
    assert "1 of 1 steps" in card


def test_a_foreign_tokenizer_opens_a_text_as_training_did(run, tmp_path):
    """With the end of the text before it; Llama 3's opens with a mark of its own, which no model of ours has seen."""
    from transformers import AutoTokenizer

    checkpoint = shutil.copytree(run.checkpoint, tmp_path / "step-000005")
    llama = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    llama.post_processor = TemplateProcessing(single="<|im_start|> $A", special_tokens=[("<|im_start|>", 1)])
    llama.save(str(checkpoint / "tokenizer.json"))
    config = json.loads((checkpoint / "tokenizer_config.json").read_text())
    (checkpoint / "tokenizer_config.json").write_text(json.dumps(config | {"bos_token": "<|im_start|>"}))
    opened = AutoTokenizer.from_pretrained(export(checkpoint, tmp_path / "hf"))
    assert opened.bos_token_id == opened.eos_token_id == 0
    assert opened("birds")["input_ids"] == AutoTokenizer.from_pretrained(run.model)("birds")["input_ids"]


def test_without_its_run_the_card_claims_nothing(run, tmp_path):
    card = (export(run.checkpoint, tmp_path) / "README.md").read_text()
    assert "The run that made this model is not known" in card
    assert "loss" not in card


def test_a_folder_that_is_no_checkpoint_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="is no checkpoint"):
        export(tmp_path, tmp_path / "out")


def test_transformers_trains_on_from_the_export_with_our_gradients(run):
    """Those of the end mark's row too: a pad_token_id in config.json would take its part as an input away."""
    from transformers import AutoModelForCausalLM

    ours = load_checkpoint_model(run.checkpoint)
    theirs = AutoModelForCausalLM.from_pretrained(run.model, dtype=torch.float32)
    tokens = torch.tensor([[0, 40, 41, 42, 0, 50, 51, 0]])
    ours.loss(tokens[:, :-1], tokens[:, 1:]).backward()
    theirs(tokens, labels=tokens).loss.backward()
    expected = {name.removeprefix("model."): parameter.grad for name, parameter in theirs.named_parameters()}
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name], atol=1e-6, rtol=1e-4)
