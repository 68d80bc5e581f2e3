"""How long this machine takes for a token of a model, found in seconds: for forecasts of runs that take hours.

    probe(model_config("5m", 8192, 512), windows=4) * 20_480_000     # seconds of a run, about

A process that trains keeps the memory it frees (`curate.allocator`), and so does this one from here on. The optimizer's
step, data, checkpoints and evaluations are not in it, nor what torch.compile wins.
"""

import time

import torch

from curate.allocator import keep_freed_memory
from curate.train.model import Llama, ModelConfig

PASSES = 3


def probe(config: ModelConfig, *, windows: int, threads: int | None = None, device: str | None = None) -> float:
    """Return the seconds per token of the quickest of three passes forward and backward, in float32.

    Args:
        config: of the model, which gets random weights; its `max_seq_len` is the length of a window.
        windows: in a pass.
        threads: of torch, for this pass alone; by default as many as it has.
        device: by default the GPU if there is one.
    """
    keep_freed_memory()
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        model = Llama(config, seed=0).to(device)
        tokens = torch.randint(config.vocab_size, (windows, config.max_seq_len + 1), device=device)
        return min(_seconds(model, tokens) for _ in range(PASSES)) / (windows * config.max_seq_len)
    finally:
        torch.set_num_threads(before)


def _seconds(model: Llama, tokens: torch.Tensor) -> float:
    began = time.perf_counter()
    loss = model.loss(tokens[:, :-1], tokens[:, 1:])
    loss.backward()  # type: ignore[no-untyped-call]
    loss.item()
    if tokens.is_cuda:
        torch.cuda.synchronize()  # the backward pass, too
    return time.perf_counter() - began
