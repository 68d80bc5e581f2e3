"""What a sweep costs before it is begun, and what it would cost as runs of their own.

    cost = Cost.of(sweep)
    print(cost.flops, cost.flops_apart, cost.hours(workers=2))

Operations are exact for our models, attention included. Hours come from a pass of each size that is timed on this
machine, where a pass is short; larger sizes are taken to reach what the largest timed one did. A machine that is busy,
or another than the one that will train, shifts the hours, not the operations.
"""

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
    from curate.train.model import model_config
    from curate.train.probe import probe

    speeds: dict[int, float] = {}
    for line in sorted(lines, key=lambda line: line.num_parameters):
        if line.num_parameters not in speeds:
            windows = min(TIMED_WINDOWS, line.recipe.batch_tokens // line.recipe.seq_len)
            work = windows * line.recipe.seq_len * line.flops_per_token
            known = list(speeds.values())
            if known and work > MOST_TIMED:
                speeds[line.num_parameters] = known[-1]
                continue
            config = model_config(line.size, line.vocab_size, line.recipe.seq_len)
            seconds = probe(config, windows=windows, threads=machine.threads, device=machine.device)
            speeds[line.num_parameters] = line.flops_per_token / seconds
    return speeds
