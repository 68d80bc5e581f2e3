"""How likely a model finds a text: bits per byte, and the choice among continuations.

    bits_per_byte(model, tokenizer, texts)         # 1.0 means a byte costs one bit; comparable across tokenizers
    score_items(model, tokenizer, items)           # accuracy of the likeliest choice, with its standard error

`model` is any callable that turns tokens (B, T) into logits (B, T, V) or an object with `.logits`: a causal language
model of transformers, or ours. `load(folder)` reads one. Bits per byte is the log likelihood of the text's tokens over
ln 2 times its UTF-8 bytes; the mark that starts a document is context, never scored. Choices are scored as in
lm-evaluation-harness: the continuation's tokens after the context's, summed, by byte and by token. Accuracy moves in
steps of one item and small models sit near chance, so the gold choice's probability and bits per byte, which move
smoothly, are reported beside it.
"""

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812  everyone's name for it
from torch import Tensor

Model = Callable[[Tensor], Any]
BATCH_TOKENS = 8192  # in one forward pass, padding included


@dataclass(frozen=True)
class Item:
    """Pairs of (context, continuation), of which number `gold` is right; a single pair must be said greedily."""

    pairs: tuple[tuple[str, str], ...]
    gold: int = 0


@dataclass(frozen=True)
class Estimate:
    value: float
    stderr: float  # of the mean over items or documents; says nothing about other seeds of training


@dataclass(frozen=True)
class Scored:
    """What the model makes of one continuation."""

    logprob: float  # nats
    num_tokens: int
    num_bytes: int
    greedy: bool  # every token was the likeliest


def load(model_dir: str | os.PathLike[str], device: str | None = None) -> tuple[Any, Any]:
    """Return (model, tokenizer) of any Hugging Face causal language model folder."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    model = AutoModelForCausalLM.from_pretrained(model_dir, dtype=torch.float32)
    return model.to(device or ("cuda" if torch.cuda.is_available() else "cpu")).eval(), tokenizer


def bits_per_byte(model: Model, tokenizer: Any, texts: Iterable[str], *, window: int | None = None) -> Estimate:
    """Return the bits per byte over all texts; the standard error is that of a ratio over documents.

    Args:
        window: tokens the model sees at once, its own maximum by default. Longer texts are read in windows that overlap
            by half, and each token is scored once, with at least half a window before it.
    """
    window = min(window or max_length(model), max_length(model))
    kept = [text for text in texts if text]
    if not kept:
        raise ValueError("no text to measure bits per byte on; the held-out documents are empty")
    sequences, spans, owners = [], [], []
    for owner, text in enumerate(kept):
        tokens = [start_token(tokenizer), *encode(tokenizer, text)]
        for first, scored, last in windows(len(tokens), window):
            sequences.append(tokens[first:last])
            spans.append(last - scored)
            owners.append(owner)
    nats = np.zeros(len(kept))
    for owner, scored_tokens in zip(owners, token_logprobs(model, sequences, spans), strict=True):
        nats[owner] -= scored_tokens[0].sum()
    num_bytes = np.array([len(text.encode()) for text in kept])
    value = nats.sum() / num_bytes.sum()
    spread = math.sqrt(((nats - value * num_bytes) ** 2).sum() * len(kept) / max(len(kept) - 1, 1)) / num_bytes.sum()
    return Estimate(value / math.log(2), spread / math.log(2) if len(kept) > 1 else math.nan)


def windows(length: int, window: int) -> Iterator[tuple[int, int, int]]:
    """Yield (first, scored, last): read tokens [first, last), score [scored, last); token 0 is never scored."""
    scored = 1
    while scored < length:
        last = min(max(scored + window // 2, window), length)
        yield max(last - window, 0), scored, last
        scored = last


def score_items(model: Model, tokenizer: Any, items: Sequence[Item]) -> dict[str, Estimate]:
    """Return accuracies and the gold choice's likelihood over the items, each with its standard error."""
    if not items:
        raise ValueError("no items to score; is the suite's file empty?")
    scored = iter(score_pairs(model, tokenizer, [pair for item in items for pair in item.pairs]))
    rows = [_item_row(item, [next(scored) for _ in item.pairs]) for item in items]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: _mean([row[name] for row in rows if name in row]) for name in names}


def _item_row(item: Item, choices: list[Scored]) -> dict[str, float]:
    gold = choices[item.gold]
    row = {"gold_bits_per_byte": -gold.logprob / math.log(2) / gold.num_bytes}
    if len(choices) == 1:
        return {"accuracy": float(gold.greedy), **row}
    logprobs = np.array([choice.logprob for choice in choices])
    by_byte = logprobs / [choice.num_bytes for choice in choices]
    by_token = logprobs / [choice.num_tokens for choice in choices]
    odds = np.exp(logprobs - logprobs.max())
    return {
        "accuracy": float(logprobs.argmax() == item.gold),
        "accuracy_by_byte": float(by_byte.argmax() == item.gold),
        "accuracy_by_token": float(by_token.argmax() == item.gold),
        "gold_probability": float(odds[item.gold] / odds.sum()),  # among the choices
        **row,
    }


def _mean(values: Sequence[float]) -> Estimate:
    stderr = float(np.std(values, ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan
    return Estimate(float(np.mean(values)), stderr)


def score_pairs(model: Model, tokenizer: Any, pairs: Sequence[tuple[str, str]]) -> list[Scored]:
    """Score each continuation after its context; a context too long for the model loses its beginning."""
    sequences, spans = [], []
    for context, continuation in pairs:
        before, after = encode_pair(tokenizer, context, continuation)
        tokens = [*before, *after][-(max_length(model)) :]
        sequences.append(tokens)
        spans.append(min(len(after), len(tokens) - 1))
    found = token_logprobs(model, sequences, spans)
    return [
        Scored(float(logprobs.sum()), len(logprobs), len(continuation.strip().encode()), bool(greedy.all()))
        for (_, continuation), (logprobs, greedy) in zip(pairs, found, strict=True)
    ]


def encode_pair(tokenizer: Any, context: str, continuation: str) -> tuple[list[int], list[int]]:
    """Split the tokens of both together where the context's end, as lm-evaluation-harness does.

    Space at the end of the context belongs to the continuation, whose first word carries it. An empty context is the
    start-of-document token.
    """
    if not continuation.strip():
        raise ValueError(f"nothing to score after {context[-60:]!r}: the continuation is empty")
    bare = context.rstrip()
    continuation = context[len(bare) :] + continuation
    if not bare:
        return [start_token(tokenizer)], encode(tokenizer, continuation)
    before, both = encode(tokenizer, bare), encode(tokenizer, bare + continuation)
    cut = min(len(before), len(both) - 1)
    return both[:cut], both[cut:]


@torch.no_grad()
def token_logprobs(
    model: Model, sequences: Sequence[Sequence[int]], spans: Sequence[int]
) -> list[tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]]:
    """Return, for each sequence, the log probabilities of its last `span` tokens and whether each was the likeliest.

    Sequences of similar length share a forward pass. Padding is at the right, where a causal model cannot see it.
    """
    device = getattr(model, "device", None) or next(model.parameters()).device  # type: ignore[attr-defined]
    results: dict[int, tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]] = {}
    for rows in _batches([len(sequence) for sequence in sequences]):
        longest = max(len(sequences[row]) for row in rows)
        tokens = torch.zeros(len(rows), longest, dtype=torch.int64)
        for place, row in enumerate(rows):
            tokens[place, : len(sequences[row])] = torch.tensor(sequences[row])
        output = model(tokens.to(device))
        logits = output if isinstance(output, Tensor) else output.logits  # (B, T, V)
        for place, row in enumerate(rows):
            stop = len(sequences[row])
            predicted = logits[place, stop - spans[row] - 1 : stop - 1].float()  # (span, V)
            targets = tokens[place, stop - spans[row] : stop].to(device)
            chosen = -F.cross_entropy(predicted, targets, reduction="none")
            results[row] = (chosen.cpu().numpy(), (predicted.argmax(-1) == targets).cpu().numpy())
    return [results[row] for row in range(len(sequences))]


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield row numbers, longest first, so that each batch is at most BATCH_TOKENS with its padding."""
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    while order:
        size = max(BATCH_TOKENS // max(lengths[order[0]], 1), 1)
        yield order[:size]
        order = order[size:]


def encode(tokenizer: Any, text: str) -> list[int]:
    """Return a text's tokens; what looks like a special token in it stays text."""
    return list(tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])


def start_token(tokenizer: Any) -> int:
    """Return the token a document starts after."""
    token = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    if token is None:
        raise ValueError("the tokenizer has neither a bos nor an eos token, so the first token has no context")
    return int(token)


def max_length(model: Any) -> int:
    config = model.config
    return int(getattr(config, "max_position_embeddings", None) or config.max_seq_len)
