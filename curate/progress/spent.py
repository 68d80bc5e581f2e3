"""What one split took, measured where it was worked on: a stopwatch with a hand for each part.

    meter = Meter(("Extract", "Keep"))
    for batch in meter.reading(batches):
        with meter.part(1, batch.num_rows, batch.nbytes):
            batch = extract(batch)
    spent = meter.spent()

Parts are "reading", the stages in their order, and "writing". Seconds are told twice: by the wall and of this process's
processors, because on a busy machine the wall says more of the neighbours. Two looks at two clocks for a batch of some
hundred documents cost about 2 microseconds. None of this goes into a shard or its receipt, whose bytes are the same in
every run.
"""

import os
import resource
import socket
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple, TypeVar

T = TypeVar("T")

READING, WRITING = "reading", "writing"


class Part(NamedTuple):
    """One part of the work on a split."""

    name: str
    seconds: float
    cpu_seconds: float
    rows: int  # that went in
    num_bytes: int  # of text that went in
    first_seconds: float  # of its first batch, which may have loaded a model or compiled a kernel


@dataclass(frozen=True)
class Spent:
    """What one unit of work took, and who did it."""

    began: float  # unix time, by the worker's clock
    seconds: float
    cpu_seconds: float
    peak_bytes: int  # the most memory that the worker process ever held
    worker: str  # host:pid
    parts: tuple[Part, ...] = ()


class Meter:
    """The stopwatch of one split; another thread may look at it while it runs."""

    def __init__(self, stages: Sequence[str] = ()) -> None:
        self.names = (READING, *stages, WRITING)
        count = len(self.names)
        self.seconds, self.cpu_seconds, self.first = [0.0] * count, [0.0] * count, [-1.0] * count
        self.rows, self.num_bytes = [0] * count, [0] * count
        self.doing = ""  # the part that runs now, or that failed
        self._began, self._start, self._cpu = time.time(), time.perf_counter(), time.process_time()
        self._worked = self._cpu_worked = 0.0  # in another process, before the pause, and aside
        self._paused = False

    @contextmanager
    def part(self, index: int, rows: int = 0, num_bytes: int = 0) -> Iterator[None]:
        """Time what is done inside as part `index`: 0 reads, 1 is the first stage, -1 writes."""
        self.doing = self.names[index]
        wall, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            took = time.perf_counter() - wall
            self.seconds[index] += took
            self.cpu_seconds[index] += time.process_time() - cpu
            if self.first[index] < 0:
                self.first[index] = took
            self.rows[index] += rows
            self.num_bytes[index] += num_bytes
        self.doing = ""  # not where it failed

    def pause(self) -> None:
        """Stop the watch: the rest is done later, `aside`."""
        self._worked, self._cpu_worked, self._paused = self.elapsed, self._cpu_elapsed, True

    @contextmanager
    def aside(self, index: int) -> Iterator[None]:
        """Time work on a paused split, in a thread beside others of its kind."""
        self.doing = self.names[index]
        wall, cpu = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            took, took_cpu = time.perf_counter() - wall, time.thread_time() - cpu
            self.seconds[index] += took
            self.cpu_seconds[index] += took_cpu
            self._worked += took
            self._cpu_worked += took_cpu
        self.doing = ""

    def reading(self, batches: Iterable[T]) -> Iterator[T]:
        """Pass batches on and time how long each takes to come."""
        iterator = iter(batches)
        while True:
            with self.part(0):
                batch = next(iterator, None)
            if batch is None:
                return
            self.rows[0] += getattr(batch, "num_rows", 0)
            yield batch

    def include(self, spent: Spent) -> None:
        """Add what another process spent on the same split before."""
        for index, part in enumerate(spent.parts):
            self.seconds[index] += part.seconds
            self.cpu_seconds[index] += part.cpu_seconds
            self.first[index] = part.first_seconds if part.seconds else -1.0
            self.rows[index] += part.rows
            self.num_bytes[index] += part.num_bytes
        self._began = spent.began
        self._worked += spent.seconds
        self._cpu_worked += spent.cpu_seconds

    @property
    def elapsed(self) -> float:
        return self._worked + (0.0 if self._paused else time.perf_counter() - self._start)

    @property
    def _cpu_elapsed(self) -> float:
        return self._cpu_worked + (0.0 if self._paused else time.process_time() - self._cpu)

    def parts(self) -> tuple[Part, ...]:
        firsts = [max(first, 0.0) for first in self.first]
        columns = (self.names, self.seconds, self.cpu_seconds, self.rows, self.num_bytes, firsts)
        return tuple(Part(*values) for values in zip(*columns, strict=True))

    def spent(self) -> Spent:
        return Spent(self._began, self.elapsed, self._cpu_elapsed, peak_bytes(), worker(), self.parts())


def peak_bytes() -> int:
    """Return the most memory that this process has held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def worker() -> str:
    return f"{_host()}:{os.getpid()}"


@cache
def _host() -> str:
    return socket.gethostname()
