"""What one trained model scores on every held-out document and every question: one row an item.

    table = measure(checkpoint, held, tasks=(), device="cpu")        # measure, task, item, value, weight

    bits_per_byte     of a document (weight: its bytes)             less is better
    gold_probability  of the right choice of a question             the smooth measure of small models (DataDecide)
    acc_norm          1 where the likeliest choice by character is right; acc the same without the division
    gold_bits_per_byte   of the right answer of a question with one (LAMBADA)

A model's score is the weighted mean of its items; as items are the same for all models, differences are taken item by
item (`curate.ablate.statistics`). Written answers and programs are left out: a model that trains in an hour gives none.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from curate.ablate.held_out import ITEM, HeldOut
from curate.document import TEXT

if TYPE_CHECKING:
    from curate.evaluate.suites import Suite
    from curate.evaluate.tasks import Likelihood, Task

BITS_PER_BYTE, CHOICE = "bits_per_byte", "gold_probability"
LOWER_IS_BETTER = (BITS_PER_BYTE, "gold_bits_per_byte")
KEPT = (CHOICE, "acc_norm", "acc", "gold_bits_per_byte")  # of a question's measures
MEASURED = pa.schema(
    [
        ("measure", pa.string()),
        ("task", pa.string()),  # domain or task
        ("item", pa.string()),
        ("value", pa.float64()),
        ("weight", pa.float64()),
    ]
)


@dataclass(frozen=True)
class Questions:
    """Tasks of multiple choice, and where their rows lie."""

    tasks: "tuple[Likelihood | Suite, ...]" = ()
    data: str = "eval"
    limit: int | None = None
    digest: str = ""  # of all items, as they are asked

    def identity(self) -> dict[str, Any]:
        """Return what tells these questions from others: one name may stand for other wordings, or another file."""
        if self.digest:
            return {"tasks": [task.name for task in self.tasks], "items": self.digest}
        return {"tasks": [task.name for task in self.tasks], "data": self.data, "limit": self.limit}

    def items(self) -> dict[str, Any]:
        """Read the items of every task."""
        from curate.evaluate.suites import Suite

        return {
            task.name: task.items(self.limit) if isinstance(task, Suite) else task.items(self.data, limit=self.limit)
            for task in self.tasks
        }


def questions(suites: Sequence[str], tasks: str, data: str, limit: int | None) -> "tuple[Questions, list[str]]":
    """Return what is asked by the names of suites or files, and the names of tasks that are left out.

    All items are read once, now: what is wrong with them is not to be found after the trainings.

    Raises:
        FileNotFoundError, ValueError: a suite or file is not there, holds no items, has the name of another one, or
            nothing of it can be asked of small models.
    """
    from curate.evaluate.data import HUB
    from curate.evaluate.suites import Suite, chosen
    from curate.evaluate.tasks import Likelihood, require_data

    places = [Path(path).absolute() for path in suites if path.endswith((".jsonl", ".parquet"))]  # as workers see them
    files = tuple(Suite(path.stem, str(path)) for path in places)
    named, most = chosen([name for name in suites if not name.endswith((".jsonl", ".parquet"))], tasks, limit)
    asked: list[Task] = [task for task in named if isinstance(task, Likelihood)]
    if named and not asked:
        raise ValueError(f"{', '.join(task.name for task in named)} want written answers; ablate asks for choices only")
    there = require_data(asked, data) if asked else []
    kept = tuple(task for task in there if isinstance(task, Likelihood))
    left_out = [task.name for task in named if not isinstance(task, Likelihood)]
    asked_for = Questions((*files, *kept), data if data == HUB else f"{Path(data).absolute()}", most)
    if twice := [name for name, times in Counter(task.name for task in asked_for.tasks).items() if times > 1]:
        raise ValueError(f"two to ask are called {', '.join(twice)}; rename a file")
    return replace(asked_for, digest=_digest(asked_for)), left_out


def _digest(asked: Questions) -> str:
    digest = hashlib.sha256()
    for task, items in asked.items().items():
        if not items:
            raise ValueError(f"{task} has no items to ask; is its file empty?")
        digest.update(f"{task} {len(items)}\n".encode())
        for item in items:
            digest.update(f"{item!r}\n".encode())
    return digest.hexdigest()[:16]


def measure(checkpoint: Path, held: HeldOut, asked: Questions, device: str | None = None) -> pa.Table:
    """Return every item's value of the model in a checkpoint, in the schema MEASURED."""
    import torch

    from curate.evaluate.items import item_values, score_items
    from curate.tokenizer.bpe import load_tokenizer
    from curate.train.export import load_checkpoint_model

    model = load_checkpoint_model(checkpoint).to(device or ("cuda" if torch.cuda.is_available() else "cpu")).eval()
    tokenizer = load_tokenizer(checkpoint)
    tables = [_bits(model, tokenizer, domain, held.texts(domain)) for domain in held.domains]
    for task, items in asked.items().items():
        values = item_values(score_items(model, tokenizer, task, items))
        for name in KEPT:
            if name in values and (name != "gold_bits_per_byte" or CHOICE not in values):
                numbers = [f"{number}" for number in range(len(values[name]))]
                tables.append(_rows(name, task, numbers, values[name], np.ones(len(numbers))))
    return pa.concat_tables(tables)


def _bits(model: Any, tokenizer: Any, domain: str, texts: pa.Table) -> pa.Table:
    from curate.evaluate.held_out import HeldOut as Tokenized
    from curate.evaluate.held_out import document_bits

    window = model.config.max_seq_len
    documents = Tokenized.of({domain: texts[TEXT].to_pylist()}, tokenizer, window=window).domains[domain]
    num_bytes = np.array([document.num_bytes for document in documents], dtype=np.float64)
    bits = document_bits(model, documents)
    return _rows(BITS_PER_BYTE, domain, texts[ITEM].to_pylist(), bits / num_bytes, num_bytes)


def _rows(name: str, task: str, items: Sequence[str], values: np.ndarray, weights: np.ndarray) -> pa.Table:
    columns = [[name] * len(items), [task] * len(items), items, values, weights]
    arrays = [pa.array(column, kind) for column, kind in zip(columns, MEASURED.types, strict=True)]
    return pa.Table.from_arrays(arrays, schema=MEASURED)
