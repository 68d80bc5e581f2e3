"""All trainings of an ablation: which they are, how long they take, how far seeds differ, and doing them.

    trainings = all_trainings(design, prepared, folder, range(3), machine)
    outcomes = train_all(trainings, Say(), ray="local", workers=2, num_gpus=0)

Each is a unit of work, here or on Ray. One that fails lets the others end; then the failures are told together.
"""

import math
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from curate import cluster
from curate.ablate.design import Design
from curate.ablate.forecast import seconds_per_token, told
from curate.ablate.measure import BITS_PER_BYTE
from curate.ablate.power import Noise, noise_of, typical_noise
from curate.ablate.prepare import Engine, Prepared
from curate.ablate.results import measures_of
from curate.ablate.training import Outcome, Training, do
from curate.amounts import clock


class AblationError(RuntimeError):
    """Trainings failed; the others are done, and the same call does only these again.

    Attributes:
        failures: training -> message.
    """

    def __init__(self, message: str, failures: Mapping[str, str]) -> None:
        super().__init__(message)
        self.failures = dict(failures)


class Say:
    """Lines on stderr, so that stdout holds the result alone."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet

    def __call__(self, line: str) -> None:
        if not self.quiet:
            print(line, file=sys.stderr, flush=True)


def all_trainings(
    design: Design, prepared: Prepared, out: Path, seeds: Sequence[int], machine: Mapping[str, Any]
) -> list[Training]:
    """Return the units of work, seed by seed, so that what is done first can be compared first."""
    curves = {domain: f"{out}/tokens/held-{domain}" for domain in prepared.held.domains}
    return [
        Training(
            design,
            arm.name,
            seed,
            prepared.blend(arm.sources),
            out / "runs" / arm.name / f"seed-{seed}",
            prepared.held,
            curves,
            **machine,
        )
        for seed in seeds
        for arm in design.arms
    ]


def tell(
    say: Say,
    design: Design,
    prepared: Prepared,
    trainings: Sequence[Training],
    parameters: int,
    engine: Engine,
    num_gpus: float,
) -> None:
    """Say what will be done and how long it takes, measured where it will be done."""
    left = [one for one in trainings if not one.is_done]
    seconds, at_once = 0.0, 1
    if left:
        probe = cluster.map_units(_Probe(prepared.vocab_size), left[:1], ray=engine.ray, num_gpus=num_gpus)
        seconds = next(iter(dict(probe).values()))
        if cluster.on_ray(engine.ray):
            resources = cluster.connect(engine.ray, engine.workers).cluster_resources()
            at_once = engine.workers or int(resources.get("GPU", 0) / num_gpus if num_gpus else resources.get("CPU", 1))
    say(told(design, prepared, trainings, seconds, max(min(at_once, len(trainings)), 1), parameters))


class _Probe:
    """Time a model where trainings will run."""

    def __init__(self, vocab_size: int) -> None:
        self.vocab_size = vocab_size

    def __call__(self, training: Training) -> float:
        return seconds_per_token(training, self.vocab_size)


def noise_between(trainings: Sequence[Training], design: Design, declared: float | None) -> tuple[Noise, str]:
    """Return the spread to plan with, of a difference of two trainings, and where it is from."""
    if declared is not None:
        return Noise(math.sqrt(2) * declared), "spread between seeds as declared"  # of two independent ones
    done = [one for one in trainings if one.arm == design.baseline and one.is_done]
    measured = [(one, outcome) for one in done if (outcome := do(one)).items is not None]  # else `train_all` says why
    if len(measured) > 1:
        primary = measures_of(*zip(*measured, strict=True))[0]
        return noise_of(primary), f"spread between {len(measured)} seeds of {design.baseline}"
    return typical_noise(design.num_tokens), "spread between seeds from a table, a rough guess; --pilot measures it"


def train_all(
    trainings: Sequence[Training], say: Say, *, ray: str | None, workers: int | None, num_gpus: float
) -> list[Outcome]:
    """Do all units, say how far they are, and return the outcomes in the order of the units.

    Raises:
        AblationError: some failed, after all others are done.
    """
    found: dict[int, Outcome] = {}
    began = time.monotonic()
    lost = ""
    try:
        for index, outcome in cluster.map_units(do, trainings, ray=ray, workers=workers, num_gpus=num_gpus):
            found[index] = outcome
            say(_line(trainings[index], outcome, len(found), len(trainings), time.monotonic() - began))
    except RuntimeError as error:  # workers that died again and again
        lost = f"{error}"
    failures = {
        f"{one}": found[n].error if n in found else lost
        for n, one in enumerate(trainings)
        if n not in found or (found[n].items is None and not found[n].diverged)
    }
    if failures:
        raise AblationError(
            f"{len(failures)} of {len(trainings)} trainings failed, the first, {next(iter(failures))}: "
            f"{next(iter(failures.values()))}; the others are done, and the same command tries these again",
            failures,
        )
    return [found[n] for n in range(len(trainings))]


def _line(training: Training, outcome: Outcome, done: int, of: int, seconds: float) -> str:
    if outcome.items is None:
        return f"{training}: {'diverged' if outcome.diverged else 'failed'}: {outcome.error}"
    rows = outcome.items.filter(np.asarray(outcome.items["measure"]) == BITS_PER_BYTE)
    by_domain = []
    for domain in dict.fromkeys(rows["task"].to_pylist()):
        part = rows.filter(np.asarray(rows["task"]) == domain)
        by_domain.append(np.average(part["value"].to_numpy(), weights=part["weight"].to_numpy()))
    left = f", {clock(seconds / done * (of - done))} left" if done < of else ""
    return f"{training}: {np.mean(by_domain):.4f} bits per byte; {done} of {of} done in {clock(seconds)}{left}"
