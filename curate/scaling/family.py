"""Shapes of one family for any number of parameters, so that a sweep changes size and nothing else.

    shape("1m", 4096)            # curate pretrain's 1m
    shape("0.3m", 2048)          # 64 channels, 4 layers

Between the named sizes a shape is the one nearest in parameters with the proportions of `1m` and `5m`: a feed-forward
twice as wide as the model, half as many key heads as heads, 16 to 64 channels a layer. Kaplan et al. 2020 (figure 5)
found such proportions to change the loss by a per cent or two at equal size; a sweep that mixes families, such as
`1m` and `135m`, carries that difference into its exponents.
"""

import math
from functools import cache

from curate.amounts import amount
from curate.train.flops import flops_per_token
from curate.train.model import SIZES, Size, model_config

CHANNELS_A_LAYER = (16, 64)
BEST_CHANNELS, WEIGHT = 32, 0.1  # as `1m` has; a shape half as deep may be a tenth nearer in parameters
WIDEST, NEAR = 4096, 1.25  # channels tried; parameters may differ by this factor from what was asked for


def shape(model: str, vocab_size: int) -> Size:
    """Return the shape of a named size, or of a number of parameters, embeddings included.

    Raises:
        ValueError: no shape of the family comes near, since the vocabulary alone is too large.
    """
    if model in SIZES:
        return SIZES[model]
    wanted = amount(model)
    found = min(family(), key=lambda size: _distance(size, vocab_size, wanted))
    if not 1 / NEAR < num_parameters(found, vocab_size) / wanted < NEAR:
        raise ValueError(
            f"no model of {model} parameters with a vocabulary of {vocab_size:,}: the nearest has "
            f"{num_parameters(found, vocab_size):,}. Choose another size, or train a smaller tokenizer"
        )
    return found


def _distance(size: Size, vocab_size: int, wanted: float) -> float:
    proportions = abs(math.log2(size.hidden_size / size.num_layers / BEST_CHANNELS))
    return abs(math.log(num_parameters(size, vocab_size) / wanted)) + WEIGHT * proportions


@cache
def family() -> tuple[Size, ...]:
    few, many = CHANNELS_A_LAYER
    sizes, hidden = [], 32
    while hidden <= WIDEST:
        heads = hidden // (16 if hidden < 128 else 32)
        for layers in range(max(-(-hidden // many), 1), hidden // few + 1):
            sizes.append(Size(hidden, layers, heads, heads // 2, 2 * hidden))
        hidden += 32 if hidden < 128 else 64
    return tuple(sizes)


def num_parameters(size: Size, vocab_size: int, *, embeddings: bool = True) -> int:
    """Return how many parameters a model has; the tied table counts once, or not at all."""
    every = round(flops_per_token(model_config(size, vocab_size), seq_len=0) / 6)  # without attention, 6 a parameter
    return every if embeddings else every - vocab_size * size.hidden_size
