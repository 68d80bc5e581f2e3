"""Multiple-choice suites from local JSONL files, a suite made from held-out text, and the table of results.

    cloze = make_cloze(texts, "eval/cloze.jsonl")
    suites = [cloze, Suite("arc_easy", "eval/arc_easy.jsonl")]
    results = evaluate("runs/annealed/hf", suites=suites, texts={"edu": texts})
    print(format_results(results))

A line of a suite is one of

    {"query": ..., "choices": [...], "gold": 0}                    ARC, PIQA, HellaSwag, OpenBookQA, ...
    {"context_options": [...], "continuation": ..., "gold": 0}     WinoGrande: the same end after each beginning
    {"context": ..., "continuation": ...}                          LAMBADA: said greedily, word for word

and the continuation comes after one space, in the cloze form that small models can do (no letters A to D). A question
that does not say so itself is followed by "\\nAnswer:", as lm-evaluation-harness asks.
"""

import json
import math
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from curate.evaluate.likelihood import Estimate, Item, bits_per_byte, load, score_items

Results = dict[str, dict[str, Any]]
CHOICES = 4
CONTEXT_CHARS, CONTINUATION_CHARS = 400, 80  # of a cloze item: some sentences, then about one line


@dataclass(frozen=True)
class Suite:
    name: str
    path: str | os.PathLike[str]

    def items(self, limit: int | None = None) -> list[Item]:
        """Read the first `limit` items."""
        return list(islice(self._read(), limit))

    def _read(self) -> Iterator[Item]:
        if not Path(self.path).exists():
            raise FileNotFoundError(f"suite {self.name}: {self.path} does not exist")
        with Path(self.path).open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                try:
                    yield parse_item(json.loads(line))
                except (ValueError, KeyError, IndexError, TypeError) as error:
                    raise ValueError(
                        f"{self.path}, line {number}: not an item of a suite ({error!r}); it needs query, choices and "
                        "gold, or context_options, continuation and gold, or context and continuation"
                    ) from error


def parse_item(row: Mapping[str, Any]) -> Item:
    if "choices" in row:
        query = row["query"]
        if query.startswith("Question:") and not query.rstrip().endswith("Answer:"):
            query += "\nAnswer:"
        pairs = tuple((query, f" {choice.strip()}") for choice in row["choices"])
    elif "context_options" in row:
        pairs = tuple((context, f" {row['continuation'].strip()}") for context in row["context_options"])
    else:
        pairs = ((row["context"], f" {row['continuation'].strip()}"),)
    gold = int(row["gold"]) if len(pairs) > 1 else 0
    if not 0 <= gold < len(pairs):
        raise IndexError(f"gold is {gold}, but there are {len(pairs)} choices")
    return Item(pairs, gold)


def make_cloze(
    texts: Sequence[str], path: str | os.PathLike[str], *, name: str = "cloze", num_items: int = 200, seed: int = 0
) -> Suite:
    """Write a suite that needs no data but held-out text: which of four pieces is how this text really goes on?

    The wrong ones are the true continuations of other texts, cut in the same way, so all four are real writing. It asks
    whether the model uses its context, in the very domain it was trained on; it is not a public benchmark.
    """
    draw = random.Random(seed)
    pieces = [piece for text in texts if (piece := _cut(text, draw))]
    if len(pieces) < CHOICES:
        raise ValueError(
            f"{len(pieces)} of {len(texts)} texts are long enough for a cloze ({2 * CONTEXT_CHARS} characters); "
            f"it needs {CHOICES}"
        )
    draw.shuffle(pieces)
    rows = []
    for number, (context, continuation) in enumerate(pieces[:num_items]):
        others = [other for place, (_, other) in enumerate(pieces) if place != number and other != continuation]
        choices = [*draw.sample(others, min(CHOICES - 1, len(others))), continuation]
        draw.shuffle(choices)
        rows.append({"query": context, "choices": choices, "gold": choices.index(continuation)})
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return Suite(name, path)


def _cut(text: str, draw: random.Random) -> tuple[str, str] | None:
    """Cut a text between two words into a context and what follows; None where it is too short."""
    if len(text) < 2 * CONTEXT_CHARS:
        return None
    start = draw.randrange(CONTEXT_CHARS, len(text) - CONTEXT_CHARS + 1)
    middle = text.find(" ", start)
    end = text.find(" ", middle + CONTINUATION_CHARS)
    if middle < 0 or end < 0:
        return None
    context, continuation = text[max(middle - CONTEXT_CHARS, 0) : middle], text[middle:end].strip()
    return (context, continuation) if context.strip() and continuation else None


def evaluate(
    model_dir: str | os.PathLike[str],
    *,
    suites: Sequence[Suite] = (),
    texts: Mapping[str, Sequence[str]] | None = None,
    limit: int | None = None,
    out: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    device: str | None = None,
) -> Results:
    """Measure a Hugging Face model folder and write `results.json` into `out` (the model's folder by default).

    Args:
        texts: held-out texts by domain, for bits per byte.
        limit: take only the first items of each suite and the first texts of each domain.

    Returns: {"arc_easy": {"num_items": 200, "chance": 0.25, "accuracy": {"value": 0.27, "stderr": 0.03}, ...}, ...}
    """
    if not suites and not texts:
        raise ValueError("nothing to evaluate on; give suites, texts or both")
    if threads is not None:
        torch.set_num_threads(threads)
    model, tokenizer = load(model_dir, device)
    results: Results = {}
    for domain, documents in (texts or {}).items():
        kept = documents[:limit]
        results[f"bits_per_byte {domain}"] = _row(len(kept), {"bits_per_byte": bits_per_byte(model, tokenizer, kept)})
    for suite in suites:
        items = suite.items(limit)
        results[suite.name] = _row(len(items), score_items(model, tokenizer, items))
        results[suite.name]["chance"] = sum(1 / len(item.pairs) for item in items if len(item.pairs) > 1) / len(items)
    file = Path(out or model_dir, "results.json")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(_plain(results), indent=2) + "\n", encoding="utf-8")
    return results


def _row(num_items: int, estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    return {"num_items": num_items, **{name: asdict(estimate) for name, estimate in estimates.items()}}


def _plain(value: Any) -> Any:
    """Replace NaN, which JSON does not have, by null."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def format_results(results: Results) -> str:
    """Return the results as a table for the terminal, one measure a line."""
    lines = [f"{'suite':<28} {'measure':<20} {'value':>8} {'+-':>7} {'chance':>7} {'items':>6}"]
    for suite, row in results.items():
        for measure, estimate in row.items():
            if isinstance(estimate, dict):
                chance = f"{row['chance']:7.3f}" if measure.startswith("accuracy") and row.get("chance") else " " * 7
                numbers = f"{estimate['value']:8.4f} {estimate['stderr']:7.4f} {chance} {row['num_items']:6d}"
                lines.append(f"{suite:<28} {measure:<20} {numbers}")
    return "\n".join(lines)
