"""Let a model continue a text, for a look.

    for piece in generate("runs/model/hf", "Once upon a time", temperature=0.8, top_p=0.95, seed=1):
        print(piece, end="")

Any causal language model that transformers loads: what `export` wrote, or a name on the hub. Keys and values of earlier
tokens are kept, so a token costs one position; pieces come as they are made, cut between characters. The same seed
gives the same text on the same machine. `chat` wraps the prompt in the tokenizer's own template.
"""

import os
from collections.abc import Iterator
from functools import cache
from typing import Any

import torch
from torch import Tensor


def generate(
    model: str | os.PathLike[str],
    prompt: str,
    *,
    max_new_tokens: int = 64,
    temperature: float = 0.8,
    top_p: float = 0.95,
    seed: int = 0,
    chat: bool = False,
    device: str | None = None,
) -> Iterator[str]:
    """Yield the continuation in pieces of text; it ends at the end of the document or after `max_new_tokens`.

    Args:
        temperature: 0 always takes the likeliest token; 1 draws as the model says.
        top_p: draw among the likeliest tokens that together have this probability (Holtzman et al. 2020).

    Raises:
        ValueError: a temperature below 0, a top_p outside (0, 1], or a prompt that fills the model's context.
    """
    if temperature < 0 or not 0 < top_p <= 1:
        raise ValueError(f"temperature {temperature} must be 0 or more, and top_p {top_p} above 0 and at most 1")
    network, tokenizer = _load(os.fspath(model), device or ("cuda" if torch.cuda.is_available() else "cpu"))
    ids = _prompt_ids(tokenizer, prompt, chat)
    context = getattr(network.config, "max_position_embeddings", None) or len(ids) + max_new_tokens
    if len(ids) >= context:
        raise ValueError(f"the prompt has {len(ids)} tokens, and the model's context is {context}; shorten it")
    yield from _pieces(network, tokenizer, ids, min(max_new_tokens, context - len(ids)), temperature, top_p, seed)


@cache
def _load(model: str, device: str) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    return AutoModelForCausalLM.from_pretrained(model).eval().to(device), tokenizer


def _prompt_ids(tokenizer: Any, prompt: str, chat: bool) -> list[int]:
    """Return the tokens to go on from; a base model's document is opened by the end mark of the one before."""
    if chat:
        if not tokenizer.chat_template:
            raise ValueError("this tokenizer has no chat template; generate without chat")
        turn = [{"role": "user", "content": prompt}]
        found = tokenizer.apply_chat_template(turn, add_generation_prompt=True, return_dict=True)["input_ids"]
        return list(found)
    ids = list(tokenizer(prompt, add_special_tokens=False)["input_ids"])
    opening = tokenizer.bos_token_id
    if not ids and opening is None:
        raise ValueError("an empty prompt, and the tokenizer has no mark that opens a document; give some words")
    return ids if opening is None or ids[:1] == [opening] else [opening, *ids]


@torch.inference_mode()
def _pieces(
    network: Any, tokenizer: Any, ids: list[int], most: int, temperature: float, top_p: float, seed: int
) -> Iterator[str]:
    generator = torch.Generator(network.device).manual_seed(seed)
    ends = _ends(network, tokenizer)
    step, past = torch.tensor([ids], device=network.device), None
    written: list[int] = []
    shown = ""
    for _ in range(most):
        out = network(step, past_key_values=past, use_cache=True, logits_to_keep=1)
        past = out.past_key_values
        token = int(draw(out.logits[0, -1].float(), temperature, top_p, generator))
        if token in ends:
            break
        written.append(token)
        text = tokenizer.decode(written, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        if not text.endswith("\ufffd"):  # a token may end inside a character
            yield text[len(shown) :]
            shown = text
        step = torch.tensor([[token]], device=network.device)
    rest = tokenizer.decode(written, skip_special_tokens=True, clean_up_tokenization_spaces=False)[len(shown) :]
    if rest:
        yield rest


def _ends(network: Any, tokenizer: Any) -> set[int]:
    stated = network.generation_config.eos_token_id
    known = stated if isinstance(stated, list) else [stated]
    return {int(token) for token in (*known, tokenizer.eos_token_id) if token is not None}


def draw(logits: Tensor, temperature: float, top_p: float, generator: torch.Generator | None = None) -> Tensor:
    """Return a token drawn from logits (V,) after temperature and nucleus; the likeliest one at temperature 0."""
    if temperature == 0:
        return logits.argmax()
    probabilities = (logits / temperature).softmax(-1)
    ordered, tokens = probabilities.sort(descending=True, stable=True)
    before = ordered.cumsum(-1) - ordered  # probability of all likelier tokens
    ordered[before >= top_p] = 0.0
    chosen: Tensor = tokens[torch.multinomial(ordered, 1, generator=generator)]
    return chosen[0]
