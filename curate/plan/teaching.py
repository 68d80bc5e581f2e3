"""What a teacher's grades will cost: the questions are known, the answers are not; nobody is asked.

The prompts are those that `annotate` would send for documents of the sample. Their tokens are four characters each,
within a fifth (English under usual tokenizers is 3.5 to 4.8; other scripts have more tokens); an answer is the length
that rubrics ask for, from half to twice. A rate limit gives a time, which is otherwise the server's to say.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from curate.corpus import Source, Split, read_split
from curate.document import TEXT
from curate.plan.fit import Estimate
from curate.plan.result import Teaching
from curate.teacher.budget import CHARS_A_TOKEN, TYPICAL_REPLY, Budget
from curate.teacher.rubric import Rubric

MOST_PROMPTS = 1000
TOKENS_OFF = 0.2  # of the tokens of a character
REPLY_OFF = 2.0  # times shorter or longer than typical
LIMITS = {"requests_per_minute": "requests", "tokens_per_minute": "tokens"}


def texts_of(source: Source, pieces: Sequence[Split], seed: int = 0) -> list[str]:
    """Return some texts of the sample."""
    batches = (batch for split in pieces for batch in read_split(source, split))
    texts = [text for batch in batches for text in batch[TEXT].to_pylist() if text]
    return random.Random(seed).sample(texts, min(MOST_PROMPTS, len(texts)))


def teaching(
    rubric: Rubric, texts: Sequence[str], n: float, prices: Mapping[str, float], asked: Mapping[str, Any]
) -> Teaching:
    """Return what grading `n` documents like `texts` costs.

    Args:
        prices: of a million tokens, "input" and "output"; no money is told without them.
        asked: options of `annotate`: rate limits, a budget, whether the teacher is checked.

    Raises:
        ValueError: there is no text.
    """
    if not texts:
        raise ValueError("the sample has no text to ask a teacher about; plan a larger --share")
    chars = np.array([len(rubric.prompt(text, structured=bool(asked.get("structured")))) for text in texts])
    error = 1.645 * float(chars.std()) / np.sqrt(len(chars)) / float(chars.mean())
    wide = (1 - TOKENS_OFF) * (1 - error), (1 + TOKENS_OFF) * (1 + error)
    tokens_in = n * float(chars.mean()) / CHARS_A_TOKEN
    prompt = Estimate(tokens_in, tokens_in * wide[0], tokens_in * wide[1])
    reply = Estimate(n * TYPICAL_REPLY, n * TYPICAL_REPLY / REPLY_OFF, n * TYPICAL_REPLY * REPLY_OFF)
    budget = Budget(input_price=prices.get("input", 0.0), output_price=prices.get("output", 0.0))
    pairs = zip(_numbers(prompt), _numbers(reply), strict=True)
    money = Estimate(*(budget.cost(*pair) for pair in pairs)) if {"input", "output"} & set(prices) else None
    notes = tuple(_notes(money, prompt, reply, asked))
    return Teaching(n, prompt, reply, money, _seconds(n, prompt, reply, asked), notes)


def _numbers(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.value, estimate.low, estimate.high


def _seconds(n: float, prompt: Estimate, reply: Estimate, asked: Mapping[str, Any]) -> Estimate | None:
    """Return the least time that the rate limits allow."""
    requests, tokens = asked.get("requests_per_minute"), asked.get("tokens_per_minute")
    found = []
    for one, other in zip(_numbers(prompt), _numbers(reply), strict=True):
        times = ([n / requests * 60] if requests else []) + ([(one + other) / tokens * 60] if tokens else [])
        found.append(max(times, default=0.0))
    return Estimate(*found) if any(found) else None


def _notes(money: Estimate | None, prompt: Estimate, reply: Estimate, asked: Mapping[str, Any]) -> list[str]:
    notes = []
    limit, tokens = asked.get("budget"), asked.get("budget_tokens")
    if limit is not None and money is not None and money.value > limit:
        notes.append(f"the budget of {limit:g} ends after about {limit / money.value:.0%} of the documents")
    if tokens is not None and prompt.value + reply.value > tokens:
        notes.append(f"the budget ends after about {tokens / (prompt.value + reply.value):.0%} of the documents")
    if asked.get("check"):
        notes.append(f"--check asks again about {asked.get('check_documents', 100)} documents, five or six times each")
    return notes
