"""Items scored by a model, as a table of choices that keeps all a later comparison needs, and the measures of it.

    table = score_items(model, tokenizer, "arc_easy", items)
    measures(table)["acc_norm"]                # Estimate(value=0.52, stderr=0.01)

One row a choice: its log likelihood, its tokens, bytes and characters. Every accuracy follows from these:

    acc         the likeliest choice is the right one             acc_norm   likelihood by character of the choice
    acc_bytes   by UTF-8 byte of it                               acc_tokens by token
    gold_probability    share of the right one among the choices  gold_bits_per_byte  -log2 likelihood by byte

`acc_norm` is what lm-evaluation-harness calls so, and lighteval `acc_norm_nospace`: characters, without the space in
front. Accuracy moves in steps of one item and small models sit near chance, so the last two, which move smoothly, are
the ones to compare small models by. An item with one choice is right when the model says it greedily, and gives
`perplexity`, exp of the mean negative log likelihood (LAMBADA).
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curate.evaluate.estimate import Estimate, mean
from curate.evaluate.logprobs import score, span_of
from curate.evaluate.model import Model, encode_pairs, max_length

ITEMS = pa.schema(
    [
        ("task", pa.string()),
        ("group", pa.string()),  # MMLU's subject
        ("item", pa.int32()),  # its place in the task
        ("choice", pa.int32()),
        ("gold", pa.bool_()),
        ("logprob", pa.float64()),  # nats, of the whole continuation
        ("num_tokens", pa.int32()),
        ("num_bytes", pa.int32()),
        ("num_chars", pa.int32()),
        ("greedy", pa.bool_()),  # every token was the likeliest
    ]
)
Values = dict[str, npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Item:
    """Pairs of (context, continuation), of which number `gold` is right; a single pair must be said greedily."""

    pairs: tuple[tuple[str, str], ...]
    gold: int = 0
    group: str = ""


def score_items(model: Model, tokenizer: Any, task: str, items: Sequence[Item]) -> pa.Table:
    """Return the table of all choices, in the schema ITEMS."""
    if not items:
        raise ValueError(f"no items to score in {task}; is its file empty?")
    longest = max_length(model)
    tokens = encode_pairs(tokenizer, [pair for item in items for pair in item.pairs])
    spans = [span_of(before, after, longest) for before, after in tokens]
    ends = list(accumulate((len(item.pairs) for item in items), initial=0))
    groups = [range(first, last) for first, last in pairwise(ends)]
    scored = score(model, spans, groups)
    rows = [
        _row(task, item, number, choice, scored[place].logprobs, scored[place].greedy)
        for number, item in enumerate(items)
        for choice, place in enumerate(groups[number])
    ]
    return pa.Table.from_pylist(rows, ITEMS)


def _row(
    task: str, item: Item, number: int, choice: int, logprobs: npt.NDArray[np.float32], greedy: npt.NDArray[np.bool_]
) -> dict[str, Any]:
    text = item.pairs[choice][1].removeprefix(" ")
    return {
        "task": task,
        "group": item.group,
        "item": number,
        "choice": choice,
        "gold": choice == item.gold,
        "logprob": float(logprobs.sum(dtype=np.float64)),
        "num_tokens": len(logprobs),
        "num_bytes": len(text.encode()),
        "num_chars": len(text),
        "greedy": bool(greedy.all()),
    }


def measures(table: pa.Table) -> dict[str, Estimate]:
    """Return every measure of one task's choices, each a mean over items with its standard error."""
    values = item_values(table)
    found = {name: mean(numbers) for name, numbers in values.items() if name != "logprob"}
    if "logprob" in values:
        nats = mean(-values["logprob"])
        found["perplexity"] = Estimate(math.exp(nats.value), math.exp(nats.value) * nats.stderr)  # delta method
    return found


def item_values(table: pa.Table) -> Values:
    """Return each measure's value for every item of one task, (items,) float64, in the order of the items."""
    columns = {name: table[name].to_numpy() for name in ITEMS.names[2:]}
    order = np.lexsort((columns["choice"], columns["item"]))
    starts = np.flatnonzero(np.diff(columns["item"][order], prepend=-1))
    items = np.split(order, starts[1:])
    rows = [_item_values({name: column[rows] for name, column in columns.items()}) for rows in items]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _item_values(item: dict[str, npt.NDArray[Any]]) -> dict[str, float]:
    gold, logprob = int(item["gold"].argmax()), item["logprob"]
    num_bytes = np.maximum(item["num_bytes"], 1)
    smooth = {"gold_bits_per_byte": float(-logprob[gold] / math.log(2) / num_bytes[gold])}
    if len(logprob) == 1:
        return {"acc": float(item["greedy"][0]), "logprob": float(logprob[0]), **smooth}
    odds = np.exp(logprob - logprob.max())
    return {
        "acc": float(logprob.argmax() == gold),
        "acc_norm": float((logprob / np.maximum(item["num_chars"], 1)).argmax() == gold),
        "acc_bytes": float((logprob / num_bytes).argmax() == gold),
        "acc_tokens": float((logprob / item["num_tokens"]).argmax() == gold),
        "gold_probability": float(odds[gold] / odds.sum()),
        **smooth,
    }


def chance(items: Iterable[Item]) -> float:
    """Return the accuracy of guessing; 0 for what has to be said."""
    return float(np.mean([1 / len(item.pairs) if len(item.pairs) > 1 else 0.0 for item in items]))
