"""Log probabilities of the ends of token sequences, each beginning that several share read once.

    spans = [Span(tokens=(5, 8, 2, 7), start=2), Span((5, 8, 3), 2)]       # score 2, 7 and 3 after 5, 8
    score(model, spans, groups=[[0, 1]])                                   # one Scored a span

The four choices of a question share its text, and five examples before it are shared by all questions of a subject. So
a group's common beginning goes through the model once (its keys and values are kept), then the ends, right-padded, on
copies of them; what all groups share goes first, once for all. The vocabulary is multiplied out only where a token is
scored. Any transformers model with plain attention caches works; others, and ours in training, are read one whole
sequence each (`score_plain`), which is also the reference of the tests: both agree to 1e-5.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from curate.evaluate.model import Model, device_of, logits_of

CPU_TOKENS, GPU_TOKENS = 2048, 65_536  # in one forward pass, padding included
CPU_LOGITS, GPU_LOGITS = 2**26, 2**30  # numbers in one block of logits: 256 MB, 4 GB as float32
CACHE_TOKENS = 16_384  # of keys and values at a time, beginnings counted in every copy
WORTH_SHARING = 16  # tokens; a shorter beginning of all groups is not worth a pass of its own


@dataclass(frozen=True)
class Span:
    """`tokens[start:]` are scored, each given all before it; start >= 1."""

    tokens: tuple[int, ...]
    start: int


@dataclass(frozen=True)
class Scored:
    logprobs: npt.NDArray[np.float32]  # (len(tokens) - start,) nats
    greedy: npt.NDArray[np.bool_]  # was this token the likeliest?


def span_of(before: Sequence[int], after: Sequence[int], max_tokens: int) -> Span:
    """Return the span of `after`; what the model cannot hold leaves from the left, as in lm-evaluation-harness.

    The last token is predicted but never read, so `max_tokens` + 1 fit.
    """
    tokens = (*before, *after)[-(max_tokens + 1) :]
    return Span(tokens, max(len(tokens) - len(after), 1))


@torch.inference_mode()
def score(model: Model, spans: Sequence[Span], groups: Sequence[Sequence[int]] | None = None) -> list[Scored]:
    """Score every span.

    Args:
        groups: rows of `spans` that begin alike, such as the choices of one question; each alone by default.
    """
    if not caches(model):
        return score_plain(model, spans)
    trees = [tree for rows in (groups or [[row] for row in range(len(spans))]) for tree in _trees(spans, rows)]
    found: dict[int, Scored] = {}
    if not trees:
        return []
    shared = _common([spans[tree.rows[0]].tokens[: tree.length - 1] for tree in trees])
    shared = shared if shared >= WORTH_SHARING and len(trees) > 1 else 0
    trunk = _Cache(None, None)
    if shared:
        trunk, _ = _read(model, trunk, [spans[0].tokens[:shared]])
    for batch in _tree_batches(trees, shared, _limit(model, CPU_TOKENS, GPU_TOKENS)):
        found |= _score_batch(model, spans, batch, trunk, shared)
    return [found[row] for row in range(len(spans))]


@torch.inference_mode()
def score_plain(model: Model, spans: Sequence[Span]) -> list[Scored]:
    """Score every span by a pass of its own over all its tokens; spans of similar length share a batch."""
    device, found = device_of(model), {}
    for rows in _length_batches(model, [len(span.tokens) - 1 for span in spans]):
        read = [torch.tensor(spans[row].tokens[:-1]) for row in rows]
        tokens = torch.nn.utils.rnn.pad_sequence(read, batch_first=True)  # right: a causal model cannot see it
        logits = logits_of(model(tokens.to(device)))  # (B, T, V)
        for place, row in enumerate(rows):
            span = spans[row]
            predicted = logits[place, span.start - 1 : len(span.tokens) - 1]
            found[row] = _gather(predicted, span.tokens[span.start :])
    return [found[row] for row in range(len(spans))]


def caches(model: Any) -> bool:
    """Tell whether the model keeps plain keys and values that can be copied: full attention, of transformers."""
    return hasattr(model, "prepare_inputs_for_generation") and caches_plainly(model.config)


def caches_plainly(config: Any) -> bool:
    from transformers.cache_utils import DynamicCache, DynamicLayer

    layers = DynamicCache(config=config).layers
    return all(type(layer) is DynamicLayer for layer in layers)


@dataclass(frozen=True)
class _Tree:
    rows: tuple[int, ...]
    length: int  # tokens that all rows begin with, all before the first that is scored


@dataclass(frozen=True)
class _Cache:
    """Keys and values of B sequences, and which of their positions are real (B, T)."""

    values: Any
    mask: Tensor | None

    def pick(self, rows: Tensor) -> "_Cache":
        """Copy the sequences at `rows`; a row may be named several times."""
        if self.mask is None:
            return self
        from transformers.cache_utils import DynamicCache

        copy = DynamicCache()
        for number, layer in enumerate(self.values.layers):
            copy.update(layer.keys[rows], layer.values[rows], number)
        return _Cache(copy, self.mask[rows])


def _trees(spans: Sequence[Span], rows: Sequence[int]) -> list[_Tree]:
    """Return one tree where the rows begin alike, else a tree for each: cut from the left, they may not."""
    alike = min(_common([spans[row].tokens for row in rows]), min(spans[row].start for row in rows))
    if alike >= 1:
        return [_Tree(tuple(rows), alike)]
    return [_Tree((row,), spans[row].start) for row in rows]


def _common(sequences: Sequence[tuple[int, ...]]) -> int:
    """Return how many tokens all sequences begin with: what the smallest and the largest share, all share."""
    low, high = min(sequences), max(sequences)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(low, high, strict=False)))


def _tree_batches(trees: Sequence[_Tree], shared: int, limit: int) -> Iterator[list[_Tree]]:
    """Yield trees of similar length, longest first."""
    order = sorted(trees, key=lambda tree: -tree.length)
    while order:
        longest = order[0].length
        size = max(min(limit // (longest - shared), CACHE_TOKENS // longest), 1)
        yield order[:size]
        order = order[size:]


def _length_batches(model: Any, lengths: Sequence[int]) -> Iterator[list[int]]:
    vocabulary = int(model.config.vocab_size) if hasattr(model, "config") else 2**16
    limit = min(_limit(model, CPU_TOKENS * 4, GPU_TOKENS), _limit(model, CPU_LOGITS, GPU_LOGITS) // vocabulary)
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    while order:
        size = max(limit // lengths[order[0]], 1)
        yield order[:size]
        order = order[size:]


def _limit(model: Any, cpu: int, gpu: int) -> int:
    return cpu if device_of(model).type == "cpu" else gpu


def _score_batch(
    model: Any, spans: Sequence[Span], trees: Sequence[_Tree], trunk: _Cache, shared: int
) -> dict[int, Scored]:
    """Read the beginnings of some trees after the trunk, then the ends of their rows after those."""
    copies = trunk.pick(torch.zeros(len(trees), dtype=torch.int64))
    scored = max(len(spans[tree.rows[0]].tokens) - spans[tree.rows[0]].start for tree in trees)
    room = _limit(model, CPU_LOGITS, GPU_LOGITS) // (len(trees) * int(model.config.vocab_size))
    if all(len(tree.rows) == 1 for tree in trees) and scored <= room:  # nothing to share: one pass, ends and all
        rows = [tree.rows[0] for tree in trees]
        logits = _read(model, copies, [spans[row].tokens[shared:-1] for row in rows], keep=scored)[1]
        parts = [spans[row].tokens[spans[row].start :] for row in rows]
        return {row: _gather(of[-len(p) :], p) for row, of, p in zip(rows, logits, parts, strict=True)}
    heads = [spans[tree.rows[0]].tokens[shared : tree.length] for tree in trees]
    cache, logits = _read(model, copies, heads)
    first = logits[:, -1]  # (B, V): what comes after each beginning
    ends = [(place, row) for place, tree in enumerate(trees) for row in tree.rows]
    found: dict[int, Scored] = {}
    ends.sort(key=lambda end: trees[end[0]].length - len(spans[end[1]].tokens))  # longest first
    while ends:
        widest = len(spans[ends[0][1]].tokens) - trees[ends[0][0]].length
        columns = min(_limit(model, CPU_TOKENS, GPU_TOKENS), _limit(model, CPU_LOGITS, GPU_LOGITS) // first.shape[-1])
        room = max(columns // widest, 1)
        now, ends = ends[:room], ends[room:]
        tails = [spans[row].tokens[trees[place].length :] for place, row in now]
        ahead = _end_logits(model, cache, first, [place for place, _ in now], tails)  # of each tail's tokens
        for (place, row), tail, predicted in zip(now, tails, ahead, strict=True):
            skip = spans[row].start - trees[place].length  # of the tail, this much is context still
            found[row] = _gather(predicted[skip : len(tail)], tail[skip:])
    return found


def _end_logits(
    model: Any, cache: _Cache, first: Tensor, places: Sequence[int], tails: Sequence[Sequence[int]]
) -> Sequence[Tensor]:
    """Return the logits (T, V) that predict each tail; its last token is never read, so one token needs no pass."""
    rows = torch.tensor(places)
    start = first[rows][:, None]  # (B, 1, V)
    if max(map(len, tails)) == 1:
        return list(start)
    read = [torch.tensor(tail[:-1], dtype=torch.int64) for tail in tails]
    tokens = torch.nn.utils.rnn.pad_sequence(read, batch_first=True)  # (B, W), right
    real = torch.nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in read], batch_first=True)
    logits = _forward(model, cache.pick(rows), tokens, real, keep=0)[1]  # (B, W, V)
    return list(torch.cat((start, logits), dim=1))


def _read(model: Any, cache: _Cache, heads: Sequence[Sequence[int]], keep: int = 1) -> tuple[_Cache, Tensor]:
    """Read beginnings, padded at the left so that all end in one column; return cache and last logits (B, keep, V)."""
    width = max(map(len, heads))
    tokens = torch.tensor([[0] * (width - len(head)) + list(head) for head in heads])
    real = torch.tensor([[0] * (width - len(head)) + [1] * len(head) for head in heads])
    return _forward(model, cache, tokens, real, keep=keep)


@dataclass(frozen=True)
class ReadAhead:
    """Texts read by a model that keeps their keys and values: `logits` (B, V) say what comes next."""

    model: Any
    cache: _Cache
    logits: Tensor

    @classmethod
    def of(cls, model: Any, texts: Sequence[Sequence[int]]) -> "ReadAhead":
        cache, logits = _read(model, _Cache(None, None), texts)
        return cls(model, cache, logits[:, -1])

    def pick(self, rows: Tensor) -> "ReadAhead":
        """Keep, or copy, the texts at `rows`."""
        return ReadAhead(self.model, self.cache.pick(rows), self.logits[rows])

    def step(self, tokens: Sequence[int]) -> "ReadAhead":
        """Read one more token of each text; what was before is used up, as the cache grows in place."""
        cache, logits = _read(self.model, self.cache, [[token] for token in tokens])
        return ReadAhead(self.model, cache, logits[:, -1])


def _forward(model: Any, cache: _Cache, tokens: Tensor, real: Tensor, keep: int) -> tuple[_Cache, Tensor]:
    """Run the model on (B, T) new tokens after the cache; `keep` last logits, 0 for all."""
    from transformers.cache_utils import DynamicCache

    device = device_of(model)
    past = cache.mask if cache.mask is not None else real[:, :0]
    mask = torch.cat((past.to(device), real.to(device)), dim=1)
    positions = (mask.cumsum(1) - 1).clamp(min=0)[:, past.shape[1] :]
    output = model(
        input_ids=tokens.to(device),
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache.values if cache.values is not None else DynamicCache(config=model.config),
        use_cache=True,
        logits_to_keep=keep,
    )
    return _Cache(output.past_key_values, mask), output.logits


def _gather(predicted: Tensor, targets: Sequence[int]) -> Scored:
    """Take the targets' log probabilities out of logits (T, V), in float32."""
    wanted = torch.tensor(targets, device=predicted.device)
    logprobs = predicted.float().log_softmax(-1).gather(1, wanted[:, None])[:, 0]
    return Scored(logprobs.cpu().numpy(), (predicted.argmax(-1) == wanted).cpu().numpy())
