"""A plan: what each step and the whole will take, as written to OUT/_log/plan.json and read back after the run."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import fsspec

from curate.plan.fit import Estimate
from curate.progress.log import LOG
from curate.storage import info, is_remote, read_bytes

FORMAT = 1
FILE = f"{LOG}/plan.json"


@dataclass(frozen=True)
class Part:
    """One part of a step's work by split: reading, a stage, writing; from the sample."""

    name: str
    share: float  # of the step's seconds
    seconds_per_mb: float  # of the text, or the input before there is text, that went in
    seconds_per_row: float
    rows_left: float | None  # share of the step's documents that are left after it


@dataclass(frozen=True)
class StepPlan:
    """One step. `seconds` and `cpu_seconds` are of all workers together, without start-up; `wall` is theirs in turn."""

    name: str  # below OUT; "" is OUT itself
    verb: str
    rows_in: Estimate
    rows_out: Estimate
    quarantined: Estimate
    text_out: Estimate  # bytes
    tokens: Estimate
    disk: Estimate  # bytes
    seconds: Estimate
    cpu_seconds: Estimate
    wall: Estimate
    walls: Mapping[int, float]  # seconds for some numbers of workers
    longest: float  # seconds of the longest split: no number of workers makes the step shorter
    split_seconds: float  # of a split that holds nothing
    start_seconds: float  # of a new process
    gpus: float  # for each split at work
    peak_bytes: int  # of the process that did the sample, up to this step's end
    parts: tuple[Part, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Teaching:
    """What a teacher's grades will cost."""

    documents: float
    prompt_tokens: Estimate
    completion_tokens: Estimate
    money: Estimate | None
    seconds: Estimate | None  # where a rate limit, or answers that were asked for, tell
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What a command will take.

    Attributes:
        before_seconds: of one process until its first step begins: imports, models, listing the input.
        between_seconds: after that, outside of the steps.
        money: of processors and GPUs, where prices were given; the teacher's is in `teaching`.
        machine: host and processors of the rehearsal.
    """

    command: tuple[str, ...]
    out: str
    share: float
    num_pieces: int  # in the sample
    of_pieces: int
    num_splits: int
    input_bytes: int
    seed: int
    workers: int
    ray: str | None
    machine: tuple[str, int]
    rehearsal_seconds: float
    before_seconds: float
    between_seconds: float
    wall: Estimate
    cpu_hours: Estimate
    gpu_hours: Estimate
    peak_bytes: Estimate
    scratch: Estimate
    disk: Estimate
    money: Estimate | None
    steps: tuple[StepPlan, ...]
    teaching: Teaching | None = None
    notes: tuple[str, ...] = ()

    def label(self, step: StepPlan) -> str:
        """Return what to call a step: its folder, or the command where it has only one."""
        return step.name or self.command[0]

    def save(self) -> str:
        """Write the plan into OUT/_log and return its path; nothing else is written there."""
        path = f"{self.out}/{FILE}"
        fs, name = fsspec.core.url_to_fs(path)
        if not is_remote(fs):
            fs.makedirs(fs._parent(name), exist_ok=True)
        fs.pipe_file(name, json.dumps({"format": FORMAT, **asdict(self)}, indent=1).encode())
        return path


def is_planned(out: str) -> bool:
    """Tell whether a plan lies in a folder."""
    return info(f"{out.rstrip('/')}/{FILE}") is not None


def read_plan(out: str) -> Plan | None:
    """Return the plan in a folder; None if there is none, or one that another version wrote."""
    if not is_planned(out):
        return None
    said = json.loads(read_bytes(f"{out.rstrip('/')}/{FILE}"))
    if said.pop("format", None) != FORMAT:
        return None
    return Plan(**_plan_fields(said))


def _plan_fields(said: dict[str, Any]) -> dict[str, Any]:
    steps = tuple(StepPlan(**_step_fields(step)) for step in said["steps"])
    teaching = None if said["teaching"] is None else Teaching(**_estimates(Teaching, said["teaching"]))
    lists = {"command": tuple(said["command"]), "machine": tuple(said["machine"]), "notes": tuple(said["notes"])}
    return _estimates(Plan, said) | lists | {"steps": steps, "teaching": teaching}


def _step_fields(said: dict[str, Any]) -> dict[str, Any]:
    parts = tuple(Part(**part) for part in said["parts"])
    walls = {int(workers): seconds for workers, seconds in said["walls"].items()}
    return _estimates(StepPlan, said) | {"parts": parts, "notes": tuple(said["notes"]), "walls": walls}


def _estimates(kind: type, said: Mapping[str, Any]) -> dict[str, Any]:
    """Turn what a dataclass has as estimates back into such."""
    named = {one.name for one in fields(kind) if "Estimate" in str(one.type)}
    return {name: Estimate(**value) if name in named and value else value for name, value in said.items()}
