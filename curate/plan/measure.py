"""What a run did and took, step by step and split by split: read from its receipts, its files and its log.

    for step in measure("runs/edu"):
        step.name, step.total("rows_out"), step.total("seconds")

The same for a rehearsal and for the real run, so that the one is held against the other. Documents and bytes of text
are from the receipts of the shards, bytes on disk from the files, seconds and memory from the logs. What is done by
split is told by split; the rest (what `dedup` decides on all documents at once) by phase.
"""

import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from curate.corpus import BATCH_ROWS, DROPPED, QUARANTINE, Corpus, is_shard
from curate.ledger.runs import JOINS
from curate.parquet import open_parquet, read_receipt
from curate.progress.log import ENDING, LOG, LoggedRun, read_log
from curate.storage import insist, locate

LEAST_START_S, LEAST_START = 0.01, 0.5  # a first batch that took no more longer, or by no more of the usual, was slow
SLOW = 0.9  # the share of batches that a slow one takes longer than
RANGE = re.compile(r"\.\d{5}-\d{5}$")  # of row groups: what a split's name ends with if its file has several


@dataclass
class Part:
    """What one part of the work on a split took: reading, a stage, writing."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    rows: int = 0
    num_bytes: int = 0


@dataclass
class Unit:
    """One split of a step. Numbers add up over what it became in the step's phases."""

    rows_in: int = 0
    rows_out: int = 0
    quarantined: int = 0
    text_in: int = 0
    text_out: int = 0
    tokens: int = 0
    disk: int = 0  # of its files, those of `evidence` too
    evidence: int = 0  # bytes in dropped/ and quarantine/
    around: int = 0  # of `disk`, what is around the rows of Parquet: footers with receipts, Bloom filters
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    start_seconds: float = 0.0  # of `seconds`, what loading models and kernels took in a process that was new
    left: list[tuple[str, int, int]] = field(default_factory=list)  # after each stage: documents and bytes of text
    parts: dict[str, Part] = field(default_factory=dict)


class First(NamedTuple):
    """What the first batch of a part took, of about `size` bytes; where nobody looked inside a split, the split."""

    worker: str
    split: str
    part: str
    seconds: float
    size: float


@dataclass
class Step:
    """One folder that the command writes.

    Attributes:
        name: below the command's OUT; "" for OUT itself.
        verb: run, dedup, tokenize, ...; "" where no log tells.
        units: by the name of the split.
        phases: seconds of what is not done by split; `phases_cpu` of processors.
        loose: bytes of Parquet files that belong to no split, and the rows in them.
        fixed: bytes of other files: a tokenizer, benchmarks, a card.
        seconds: from the log's start to its end, of all tries together.
        resumed: splits that an earlier try had done.
    """

    name: str
    verb: str = ""
    units: dict[str, Unit] = field(default_factory=dict)
    phases: dict[str, float] = field(default_factory=dict)
    phases_cpu: float = 0.0
    loose: int = 0
    loose_rows: int = 0
    fixed: int = 0
    seconds: float = 0.0
    began: float = 0.0  # unix time
    ended: float = 0.0
    peak_bytes: int = 0
    num_gpus: float = 0.0
    workers: int | None = None
    ray: str | None = None
    machine: tuple[str, int] = ("", 0)  # host, processors
    tries: int = 0
    firsts: list["First"] = field(default_factory=list)

    def total(self, what: str) -> float:
        """Return the sum of one number over the splits."""
        return float(sum(getattr(unit, what) for unit in self.units.values()))

    @property
    def disk(self) -> int:
        return int(self.total("disk")) + self.loose + self.fixed

    @property
    def rows_out(self) -> int:
        return int(self.total("rows_out")) + self.loose_rows


def measure(out: str, *, footers: bool = False) -> list[Step]:
    """Return the steps of a run in the order in which they began; none if nothing is there.

    Args:
        footers: look into each Parquet file for what of it is rows and what is around them.
    """
    fs, root = locate(out)
    found: Mapping[str, Mapping[str, Any]] = insist(out, "listed", lambda: fs.find(root, detail=True))
    files = {name.removeprefix(root).strip("/"): int(info["size"] or 0) for name, info in found.items()}
    steps = [_step(out, folder, files, footers) for folder in _folders(files)]
    return sorted(steps, key=lambda step: (step.began, step.name))


def _folders(files: Iterable[str]) -> list[str]:
    """Return the folders that a step wrote: those with a log, and those with shards outside of these."""
    paths = sorted(files)
    logs = [path for path in paths if f"/{LOG}/" in f"/{path}" and path.endswith(ENDING)]
    logged = {path.rpartition(f"{LOG}/")[0].rstrip("/") for path in logs}
    others = {posixpath.dirname(path) for path in paths if is_shard(path)}
    return sorted(logged | {folder for folder in others if not any(_below(folder, one) for one in logged)})


def _below(path: str, folder: str) -> bool:
    folder = folder.strip("/")
    return not folder or path == folder or path.startswith(f"{folder}/")


def _step(out: str, folder: str, files: Mapping[str, int], footers: bool) -> Step:
    step, place = Step(folder), f"{out}/{folder}".rstrip("/")
    inside = {path[len(folder) :].strip("/"): size for path, size in files.items() if _below(path, folder)}
    shards = [path for path in inside if is_shard(path)]
    with ThreadPoolExecutor(16) as pool:
        receipts = dict(zip(shards, pool.map(lambda path: read_receipt(f"{place}/{path}"), shards), strict=True))
    for path, receipt in receipts.items():
        _count(step, path.removesuffix(".parquet"), receipt or {})
    for path, size in inside.items():
        owner = _owner(path, step.units)
        if owner is not None:
            step.units[owner].disk += size
            if footers and path.endswith(".parquet"):
                step.units[owner].around += size - _bytes_of_rows(f"{place}/{path}")
            step.units[owner].evidence += size if path.startswith((DROPPED, QUARANTINE)) else 0
        elif is_shard(path):
            step.loose += size
            step.loose_rows += Corpus(f"{place}/{path}").num_rows
        elif f"{LOG}/" not in f"{path}/":
            step.fixed += size
    for logged in read_log(place):
        _time(step, logged)
    _find_starts(step)
    _in_turn(step)
    return step


def _bytes_of_rows(path: str) -> int:
    with open_parquet(path) as file:
        groups = [file.metadata.row_group(group) for group in range(file.metadata.num_row_groups)]
    return sum(group.column(at).total_compressed_size for group in groups for at in range(group.num_columns))


def _owner(path: str, units: Mapping[str, Unit]) -> str | None:
    """Return the split that a file belongs to."""
    plain = path
    for evidence in (DROPPED, QUARANTINE):
        plain = plain.removeprefix(f"{evidence}/")
    name = posixpath.splitext(plain)[0]
    return name if name in units else None


def _count(step: Step, name: str, receipt: Mapping[str, Any]) -> None:
    """Add what the receipt of a shard says."""
    tally, split = receipt.get("tally"), receipt.get("split")
    if JOINS in receipt.get("recipe", {}):  # shards of all splits together
        return
    if tally is not None and split is not None:
        unit = step.units.setdefault(name, Unit())
        steps = [(str(stage), int(rows), int(size)) for stage, rows, size in tally["steps"]]
        unit.rows_in, unit.text_in, unit.rows_out, unit.text_out = *steps[0][1:], *steps[-1][1:]
        unit.quarantined = sum(tally["quarantined"].values())
        unit.left = steps
    elif receipt.get("step") == "tokenize":
        unit = step.units.setdefault(name, Unit())
        unit.rows_in = unit.rows_out = receipt["num_documents"]
        unit.text_in, unit.tokens = receipt["num_bytes"], receipt["num_tokens"]


def _time(step: Step, logged: LoggedRun) -> None:
    """Add what the log of one try says."""
    start = logged.start
    step.tries += 1
    step.verb, step.ray, step.workers = start.get("verb", ""), start.get("ray"), start.get("workers")
    step.num_gpus = start.get("num_gpus") or 0.0
    step.machine = (str(start.get("worker", "")).partition(":")[0], start.get("cpus") or 0)
    step.began = step.began or start.get("unix", 0.0)
    step.seconds += (logged.end or {}).get("seconds") or max((line["at"] for line in logged.units), default=0.0)
    step.ended = start.get("unix", 0.0) + (logged.end or {}).get("at", 0.0)
    step.peak_bytes = max(step.peak_bytes, (logged.end or {}).get("driver_peak_bytes") or 0)
    for line in logged.units:
        if not line.get("resumed"):
            _spend(step, line)
    known = {line.get("phase") for line in logged.units if line["name"] in step.units}
    for line in logged.phases:
        if line["phase"] not in known:
            step.phases[line["phase"]] = step.phases.get(line["phase"], 0.0) + line["seconds"]


def _spend(step: Step, line: Mapping[str, Any]) -> None:
    step.peak_bytes = max(step.peak_bytes, line.get("peak_bytes") or 0)
    if line["name"] not in step.units:
        step.phases_cpu += line.get("cpu_seconds") or 0.0
        return
    unit = step.units[line["name"]]
    unit.seconds += line.get("seconds") or 0.0
    unit.cpu_seconds += line.get("cpu_seconds") or 0.0
    parts = [part for part in _named(line) if part[1]]
    if not parts:  # nobody looked inside
        seconds, size = line.get("seconds") or 0.0, max(line.get("bytes") or 1, 1)
        step.firsts.append(First(line.get("worker", ""), line["name"], line.get("phase", ""), seconds, size))
    batches = max(unit.rows_in / BATCH_ROWS, 1.0)
    for name, seconds, cpu_seconds, rows, num_bytes, first in parts:
        if num_bytes:
            step.firsts.append(First(line.get("worker", ""), line["name"], name, first, num_bytes / batches))
        part = unit.parts.setdefault(name, Part())
        part.seconds, part.cpu_seconds = part.seconds + seconds, part.cpu_seconds + cpu_seconds
        part.rows, part.num_bytes = part.rows + rows, part.num_bytes + num_bytes


def _named(line: Mapping[str, Any]) -> Iterator[Sequence[Any]]:
    """Yield the parts of a split under names that tell them apart: of two `Keep`, the second is `Keep 2`."""
    before = f"{line['phase']}: " if line.get("phase") else ""
    met = Counter[str]()
    for name, *numbers in line.get("parts") or ():
        met[name] += 1
        yield (f"{before}{name}{f' {met[name]}' if met[name] > 1 else ''}", *numbers)


def _find_starts(step: Step) -> None:
    """Tell what the first split of each process took longer, for loading models and kernels.

    The first batch of each part is held against the first batches of the splits that came later: it counts as a start
    if it took half as long again for its bytes, and longer than nearly all of them.
    """
    opened: dict[str, str] = {}  # worker -> its first split
    for first in step.firsts:
        opened.setdefault(first.worker, first.split)
    later: dict[str, list[float]] = {}  # part -> seconds for a byte
    for first in step.firsts:
        if opened[first.worker] != first.split:
            later.setdefault(first.part, []).append(first.seconds / first.size)
    for first in step.firsts:
        if opened[first.worker] == first.split and first.part in later:
            usual, slow = (float(q) * first.size for q in np.quantile(later[first.part], [0.5, SLOW]))
            if first.seconds > max(usual + LEAST_START_S, usual * (1 + LEAST_START), slow):
                step.units[first.split].start_seconds += first.seconds - usual


def _in_turn(step: Step) -> None:
    """Make the seconds of splits add up to no more than the step took, where one process did them all.

    Its small shards are put in place together, and each of them counts the wait for all.
    """
    together = step.total("seconds")
    alone = step.seconds - sum(step.phases.values())
    if step.tries == 1 and step.ray in (None, "none") and 0 < alone < together:
        for unit in step.units.values():
            unit.seconds *= alone / together
            unit.start_seconds *= alone / together


def with_starts(steps: Sequence[Step], young: Sequence[Step]) -> Sequence[Step]:
    """Count as the start of each step what it took longer when the same process did it before.

    Args:
        young: the same steps of that earlier time; none if there was none.
    """
    first = {step.name: step for step in young}
    for step in steps:
        if step.name in first and step.units:
            share = min(step.total("cpu_seconds") / max(step.total("seconds"), 1e-9), 1.0)
            longer = max(first[step.name].total("seconds") - step.total("seconds"), 0.0)
            for unit in step.units.values():
                unit.start_seconds = 0.0
            unit = next(iter(step.units.values()))
            unit.start_seconds, unit.seconds = longer, unit.seconds + longer
            unit.cpu_seconds += longer * share
    return steps
