"""A trained model as a Hugging Face folder: what transformers, vLLM and lm-evaluation-harness read.

    export("runs/model/checkpoints/step-002000", "runs/model/hf", run="runs/model")
    transformers.AutoModelForCausalLM.from_pretrained("runs/model/hf")

The weights keep float32 unless asked: they are what was trained, and a reader that wants bfloat16 asks for it when
loading. The folder holds weights, configuration, tokenizer with chat template, defaults for generation, and a card
(README.md) written from the run's own files. The layout is that of SmolLM on the hub; `rope_theta` is written twice,
as transformers 5 and vLLM name it now and as everyone before did.
"""

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file, save_file

from curate.tokenizer.bpe import CONFIG_FILE, end_of_text_id, load_tokenizer
from curate.train.card import model_card
from curate.train.model import Llama, ModelConfig

TOKENIZER_FILES = ("tokenizer.json", CONFIG_FILE)
STEP = "curate_step"  # of config.json: a step tells an exported model from a later one of the same run
PREFIX = "model."  # LlamaForCausalLM holds its LlamaModel under this name
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def export(
    checkpoint: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    dtype: Literal["float32", "bfloat16", "float16"] = "float32",
    run: str | os.PathLike[str] | None = None,
) -> Path:
    """Turn a checkpoint into a Hugging Face folder; config.json comes last, so that only a whole folder loads.

    Args:
        run: folder of the run that made the checkpoint, for the card; without it the card knows the model only.
    """
    folder, source = Path(out), Path(checkpoint)
    model = load_checkpoint_model(source)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").unlink(missing_ok=True)
    weights = {PREFIX + name: tensor.to(DTYPES[dtype]) for name, tensor in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    for name in TOKENIZER_FILES:
        shutil.copyfile(source / name, folder / name)
    end = end_of_text_id(folder)
    _open_with_end(folder, end)
    _write_json(folder / "generation_config.json", {"bos_token_id": end, "eos_token_id": end, "pad_token_id": end})
    step, of_run = _step(source), None if run is None else Path(run)
    card = model_card(model.config, model.num_parameters, dtype, source, of_run, step=step.get(STEP))
    (folder / "README.md").write_text(card, encoding="utf-8")
    _write_json(folder / "config.json", llama_config(model.config, end, dtype) | step)
    return folder


def _open_with_end(folder: Path, end: int) -> None:
    """Have the tokenizer open a text as training did: by the end of the one before, and by no mark of its own."""
    settings = _read_json(folder / CONFIG_FILE)
    mark = settings.get("eos_token") or load_tokenizer(folder).id_to_token(end)
    if settings.get("bos_token") != mark:
        _write_json(folder / CONFIG_FILE, settings | {"bos_token": mark, "eos_token": mark})
    tokenizer = _read_json(folder / "tokenizer.json")
    if (tokenizer.get("post_processor") or {}).get("type", "ByteLevel") != "ByteLevel":  # others add marks
        _write_json(folder / "tokenizer.json", tokenizer | {"post_processor": None})


def _step(checkpoint: Path) -> dict[str, int]:
    """Return the step that a checkpoint is of, so that an exported model can be told from a later one."""
    state = checkpoint / "state.json"
    return {STEP: _read_json(state)["step"]} if state.exists() else {}


def llama_config(config: ModelConfig, end_of_text: int, dtype: str = "float32") -> dict[str, Any]:
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
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_theta},
        "rms_norm_eps": config.norm_eps,
        "initializer_range": config.init_std,
        "tie_word_embeddings": True,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "mlp_bias": False,
        "bos_token_id": end_of_text,
        "eos_token_id": end_of_text,  # no pad_token_id: transformers would not train that row of the input table
        "use_cache": True,
        "torch_dtype": dtype,
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
    config = ModelConfig(**_read_json(folder / "model.json"))
    model = Llama(config)
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model


def _read_json(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
