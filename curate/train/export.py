"""A trained model as a Hugging Face folder: what transformers, vLLM and lm-evaluation-harness read.

    export("runs/model/checkpoints/step-002000", "runs/model/hf")
    transformers.AutoModelForCausalLM.from_pretrained("runs/model/hf")
    generate("runs/model/hf", "Once upon a time")

The weights keep float32: they are what was trained, and a reader that wants bfloat16 asks for it when loading.
"""

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from curate.tokenizer.bpe import end_of_text_id, load_tokenizer
from curate.train.model import Llama, ModelConfig

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")
PREFIX = "model."  # LlamaForCausalLM holds its LlamaModel under this name


def export(checkpoint: str | os.PathLike[str], out: str | os.PathLike[str]) -> Path:
    """Turn a checkpoint into a Hugging Face folder; config.json comes last, so that only a whole folder loads."""
    folder, source = Path(out), Path(checkpoint)
    model = load_checkpoint_model(source)
    folder.mkdir(parents=True, exist_ok=True)
    weights = {PREFIX + name: tensor for name, tensor in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    for name in TOKENIZER_FILES:
        shutil.copyfile(source / name, folder / name)
    end = end_of_text_id(load_tokenizer(folder))
    _write_json(folder / "generation_config.json", {"bos_token_id": end, "eos_token_id": end, "pad_token_id": end})
    _write_json(folder / "config.json", llama_config(model.config, end))
    return folder


def llama_config(config: ModelConfig, end_of_text: int) -> dict[str, Any]:
    """Return transformers' LlamaConfig of a model, in the fields that every version reads."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": config.num_heads,
        "num_key_value_heads": config.num_kv_heads,
        "head_dim": config.head_dim,
        "intermediate_size": config.ffn_size,
        "hidden_act": "silu",
        "max_position_embeddings": config.max_seq_len,
        "rope_theta": config.rope_theta,
        "rms_norm_eps": config.norm_eps,
        "initializer_range": config.init_std,
        "tie_word_embeddings": True,
        "attention_bias": False,
        "mlp_bias": False,
        "bos_token_id": end_of_text,
        "eos_token_id": end_of_text,
        "torch_dtype": "float32",
    }


def save_checkpoint_model(model: Llama, tokenizer: Path, folder: Path) -> None:
    """Write the parts of a checkpoint that are the model: weights, shape, tokenizer."""
    save_file(model.state_dict(), folder / "model.safetensors")
    _write_json(folder / "model.json", asdict(model.config))
    for name in TOKENIZER_FILES:
        shutil.copyfile(tokenizer / name, folder / name)


def load_checkpoint_model(folder: Path) -> Llama:
    """Read the model of a checkpoint that the loop wrote."""
    if not (folder / "model.json").exists():
        raise FileNotFoundError(f"{folder} is no checkpoint; name a folder such as RUN/checkpoints/step-000100")
    config = ModelConfig(**json.loads((folder / "model.json").read_text()))
    model = Llama(config)
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model


def generate(
    model_dir: str | os.PathLike[str],
    prompt: str,
    *,
    max_new_tokens: int = 64,
    temperature: float = 0.8,
    top_p: float = 0.95,
    seed: int = 0,
) -> str:
    """Return the prompt and what the model makes of it; temperature 0 always takes the likeliest token."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    model = AutoModelForCausalLM.from_pretrained(model_dir)
    inputs = tokenizer(prompt or tokenizer.bos_token, return_tensors="pt", return_token_type_ids=False)
    torch.manual_seed(seed)
    sampling: dict[str, Any] = {"do_sample": True, "temperature": temperature, "top_p": top_p, "top_k": 0}
    chosen = sampling if temperature > 0 else {"do_sample": False}
    ids = model.generate(**inputs, max_new_tokens=max_new_tokens, **chosen)
    return str(tokenizer.decode(ids[0], skip_special_tokens=True))


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
