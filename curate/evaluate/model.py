"""A causal language model as the evaluation sees it: tokens in, logits out.

    model, tokenizer = load("runs/annealed/model")            # any Hugging Face folder or hub name
    encode_pair(tokenizer, "Question: Why?\\nAnswer:", " So.")  # ([...], [...])

`model` is any callable that turns tokens (B, T) into logits (B, T, V) or into an object with `.logits`: a model of
transformers, or ours in the middle of its training. `tokenizer` is one of transformers, or a `tokenizers.Tokenizer`.
Special tokens that a text seems to contain stay text.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from tokenizers import Tokenizer
from torch import Tensor

Model = Callable[[Tensor], Any]
Dtype = Literal["float32", "bfloat16", "float16", "auto"]
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.json", "vocab.txt")
END_OF_TEXT = "<|endoftext|>"  # what a `tokenizers.Tokenizer` of ours starts a document after


def load(model_dir: str | os.PathLike[str], device: str | None = None, dtype: Dtype = "float32") -> tuple[Any, Any]:
    """Return (model, tokenizer) of any causal language model that transformers loads.

    Args:
        device: cpu or cuda; the GPU by default where there is one.
        dtype: float32 repeats a number to 1e-5 whatever shares the batch; bfloat16 is what SmolLM was evaluated in.

    Raises:
        FileNotFoundError: there is no such folder, or it lacks the model's config or tokenizer.
    """
    require_model(Path(model_dir))
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    model = AutoModelForCausalLM.from_pretrained(model_dir, dtype=dtype if dtype == "auto" else getattr(torch, dtype))
    return model.to(device or ("cuda" if torch.cuda.is_available() else "cpu")).eval(), tokenizer


def require_model(folder: Path) -> None:
    """Say what a folder lacks; what is no folder may be a name on the hub, of one part or two."""
    if not folder.is_dir():
        if folder.is_absolute() or len(folder.parts) > 2:
            raise FileNotFoundError(f"{folder} is no folder; give a model's folder, or OWNER/NAME of the hub")
        return
    if not (folder / "config.json").exists():
        raise FileNotFoundError(f"{folder} has no config.json; give the folder of an exported model, such as RUN/model")
    if not any((folder / name).exists() for name in TOKENIZER_FILES):
        raise FileNotFoundError(f"{folder} has no tokenizer; put the one it was trained with there: tokenizer.json")


def encode(tokenizer: Any, text: str) -> list[int]:
    """Return a text's tokens, nothing added."""
    return encode_all(tokenizer, [text])[0]


def encode_all(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Return each text's tokens, nothing added; many at once are several times as fast as one by one."""
    if not texts:
        return []
    if isinstance(tokenizer, Tokenizer):
        return [one.ids for one in tokenizer.encode_batch(list(texts), add_special_tokens=False)]
    found = tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True, verbose=False)["input_ids"]
    return [list(tokens) for tokens in found]


def start_token(tokenizer: Any) -> int:
    """Return the token a document starts after."""
    if isinstance(tokenizer, Tokenizer):
        token = tokenizer.token_to_id(END_OF_TEXT)
    else:
        token = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    if token is None:
        raise ValueError("the tokenizer has neither a bos nor an eos token, so the first token has no context")
    return int(token)


def context_start(tokenizer: Any) -> list[int]:
    """Return what the tokenizer itself puts before every text: [bos] for Llama 2 or Gemma, nothing for SmolLM."""
    if isinstance(tokenizer, Tokenizer):
        return []
    marked, bare = list(tokenizer("a")["input_ids"]), encode(tokenizer, "a")
    return marked[: marked.index(bare[0])] if bare and bare[0] in marked else []


def encode_pair(tokenizer: Any, context: str, continuation: str) -> tuple[list[int], list[int]]:
    """Split the tokens of both together where the context's tokens end; see `encode_pairs`."""
    return encode_pairs(tokenizer, [(context, continuation)])[0]


def encode_pairs(tokenizer: Any, pairs: Sequence[tuple[str, str]]) -> list[tuple[list[int], list[int]]]:
    """Split the tokens of context and continuation together where the context's end, as lm-evaluation-harness does.

    Space at the end of the context belongs to the continuation, whose first word carries it. An empty context is the
    start-of-document token.
    """
    bare = [context.rstrip() for context, _ in pairs]
    contexts = list(dict.fromkeys(bare))  # the choices of a question share one
    lengths = dict(zip(contexts, map(len, encode_all(tokenizer, contexts)), strict=True))
    wholes = encode_all(tokenizer, [context + continuation for context, continuation in pairs])
    start = context_start(tokenizer)
    found = []
    for context, (_, continuation), both in zip(bare, pairs, wholes, strict=True):
        if not both or not continuation:
            raise ValueError(f"nothing to score after {context[-60:]!r}: the continuation is empty")
        cut = min(lengths[context], len(both) - 1)  # a continuation that melts into the context keeps one
        found.append(([*start, *both[:cut]] or [start_token(tokenizer)], both[cut:]))
    return found


def max_length(model: Any) -> int:
    """Return how many tokens the model reads at once."""
    return longest_input(model.config)


def longest_input(config: Any) -> int:
    """Return how many tokens a model of this config reads at once.

    Raises:
        ValueError: it does not say, as those of Bloom and Mamba do not, whose inputs may have any length.
    """
    own = config.get_text_config() if hasattr(config, "get_text_config") else config  # Gemma 3 also reads images
    told = getattr(own, "max_position_embeddings", None) or getattr(own, "max_seq_len", None)
    if told is None:
        raise ValueError(
            f"{type(config).__name__} does not say how many tokens the model reads at once; add "
            '"max_position_embeddings", such as 2048, to its config.json'
        )
    return int(told)


def device_of(model: Any) -> torch.device:
    return torch.device(getattr(model, "device", None) or next(model.parameters()).device)


def logits_of(output: Any) -> Tensor:
    return output if isinstance(output, Tensor) else output.logits
