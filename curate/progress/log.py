"""The log of a run: JSON lines in `OUT/_log`, one file for each time a command is given.

    {"event": "start", "at": 0.0, "verb": "run", "recipe": {...}, "splits": 40, "bytes": 167000000, "workers": 8, ...}
    {"event": "split", "at": 3.1, "name": "web-00", "rows": {"in": 4096, ...}, "seconds": 2.9, "parts": [...], ...}
    {"event": "failed", "at": 3.4, "name": "web-01", "stage": "reading", "error": "...", "traceback": "..."}
    {"event": "end", "at": 61.0, "state": "failed", "splits": {"done": 39, "failed": 1, ...}, ...}

`at` counts seconds from the start by a clock that never goes back. Corpora, and what reads folders of Parquet, leave
`_log` out; the files end in `.log` because `datasets.load_dataset("OUT")` takes a folder with more `.jsonl` than
`.parquet` for JSON. On this machine a line is one write, so that `kill -9` loses at most the line in hand, and
`read_log` leaves half a line out. Elsewhere nothing can be appended to: numbered parts are written, each once, every 30
seconds and ever more rarely as a run gets longer. A log that cannot be written is told once, and the run goes on.
"""

import json
import logging
import os
import platform
import posixpath
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from curate.progress.spent import peak_bytes, worker
from curate.storage import find, info, insist, is_remote, is_web_store, locate, open_binary

LOG = "_log"
ENDING = ".log"
PART_S, COMMIT_S = 30.0, 600.0  # between two parts on an object store, and where each would be a commit (hf://)
PART_SHARE = 0.01  # of the elapsed time, if that is longer: a week is 600 parts
VERSIONS = ("curate", "pyarrow", "ray")

log = logging.getLogger(__name__)


class RunLog:
    """Write the log of one run. Nothing is opened before the first line; threads may share it."""

    def __init__(self, out: str, verb: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.out, self.verb, self.clock = str(out).rstrip("/"), verb, clock
        self.run = f"{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}-{uuid.uuid4().hex[:8]}"
        self._start = self._written = clock()
        self._lock = threading.Lock()
        self._upload = threading.Lock()
        self._file: IO[bytes] | None = None
        self._waiting: list[bytes] = []  # lines of the next part
        self._parts = 0
        self._given_up = False
        self._first: dict[str, Any] = {}
        self.begun = False
        fs, self._folder = locate(f"{self.out}/{LOG}")
        self._remote = is_remote(fs)
        self._part_s = PART_S if is_web_store(fs) else COMMIT_S

    @property
    def path(self) -> str:
        """Where to look, for people."""
        return f"{self.out}/{LOG}/{self.run}{'.*' if self._remote else ''}{ENDING}"

    def start(self, **fields: Any) -> None:
        """Say what runs, on what, with which versions: the first line, written when work begins."""
        now = datetime.now(UTC)
        self._first = {
            "run": self.run,
            "time": now.isoformat(timespec="milliseconds"),
            "unix": now.timestamp(),
            "verb": self.verb,
            "out": self.out,
            "worker": worker(),
            "cpus": os.cpu_count(),
            "versions": {"python": platform.python_version(), **dict(map(_version, VERSIONS))},
            **fields,
        }

    def begin(self) -> None:
        """Write the first line: a run that is refused before any work leaves no log."""
        if not self.begun:
            self.begun = True
            self._write("start", self._first, at=0.0)

    def write(self, event: str, **fields: Any) -> None:
        """Write a line."""
        self.begin()
        self._write(event, fields, at=round(self.clock() - self._start, 3))

    def _write(self, event: str, fields: Mapping[str, Any], at: float) -> None:
        if self._given_up:
            return
        line = json.dumps({"event": event, "at": at, **fields}, default=str).encode() + b"\n"
        try:
            with self._lock:
                self._waiting.append(line) if self._remote else self._append(line)
        except OSError as error:
            self._give_up(error)

    def _append(self, line: bytes) -> None:
        if self._file is None:
            Path(self._folder).mkdir(parents=True, exist_ok=True)
            self._file = Path(self._folder, f"{self.run}{ENDING}").open("ab", buffering=0)  # noqa: SIM115  in `close`
        if self._file.write(line) != len(line):
            raise OSError(f"half a line was written to {self._file.name}; is there room?")

    def flush(self, *, last: bool = False) -> None:
        """Write the next part if it is due; where lines can be appended they are written already."""
        wait = max(self._part_s, PART_SHARE * (self.clock() - self._start))
        if self._given_up or not (last or self.clock() - self._written >= wait):
            return
        with self._upload:  # of the thread that ticks and the one that closes, one at a time
            with self._lock:
                lines, self._waiting = self._waiting, []
            if lines:
                self._put(b"".join(lines))

    def _put(self, data: bytes) -> None:
        path = f"{self.out}/{LOG}/{self.run}.{self._parts:05d}{ENDING}"
        fs, name = locate(path)
        try:
            if not is_web_store(fs):
                fs.makedirs(posixpath.dirname(name), exist_ok=True)
            insist(path, "written", lambda: fs.pipe_file(name, data))
        except OSError as error:
            self._give_up(error)
        self._parts += 1
        self._written = self.clock()

    def _give_up(self, error: OSError) -> None:
        self._given_up = True
        log.warning("%s: no further log of this run can be written (%s); the run itself goes on", self.path, error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the last line of a run of several phases, each of which has told its own counts."""
        if self.begun:
            self.write(
                "end", state=ending(kind), seconds=round(self.clock() - self._start, 3), driver_peak_bytes=peak_bytes()
            )
        self.close()

    def close(self) -> None:
        self.flush(last=True)
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None
            self._given_up = True  # what comes later is of no run


def ending(kind: type[BaseException] | None) -> str:
    """Return how a run ended: "done", "failed", or "stopped" by a signal."""
    return "done" if kind is None else "failed" if issubclass(kind, Exception) else "stopped"


@cache  # it reads files
def _version(name: str) -> tuple[str, str]:
    try:
        return name, version(name)
    except PackageNotFoundError:  # run from a folder that is not installed
        return name, ""


@dataclass(frozen=True)
class LoggedRun:
    """One run as its log tells it."""

    id: str
    start: dict[str, Any]
    units: list[dict[str, Any]] = field(default_factory=list)  # lines "split": what is done
    failures: list[dict[str, Any]] = field(default_factory=list)
    phases: list[dict[str, Any]] = field(default_factory=list)  # lines "phase_end"
    end: dict[str, Any] | None = None  # None if it was killed, or still runs


def read_log(out: str) -> list[LoggedRun]:
    """Return all runs into a folder, oldest first; none if there is no log.

    Raises:
        ValueError: a line that is not the last of its file is damaged.
    """
    if info(f"{out}/{LOG}") is None:
        return []
    parts: dict[str, list[str]] = {}
    for name in find(f"{out}/{LOG}"):
        if name.endswith(ENDING):
            base = posixpath.basename(name)
            parts.setdefault(base.split(".")[0], []).append(f"{out}/{LOG}/{base}")
    return [_logged(run, paths) for run, paths in sorted(parts.items())]


def _logged(run: str, paths: list[str]) -> LoggedRun:
    lines = [line for path in sorted(paths) for line in events(path)]
    by_event: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        by_event.setdefault(line["event"], []).append(line)
    units, failures, phases, ends = (by_event.get(event, []) for event in ("split", "failed", "phase_end", "end"))
    return LoggedRun(run, by_event.get("start", [{}])[0], units, failures, phases, ends[-1] if ends else None)


def events(path: str) -> Iterator[dict[str, Any]]:
    """Yield the lines of one file; half a line at its end, left by a killed run, is none.

    Raises:
        ValueError: another line is damaged.
    """
    with open_binary(path) as file:
        for number, line in enumerate(file, 1):
            try:
                found = json.loads(line)
            except ValueError as error:
                if not line.endswith(b"\n"):
                    return
                raise ValueError(
                    f"{path}, line {number} is no JSON ({error}); delete that line, or the file"
                ) from error
            yield found
