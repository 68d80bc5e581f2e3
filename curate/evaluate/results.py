"""What an evaluation leaves: every choice and every answer as Parquet, the measures as JSON and as a table.

    OUT/results.json   {"model": {"path": "runs/edu/hf", "step": 2000, "digest": "9c1f...", ...},
                        "arc_easy": {"num_items": 2376, "chance": 0.25, "asked": "51d0...", "acc": {...}, ...}}
    OUT/results.md     the same as a Markdown table
    OUT/items.parquet  one row a choice: likelihood, tokens, bytes, characters (curate.evaluate.items.ITEMS)
    OUT/answers.parquet  one row a written answer: text, right or not, and why not

    print(format_comparison(compare("runs/edu/evaluation", "runs/web/evaluation")))

`compare` pairs two models item by item. Both meet the same items, hard and easy ones alike, so the differences vary
much less than the scores: the paired standard error is what tells two models apart.
"""

import hashlib
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.columns import aligned
from curate.evaluate.estimate import Estimate, mean
from curate.evaluate.items import ITEMS, item_values
from curate.evaluate.record import MODEL, Evaluated
from curate.strict_json import dumps

Results = dict[str, dict[str, Any]]
ANSWERS = pa.schema(
    [
        ("task", pa.string()),
        ("item", pa.int32()),
        ("name", pa.string()),  # the problem's, where it has one
        ("sample", pa.int32()),
        ("text", pa.string()),
        ("measure", pa.string()),
        ("right", pa.bool_()),
        ("reason", pa.string()),
    ]
)
JSON, TABLE, ITEM_FILE, ANSWER_FILE = "results.json", "results.md", "items.parquet", "answers.parquet"


@dataclass(frozen=True)
class Difference:
    """The second model less the first, on one measure of one task."""

    task: str
    measure: str
    first: float
    second: float
    difference: Estimate  # with the standard error of paired items
    num_items: int

    @property
    def verdict(self) -> str:
        """Say which is higher, where the 95 % interval leaves no doubt."""
        margin = 1.96 * self.difference.stderr
        if math.isnan(margin) or abs(self.difference.value) <= margin:
            return "not resolved"
        return "higher" if self.difference.value > 0 else "lower"


def write(
    out: str | os.PathLike[str],
    results: Results,
    items: Sequence[pa.Table],
    answers: Sequence[Mapping[str, Any]],
    model: Evaluated | None = None,
) -> None:
    """Write the files of an evaluation into a folder, in place of an earlier one's."""
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    for file, table in (
        (ITEM_FILE, pa.concat_tables(items) if items else None),
        (ANSWER_FILE, pa.Table.from_pylist(list(answers), ANSWERS) if answers else None),
    ):
        if table is not None:
            pq.write_table(table, folder / file)
        else:  # an earlier evaluation's would pass for this one's
            (folder / file).unlink(missing_ok=True)
    (folder / TABLE).write_text(format_results(results, markdown=True) + "\n", encoding="utf-8")
    told = {MODEL: asdict(model), **results} if model is not None else results
    (folder / JSON).write_text(dumps(told) + "\n", encoding="utf-8")


def row(num_items: int, estimates: Mapping[str, Estimate], **more: Any) -> dict[str, Any]:
    return {"num_items": num_items, **more, **{name: asdict(estimate) for name, estimate in estimates.items()}}


def digest(asked: Iterable[Any]) -> str:
    """Return 16 hexadecimal digits of what a model is asked: examples and wording, in order."""
    found = hashlib.blake2b(digest_size=8)
    for one in asked:
        found.update(orjson.dumps(one) + b"\n")
    return found.hexdigest()


def format_results(results: Results, *, markdown: bool = False) -> str:
    """Return the results as a table, one measure a line; subjects of a task stay in results.json."""
    lines = [("task", "measure", "value", "+-", "chance", "items")]
    for task, measured in results.items():
        for measure, estimate in measured.items():
            if isinstance(estimate, dict) and "/" not in task:
                chance = f"{measured['chance']:.3f}" if measure.startswith("acc") and measured.get("chance") else ""
                value, spread = f"{estimate['value']:.4f}", f"{estimate['stderr']:.4f}"
                lines.append((task, measure, value, spread, chance, f"{measured['num_items']}"))
    return _markdown(lines) if markdown else "\n".join(aligned(lines, (0, 1)))


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    head, *rest = (f"| {' | '.join(line)} |" for line in lines)
    return "\n".join([head, "|---|---|---:|---:|---:|---:|", *rest])


def compare(first: str | os.PathLike[str], second: str | os.PathLike[str]) -> list[Difference]:
    """Compare two models item by item, on every task that both folders of results hold.

    Raises:
        FileNotFoundError: a folder has no items or answers.
        ValueError: they share no task, or a task has other items or was asked in other words.
    """
    one, two = _values(first), _values(second)
    shared = [key for key in one if key in two]
    if not shared:
        raise ValueError(f"{first} and {second} have no task in common")
    found, asked = [], [_asked(first), _asked(second)]
    for task, measure in shared:
        (items, a), (others, b) = one[task, measure], two[task, measure]
        if items != others:
            raise ValueError(f"{task} has other items in {first} than in {second}; evaluate both with the same --limit")
        if len({folder[task] for folder in asked if task in folder}) > 1:
            raise ValueError(
                f"{task} was asked in other words in {first} than in {second}, with other examples or from another "
                "file; evaluate both with the same --suite, --shots and --data"
            )
        found.append(Difference(task, measure, float(a.mean()), float(b.mean()), mean(b - a), len(a)))
    return found


def compared_files(folder: str | os.PathLike[str]) -> list[Path]:
    """Return the files of an evaluation that `compare` reads; raise where there are none."""
    files = [path for name in (ITEM_FILE, ANSWER_FILE) if (path := Path(folder, name)).exists()]
    if not files:
        raise FileNotFoundError(
            f"{folder} holds neither {ITEM_FILE} nor {ANSWER_FILE}; is it a folder of `curate evaluate`?"
        )
    return files


def _asked(folder: str | os.PathLike[str]) -> dict[str, str]:
    """Return the digest of what each task asked, of those that have one on record."""
    path = Path(folder, JSON)
    told = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {task: about["asked"] for task, about in told.items() if isinstance(about, dict) and "asked" in about}


def _values(folder: str | os.PathLike[str]) -> dict[tuple[str, str], tuple[list[Any], npt.NDArray[np.float64]]]:
    """Return for each task and measure what tells its items apart, and a value for each."""
    found: dict[tuple[str, str], tuple[list[Any], npt.NDArray[np.float64]]] = {}
    for path in compared_files(folder):
        table = pq.read_table(path)
        for task in table["task"].unique().to_pylist():
            part = table.filter(pc.equal(table["task"], task))
            found |= _choices(task, part) if part.schema.names == ITEMS.names else _answers(task, part)
    return found


def _choices(task: str, part: pa.Table) -> dict[tuple[str, str], tuple[list[Any], npt.NDArray[np.float64]]]:
    same = list(zip(part["item"].to_pylist(), part["choice"].to_pylist(), part["num_bytes"].to_pylist(), strict=True))
    return {(task, measure): (same, values) for measure, values in item_values(part).items()}


def _answers(task: str, part: pa.Table) -> dict[tuple[str, str], tuple[list[Any], npt.NDArray[np.float64]]]:
    found = {}
    for measure in part["measure"].unique().to_pylist():
        some = part.filter(pc.equal(part["measure"], measure)).group_by("item").aggregate([("right", "mean")])
        some = some.sort_by("item")  # several samples of an item count as their share
        found[task, measure] = (some["item"].to_pylist(), some["right_mean"].to_numpy())
    return found


def format_comparison(differences: Iterable[Difference]) -> str:
    lines = [("task", "measure", "first", "second", "difference", "+-", "items", "second is")]
    for one in differences:
        d = one.difference
        numbers = (f"{one.first:.4f}", f"{one.second:.4f}", f"{d.value:+.4f}", f"{d.stderr:.4f}", f"{one.num_items}")
        lines.append((one.task, one.measure, *numbers, one.verdict))
    return "\n".join(aligned(lines, (0, 1)))
