"""After the run: what was planned beside what was, and whether the plan's intervals held.

    print(tell("scored"))

A run that is done is not spoilt by a plan or a log that cannot be read: that is said in place of the table.
"""

import os
import shlex
import socket
from collections.abc import Callable, Sequence

from curate.amounts import count, duration, size
from curate.columns import aligned
from curate.plan.fit import Estimate
from curate.plan.held import Held
from curate.plan.measure import Step, measure
from curate.plan.result import FILE, Plan, StepPlan, read_plan
from curate.plan.table import WORDS, hours
from curate.plan.training import TrainingPlan, read_training, tell_training

BUSIER = 1.2  # times as busy a machine is worth a note


def tell(out: str, is_planned: Callable[[Sequence[str]], bool] | None = None) -> str:
    """Return the plan's own error as a table, or why there is none.

    Args:
        is_planned: whether a command line, as it was planned, is the one that was run.
    """
    try:
        plan = read_plan(out) or read_training(out)
        if plan is not None and is_planned is not None and not is_planned(plan.command):
            planned = shlex.join(plan.command)
            return f"{out}/{FILE} is of another command or input, and is not held against the run: {planned}"
        if isinstance(plan, TrainingPlan):
            return tell_training(plan, out)
        steps = measure(out)
    except (ValueError, KeyError, TypeError, OSError) as error:
        return f"the plan in {out}/{FILE} cannot be held against the run: {error}"
    if plan is None:
        return f"{out}/{FILE} is of another version of curate, and is not held against the run"
    there = {step.name for step in steps}
    missing = [plan.label(step) for step in plan.steps if step.name not in there]
    if not plan.steps or missing:
        return f"{out}/{FILE} is not held against the run, which has no {', '.join(missing) or 'steps by documents'}"
    found = compare(plan, steps)
    rows = [("", "planned (90 %)", "real", "error", "interval"), *(one.cells() for one in found)]
    return "\n".join([f"the plan of {plan.share:.1%}, and the run:", *aligned(rows, WORDS), *remarks(plan, steps)])


def compare(plan: Plan, steps: Sequence[Step]) -> list[Held]:
    """Hold each total, and each step's documents and time, against what was."""
    real = {step.name: step for step in steps}
    found = []
    for step in plan.steps:
        done, name = real[step.name], plan.label(step)
        found.append(Held(f"{name}: documents out", step.rows_out, done.rows_out, count))
        if step.tokens.value:
            found.append(Held(f"{name}: tokens", step.tokens, done.total("tokens"), count))
        found.append(Held(f"{name}: disk", step.disk, done.disk, size))
        if done.tries and done.total("seconds"):
            planned = step.seconds
            spent = done.total("seconds") + sum(done.phases.values())
            found.append(Held(f"{name}: worker time", planned, spent - _started(done), duration))
    found.append(Held("disk", plan.disk, sum(step.disk for step in steps), size))
    return [*found, *_times(plan, steps)]


def _started(step: Step) -> float:
    return step.total("start_seconds")


def _cpu_seconds(step: Step) -> float:
    """Return what processors did, without the start of processes, as a plan counts it."""
    return step.total("cpu_seconds") * (1 - _started(step) / max(step.total("seconds"), 1e-9)) + step.phases_cpu


def _times(plan: Plan, steps: Sequence[Step]) -> list[Held]:
    """Hold the time of all steps against the plan; of a run in several tries only what its workers spent."""
    spent = sum(step.total("seconds") + sum(step.phases.values()) - _started(step) for step in steps)
    cpu = sum(_cpu_seconds(step) for step in steps)
    found = []
    if cpu:
        mine = _all([step.cpu_seconds for step in plan.steps], 1 / 3600)
        found.append(Held("processor time", mine, cpu / 3600, hours))
    if spent:
        found.append(Held("worker time", _all([step.seconds for step in plan.steps]), spent, duration))
    if all(step.tries == 1 and step.ended for step in steps):
        real = max(step.ended for step in steps) - min(step.began for step in steps)
        planned = plan.wall
        shift = -plan.before_seconds
        wall = Estimate(planned.value + shift, planned.low + shift, planned.high + shift)
        found.append(Held("wall time", wall, real, duration))
    return found


def _busy(seconds: float, cpu_seconds: float) -> float:
    return seconds / cpu_seconds if cpu_seconds else 0.0


def _of_plan(steps: Sequence[StepPlan]) -> tuple[float, float]:
    return sum(step.seconds.value for step in steps), sum(step.cpu_seconds.value for step in steps)


def _of_run(steps: Sequence[Step]) -> tuple[float, float]:
    return sum(step.total("seconds") for step in steps), sum(step.total("cpu_seconds") for step in steps)


def _all(estimates: Sequence[Estimate], factor: float = 1.0) -> Estimate:
    ends = [(one.value, one.low, one.high) for one in estimates]
    return Estimate(*(factor * sum(column) for column in zip(*ends, strict=True)))


def remarks(plan: Plan, steps: Sequence[Step]) -> list[str]:
    """Say what was other than planned, so that an error is not blamed on the plan."""
    told = []
    machine = (socket.gethostname(), os.cpu_count() or 1)
    ran_on = next((step.machine for step in steps if step.machine[0]), machine)
    if tuple(plan.machine) != tuple(ran_on):
        told.append(
            f"note: planned on {plan.machine[0]} ({plan.machine[1]} processors), run on {ran_on[0]} ({ran_on[1]})"
        )
    workers = next((step.workers for step in steps if step.workers), None) or 1
    if workers != plan.workers:
        told.append(f"note: planned for {plan.workers} at a time, run with {workers}: the wall times are of two things")
    was, real = _busy(*_of_plan(plan.steps)), _busy(*_of_run(steps))
    if was and real and not 1 / BUSIER < real / was < BUSIER:
        told.append(
            f"note: a worker took {real:.1f} seconds for each of its processor's, the rehearsal {was:.1f}: other load "
            "or slower storage is in the times by the wall"
        )
    if any(step.tries > 1 for step in steps):
        told.append(f"note: the run took {max(step.tries for step in steps)} tries; its wall time is not compared")
    return told
