"""What a sweep costs before it is begun, and what it would cost as runs of their own.

    cost = Cost.of(sweep)
    print(cost.flops, cost.flops_apart, cost.hours(workers=2))

Operations are exact for our models, attention included. Hours come from a pass of each size that is timed on this
machine, where a pass is short; larger sizes are taken to reach what the largest timed one did. A machine that is busy,
or another than the one that will train, shifts the hours, not the operations.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from curate.scaling.line import Line, Machine
from curate.scaling.sweep import Sweep

MOST_TIMED = 5e11  # operations of a pass: a few seconds of a slow core
TIMED_WINDOWS = 4


@dataclass(frozen=True)
class Cost:
    """Operations and seconds of each line of a sweep."""

    lines: tuple[Line, ...]
    seconds: tuple[float, ...]

    @classmethod
    def of(cls, sweep: Sweep, machine: Machine | None = None) -> "Cost":
        speeds = _speeds(sweep.lines, machine or Machine())
        return cls(tuple(sweep.lines), tuple(flops(line) / speeds[line.num_parameters] for line in sweep.lines))

    @property
    def flops(self) -> float:
        return sum(map(flops, self.lines))

    @property
    def flops_apart(self) -> float:
        """Operations of as many runs of their own."""
        return sum(line.steps_apart * line.recipe.batch_tokens * line.flops_per_token for line in self.lines)

    @property
    def saving(self) -> float:
        """Share of the runs' own cost that is not spent."""
        return 1 - self.flops / self.flops_apart

    def hours(self, workers: int = 1) -> float:
        """Return hours with some lines at a time, the longest first."""
        free = [0.0] * workers
        for seconds in sorted(self.seconds, reverse=True):
            free[free.index(min(free))] += seconds
        return max(free) / 3600


def flops(line: Line) -> float:
    """Return the operations that a stable run and its decays take."""
    return line.steps * line.recipe.batch_tokens * line.flops_per_token


def _speeds(lines: Sequence[Line], machine: Machine) -> dict[int, float]:
    """Return operations per second by number of parameters."""
    speeds: dict[int, float] = {}
    for line in sorted(lines, key=lambda line: line.num_parameters):
        if line.num_parameters not in speeds:
            windows = min(TIMED_WINDOWS, line.recipe.batch_tokens // line.recipe.seq_len)
            work = windows * line.recipe.seq_len * line.flops_per_token
            known = list(speeds.values())
            speeds[line.num_parameters] = known[-1] if known and work > MOST_TIMED else _timed(line, windows, machine)
    return speeds


def _timed(line: Line, windows: int, machine: Machine) -> float:
    """Return the operations per second of the quickest of three passes."""
    import torch

    from curate.train.model import Llama, model_config

    device = machine.device or ("cuda" if torch.cuda.is_available() else "cpu")
    before = torch.get_num_threads()
    torch.set_num_threads(machine.threads or before)
    model = Llama(model_config(line.size, line.vocab_size, line.recipe.seq_len), seed=0).to(device)
    tokens = torch.randint(line.vocab_size, (windows, line.recipe.seq_len + 1), device=device)
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        loss = model.loss(tokens[:, :-1], tokens[:, 1:])
        loss.backward()  # type: ignore[no-untyped-call]
        loss.item()  # waits for a GPU
        seconds.append(time.perf_counter() - began)
    torch.set_num_threads(before)
    return windows * line.recipe.seq_len * line.flops_per_token / min(seconds)
