"""The best shape of our family for a budget of operations, attention counted.

    best_shape(law, flops=1e18, vocab_size=49_152, seq_len=2048)

C = 6 N D leaves attention out, which is a third of the work of a small model with a long window. Here each shape of
the family pays for its tokens by `curate.train.flops`, and the shape of the least predicted loss is taken.
"""

from dataclasses import dataclass

from curate.scaling.family import family, num_parameters
from curate.scaling.law import Law
from curate.scaling.rows import Count
from curate.train.flops import flops_per_token
from curate.train.model import Size, model_config


@dataclass(frozen=True)
class BestShape:
    size: Size
    num_parameters: int
    num_tokens: float
    loss: float


def best_shape(law: Law, flops: float, *, vocab_size: int, seq_len: int, count: Count = "all") -> BestShape:
    """Return the shape and the tokens that a budget buys with the least loss by the law."""
    return min(
        (_bought(law, size, flops, vocab_size, seq_len, count) for size in family()), key=lambda shape: shape.loss
    )


def _bought(law: Law, size: Size, flops: float, vocab_size: int, seq_len: int, count: Count) -> BestShape:
    num_tokens = flops / flops_per_token(model_config(size, vocab_size), seq_len)
    counted = num_parameters(size, vocab_size, embeddings=count == "all")
    return BestShape(size, counted, num_tokens, law(counted, num_tokens))
