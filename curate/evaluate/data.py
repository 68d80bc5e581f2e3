"""The rows of a benchmark: JSON lines or Parquet in a folder, or the Parquet conversion of a data set on the hub.

Data(("piqa_val", "piqa"), "ybisk/piqa plain_text validation").rows("eval/")      # eval/piqa_val.jsonl, if there
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HUB = "hub"
HUB_URL = "hf://datasets"


@dataclass(frozen=True)
class Data:
    """Rows by file name in a folder, and by "owner/name config split" or "... split+split" on the hub."""

    names: tuple[str, ...]
    hub: str = ""

    def rows(self, folder: str | os.PathLike[str], hub_url: str = HUB_URL) -> list[dict[str, Any]]:
        """Read all rows.

        Raises:
            FileNotFoundError: the folder has no file of these names.
            ValueError: a line is not JSON.
        """
        if folder == HUB:
            return hub_rows(self.hub, hub_url)
        found = self.file(folder)
        if found is None:
            files = " or ".join(f"{name}.jsonl" for name in self.names)
            raise FileNotFoundError(f"{folder} has no {files}; name the folder of the benchmarks with --data")
        return read_rows(found)

    def file(self, folder: str | os.PathLike[str]) -> Path | None:
        paths = (Path(folder, name + ending) for name in self.names for ending in (".jsonl", ".parquet"))
        return next((path for path in paths if path.exists()), None)


def read_rows(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return rows
    return list(_json_lines(path))


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ValueError(
                    f"{path}, line {number} is not JSON ({error}); the file should be JSON lines"
                ) from error
            if not isinstance(row, dict):
                raise ValueError(f"{path}, line {number} is a {type(row).__name__}, not an object with fields")
            yield row


def hub_rows(name: str, hub_url: str = HUB_URL) -> list[dict[str, Any]]:
    """Read splits of a data set: the hub keeps every one as Parquet on the branch refs/convert/parquet."""
    if not name:
        raise ValueError("this task has no data set on the hub; give a folder with its file")
    repository, config, splits = name.split()
    return [row for split in splits.split("+") for row in _split_rows(repository, config, split, hub_url)]


def _split_rows(repository: str, config: str, split: str, hub_url: str) -> list[dict[str, Any]]:
    import fsspec
    import pyarrow.parquet as pq

    fs, root = fsspec.core.url_to_fs(f"{hub_url}/{repository}@~parquet/{config}/{split}")
    files = sorted(fs.glob(f"{root}/*.parquet"))
    if not files:
        raise FileNotFoundError(f"the hub has no Parquet files of {repository}, {config}, {split}")
    return [row for file in files for row in pq.read_table(file, filesystem=fs).to_pylist()]
