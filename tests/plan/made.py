"""Shards with receipts and logs that a test makes by hand."""

import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from curate.corpus import Split
from curate.plan.draw import Drawn
from curate.writer import ShardWriter

SCHEMA = pa.schema([("text", pa.string()), ("id", pa.string())])


def shard(
    folder: Path,
    name: str,
    *,
    rows: tuple[int, int],
    text: tuple[int, int],
    quarantined: int = 0,
    stages: Sequence[str] = ("Keep(x)",),
) -> None:
    """Write a shard whose receipt says how many documents and bytes came in, and went out of the last stage."""
    steps = [["input", rows[0], text[0]], *([stage, rows[0], text[0]] for stage in stages[:-1])]
    tally = {"steps": [*steps, [stages[-1], rows[1], text[1]]], "quarantined": {"bad": quarantined}}
    with ShardWriter(folder, name, SCHEMA) as writer:
        texts = ["x" * (text[1] // max(rows[1], 1))] * rows[1]
        writer.write(pa.record_batch({"text": texts, "id": [f"{name}-{at}" for at in range(rows[1])]}, SCHEMA))
        writer.commit({"tally": tally, "split": {"name": name}, "recipe": {"stages": list(stages)}})


def split_line(
    name: str,
    seconds: float,
    parts: Sequence[Sequence[Any]] = (),
    *,
    worker: str = "host:1",
    cpu_seconds: float | None = None,
) -> dict[str, Any]:
    """Return the line of one split in a log."""
    cpu = seconds if cpu_seconds is None else cpu_seconds
    told = {"seconds": seconds, "cpu_seconds": cpu, "peak_bytes": 10**8, "worker": worker}
    return {"event": "split", "at": seconds, "name": name, "resumed": False, "parts": [list(p) for p in parts], **told}


def write_log(
    folder: Path,
    lines: Sequence[Mapping[str, Any]],
    seconds: float,
    *,
    unix: float = 1000.0,
    verb: str = "run",
    workers: int | None = None,
    worker: str = "host:1",
    cpus: int = 2,
    more: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write the log of one try, as `curate.progress` does."""
    start = {"event": "start", "at": 0.0, "unix": unix, "verb": verb, "worker": worker, "cpus": cpus}
    end = {"event": "end", "at": seconds, "seconds": seconds, "state": "done", "driver_peak_bytes": 10**8}
    told = [start | {"ray": None, "workers": workers, "num_gpus": 0}, *lines, *more, end]
    (folder / "_log").mkdir(parents=True, exist_ok=True)
    name = f"{int(unix):020d}-{uuid.uuid4().hex[:8]}.log"
    (folder / "_log" / name).write_text("".join(f"{json.dumps(line)}\n" for line in told))


def drawn_of(pieces: Mapping[str, int], *, tiny: Sequence[str], num_splits: int, total_bytes: int) -> Drawn:
    """Return a draw of pieces of given bytes, of a whole of equal splits."""
    each = total_bytes // num_splits
    return Drawn(
        splits=tuple(Split(f"s{at}", "", 0, -1, None, each) for at in range(num_splits)),
        pieces=tuple(Split(name, "", 0, -1, None, size) for name, size in pieces.items()),
        tiny=tuple(Split(name, "", 0, -1, None, 1, 4) for name in tiny),
        skips={},
        num_pieces=20,
        total_bytes=total_bytes,
        total_rows=None,
    )
