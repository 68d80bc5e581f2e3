"""How far a run is: counts, rates, the slowest splits and the time left, in memory that does not grow with the run.

Rates and time left are of the work done now: splits found done by an earlier run are neither work nor left. The time
left is what the bytes left would take at the rate of the last half of the run, so that loading models in its first
minute, or nodes that came or went, are forgotten. On Ray only finished splits count, so it is known after the first.
"""

import heapq
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from curate.progress.failure import Failure
from curate.progress.spent import Meter, Part, Spent

WINDOW_S = 60.0  # the shortest time that a rate is taken over
SLOWEST = 3
MB = 1e6


@dataclass
class State:
    """Counts of one run, or of one phase of it.

    Attributes:
        rows, done_bytes: of the work done in this run; bytes are of input.
        parts: what all splits together spent in reading, each stage and writing.
    """

    title: str
    total_bytes: int
    total_splits: int
    clock: Callable[[], float] = time.monotonic
    in_bytes: bool = True
    rows: int = 0
    done_bytes: float = 0
    done_splits: int = 0
    resumed_bytes: int = 0
    resumed_splits: int = 0
    failed_bytes: int = 0
    failed_splits: int = 0
    first_failure: tuple[str, Failure] | None = None
    parts: list[Part] = field(default_factory=list)
    seconds: float = 0.0  # of all workers
    slowest: list[tuple[float, str]] = field(default_factory=list)
    here: dict[str, tuple[Meter, int, int | None]] = field(default_factory=dict)  # name -> meter, bytes, rows of splits
    away: dict[str, float] = field(default_factory=dict)  # name -> when it left, of splits that are elsewhere

    def __post_init__(self) -> None:
        self.started = self.clock()
        self._older = self._newer = (self.started, 0.0)

    def done(self, name: str, num_bytes: int, rows: int, spent: Spent | None) -> None:
        """A split is finished; `rows` are those not counted before."""
        self._back(name)
        self.rows += rows
        self.done_bytes += num_bytes
        self.done_splits += 1
        if spent is not None:
            self.seconds += spent.seconds
            self.parts = added(self.parts, spent.parts)
            heapq.heappush(self.slowest, (spent.seconds, name))
            if len(self.slowest) > SLOWEST:
                heapq.heappop(self.slowest)

    def _back(self, name: str) -> None:
        self.here.pop(name, None)
        self.away.pop(name, None)

    def resumed(self, name: str, num_bytes: int) -> None:
        """A split was done before."""
        self._back(name)
        self.resumed_bytes += num_bytes
        self.resumed_splits += 1

    def failed(self, name: str, num_bytes: int, failure: Failure) -> None:
        self._back(name)
        self.failed_bytes += num_bytes
        self.failed_splits += 1
        self.first_failure = self.first_failure or (name, failure)

    @property
    def elapsed(self) -> float:
        return max(self.clock() - self.started, 1e-9)

    def longest_away(self) -> list[tuple[float, str]]:
        """Return (seconds, name) of the splits that left for a worker longest ago and are not back."""
        first = heapq.nsmallest(SLOWEST, ((left, name) for name, left in list(self.away.items())))
        return [(self.clock() - left, name) for left, name in first]

    @property
    def is_starting(self) -> bool:
        """Tell whether nothing is begun: Ray starts, or a cluster has no room yet."""
        return self.left_splits == self.total_splits > 0 and not (self.here or self.away or self.rows)

    @property
    def left_splits(self) -> int:
        return self.total_splits - self.done_splits - self.resumed_splits - self.failed_splits

    def worked(self) -> tuple[float, int]:
        """Return bytes and rows done in this run, with what is through of the splits in hand here."""
        num_bytes, rows = self.done_bytes, self.rows
        if not self.in_bytes:
            num_bytes = max(num_bytes, rows)  # work that is counted in rows
        for meter, size, expected in list(self.here.values()):
            passed = meter.rows[0]
            rows += passed
            num_bytes += size * min(passed / expected, 1.0) if expected else 0
        return num_bytes, rows

    def share(self) -> float:
        """Return how much of the input is behind us, 0 to 1."""
        behind = self.worked()[0] + self.resumed_bytes + self.failed_bytes
        return min(behind / self.total_bytes, 1.0) if self.total_bytes else 1.0

    def seconds_left(self) -> float | None:
        """Estimate the time left; None while nothing can be said."""
        worked, _ = self.worked()
        left = self.total_bytes - worked - self.resumed_bytes - self.failed_bytes
        rate = self._rate(worked)
        return max(left, 0) / rate if rate > 0 else None

    def _rate(self, worked: float) -> float:
        """Return bytes a second over about the last half of the run."""
        now = self.clock()
        if now - self._newer[0] > max(WINDOW_S, (now - self.started) / 4):
            self._older, self._newer = self._newer, (now, worked)
        then, before = self._older
        return (worked - before) / max(now - then, 1e-9)

    def spent(self) -> list[Part]:
        """Return what each part took, with the splits in hand here."""
        parts = self.parts
        for meter, _, _ in list(self.here.values()):
            parts = added(parts, meter.parts())
        return parts


def added(a: Sequence[Part], b: Sequence[Part]) -> list[Part]:
    """Sum two splits' parts, which are of the same stages."""
    if not a or not b:
        return list(a or b)
    sums = ([x + y for x, y in zip(p[1:], q[1:], strict=True)] for p, q in zip(a, b, strict=True))
    return [Part(part.name, *numbers) for part, numbers in zip(a, sums, strict=True)]  # type: ignore[arg-type]
