"""Let a model write: greedily or by nucleus sampling, batched, until a stop sequence, with a seed for every sample.

    generate(model, tokenizer, prompts, Decoding(max_new_tokens=256, stop=("Question:",)))        # greedy, a text each
    generate(model, tokenizer, prompts, Decoding(temperature=0.2, top_p=0.95, num_samples=20))    # 20 each

A prompt is read once for all its samples. Rows that have stopped leave the batch. A sample's random numbers come from
(seed, prompt's number, sample's number) alone, so it does not depend on which others share its batch.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from curate.evaluate.logprobs import ReadAhead, caches_plainly
from curate.evaluate.model import context_start, device_of, encode, longest_input, start_token

CPU_ROWS, GPU_ROWS = 16, 128  # texts written side by side


@dataclass(frozen=True)
class Decoding:
    max_new_tokens: int = 256
    stop: tuple[str, ...] = ()  # a text ends before the first of these
    temperature: float = 0.0  # 0 takes the likeliest token
    top_p: float = 1.0  # of the likeliest tokens, as many as have this share of the probability
    num_samples: int = 1
    seed: int = 0


@dataclass
class _Row:
    """One text in the making."""

    prompt: int
    uniform: np.random.Generator
    tokens: list[int]


@torch.inference_mode()
def generate(model: Any, tokenizer: Any, prompts: Sequence[str], how: Decoding, *, first: int = 0) -> list[list[str]]:
    """Return `num_samples` continuations of each prompt, cut before the first stop sequence.

    A prompt too long for the model and the new tokens loses its beginning. `first` is the first prompt's number, for
    its random ones, where these prompts are a piece of more.
    """
    room = require_room(model.config, how)
    start = context_start(tokenizer)
    read = [([*start, *encode(tokenizer, prompt)] or [start_token(tokenizer)])[-room:] for prompt in prompts]
    texts: list[list[str]] = [[] for _ in prompts]
    for batch in _batches(model, [len(tokens) for tokens in read], how.num_samples):
        for row in _write(model, tokenizer, read, batch, how, first):
            texts[row.prompt].append(cut(_text(tokenizer, row.tokens), how.stop))
    return texts


def require_room(config: Any, how: Decoding) -> int:
    """Return how many tokens of a prompt a model reads beside the new ones; raise where it cannot write so here."""
    if not caches_plainly(config):
        raise ValueError(f"a model of {type(config).__name__} keeps no plain attention cache, which writing needs here")
    holds = longest_input(config)
    if holds <= how.max_new_tokens:
        raise ValueError(f"the model holds {holds} tokens, which leaves no room for {how.max_new_tokens} new ones")
    return holds - how.max_new_tokens


def cut(text: str, stop: Sequence[str]) -> str:
    """Return the text before the first stop sequence."""
    ends = [place for mark in stop if (place := text.find(mark)) >= 0]
    return text[: min(ends)] if ends else text


def _batches(model: Any, lengths: Sequence[int], num_samples: int) -> Iterator[list[int]]:
    """Yield numbers of prompts of similar length, longest first."""
    rows = CPU_ROWS if device_of(model).type == "cpu" else GPU_ROWS
    order, size = sorted(range(len(lengths)), key=lambda number: -lengths[number]), max(rows // num_samples, 1)
    for first in range(0, len(order), size):
        yield order[first : first + size]


def _write(
    model: Any, tokenizer: Any, read: Sequence[list[int]], batch: Sequence[int], how: Decoding, first: int
) -> list[_Row]:
    """Write all samples of some prompts; they come back in the order of prompt and sample."""
    rows = [_Row(number, _uniform(how.seed, first + number, k), []) for number in batch for k in range(how.num_samples)]
    places = torch.arange(len(batch)).repeat_interleave(how.num_samples)
    ahead = ReadAhead.of(model, [read[number] for number in batch]).pick(places)
    alive, ends = list(rows), end_tokens(model, tokenizer)
    for _ in range(how.max_new_tokens):
        chosen = choose(ahead.logits, how, [row.uniform for row in alive])
        going = []
        for place, (row, token) in enumerate(zip(alive, chosen, strict=True)):
            if token not in ends:
                row.tokens.append(token)
                if not _stopped(tokenizer, row.tokens, how.stop):
                    going.append(place)
        if not going:
            break
        alive = [alive[place] for place in going]
        ahead = ahead if len(going) == len(chosen) else ahead.pick(torch.tensor(going))
        ahead = ahead.step([row.tokens[-1] for row in alive])
    return rows


def choose(logits: Tensor, how: Decoding, uniforms: Sequence[np.random.Generator]) -> list[int]:
    """Take a token of each row of logits (B, V)."""
    if how.temperature == 0:
        return [int(token) for token in logits.argmax(-1)]
    odds, order = (logits.float() / how.temperature).softmax(-1).sort(-1, descending=True)
    before = odds.cumsum(-1) - odds
    nucleus = torch.where(before < how.top_p, odds, 0.0).cumsum(-1)  # the likeliest token always stays
    drawn = torch.tensor([uniform.random() for uniform in uniforms], device=logits.device)[:, None]
    places = torch.searchsorted(nucleus, (drawn * nucleus[:, -1:]).float(), right=True)
    last = (nucleus < nucleus[:, -1:]).sum(-1, keepdim=True)  # of the nucleus; a draw may be rounded up to its whole
    return [int(token) for token in order.gather(1, places.minimum(last))[:, 0]]


def end_tokens(model: Any, tokenizer: Any) -> set[int]:
    """Return the tokens that end a text, by the tokenizer and by the model's generation settings."""
    told = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    both = [tokenizer.eos_token_id, *(told if isinstance(told, list) else [told])]
    return {int(token) for token in both if token is not None}


def _uniform(seed: int, prompt: int, sample: int) -> np.random.Generator:
    digest = hashlib.blake2b(f"{seed} {prompt} {sample}".encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))


def _stopped(tokenizer: Any, tokens: Sequence[int], stop: Sequence[str]) -> bool:
    """Tell whether a stop sequence has just been completed; it has at most as many tokens as bytes."""
    if not stop:
        return False
    longest = max(len(mark.encode()) for mark in stop) + 1
    tail = _text(tokenizer, tokens[-longest:])
    return any(mark in tail for mark in stop)


def _text(tokenizer: Any, tokens: Sequence[int]) -> str:
    return str(tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False))
