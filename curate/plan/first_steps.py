"""The first steps of a training, in a process of its own: what a step, a checkpoint, a look at held-out data take.

    first_steps(parse(["pretrain", "tokens/edu", "-o", "runs/5m"], app), "/tmp/x")

The command itself is called twice with a folder of its own and an early end: once for a few steps, in which a process
is slower at everything and which tell how many steps can be timed, then for those. Between steps of the second go
checkpoints are written, after its last step held-out data are looked at; the log tells how long both took.
"""

import json
import os
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curate.plan.command import Command, open_function
from curate.plan.rehearse import OUTPUT, RehearsalError
from curate.progress.spent import peak_bytes

if TYPE_CHECKING:
    from curate.train.job import Plan

YOUNG, TIMED = "young", "timed"  # folders of the two goes
ORDER, RESULT = "first-steps.json", "first-steps-result.json"
YOUNG_STEPS = 3  # of the first go
LEAST_STEPS = 5  # of the second, of which the first is not timed
TIMED_S = 20.0  # that the second go is to take, where its least steps take less


class TooShortError(ValueError):
    """The run is hardly longer than its rehearsal."""


@dataclass(frozen=True)
class FirstSteps:
    """What the first steps say of a run, with what is known of it without them.

    Attributes:
        steps, saves, evaluations: of the whole run, or of its part until --stop-after.
        step_tokens: of one step, over all workers.
        start_seconds: of a process until its first step, and what this one takes longer than others.
        step_seconds: of each step that was timed.
        save_seconds, evaluation_seconds: of one checkpoint; of one look at held-out data.
        kept: checkpoints there are in the end.
        export_seconds, model_bytes: of the folder for transformers; 0 if the run stops before its last step.
        busy: processors at work while steps are taken; None where other processes take them.
        epochs: how often each corpus will have been read.
        token_bytes: of what will be read of the tokens, which are mapped into memory.
    """

    steps: int
    step_tokens: int
    num_parameters: int
    mfu: float
    start_seconds: float
    step_seconds: tuple[float, ...]
    saves: int
    save_seconds: float
    evaluations: int
    evaluation_seconds: float
    kept: int
    checkpoint_bytes: int
    export_seconds: float
    model_bytes: int
    log_bytes: int
    peak_bytes: int
    gpu_peak_bytes: int
    busy: float | None
    epochs: dict[str, float]
    token_bytes: int
    rehearsal_seconds: float


def first_steps(command: Command, scratch: str) -> FirstSteps:
    """Take a training command's first steps.

    Raises:
        RehearsalError: it fails; the message is its own.
        TooShortError: the run is hardly longer than its rehearsal.
    """
    folder = Path(scratch).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RESULT).unlink(missing_ok=True)
    for name in (YOUNG, TIMED):  # of a plan before, which a training would go on from
        shutil.rmtree(folder / name, ignore_errors=True)
    order = {"function": command.function, "arguments": command.arguments, "began": time.time()}
    (folder / ORDER).write_text(json.dumps(order))
    subprocess.run([sys.executable, "-m", "curate.plan.first_steps", str(folder)], check=False)
    if not (folder / RESULT).exists():
        raise RehearsalError(
            "the first steps were killed (out of memory?), as the run would be; give a smaller --micro-tokens or "
            "model, or free memory"
        )
    result = json.loads((folder / RESULT).read_text())
    if result["short"]:
        raise TooShortError(result["short"])
    if result["error"]:
        raise RehearsalError(f"the first steps failed, as the run would: {result['error']}")
    return FirstSteps(**{**result["found"], "step_seconds": tuple(result["found"]["step_seconds"])})


def main(folder: Path) -> None:
    """Take the steps that the order in `folder` asks for, and write down what they took."""
    order: dict[str, Any] = json.loads((folder / ORDER).read_text())
    found, short, error = None, "", ""
    try:
        with (folder / OUTPUT).open("a") as said:
            os.dup2(said.fileno(), sys.stdout.fileno())  # of Ray's workers, too
            found = asdict(_take(order["function"], order["arguments"], order["began"], folder))
    except TooShortError as refusal:
        short = str(refusal)
    except (ValueError, LookupError, OSError, ImportError, RuntimeError, ArithmeticError) as failure:
        error = str(failure) or type(failure).__name__
        (folder / "error.txt").write_text(traceback.format_exc())
    (folder / RESULT).write_text(json.dumps({"found": found, "short": short, "error": error}))


def _take(function: str, arguments: Mapping[str, Any], began: float, folder: Path) -> FirstSteps:
    from curate.train.checkpoint import last_checkpoint
    from curate.train.export import export
    from curate.train.job import Watch
    from curate.train.log import EVALUATIONS, LOG, read_log

    def train(name: str, **changed: Any) -> Path:
        open_function(function)(**{**arguments, "track": None, "keep": 1, **changed, "out": str(folder / name)})
        return folder / name

    young = train(YOUNG, stop_after=YOUNG_STEPS, checkpoint_every=YOUNG_STEPS, held_out=[], evaluate_every=None)
    plan = _plan_of(young)
    step_tokens = plan.batch_windows * plan.seq_len
    last = min(arguments.get("stop_after") or plan.steps, plan.steps)
    first = [step_tokens / line["tokens_per_s"] for line in read_log(young)]
    stop = max(min(YOUNG_STEPS + round(TIMED_S / min(first)), last - 1), LEAST_STEPS)
    if stop >= last:
        raise TooShortError(f"a run of {last} steps takes hardly longer than planning it; run it")
    every = -(-stop // 3)
    wall, cpu = time.perf_counter(), _cpu_seconds()
    run = train(TIMED, stop_after=stop, checkpoint_every=every, evaluate_every=None)
    busy = (_cpu_seconds() - cpu) / (time.perf_counter() - wall)
    log = read_log(run)
    seconds = [step_tokens / line["tokens_per_s"] for line in log]
    saving = [log[at]["unix"] - seconds[at] - log[at - 1]["unix"] for at in range(every, stop, every)]
    usual, save = sum(seconds[1:]) / len(seconds[1:]), max(sum(saving) / len(saving), 0.0)
    looked = (run / EVALUATIONS).stat().st_mtime if arguments["held_out"] else 0.0  # after the last step and checkpoint
    watch = Watch(arguments["checkpoint_every"], arguments["keep"], _looks(arguments), arguments["evaluate_every"])
    saved = [step for step in range(1, last + 1) if watch.saves(step, last, plan.steps)]
    checkpoint = last_checkpoint(run)
    assert checkpoint is not None
    model, export_seconds = 0, 0.0
    if last == plan.steps:
        exporting = time.perf_counter()
        model = bytes_in(export(checkpoint, run / "hf", run=run))
        export_seconds = time.perf_counter() - exporting
    epochs, token_bytes = _reads(run, plan, last)
    return FirstSteps(
        steps=last,
        step_tokens=step_tokens,
        num_parameters=_num_parameters(run),
        mfu=sum(line["mfu"] for line in log[1:]) / len(log[1:]),
        start_seconds=max(read_log(young)[0]["unix"] - began - usual, 0.0),
        step_seconds=tuple(seconds[1:]),
        saves=len(saved),
        save_seconds=save,
        evaluations=sum(watch.evaluates(step, last) for step in saved),
        evaluation_seconds=max(looked - log[-1]["unix"] - save, 0.0) if looked else 0.0,
        kept=_kept(plan, saved, watch.keep),
        checkpoint_bytes=bytes_in(checkpoint),
        export_seconds=export_seconds,
        model_bytes=model,
        log_bytes=round((run / LOG).stat().st_size / len(log) * last),
        peak_bytes=int(max(log[-1]["peak_bytes"], 0 if _elsewhere(arguments) else peak_bytes())),
        gpu_peak_bytes=int(log[-1].get("gpu_peak_bytes", 0)),
        busy=None if _elsewhere(arguments) else busy,
        epochs=epochs,
        token_bytes=token_bytes,
        rehearsal_seconds=time.time() - began,
    )


def _elsewhere(arguments: Mapping[str, Any]) -> bool:
    """Tell whether other processes than this one take the steps."""
    return arguments["ray"] not in (None, "none")


def _looks(arguments: Mapping[str, Any]) -> Any:
    """Return something that is there where held-out data are; it is never called."""
    return dict if arguments["held_out"] else None


def _plan_of(run: Path) -> "Plan":
    """Return the plan that a run wrote down."""
    from curate.train.job import Plan
    from curate.train.optim import settings_of
    from curate.train.schedule import WSD, Cosine

    said = json.loads((run / "run.json").read_text())["plan"]
    schedule = (Cosine if "final" in said["schedule"] else WSD)(**said["schedule"])
    return Plan(**{**said, "schedule": schedule, "optimizer": settings_of(said["optimizer"])})


def _kept(plan: "Plan", saved: list[int], keep: int | None) -> int:
    """Return how many of the checkpoints after these steps stay."""
    from curate.train.job import rate_after

    stable = sum(rate_after(plan, step) == 1.0 for step in saved)
    kinds = (stable, len(saved) - stable)
    return sum(kinds if keep is None else (min(number, keep) for number in kinds))


def _reads(run: Path, plan: "Plan", steps: int) -> tuple[dict[str, float], int]:
    """Return how often a run reads each of its corpora, and the bytes of what it reads of them."""
    from curate.train.data import Mixture

    said = json.loads((run / "run.json").read_text())
    blend = {one["path"]: one["weight"] for one in said["data"][-1]["data"]}
    sizes = {"seq_len": plan.seq_len, "batch_windows": plan.batch_windows}
    mixture = Mixture(blend, **sizes, seed=plan.seed, drawn=said.get("drawn"))
    epochs = mixture.epochs(steps)
    num_bytes = {path: tokens.num_tokens * tokens.dtype.itemsize for path, tokens in mixture.corpora.items()}
    return epochs, round(sum(num_bytes[path] * min(times, 1.0) for path, times in epochs.items()))


def _num_parameters(run: Path) -> int:
    from curate.train.checkpoint import last_checkpoint
    from curate.train.export import load_checkpoint_model

    checkpoint = last_checkpoint(run)
    assert checkpoint is not None
    return load_checkpoint_model(checkpoint).num_parameters


def _cpu_seconds() -> float:
    return sum(os.times()[:4])


def bytes_in(folder: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
