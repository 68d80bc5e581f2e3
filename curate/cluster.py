"""Map a function over units of work, in this process or on Ray: the only file that imports ray.

    for index, result in map_units(work, splits, ray="auto"): ...

Units are small descriptions (a split, not its documents), so the scheduler moves names and tallies, never text.
Plain Ray tasks carry them: a task is retried when its worker or node dies, spreads over nodes that come and go, and a
worker process that stays alive keeps its loaded models for the next unit. `benchmarks/engine.py` runs the same units
through Ray Data as well; tasks are quicker and need no table of work items, so Ray Data is not used.
"""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

LOST_RETRIES = 3  # of one unit whose worker or node died


def map_units(
    work: Callable[[T], R],
    units: Sequence[T],
    *,
    ray: str | None = None,
    workers: int | None = None,
    num_gpus: float = 0,
) -> Iterator[tuple[int, R]]:
    """Yield (index of the unit, result) as units finish.

    Args:
        ray: "none" for this process, "local" for a Ray started here, "auto" or an address for a running cluster.
            None is "auto" inside a submitted Ray job and "none" elsewhere.
        workers: units at a time; on Ray the default is all the cluster's CPUs, in this process it is always one.
        num_gpus: GPUs a unit holds while it runs.

    Raises:
        RuntimeError: units were lost because their worker died again and again (out of memory is the usual cause);
            raised after all other units are done. What `work` itself raises comes through as it is.
    """
    if not on_ray(ray):
        if workers is not None and workers > 1:
            raise ValueError(f"{workers} workers need an engine: add --ray local (or --ray auto on a cluster)")
        for index, unit in enumerate(units):
            yield index, work(unit)
        return
    yield from _map_on_ray(work, units, connect(ray, workers), workers, num_gpus)


def train_on_ray(work: Callable[[], None], *, ray: str, workers: int, gpus: bool = True, retries: int = 3) -> None:
    """Run `work` in `workers` processes that form a torch process group; Ray Train starts all again if one is lost.

    Args:
        ray: "local" for a Ray started here, "auto" or an address for a running cluster.
        workers: ranks, one GPU each if the cluster has as many, else one CPU each.
        gpus: False leaves the GPUs alone.
        retries: fresh starts after a lost worker; `work` goes on from its last checkpoint. What `work` itself raises
            would come again: it is not tried twice.

    Raises:
        RuntimeError: `work` failed, or its workers were lost too often.
    """
    engine = connect(ray, workers + 1)  # and one for the controller
    from ray.train import RunConfig, ScalingConfig, TrainingFailedError, WorkerGroupError
    from ray.train.torch import TorchConfig, TorchTrainer

    use_gpu = gpus and engine.cluster_resources().get("GPU", 0) >= workers
    with tempfile.TemporaryDirectory() as folder:  # what Ray Train notes of a run; ours is in the run's own folder
        trainer = TorchTrainer(
            lambda: work(),
            torch_config=TorchConfig(backend="nccl" if use_gpu else "gloo"),
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
    """Join the cluster (or start one here for "local") once per process and return the ray module."""
    import ray

    if not ray.is_initialized():
        if address == "local":
            ray.init(address="local", num_cpus=workers, include_dashboard=False, log_to_driver=False)
        else:
            ray.init(address=address or "auto")
    return ray


def _map_on_ray(
    work: Callable[[T], R], units: Sequence[T], ray: Any, workers: int | None, num_gpus: float
) -> Iterator[tuple[int, R]]:
    shared = ray.put(work)
    task = ray.remote(
        num_cpus=1,
        num_gpus=num_gpus,
        max_retries=LOST_RETRIES,
        max_calls=0,  # keep the worker, and the models it has loaded, for the next unit
        scheduling_strategy="SPREAD",
    )(_call)
    running: dict[Any, int] = {}
    lost: list[str] = []
    waiting = iter(range(len(units)))
    while True:
        # twice the CPUs keeps every worker fed and shows an autoscaler that there is more to do
        bound = workers or max(2 * int(ray.cluster_resources().get("CPU", 1)), 8)
        for index in waiting:
            running[task.remote(shared, units[index])] = index
            if len(running) >= bound:
                break
        if not running:
            break
        (done, *_), _ = ray.wait(list(running), num_returns=1)
        index = running.pop(done)
        try:
            result = ray.get(done)
        except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError, ray.exceptions.NodeDiedError) as e:
            lost.append(f"{units[index]}: {type(e).__name__}")
            continue
        except ray.exceptions.RayTaskError as error:
            raise error.as_instanceof_cause() from None
        yield index, result
    if lost:
        raise RuntimeError(
            f"{len(lost)} units were lost with their workers, the first {lost[0]}; run again to retry them"
        )


def _call(work: Callable[[T], R], unit: T) -> R:
    return work(unit)
