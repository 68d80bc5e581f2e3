"""Amounts of tokens as people write them for a model: `600B`, or `20x` its parameters.

tokens_of("20x", 1_100_000)          # 22_000_000.0: twenty tokens a parameter
"""

from curate.amounts import amount


def tokens_of(budget: str, num_parameters: float) -> float:
    """Read a token budget: an amount, or `20x` for tokens per parameter."""
    if budget.strip().lower().endswith("x"):
        return amount(budget.strip()[:-1]) * num_parameters
    return amount(budget)


def target(written: str) -> tuple[float, float]:
    """Read `135m:600B` as (parameters, tokens)."""
    model, colon, tokens = written.partition(":")
    if not colon:
        raise ValueError(f"{written!r} is no target; write parameters and tokens, such as 135m:600B or 135m:20x")
    num_parameters = amount(model)
    return num_parameters, tokens_of(tokens, num_parameters)


def said(value: float) -> str:
    """Return an amount in few characters: "1.7B", "135M", "4.2e+21"."""
    for unit, name in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if unit <= abs(value) < 1e3 * unit:
            return f"{value / unit:.3g}{name}"
    return f"{value:.3g}"
