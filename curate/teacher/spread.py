"""A teacher that runs in this process, on as many workers of a Ray cluster as are wanted.

    for index, reply in spread(LocalTeacher(), ray="auto").complete(prompts): ...

Prompts are taken one by one as workers come free, and replies come in the order of the prompts, so annotations are
those of one process: the same rows in the same files. A question whose worker died again and again is unanswered, as
if a server had not answered.

A served teacher stays on the driver. What it can do is the server's to say: one event loop keeps all the questions that
a user allows on the wire (`max_in_flight`, requests and tokens a minute), which many clients would each allow again,
and every answer has to reach the one journal and the one budget before the next is paid for. Workers would not be
quicker: an answer costs the driver 0.9 ms of processor and a write to disk, 205 answers a second on a machine of two
busy cores (`benchmarks/verbs_on_ray.py served`).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from curate.cluster import connect, map_stream, on_ray
from curate.teacher.client import InProcess, Reply, Teacher


@dataclass(frozen=True)
class Ask:
    """Answer some prompts, in their order."""

    teacher: Teacher

    def __call__(self, prompts: Iterable[str]) -> Iterator[Reply]:
        replies = dict(self.teacher.complete(prompts))
        return (replies[index] for index in range(len(replies)))


@dataclass(frozen=True)
class Spread:
    """`teacher` on the workers; named as it, for its answers are the same."""

    teacher: Teacher
    memory_bytes: int
    ray: str | None
    workers: int | None
    num_gpus: float

    @property
    def name(self) -> str:
        return self.teacher.name

    def complete(self, prompts: Iterable[str]) -> Iterator[tuple[int, Reply]]:
        engine = {"ray": self.ray, "workers": self.workers, "num_gpus": self.num_gpus, "memory": self.memory_bytes}
        yield from enumerate(map_stream(Ask(self.teacher), prompts, lost=_lost, **engine))  # type: ignore[arg-type]


def _lost(reason: str) -> Reply:
    return Reply("", error=f"the worker that was asked was lost again and again ({reason})")


def spread(teacher: Teacher, *, ray: str | None = None, workers: int | None = None, num_gpus: float = 0) -> Teacher:
    """Return the teacher on an engine, where there is one and it runs in the process that asks; else itself.

    Args:
        ray: "none", "local", "auto" or an address; see `curate.cluster.map_units`.
        workers: questions at a time.
        num_gpus: GPUs that each of them holds.
    """
    if isinstance(teacher, InProcess) and on_ray(ray):
        connect(ray, workers)  # now: what it does to signals is not to undo what is done to them later
        return Spread(teacher, teacher.memory_bytes, ray, workers, num_gpus)
    return teacher
