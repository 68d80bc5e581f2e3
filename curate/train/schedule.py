"""Learning-rate schedules: pure functions from the step to a multiple of the peak rate.

    schedule = WSD(warmup=2_000, decay=400_000)           # SmolLM2-135M, 2 M steps
    schedule(step=0, steps=2_000_000)                     # 0.0005

Warm-up, stable, decay (Hu et al. 2024, MiniCPM; "trapezoid"): the rate stays at its peak until the last `decay` steps,
so a checkpoint of the stable phase can be decayed ("annealed") at any time, on any mixture, without knowing at the
start how long training would last. Cosine has to know. The 1 - sqrt decay is Hägele et al. 2024's and SmolLM's; SmolLM2
decays linearly. Steps count from 0: warm-up reaches the peak at step `warmup - 1`, and no step has rate zero.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Schedule = Callable[[int, int], float]  # (step, steps) -> multiple of the peak rate


@dataclass(frozen=True)
class WSD:
    warmup: int  # steps
    decay: int  # steps; 0 leaves a stable-phase checkpoint to anneal from
    shape: Literal["linear", "1-sqrt"] = "1-sqrt"

    def __call__(self, step: int, steps: int) -> float:
        if step < self.warmup:
            return (step + 1) / self.warmup
        done = (step - (steps - self.decay)) / self.decay if self.decay else 0.0
        if done <= 0:
            return 1.0
        return 1.0 - done if self.shape == "linear" else 1.0 - math.sqrt(done)


@dataclass(frozen=True)
class Cosine:
    warmup: int  # steps
    final: float = 0.1  # of the peak, at the end (Hoffmann et al. 2022)

    def __call__(self, step: int, steps: int) -> float:
        if step < self.warmup:
            return (step + 1) / self.warmup
        done = (step - self.warmup) / max(steps - self.warmup, 1)
        return self.final + (1.0 - self.final) * 0.5 * (1.0 + math.cos(math.pi * done))
