"""How much of a machine's arithmetic a training step uses: model FLOPs utilisation.

    flops_per_token(config, seq_len=2048) * tokens_per_s / peak_flops(torch.device("cuda"), torch.bfloat16)

Chowdhery et al. 2022 (PaLM), appendix B: 6 operations a parameter and token, and 12 x layers x hidden x seq_len for
attention, over the whole row although half of it is masked. What is computed twice, or skipped because documents are
kept apart, changes nothing in the numerator: MFU compares runs by what the model asks for. A tied table counts once, as
the output it is; looking up embeddings is free.
"""

import time
from functools import cache

import torch

from curate.train.model import ModelConfig

PEAK = {  # dense bfloat16 operations per second by name of the GPU, from the vendors' data sheets
    "B200": 2.25e15,
    "H200": 989.4e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989.4e12,  # SXM
    "A100": 312e12,
    "L40S": 362e12,
    "L40": 181e12,
    "L4": 121e12,
    "A10G": 70e12,
    "4090": 165.2e12,
    "3090": 71e12,
    "MI300X": 1307e12,
}
# Sides of the square matrices whose products are timed. A core's product of 256 takes a third of a millisecond, which
# other processes rarely interrupt, and reaches what one of 1,024 does (115 Gflop/s each, on a Xeon); a GPU wants large.
CPU_SIDE, GPU_SIDE = 256, 8192
TIMED_SECONDS = 0.1


def flops_per_token(config: ModelConfig, seq_len: int) -> float:
    """Return the operations of one token's forward and backward pass."""
    kv_size = config.num_kv_heads * config.head_dim
    attention = 2 * config.hidden_size * (config.hidden_size + kv_size)
    layer = attention + 3 * config.hidden_size * config.ffn_size + 2 * config.hidden_size
    parameters = config.vocab_size * config.hidden_size + config.num_layers * layer + config.hidden_size
    return 6.0 * parameters + 12.0 * config.num_layers * config.hidden_size * seq_len


@cache
def peak_flops(device: torch.device, dtype: torch.dtype) -> float:
    """Return a device's operations per second: a known GPU's by data sheet, else what a product reaches."""
    if device.type == "cuda" and dtype == torch.bfloat16:
        name = torch.cuda.get_device_name(device)
        for known, peak in PEAK.items():  # longer names come before those they contain
            if known in name:
                return peak
    return _measured(device, dtype)


def _measured(device: torch.device, dtype: torch.dtype) -> float:
    """Return the best of many short products, so that what else a machine does counts for little."""
    side = GPU_SIDE if device.type == "cuda" else CPU_SIDE
    matrix = torch.randn(side, side, device=device).to(dtype)
    best, end = 0.0, time.perf_counter() + TIMED_SECONDS
    while (began := time.perf_counter()) < end or best == 0.0:
        (matrix @ matrix)[0, 0].item()  # waits for a GPU
        best = max(best, 2 * side**3 / (time.perf_counter() - began))
    return best
