"""The peak learning rate of each size, by published rules rather than a search.

    peak_rate(num_parameters=1_000_000, batch_tokens=8192)          # 0.0084

OLMo's model ladder (Bhagia et al. 2024, after Porian et al. 2024) takes 0.0047 (N / 108 M)^(-1/3) for batches of
160 (N / 108 M)^(2/3) windows of 2,048 tokens. A sweep here has one batch for all its sizes, so the rate follows the
square root of the batch (Malladi et al. 2022), and it is halved, since a constant rate wants about half of what a
cosine does (Hägele et al. 2024, section 3). Warm-up is as many tokens as the model has parameters, as in both.
"""

LADDER_RATE, LADDER_PARAMETERS = 0.0047, 108e6
LADDER_BATCH = 160 * 2048  # tokens, at LADDER_PARAMETERS
CONSTANT_SHARE = 0.5  # of the best peak of a cosine


def peak_rate(num_parameters: float, batch_tokens: int, scale: float = 1.0) -> float:
    """Return the peak rate of AdamW for a warm-up, stable, decay run, times `scale`."""
    ratio = num_parameters / LADDER_PARAMETERS
    batch = LADDER_BATCH * ratio ** (2 / 3)  # tokens
    return float(scale * CONSTANT_SHARE * LADDER_RATE * ratio ** (-1 / 3) * (batch_tokens / batch) ** 0.5)


def warmup_steps(num_tokens: float, batch_tokens: int) -> int:
    return max(round(num_tokens / batch_tokens), 1)
