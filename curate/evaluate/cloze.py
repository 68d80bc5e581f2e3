"""A suite made from held-out text: which of four pieces is how this text really goes on?

    cloze = make_cloze(texts, "eval/cloze.jsonl")        # Suite("cloze", "eval/cloze.jsonl"), a file of questions

Also any JSONL file of one's own: a `Suite` is a name and a path. Its lines are asked as they stand, in one of the plain
styles of `curate.evaluate.questions`, the continuation after one space.
"""

import json
import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from curate.evaluate.data import read_rows
from curate.evaluate.items import Item

CHOICES = 4
CONTEXT_CHARS, CONTINUATION_CHARS = 400, 80  # of a cloze item: some sentences, then about one line


@dataclass(frozen=True)
class Suite:
    """A JSONL file of questions."""

    name: str
    path: str | os.PathLike[str]

    def items(self, limit: int | None = None) -> list[Item]:
        """Read the first `limit` items."""
        if not Path(self.path).exists():
            raise FileNotFoundError(f"suite {self.name}: {self.path} does not exist")
        return [self._item(row, number) for number, row in enumerate(islice(read_rows(Path(self.path)), limit), 1)]

    def _item(self, row: Mapping[str, Any], number: int) -> Item:
        try:
            return parse_item(row)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{self.path}, line {number}: not an item of a suite ({error!r}); it needs query, choices and "
                "gold, or context_options, continuation and gold, or context and continuation"
            ) from error


def parse_item(row: Mapping[str, Any]) -> Item:
    """Ask a row as it stands; a "Question:" that does not ask for its answer is followed by "\\nAnswer:"."""
    if "choices" in row:
        query = row["query"]
        if query.startswith("Question:") and not query.rstrip().endswith("Answer:"):
            query = f"{query.rstrip()}\nAnswer:"
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
