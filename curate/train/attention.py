"""Which tokens see which: everything before them in the row, or only what is before them in their own document.

    attend = causal                          # (q, k, v) -> y, each (B, T, heads, D)
    attend = within(documents)               # documents (B, T): the number of each token's document

Windows are cut from documents packed end to end. Without a mask a token also sees the unrelated documents before its
own; SmolLM was trained so, SmolLM3 and Llama 3 mask. The end mark that closes a document opens the next one, so a
packed row is exactly its documents, each run alone: same losses, same gradients (tests). Positions go on counting
through the row, which changes nothing, because rotary embeddings see only the distance between two tokens.

On a CPU each document is attended to by itself, which skips the blocks between documents: with documents of a quarter
of the window that is half the time of the causal attention over everything, where a mask would cost as much or more.
On a GPU, FlexAttention (Dong et al. 2024) skips those blocks inside one kernel.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]


def document_numbers(inputs: Tensor, end_of_text: int) -> Tensor:
    """Return the document of each of the inputs (B, T), counted in the row; an end mark belongs to what it opens."""
    return (inputs == end_of_text).cumsum(dim=1)


def causal(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attend to everything before in the row. q (B, T, H, D), k and v (B, T, K, D), H a multiple of K."""
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=q.shape[1] != k.shape[1])
    return y.transpose(1, 2)


def within(documents: Tensor | None) -> Attend:
    """Return the attention that stays within documents (B, T); None is one document a row."""
    if documents is None:
        return causal
    return by_blocks(documents) if documents.is_cuda else by_document(documents)


def by_document(documents: Tensor) -> Attend:
    """Attend document by document, one call each."""
    lengths = span_lengths(documents)

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        spans = (x.flatten(0, 1).split(lengths) for x in (q, k, v))  # each (tokens of a document, heads, D)
        parts = [causal(a[None], b[None], c[None])[0] for a, b, c in zip(*spans, strict=True)]
        return torch.cat(parts).view_as(q)

    return attend


def span_lengths(documents: Tensor) -> list[int]:
    """Return the tokens of each document in a batch, row after row; rows never share one."""
    first = torch.ones_like(documents, dtype=torch.bool)
    first[:, 1:] = documents[:, 1:] != documents[:, :-1]
    starts = first.flatten().nonzero()[:, 0]
    return torch.diff(starts, append=starts.new_tensor([documents.numel()])).tolist()  # type: ignore[no-any-return]


def by_blocks(documents: Tensor) -> Attend:
    """Attend in one FlexAttention kernel, which skips blocks without a pair of one document."""
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    def same_document(b: Tensor, h: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (query >= key) & (documents[b, query] == documents[b, key])

    rows, length = documents.shape
    mask = create_block_mask(same_document, rows, None, length, length, device=str(documents.device))

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))
        alone = q.is_cuda and not torch.compiler.is_dynamo_compiling()  # a compiled layer makes the kernel itself
        flex: Any = _kernel() if alone else flex_attention
        y: Tensor = flex(q, k, v, block_mask=mask, enable_gqa=q.shape[1] != k.shape[1])
        return y.transpose(1, 2)

    return attend


@cache
def _kernel() -> Callable[..., Any]:
    """FlexAttention is a kernel only when compiled; uncompiled it is the slow reference, for tests without a GPU."""
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention)
