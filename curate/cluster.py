"""Map a function over units of work, in this process or on Ray: the only file that imports ray.

    for index, result in map_units(work, splits, ray="auto"): ...

Units are small descriptions (a split, not its documents), so the scheduler moves names and tallies, never text.
Plain Ray tasks carry them: a task is retried when its worker or node dies, goes to nodes that come and go, and a worker
process that stays alive keeps its loaded models for the next unit. Small units share a task: a hundred thousand of them
cost the driver 0.2 ms and the scheduler a hundredth of a millisecond each (`benchmarks/many_splits.py`). What needs no
GPU is a task of its own, so that none is held while text is read or extracted (`benchmarks/scaling_out.py gpu`). Ray
Data is not used: tasks are quicker and need no table of work items (`benchmarks/engine.py`).

The nodes need this package as the driver has it: `ray job submit --working-dir .` sends it along, and so the job's
environment is the nodes' own (their Python, their packages, their credentials) with that folder before it; with an
address instead, it is installed there.
"""

import math
import os
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, Generic, TypeVar

from curate.allocator import keep_freed_memory

T = TypeVar("T")
R = TypeVar("R")

LOST_RETRIES = 3  # of one task whose worker or node died
GROUP_S = 1.0  # of small units in one task: a thousand times what it costs to send one
GROUP_UNITS = 512  # at most, so that what a task sends back stays small
LOOK_S = 5.0  # between two looks at how large the cluster is
MIN_TASKS = 8  # under way, so that an autoscaler sees a need where there is no CPU yet
TRAINING_PATIENCE_S = 7200  # of ranks while the first one evaluates or writes a checkpoint; Ray's own is 1800
TASK_MEMORY = 2**30  # bytes, of one task; a worker at FineWeb's filters holds half of it (scaling_out.py workers)


class LostUnits(RuntimeError):  # noqa: N818  what they are, not that it is an error
    """Units whose workers died again and again, most often for want of memory.

    Attributes:
        lost: index of the unit -> the reason, in one line.
    """

    def __init__(self, lost: Mapping[int, str], units: Mapping[int, Any]) -> None:
        first, reason = next(iter(lost.items()))
        super().__init__(
            f"{len(lost)} units were lost with their workers, the first {units[first]} ({reason}); "
            "run again to retry them"
        )
        self.lost = dict(lost)


def map_units(
    work: Callable[[T], R],
    units: Sequence[T],
    *,
    ray: str | None = None,
    workers: int | None = None,
    num_gpus: float = 0,
    memory: int = TASK_MEMORY,
    on_submit: Callable[[int], None] | None = None,
) -> Iterator[tuple[int, R]]:
    """Yield (index of the unit, result) as units finish; `map_groups` says what the arguments are."""
    engine = {"ray": ray, "workers": workers, "num_gpus": num_gpus, "memory": memory, "on_submit": on_submit}
    yield from map_groups(partial(_one_by_one, work), units, **engine)  # type: ignore[arg-type]


def map_groups(
    work: Callable[[Iterable[T]], Iterator[R]],
    units: Sequence[T],
    *,
    ray: str | None = None,
    workers: int | None = None,
    num_gpus: float = 0,
    memory: int = TASK_MEMORY,
    before: Callable[[Iterable[T]], Iterator[Any]] | None = None,
    on_submit: Callable[[int], None] | None = None,
) -> Iterator[tuple[int, R]]:
    """Yield (index of the unit, result) as units finish, of work that takes many and gives a result for each, in order.

    Args:
        work: takes units from its argument as long as it gives some, which is while there is time.
        units: largest first, so that no long one is left for the end.
        ray: "none" for this process, "local" for a Ray started here, "auto" or an address for a running cluster.
            None is "auto" inside a submitted Ray job and "none" elsewhere.
        workers: tasks at a time; on Ray the default follows the cluster's CPUs (GPUs) as nodes come and go, in this
            process it is always one.
        num_gpus: GPUs a task holds while it runs.
        before: the part of the work that needs no GPU. It is a task of its own on a CPU, of whatever node has one, and
            `work` takes what it yields, one thing for each unit, once that is whole and on the GPU's node.
        memory: bytes that a task may need: where nodes have less for each CPU, it asks the scheduler for so much, and
            fewer run at a time.
        on_submit: is told the index of each unit that leaves for a worker.

    Raises:
        LostUnits: units were lost because their worker died again and again (out of memory is the usual cause);
            raised after all other units are done. What `work` itself raises comes through as it is.
        ValueError: there are fewer workers than one, or several without an engine.
    """
    _require_engine(workers, ray)
    if not on_ray(ray):
        keep_freed_memory()
        yield from enumerate(work(units if before is None else before(units)))
    elif units:
        engine = connect(ray, workers)
        yield from _Groups(engine, work, units, workers, num_gpus, memory, before, on_submit).results()


def map_stream(
    work: Callable[[Iterable[T]], Iterator[R]],
    units: Iterable[T],
    *,
    lost: Callable[[str], R],
    ray: str | None = None,
    workers: int | None = None,
    num_gpus: float = 0,
    memory: int = TASK_MEMORY,
) -> Iterator[R]:
    """Yield the results in the order of the units, which are taken one by one as workers come free for them.

    For units that are too many to hold, or that are decided on one by one: who gives them may end at any time, and all
    that was given is still done. Few are taken ahead, unless one holds up the results of those behind it.

    Args:
        work, ray, workers, num_gpus, memory: as for `map_groups`.
        lost: what stands for a unit whose worker died again and again, given the reason; it may raise.
    """
    _require_engine(workers, ray)
    if not on_ray(ray):
        keep_freed_memory()
        yield from work(units)
        return
    engine, held, turn = connect(ray, workers), dict[int, R](), 0
    groups = _Groups(engine, work, iter(units), workers, num_gpus, memory, None, None, lost)
    for index, result in groups.results():
        held[index] = result
        while turn in held:
            yield held.pop(turn)
            turn += 1


def _require_engine(workers: int | None, ray: str | None) -> None:
    if workers is not None and workers < 1:
        raise ValueError(f"{workers} workers do no work; give 1 or more, or leave it out for as many as there is room")
    if workers is not None and workers > 1 and not on_ray(ray):
        raise ValueError(f"{workers} workers need an engine: add --ray local (or --ray auto on a cluster)")


def _one_by_one(work: Callable[[T], R], units: Iterable[T]) -> Iterator[R]:
    return map(work, units)


def train_on_ray(work: Callable[[], None], *, ray: str, workers: int, gpus: bool = True, retries: int = 3) -> None:
    """Run `work` in `workers` processes that form a torch process group; Ray Train starts all again if one is lost.

    Args:
        ray: "local" for a Ray started here, "auto" or an address for a running cluster.
        workers: ranks, one GPU each if the cluster has any, else one CPU each.
        gpus: False leaves the GPUs alone.
        retries: fresh starts after a lost worker; `work` goes on from its last checkpoint. What `work` itself raises
            would come again: it is not tried twice.

    Raises:
        ValueError: the cluster has GPUs, but fewer than workers.
        RuntimeError: `work` failed, or its workers were lost too often.
    """
    engine = connect(ray, workers + 1)  # and one for the controller
    from ray.train import RunConfig, ScalingConfig, TrainingFailedError, WorkerGroupError
    from ray.train.torch import TorchConfig, TorchTrainer

    num_gpus = engine.cluster_resources().get("GPU", 0) if gpus else 0
    if 0 < num_gpus < workers:
        raise ValueError(
            f"the cluster has {num_gpus:g} GPUs for {workers} workers; give as many workers as GPUs, or --device cpu"
        )
    use_gpu = num_gpus > 0
    with tempfile.TemporaryDirectory() as folder:  # what Ray Train notes of a run; ours is in the run's own folder
        trainer = TorchTrainer(
            lambda: work(),
            torch_config=TorchConfig(backend="nccl" if use_gpu else "gloo", timeout_s=TRAINING_PATIENCE_S),
            scaling_config=ScalingConfig(num_workers=workers, use_gpu=use_gpu),
            run_config=RunConfig(storage_path=folder),
        )
        for left in range(retries, -1, -1):
            try:
                trainer.fit()
                return
            except TrainingFailedError as error:
                failures = list(error.worker_failures.values()) if isinstance(error, WorkerGroupError) else []
                if left and any(type(failure).__module__.startswith("ray.") for failure in failures):
                    continue  # Ray lost a worker or its node; what the other workers say of it does not count
                first = failures[0] if failures else error
                raise RuntimeError(f"training on {workers} Ray workers failed: {first}") from error


def on_ray(ray: str | None) -> bool:
    """Tell whether units go to Ray; a submitted Ray job (which has RAY_ADDRESS set) does so by itself."""
    return ray != "none" and (ray is not None or "RAY_ADDRESS" in os.environ)


def connect(address: str | None, workers: int | None = None) -> Any:
    """Join the cluster (or start one here for "local") once per process and return the ray module.

    Raises:
        ConnectionError: no cluster answers at the address, or none could be started here.
    """
    import ray

    if not ray.is_initialized():
        try:
            if address == "local":
                ray.init(address="local", num_cpus=workers, include_dashboard=False, log_to_driver=False)
            else:
                ray.init(address=address or "auto")
        except Exception as error:  # a time-out has no class of its own
            raise _not_joined(address or "auto", error) from error
    return ray


def _not_joined(address: str, error: Exception) -> Exception:
    """Say in one line why there is no engine, and what to do."""
    reason = f"{type(error).__name__}: {_first_line(error)}"
    if address == "local":
        return ConnectionError(f"Ray could not be started here ({reason}); --ray none runs in this process")
    told = os.environ.get("RAY_ADDRESS") if address == "auto" else address
    where = f"at {told}" if told else "on this machine"
    return ConnectionError(
        f"no Ray cluster answers {where} ({reason}); give --ray HOST:6379 of its head, see it with `ray status`, or "
        "run without one: --ray local, --ray none"
    )


class _Groups(Generic[T, R]):
    """One mapping on Ray: units waiting, groups of them under way, and what is known of their time.

    A task costs the scheduler nearly a millisecond and the driver a quarter of one, so small units travel together: as
    many as are expected to take `GROUP_S`, and no more than leaves each worker two groups (guided self-scheduling:
    Polychronopoulos and Kuck 1987). Expectations fail, so a task that is out of time gives back what it has not begun.
    Of an iterator, whose end nobody knows, as many units are taken as the next group wants.
    """

    def __init__(
        self, ray: Any, work: Callable[[Iterable[T]], Iterator[R]], units: Sequence[T] | Iterator[T],
        workers: int | None, num_gpus: float, memory: int, before: Callable[[Iterable[T]], Iterator[Any]] | None,
        on_submit: Callable[[int], None] | None, instead: Callable[[str], R] | None = None,
    ) -> None:  # fmt: skip
        self.ray, self.workers, self.num_gpus, self.instead = ray, workers, num_gpus, instead
        self.streamed, self.more = isinstance(units, Iterator), enumerate(units)
        self.units = {} if self.streamed else dict(self.more)  # all that are not done; the first is the oldest
        self.work, self.before = ray.put(work), None if before is None else ray.put(before)
        # max_calls=0 keeps a worker, and the models it has loaded, for the next unit. Ray's own strategy packs a node
        # to half, then spreads, and leaves nodes with GPUs to those who ask for some while others have room.
        self.on_cpu = ray.remote(num_cpus=1, max_calls=0)(_call)
        # a GPU's task never queues for a CPU behind the tasks that feed it
        gpu = {"num_cpus": 0 if before else 1, "num_gpus": num_gpus, "max_calls": 0}
        self.task = ray.remote(**gpu)(_call_after if before else _call)
        self.waiting, self.taken = deque(self.units), len(self.units)
        self.alone: set[int] = set()  # units whose group was lost: each goes by itself, to find the one that kills
        self.running: dict[Any, list[int]] = {}
        self.unit_s: float | None = None
        self.lost: dict[int, str] = {}
        self.slots, self.looked, self.memory = 0, -math.inf, memory
        self.asked: dict[str, int] = {}
        self.on_submit = on_submit

    def results(self) -> Iterator[tuple[int, R]]:
        try:
            while self._submit():
                for done in self._finished():
                    yield from self._take(done, self.running.pop(done))
        finally:
            for under_way in self.running:  # whoever iterates has stopped: an error, Ctrl-C
                self.ray.cancel(under_way)
        if self.lost:
            raise LostUnits(self.lost, self.units)

    def _submit(self) -> bool:
        """Send groups while there is room for them; tell whether any are under way."""
        bound = self._bound()
        while len(self.running) < bound and self._has_waiting(bound):
            group = self._next_group(bound)
            self.running[self._send([self.units[index] for index in group])] = group
            if self.on_submit is not None:
                list(map(self.on_submit, group))
        return bool(self.running)

    def _has_waiting(self, bound: int) -> bool:
        """Tell whether units wait, once a stream has given as many as the next group wants.

        It gives none while the oldest unit holds up as many as `bound` of the largest groups have.
        """
        if self.streamed and self.taken - next(iter(self.units), self.taken) < GROUP_UNITS * bound:
            for index, unit in islice(self.more, max(0, self._group_units() - len(self.waiting))):
                self.units[index], self.taken = unit, index + 1
                self.waiting.append(index)
        return bool(self.waiting)

    def _send(self, units: Sequence[T]) -> Any:
        options = {"max_retries": LOST_RETRIES if len(units) == 1 else 0, **self.asked}  # of a lost group, each alone
        task = self.task.options(**options)
        if self.before is None:
            return task.remote(self.work, units, GROUP_S)
        # given a reference, Ray starts a task when what it refers to is there: no GPU is held until then
        return task.remote(self.work, self.on_cpu.options(**options).remote(self.before, units, GROUP_S))

    def _next_group(self, bound: int) -> list[int]:
        if self.waiting[0] in self.alone:
            return [self.waiting.popleft()]
        fair = len(self.waiting) if self.streamed else math.ceil(len(self.waiting) / (2 * bound))
        return [self.waiting.popleft() for _ in range(min(fair, self._group_units()))]

    def _group_units(self) -> int:
        """Return how many units are expected to take `GROUP_S`; one until a first has told its time."""
        return 1 if self.unit_s is None else min(max(1, int(GROUP_S / max(self.unit_s, 1e-6))), GROUP_UNITS)

    def _bound(self) -> int:
        """Return how many tasks may be under way: all that can run, and as many that wait, which an autoscaler sees."""
        if time.monotonic() - self.looked > LOOK_S:
            self.looked, nodes = time.monotonic(), [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
            cpus = sum(node.get("CPU", 0) for node in nodes) if self.before or not self.num_gpus else 0
            gpus = sum(node.get("GPU", 0) for node in nodes) / self.num_gpus if self.num_gpus else 0
            self.slots = max(2 * int(cpus + gpus), MIN_TASKS)
            self.asked = _memory_to_ask(nodes, self.memory)
        return self.slots if self.workers is None else self.workers

    def _finished(self) -> list[Any]:
        """Wait for one task, or for the time to look at the cluster again; return all that have finished."""
        under_way = list(self.running)
        first, _ = self.ray.wait(under_way, num_returns=1, timeout=LOOK_S, fetch_local=False)
        if not first:
            return []
        return list(self.ray.wait(under_way, num_returns=len(under_way), timeout=0, fetch_local=False)[0])

    def _take(self, done: Any, group: list[int]) -> Iterator[tuple[int, R]]:
        try:
            seconds, results = self.ray.get(done)
        except self.ray.exceptions.RayTaskError as error:
            raise error.as_instanceof_cause() from None
        except self.ray.exceptions.RayError as error:
            reason = f"{type(error).__name__}: {_first_line(error)}"
            if len(group) == 1 and self.instead is not None:
                del self.units[group[0]]
                yield group[0], self.instead(reason)
            elif len(group) == 1:
                self.lost[group[0]] = reason
            else:
                self.alone.update(group)
                self.waiting.extendleft(reversed(group))
            return
        self.waiting.extendleft(reversed(group[len(results) :]))
        each = seconds / len(results)
        self.unit_s = each if self.unit_s is None else (self.unit_s + each) / 2
        for index in group[: len(results)]:
            del self.units[index]
        yield from zip(group, results, strict=False)  # what a task had no time for has no result


def _first_line(error: Exception) -> str:
    return f"{error}".strip().split("\n")[0]


def _memory_to_ask(nodes: Sequence[Mapping[str, float]], memory: int) -> dict[str, int]:
    """Return the option `memory` if some node has less of it for each of its CPUs, at most what the largest node has.

    Asked for where there is plenty it would change nothing, but an autoscaler whose node types are described by their
    CPUs alone would find none that fits.
    """
    workers = [node for node in nodes if node.get("CPU", 0)]
    if all(node.get("memory", 0) >= memory * node["CPU"] for node in workers):
        return {}
    return {"memory": int(min(memory, max(node.get("memory", 0) for node in workers)))}


def _call(work: Callable[[Iterable[T]], Iterator[R]], units: Sequence[T], seconds: float) -> tuple[float, list[R]]:
    """Do the first unit, and more until the time is up; return the seconds it took and a result for each done."""
    keep_freed_memory()
    begun = time.monotonic()
    in_time = (unit for number, unit in enumerate(units) if not number or time.monotonic() < begun + seconds)
    results = list(work(in_time))
    return time.monotonic() - begun, results


def _call_after(work: Callable[[Iterable[Any]], Iterator[R]], before: tuple[float, list[Any]]) -> tuple[float, list[R]]:
    """Go on with all that a task on a CPU has made; return the longer of the two times, which paces the next group."""
    seconds, made = before
    longer, results = _call(work, made, math.inf)
    return max(seconds, longer), results


def dashboard(out: str) -> Callable[[Mapping[str, float]], None]:
    """Return what adds to counters on the cluster's dashboard, and for its Prometheus: `curate_rows` and the like.

    The tag `out` tells runs apart. To be called where this process has joined a cluster.
    """
    counters: dict[str, Any] = {}

    def add(more: Mapping[str, float]) -> None:
        from ray.util.metrics import Counter

        for name, value in more.items():
            if name not in counters:
                counters[name] = Counter(f"curate_{name}", description=f"{name} done by curate", tag_keys=("out",))
                counters[name].set_default_tags({"out": out})
            if value > 0:
                counters[name].inc(value)

    return add
