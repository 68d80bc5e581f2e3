"""What a run tells while it goes: a view for people and a log for programs, fed by one object.

    with Progress(out, total_bytes, len(splits), log=RunLog(out, "run")) as progress:
        for split in splits:
            ...
            progress.split(split.num_bytes, rows, name=split.name, spent=meter.spent())

On a terminal the view is drawn four times a second; elsewhere a plain line comes every 10 seconds, where the time goes
every minute, and at the end one line. A thread does this, so that a run whose splits take an hour is not silent
for an hour. What is told goes to stderr; a stderr that is gone silences the view and stops nothing.
"""

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from types import MappingProxyType, TracebackType
from typing import Any, Self, TextIO

from curate.progress.failure import Failure
from curate.progress.lines import detail, headline
from curate.progress.log import RunLog, ending
from curate.progress.spent import Meter, Spent, peak_bytes
from curate.progress.state import State

LINE_EVERY_S, DETAIL_EVERY = 10.0, 6  # in a log: a line, and every how many lines where the time goes
DRAW_EVERY_S = 0.25  # on a terminal
NONE: Mapping[str, int] = MappingProxyType({})


class Progress:
    """Counts what is done of a run, or of one phase of it, shows it and writes it down.

    Args:
        title: what runs, mostly the folder it writes.
        total_bytes: of input; or how much work there is in other terms, if not `in_bytes`.
        log: where each split becomes a line; nowhere by default.
        phase: name of a part of the run that the log tells apart.
        dashboard: is told what to add to counters of a cluster's dashboard.
    """

    def __init__(
        self,
        title: str,
        total_bytes: int,
        total_splits: int,
        *,
        log: RunLog | None = None,
        phase: str = "",
        in_bytes: bool = True,
        dashboard: Callable[[Mapping[str, float]], None] | None = None,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.state = State(title, total_bytes, total_splits, clock, in_bytes)
        self.log, self.phase, self.dashboard, self.clock = log, phase, dashboard, clock
        self.stream = sys.stderr if stream is None else stream
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._screen: Any = None  # of a terminal; rich loads when it is first drawn
        self._told, self._num_told, self._silent, self._begun = clock(), 0, False, False
        self._rows: Counter[str] = Counter()  # in, kept, dropped, quarantined
        self._bytes_out = 0

    def __enter__(self) -> Self:
        self._tick()
        return self

    def row(self, count: int) -> None:
        """Some rows passed inside a split."""
        with self._lock:
            self.state.rows += count
        self._tick()

    def began(self, name: str, meter: Meter, num_bytes: int, num_rows: int | None) -> None:
        """A split is in hand in this process; the view looks at its meter."""
        with self._lock:
            self.state.here[name] = (meter, num_bytes, num_rows)
        self._begin()

    def submitted(self, name: str) -> None:
        """A split has left for a worker elsewhere."""
        with self._lock:
            self.state.away.setdefault(name, self.clock())
        self._begin()

    def split(
        self,
        num_bytes: int,
        num_rows: int,
        *,
        name: str = "",
        rows: Mapping[str, int] = NONE,
        bytes_out: int = 0,
        spent: Spent | None = None,
        **told: Any,
    ) -> None:
        """A split is finished.

        Args:
            num_bytes: of its input.
            num_rows: of its input that were not yet counted by `row`.
            rows: what became of them (in, kept, dropped, quarantined).
            bytes_out: of the files that it became.
            told: goes into its line of the log.
        """
        with self._lock:
            self.state.done(name, num_bytes, num_rows, spent)
        self._rows.update(rows)
        self._bytes_out += bytes_out
        told |= {"rows": dict(rows)} | ({"bytes_out": bytes_out} if bytes_out else {})
        self._write("split", name=name, bytes=num_bytes, **told, **_line(spent))
        self._count(splits=1, rows=num_rows, bytes=num_bytes)

    def resumed(self, num_bytes: int, *, name: str = "", rows: Mapping[str, int] = NONE, **told: Any) -> None:
        """A split was finished by an earlier run."""
        with self._lock:
            self.state.resumed(name, num_bytes)
        self._rows.update(rows)
        self._write("split", name=name, bytes=num_bytes, rows=dict(rows), **told, resumed=True)
        self._tick()

    def failed(self, num_bytes: int, name: str, failure: Failure, spent: Spent | None = None) -> None:
        """A split failed."""
        with self._lock:
            self.state.failed(name, num_bytes, failure)
        told = {"error": failure.error, "stage": failure.stage, "traceback": failure.trace}
        self._write("failed", name=name, bytes=num_bytes, **told, **_line(spent))
        self._count(failed_splits=1)

    def _begin(self) -> None:
        if self.log is not None and not self._begun:
            self._begun = True
            self.log.begin()
            if self.phase:
                self._write("phase", splits=self.state.total_splits, bytes=self.state.total_bytes)
        self._tick()

    def _write(self, event: str, **fields: Any) -> None:
        if self.log is not None:
            self._begin()
            self.log.write(event, **({"phase": self.phase} if self.phase else {}), **fields)

    def _count(self, **more: float) -> None:
        if self.dashboard is not None:
            self.dashboard(more)
        self._tick()

    def _tick(self) -> None:
        """Start the thread that tells, once."""
        if self._thread is None and not self._stop.is_set():
            self._thread = threading.Thread(target=self._run, name="progress", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(DRAW_EVERY_S if self._live else 1.0):
            self.show()
            if self.log is not None:
                self.log.flush()

    @property
    def _live(self) -> bool:
        return not self.stream.closed and self.stream.isatty()

    def show(self) -> None:
        """Draw the view, or print a line if one is due."""
        try:
            with self._lock:
                self._draw() if self._live else self._print()
        except (OSError, ValueError):  # a terminal that went away, a closed stream
            self._silent = True

    def _draw(self) -> None:
        from curate.progress.live import Screen

        if not self._silent:
            self._screen = self._screen or Screen(self.stream)
            self._screen.draw(self.state)

    def _print(self) -> None:
        if self._silent or self.clock() - self._told < LINE_EVERY_S:
            return
        self._told, self._num_told = self.clock(), self._num_told + 1
        more = detail(self.state) if self._num_told % DETAIL_EVERY == 1 else ""
        print(headline(self.state), *([f"  {more}"] if more else []), sep="\n", file=self.stream, flush=True)

    def close(self, state: str = "") -> None:
        """Stop the view and say how it ended, once.

        Args:
            state: "done", "failed" or "stopped"; by the counts where it is not given.
        """
        if self._stop.is_set():
            return
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        try:
            if self._screen is not None:
                self._screen.close()
            if not self._silent and not self._nothing_to_say:
                self._conclude(state or self.outcome)
        except (OSError, ValueError):
            self._silent = True
        if self.phase:
            self._write("phase_end", seconds=round(self.state.elapsed, 3))
        elif self.log is not None:
            if self.log.begun:
                self.log.write("end", state=state or self.outcome, **self.totals())
            self.log.close()

    @property
    def _nothing_to_say(self) -> bool:
        """Tell whether the run was refused before any work, which its error says, or was a short phase of one."""
        refused = self.state.left_splits == self.state.total_splits and not self._begun
        return refused or (bool(self.phase) and self.state.elapsed < LINE_EVERY_S)

    @property
    def outcome(self) -> str:
        return "failed" if self.state.failed_splits else "stopped" if self.state.left_splits else "done"

    def _conclude(self, state: str) -> None:
        told = detail(self.state) if self.state.elapsed >= LINE_EVERY_S else ""
        where = f"; log: {self.log.path}" if self.log is not None and not self.phase else ""
        ended = "" if self.state.failed_splits else f", {state}"  # how many failed is told
        lines = [f"{headline(self.state, final=True)}{ended}{where}", *([f"  {told}"] if told else [])]
        print(*lines, sep="\n", file=self.stream, flush=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(ending(kind) if kind is not None else "")

    def totals(self) -> dict[str, Any]:
        """Return what the last line of a log tells."""
        state = self.state
        splits = {"done": state.done_splits, "resumed": state.resumed_splits, "failed": state.failed_splits}
        return {
            "seconds": round(state.elapsed, 3),
            "splits": splits | {"left": state.left_splits},
            "rows": dict(self._rows),
            "bytes": round(state.done_bytes),
            "bytes_out": self._bytes_out,
            "worker_seconds": round(state.seconds, 3),
            "parts": [_rounded(part) for part in state.parts],
            "driver_peak_bytes": peak_bytes(),
        }


def _line(spent: Spent | None) -> dict[str, Any]:
    if spent is None:
        return {}
    told = {name: _rounded([value])[0] for name, value in vars(spent).items() if name != "parts"}
    return told | ({"parts": [_rounded(part) for part in spent.parts]} if spent.parts else {})


def _rounded(values: Any) -> list[Any]:
    return [round(value, 6) if isinstance(value, float) else value for value in values]
