"""Runs as rows: parameters, tokens, loss; from our own sweep or from anybody's table.

    rows = read_rows("scaling/results.parquet")
    rows = read_rows("theirs.csv", measure="val_loss")

Parquet, CSV and JSON lines are read. A column may have the names that people give it (`num_parameters`, `params`, `N`,
`Model Size`); where tokens are not told, they follow from the operations by C = 6 N D.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from curate.scaling.law import Floats

Count = Literal["all", "non-embedding"]
NAMES_OF = {
    "all": ("num_parameters", "parameters", "params", "n_params", "model_size", "n"),
    "non-embedding": ("non_embedding_parameters", "non_embedding", "non_embedding_params"),
    "tokens": ("num_tokens", "tokens", "training_tokens", "n_tokens", "d"),
    "flops": ("flops", "training_flop", "training_flops", "compute", "c"),
    "loss": ("loss", "val_loss", "validation_loss", "eval_loss", "l"),
}
SHARED = ("stable_run", "run")  # rows of one such name grew from one stable phase


@dataclass(frozen=True)
class Rows:
    """R runs: parameters, tokens and loss, each (R,), and which of them share a stable phase."""

    num_parameters: Floats
    num_tokens: Floats
    loss: Floats
    runs: tuple[str, ...]  # (R,)
    count: Count = "all"
    measure: str = "loss"

    def __post_init__(self) -> None:
        for name in ("num_parameters", "num_tokens", "loss"):
            values = getattr(self, name)
            wrong = np.flatnonzero(~(np.isfinite(values) & (values > 0)))
            if len(wrong):
                raise ValueError(f"row {wrong[0] + 1}: {name} is {values[wrong[0]]}; it must be a positive number")

    def __len__(self) -> int:
        return len(self.loss)

    def pick(self, mine: Any) -> "Rows":
        """Return the rows at a mask or at indices."""
        some = np.arange(len(self))[mine]
        runs = tuple(self.runs[i] for i in some)
        parts = (self.num_parameters[some], self.num_tokens[some], self.loss[some])
        return Rows(*parts, runs, self.count, self.measure)


def read_rows(path: str | Path, *, measure: str = "loss", count: Count = "all") -> Rows:
    """Read rows from Parquet, CSV or JSON lines.

    Args:
        measure: the column that is to be predicted, such as bits_per_byte.
        count: which parameters N are.

    Raises:
        ValueError: a column is missing, or a value is not a positive number.
    """
    return rows_of(read_table(path), measure=measure, count=count, said=f"{path}")


def rows_of(table: pa.Table, *, measure: str = "loss", count: Count = "all", said: str = "the table") -> Rows:
    """Take rows out of a table; see `read_rows`."""
    params = _column(table, NAMES_OF[count])
    losses = _column(table, NAMES_OF["loss"] if measure == "loss" else (_plain(measure),))
    tokens, flops = _column(table, NAMES_OF["tokens"]), _column(table, NAMES_OF["flops"])
    if tokens is None and flops is not None and params is not None:
        tokens = flops / (6 * params)
    missing = [name for name, held in (("parameters", params), ("tokens", tokens), (measure, losses)) if held is None]
    if params is None or tokens is None or losses is None:
        raise ValueError(
            f"{said} has no column for {' and '.join(missing)}; it has {', '.join(table.column_names)}. "
            "Name them num_parameters (or non_embedding_parameters), num_tokens and loss"
        )
    shared = next((name for name in SHARED if name in table.column_names), None)
    runs = [f"{run}" for run in table[shared].to_pylist()] if shared else [f"{i}" for i in range(table.num_rows)]
    return Rows(params, tokens, losses, tuple(runs), count, measure)


def read_table(path: str | Path) -> pa.Table:
    """Read Parquet, CSV or JSON lines, by the file's ending."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there; name a Parquet, CSV or JSON lines file of runs")
    try:
        if path.suffix == ".csv":
            return pyarrow.csv.read_csv(path)
        if path.suffix in (".jsonl", ".ndjson", ".json"):
            return pa.Table.from_pylist(_lines(path))
        return pq.read_table(path)
    except (pa.ArrowInvalid, pa.ArrowTypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is no table of runs ({error}); give Parquet, CSV or JSON lines") from error


def _lines(path: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    strange = [line for line in lines if not isinstance(line, dict)]
    if strange:
        raise ValueError(
            f"{path} has a line with {'an array' if isinstance(strange[0], list) else repr(strange[0])}; give each run "
            'a line of its own, such as {"num_parameters": 1e6, "num_tokens": 2e7, "loss": 3.1}; '
            f"jq -c '.[]' {path} makes lines of an array"
        )
    return lines


def _column(table: pa.Table, names: Sequence[str]) -> Floats | None:
    """Return the first column of a name in `names`, however it is written."""
    held = {_plain(name): name for name in reversed(table.column_names)}
    found = next((held[name] for name in names if name in held), None)
    if found is None:
        return None
    try:
        return np.array(table[found].cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ValueError(f"column {found!r} holds something that is no number: {error}") from error


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")
