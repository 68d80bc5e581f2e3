"""What a run tells: one JSON line a step, a line on the terminal now and then, and a tracker if asked for.

    {"step": 120, "loss": 3.21, "lr": 0.003, "grad_norm": 0.52, "tokens_per_s": 12345.6, "mfu": 0.41, "unix": 1.8e9,
     "peak_bytes": 1.1e9}

`log.jsonl` is what the report plots; `evaluations.jsonl` beside it has a line for each look at held-out data. Memory is
the most that the first process has held so far, `gpu_peak_bytes` the most of its tensors on the GPU. Between the end
of a step, `unix`, and the start of the next are the checkpoint and the look at held-out data.
"""

import importlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from curate.amounts import clock, size

Track = Literal["trackio", "wandb"]
PROGRESS_SECONDS = 10.0
LOG, EVALUATIONS = "log.jsonl", "evaluations.jsonl"


class RunLog:
    """A run's two JSONL files, cut back to the step that is resumed, and its terminal."""

    def __init__(self, run: Path, step: int, config: dict[str, Any], track: Track | None, quiet: bool) -> None:
        self.run, self.quiet = run, quiet
        for name in (LOG, EVALUATIONS):
            forget_after(run / name, step)
        self.evaluated = (
            {line["step"] for line in read_log(run, EVALUATIONS)} if (run / EVALUATIONS).exists() else set()
        )
        self._steps = (run / LOG).open("a", encoding="utf-8")
        self._evaluations = (run / EVALUATIONS).open("a", encoding="utf-8")
        self._tracker = open_tracker(track, run.name, config) if track else None
        self._began = self._said = time.monotonic()
        self._first = step

    def step(self, values: Mapping[str, float], steps: int) -> None:
        """Write one step of a run that goes to `steps`."""
        self._steps.write(json.dumps(values) + "\n")
        if self._tracker is not None:
            told = {name: value for name, value in values.items() if name not in ("step", "unix")}
            self._tracker.log(told, step=int(values["step"]))
        now = time.monotonic()
        if now - self._said > PROGRESS_SECONDS:
            self._said = now
            self._steps.flush()
            done = int(values["step"]) + 1
            left = (now - self._began) / (done - self._first) * (steps - done)
            self.say(
                f"step {done:,} of {steps:,}  loss {values['loss']:.3f}  lr {values['lr']:.1e}  "
                f"gradient {values['grad_norm']:.2f}  {values['tokens_per_s']:,.0f} tokens/s  "
                f"MFU {values['mfu']:.0%}  {size(values.get('gpu_peak_bytes', values['peak_bytes']))} of memory  "
                f"{clock(left)} left"
            )

    def evaluation(self, values: Mapping[str, float]) -> None:
        """Write one look at held-out data."""
        self._evaluations.write(json.dumps(values) + "\n")
        if self._tracker is not None:
            self._tracker.log({k: v for k, v in values.items() if k != "step"}, step=int(values["step"]))
        told = (
            f"{name} {value:,}" if isinstance(value, int) else f"{name} {value:.4f}" for name, value in values.items()
        )
        self.say("  ".join(told))
        self.keep()

    def keep(self) -> None:
        """Have the disk hold all lines so far: a checkpoint must not be ahead of them."""
        for file in (self._steps, self._evaluations):
            file.flush()
            os.fsync(file.fileno())

    def say(self, line: str) -> None:
        if not self.quiet:
            print(f"train {self.run.name}: {line}", flush=True)

    def close(self) -> None:
        self._steps.close()
        self._evaluations.close()
        if self._tracker is not None:
            self._tracker.finish()


def open_tracker(track: Track, name: str, config: dict[str, Any]) -> Any:
    """Start a run of trackio or wandb, which share one interface."""
    try:
        tracker = importlib.import_module(track)
    except ImportError as error:
        raise ImportError(f"{track} is not installed; pip install {track}, or leave out --track") from error
    tracker.init(project="curate", name=name, config=config)
    return tracker


def read_log(run: str | os.PathLike[str], name: str = LOG) -> list[dict[str, float]]:
    """Return the log of a run, one dict per step; a line that is being written, or never was to its end, is none."""
    with Path(run, name).open(encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.endswith("\n")]


def forget_after(file: Path, step: int) -> None:
    """Keep the lines that a checkpoint after `step` steps holds; what came later is run again, half a line is none."""
    if not file.exists():
        return
    kept = []
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            number = json.loads(line)["step"]
        except json.JSONDecodeError:
            break  # the line that was being written
        if number >= step + (file.name == EVALUATIONS):
            break
        kept.append(line + "\n")
    from curate.train.checkpoint import sync  # which loads torch, and a report reads logs without it

    partial = file.with_name(f".{file.name}.tmp")
    partial.write_text("".join(kept), encoding="utf-8")
    sync(partial)
    partial.replace(file)
