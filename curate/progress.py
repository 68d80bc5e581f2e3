"""How far a run is: a live bar on a terminal, a plain line every few seconds in a log."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

LINE_EVERY_S = 10.0  # in a log; a terminal is redrawn ten times a second


@dataclass
class Progress:
    """Counts rows and input bytes as they pass and says what is left.

    Bytes of finished splits give the time left; rows move the rate between two of them.
    """

    title: str
    total_bytes: int
    total_splits: int
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    clock: Callable[[], float] = time.monotonic
    rows: int = 0
    done_bytes: int = 0
    done_splits: int = 0

    def __post_init__(self) -> None:
        self._start = self._last = self.clock()

    def row(self, count: int) -> None:
        """Some rows passed inside a split."""
        self.rows += count
        self._show()

    def split(self, num_bytes: int, rows: int) -> None:
        """A split is finished; `rows` are those not yet counted by `row`."""
        self.rows += rows
        self.done_bytes += num_bytes
        self.done_splits += 1
        self._show()

    def line(self) -> str:
        """Return the state in one line: splits, rows, rate, time left."""
        elapsed = max(self.clock() - self._start, 1e-9)
        left = ""
        if 0 < self.done_bytes < self.total_bytes:
            seconds = elapsed * (self.total_bytes - self.done_bytes) / self.done_bytes
            left = f", {_duration(seconds)} left"
        return (
            f"{self.title}: {self.done_splits}/{self.total_splits} splits, {self.rows:,} rows, "
            f"{self.rows / elapsed:,.0f} rows/s, {_duration(elapsed)}{left}"
        )

    def _show(self) -> None:
        live = self.stream.isatty()
        if self.clock() - self._last >= (0.1 if live else LINE_EVERY_S):
            self._last = self.clock()
            print(
                f"\r\033[K{self.line()}" if live else self.line(),
                end="" if live else "\n",
                file=self.stream,
                flush=True,
            )

    def close(self) -> None:
        if self.stream.isatty():
            print("\r\033[K", end="", file=self.stream, flush=True)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s" if minutes else f"{rest}s"
