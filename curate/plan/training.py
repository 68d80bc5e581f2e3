"""What a training will take before it is started: time, memory, disk, money, and how often its data are read.

    print(training_table(plan_training(parse(["pretrain", "tokens/edu", "-o", "runs/5m"], app))))

Its first steps are taken (`first_steps`), and the whole is as many of them, with the checkpoints and the looks at
held-out data that the command asks for. The interval of a step's time is Student's, over blocks of steps, and of what
minutes differ from hours on a quiet machine; it does not cover another load on it.
"""

import json
import os
import shutil
import socket
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from curate.amounts import count, digits, duration, size
from curate.columns import aligned
from curate.plan.command import Command
from curate.plan.first_steps import FirstSteps, bytes_in, first_steps
from curate.plan.fit import UPPER, Estimate
from curate.plan.held import Held
from curate.plan.result import FILE, is_planned
from curate.plan.table import WORDS, about, hours, money
from curate.storage import read_bytes
from curate.train.log import read_log

FORMAT = "training 1"
BLOCKS = 8  # of steps, whose means are nearly independent
LONGER = 0.05  # share by which a step of a long run may differ; it was 0.02 in runs of six minutes (benchmarks/plan.py)
FRAGMENTS = 0.1  # more memory that a long run may hold: 0.02 and 0.06 there
LINES, SMALL = 0.2, 20_000  # of the log, whose lines are not all as long as the first; run.json, evaluations, the card
STARTS_AGAIN = 3.0  # times the longest pause that was planned, and a minute: then the run was stopped in between
WALL = "wall time, first step to last"
MOST_EPOCHS = 4.0  # more teach little (Muennighoff et al. 2023)


@dataclass(frozen=True)
class TrainingPlan:
    """What a training run will take."""

    command: tuple[str, ...]
    out: str
    workers: int
    ray: str | None
    machine: tuple[str, int]  # host and processors of the rehearsal
    first: FirstSteps
    tokens_per_s: Estimate
    steps_seconds: Estimate  # of all steps
    wall: Estimate
    peak_bytes: Estimate  # of the first worker's process
    cpu_hours: Estimate
    gpu_hours: Estimate
    disk: int
    free_bytes: int  # where the output will be
    money: Estimate | None
    notes: tuple[str, ...] = ()

    def save(self) -> str:
        """Write the plan into OUT/_log and return its path."""
        path = Path(self.out, FILE)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"format": FORMAT, **asdict(self)}, indent=1))
        return str(path)


def plan_training(
    command: Command, *, scratch: str | None = None, prices: Mapping[str, float] | None = None
) -> TrainingPlan:
    """Take a training command's first steps and return what the whole will take.

    Args:
        scratch: folder for the first steps, which every worker sees; else a temporary one.
        prices: of an hour of a processor ("cpu") and of a GPU ("gpu").

    Raises:
        TooShortError: the run is hardly longer than its rehearsal.
        RehearsalError: the first steps fail.
    """
    with ExitStack() as stack:
        place = scratch or stack.enter_context(tempfile.TemporaryDirectory(prefix="curate-plan-"))
        return planned(command, first_steps(command, place), prices or {})


def planned(command: Command, first: FirstSteps, prices: Mapping[str, float]) -> TrainingPlan:
    """Carry the first steps to the whole run."""
    step, workers = mean_of(first.step_seconds), command.workers or 1
    saving = first.saves * first.save_seconds + first.evaluations * first.evaluation_seconds
    once = first.start_seconds + saving + first.export_seconds
    steps, wall = (_scaled(step, first.steps, plus) for plus in (0.0, once))
    gpus = workers if first.gpu_peak_bytes else 0
    gpu_hours = _scaled(wall, gpus / 3600)
    cpu_hours = _scaled(wall, (workers if first.busy is None else first.busy) / 3600)  # Ray's workers hold one each
    bills = [_scaled(used, prices[what]) for used, what in ((cpu_hours, "cpu"), (gpu_hours, "gpu")) if what in prices]
    ends = [(bill.value, bill.low, bill.high) for bill in bills]
    disk = first.kept * first.checkpoint_bytes + first.model_bytes + first.log_bytes
    most = (1 + FRAGMENTS) * first.peak_bytes + first.token_bytes
    free = shutil.disk_usage(_there(Path(command.out))).free
    return TrainingPlan(
        command=command.words,
        out=command.out,
        workers=workers,
        ray=command.arguments.get("ray"),
        machine=(socket.gethostname(), os.cpu_count() or 1),
        first=first,
        tokens_per_s=Estimate(*(first.step_tokens / seconds for seconds in (step.value, step.high, step.low))),
        steps_seconds=steps,
        wall=wall,
        peak_bytes=Estimate(first.peak_bytes, (1 - FRAGMENTS) * first.peak_bytes, most),
        cpu_hours=cpu_hours,
        gpu_hours=gpu_hours,
        disk=disk,
        free_bytes=free,
        money=Estimate(*map(sum, zip(*ends, strict=True))) if bills else None,
        notes=tuple(_notes(command, first, disk, free)),
    )


def mean_of(seconds: Sequence[float]) -> Estimate:
    """Return the mean of steps' seconds with its 90 % interval, by the means of blocks of them."""
    import numpy as np
    from scipy.stats import t

    means = [float(block.mean()) for block in np.array_split(np.array(seconds), min(BLOCKS, len(seconds)))]
    mean = sum(seconds) / len(seconds)
    off = float(t.ppf(UPPER, len(means) - 1) * np.std(means, ddof=1) / np.sqrt(len(means)))
    off = float(np.hypot(off, LONGER * mean))
    return Estimate(mean, max(mean - off, mean / 2), mean + off)


def _scaled(one: Estimate, factor: float, plus: float = 0.0) -> Estimate:
    return Estimate(one.value * factor + plus, one.low * factor + plus, one.high * factor + plus)


def _off(value: float, most: float) -> Estimate:
    return Estimate(value, value - most, value + most)


def _there(folder: Path) -> Path:
    """Return the nearest folder above that is there."""
    return next(place for place in (folder.absolute(), *folder.absolute().parents) if place.is_dir())


def _notes(command: Command, first: FirstSteps, disk: int, free: int) -> list[str]:
    notes = [
        f"{path} is read {digits(times, 2)} times; more than about {MOST_EPOCHS:.0f} teach little (Muennighoff et al. "
        "2023): train on fewer tokens, or on more data"
        for path, times in first.epochs.items()
        if times > MOST_EPOCHS
    ]
    if disk > free:
        notes.append(f"{size(free)} are free at {command.out}, too little; keep fewer checkpoints with --keep")
    done = Path(command.out, "checkpoints")
    there = max((int(path.name[5:]) for path in done.glob("step-*")), default=0)
    if there:
        notes.append(f"{command.out} holds {there:,} of {first.steps:,} steps; the plan is of them all")
    return notes


def training_table(plan: TrainingPlan) -> str:
    """Return the plan in lines for people."""
    first = plan.first
    parts = [f"{first.steps:,} steps {about(plan.steps_seconds, duration)}"]
    parts += [f"{first.saves} checkpoints {duration(first.saves * first.save_seconds)}"]
    if first.evaluations:
        looking = first.evaluations * first.evaluation_seconds
        looks = "1 look" if first.evaluations == 1 else f"{first.evaluations} looks"
        parts.append(f"{looks} at held-out data {duration(looking)}")
    parts.append(f"start and end {duration(first.start_seconds + first.export_seconds)}")
    gpu = f"; {size(first.gpu_peak_bytes)} of a GPU" if first.gpu_peak_bytes else ""
    total = first.steps * first.step_tokens
    rows = [
        ("model", f"{first.num_parameters:,} parameters"),
        ("tokens", f"{total:,}, {total / first.num_parameters:.1f} for each parameter; {first.step_tokens:,} a step"),
        ("data", ", ".join(f"{path} read {digits(times, 2)} times" for path, times in first.epochs.items())),
        ("speed", f"{about(plan.tokens_per_s, count)} tokens/s, MFU {first.mfu:.0%}"),
        ("wall time", about(plan.wall, duration)),
        ("", ", ".join(parts)),
        ("memory of a process", f"{size(plan.peak_bytes.value)} measured, up to {size(plan.peak_bytes.high)}{gpu}"),
        ("disk", f"{size(plan.disk)}: {first.kept} checkpoints of {size(first.checkpoint_bytes)}"
         + (f", the model {size(first.model_bytes)}" if first.model_bytes else "")),
    ]  # fmt: skip
    rows.append(("processors", about(plan.cpu_hours, hours)))
    if first.gpu_peak_bytes:
        rows.append(("GPUs", about(plan.gpu_hours, hours)))
    if plan.money is not None:
        rows.append(("money for machines", about(plan.money, money)))
    head = [
        f"plan of: curate {' '.join(plan.command)}",
        f"rehearsed by the first steps, {len(first.step_seconds)} of them timed, with {plan.workers} at work, in "
        f"{duration(first.rehearsal_seconds)}; intervals are 90 %",
        "",
    ]
    return "\n".join([*head, *aligned(rows, WORDS), *(f"note: {note}" for note in plan.notes)])


def read_training(out: str) -> TrainingPlan | None:
    """Return the plan of a training in a folder; None if there is none, or one that another version wrote."""
    said = json.loads(read_bytes(f"{out.rstrip('/')}/{FILE}")) if is_planned(out) else {}
    if said.pop("format", None) != FORMAT:
        return None
    first = FirstSteps(**{**said["first"], "step_seconds": tuple(said["first"]["step_seconds"])})
    named = ("tokens_per_s", "steps_seconds", "wall", "peak_bytes", "cpu_hours", "gpu_hours", "money")
    estimates = {name: Estimate(**said[name]) if said[name] else None for name in named}
    lists = {"command": tuple(said["command"]), "machine": tuple(said["machine"]), "notes": tuple(said["notes"])}
    return TrainingPlan(**{**said, **estimates, **lists, "first": first})


def tell_training(plan: TrainingPlan, out: str) -> str:
    """Return the plan's own error after the run in `out` as a table, or why there is none."""
    done = len(read_log(out))
    if done < plan.first.steps:
        return f"{out}/{FILE} is not held against the run, which has taken {done:,} of {plan.first.steps:,} steps"
    found = compare_training(plan, out)
    rows = [("", "planned (90 %)", "real", "error", "interval"), *(one.cells() for one in found)]
    told = [f"the plan of {len(plan.first.step_seconds)} steps, and the run:", *aligned(rows, WORDS)]
    once = any(one.name == WALL for one in found)
    return "\n".join(told if once else [*told, "note: the run stopped on its way; its wall time is not compared"])


def compare_training(plan: TrainingPlan, out: str) -> list[Held]:
    """Hold speed, memory, disk, and the wall time of a run that did not stop on its way, against what was."""
    first, log = plan.first, read_log(out)
    seconds = [first.step_tokens / line["tokens_per_s"] for line in log]
    num_bytes = bytes_in(Path(out)) - bytes_in(Path(out, FILE).parent)
    found = [
        Held("tokens/s", plan.tokens_per_s, first.steps * first.step_tokens / sum(seconds), count),
        Held("memory of a process", plan.peak_bytes, max(line["peak_bytes"] for line in log), size),
        Held("disk", _off(plan.disk, LINES * first.log_bytes + SMALL), num_bytes, size),
    ]
    pauses = [now["unix"] - took - before["unix"] for before, now, took in zip(log, log[1:], seconds[1:], strict=False)]
    if max(pauses, default=0.0) < 60 + STARTS_AGAIN * (first.save_seconds + first.evaluation_seconds):
        outside = first.start_seconds + first.save_seconds + first.evaluation_seconds + first.export_seconds
        real = log[-1]["unix"] - log[0]["unix"] + seconds[0]
        found.append(Held(WALL, _scaled(plan.wall, 1.0, -outside), real, duration))
    return found
