"""Run programs that a model wrote where they can do no harm, and say whether they passed their tests.

    with Sandbox() as sandbox:
        sandbox.run(Program("def double(x):\\n    return 2 * x", tests="assert double(2) == 4"))     # passed=True

What a program finds (Linux; `curate.evaluate.confine` does it, as root or as any user):

- files: an empty folder of limited size, /dev/null, and Python and the system's libraries read-only. No other file of
  this machine has a name there: nothing can be deleted, and no secret read;
- network: none, not even localhost. Processes: only its own; all of them end with it. No environment, no input;
- limits: seconds of processor and of clock, memory, disk, number of processes, open files, bytes of output.

Where a kernel or a container does not allow namespaces, nothing is run: `Sandbox` raises and says why. `unsafe=True`
runs there all the same, in a process group of its own with the limits and an empty environment; it then keeps a
careless program from harm, not a hostile one, which can reach the network and every file that you can.

A program passes when its last test is behind it and a token comes back through a pipe: sys.exit(0) or os._exit(0)
before that fails, and so does a change to the builtins that tests rely on. A program that looks for the token in its
own process can forge it; models do not, but do not use this to judge people.
"""

import json
import os
import secrets
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import IO, Self

CONFINE = Path(__file__).with_name("confine.py")
SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/alternatives")  # read-only inside
TAIL = 2000  # bytes of output that an outcome keeps
FIRST_USER = 2**30  # a user id of its own for each sandbox that root starts, so that its processes are counted alone


@dataclass(frozen=True)
class Limits:
    wall_s: float = 20.0
    cpu_s: int = 5  # HumanEval's own harness allows 3 s of wall clock on an idle machine
    memory_bytes: int = 2**30  # of address space, for each process
    disk_bytes: int = 64 * 2**20
    num_processes: int = 8
    num_files: int = 64  # open at a time
    output_bytes: int = 2**20

    def rlimits(self) -> dict[str, tuple[int, int]]:
        """Return (soft, hard) by name; at the soft limit of processor time comes SIGXCPU, a second later SIGKILL."""
        same = {
            "RLIMIT_AS": self.memory_bytes,
            "RLIMIT_FSIZE": self.disk_bytes,
            "RLIMIT_NPROC": self.num_processes,
            "RLIMIT_NOFILE": self.num_files,
            "RLIMIT_CORE": 0,
        }
        return {"RLIMIT_CPU": (self.cpu_s, self.cpu_s + 1), **{name: (value, value) for name, value in same.items()}}


@dataclass(frozen=True)
class Program:
    """Source to run, then `tests`: statements about its names, or, with an entry point, a `check(candidate)`.

    A `check` runs apart from the program's names and sees only the candidate and what `helpers` defines.
    """

    program: str
    tests: str
    entry_point: str = ""
    helpers: str = ""


@dataclass(frozen=True)
class Outcome:
    passed: bool
    reason: str  # "passed", the last line of the traceback, or the limit that was reached
    output: str = ""  # the end of what it wrote


class Sandbox:
    """A place to run programs in.

    Raises:
        RuntimeError: this machine allows no containment, and `unsafe` was not asked for.
    """

    folder: str  # where programs run, while the sandbox is open

    def __init__(self, limits: Limits = Limits(), *, unsafe: bool = False) -> None:
        self.limits, self.contained = limits, not unsafe
        self._numbers = count()

    def __enter__(self) -> Self:
        self._place = tempfile.TemporaryDirectory(prefix="curate-sandbox-")
        self.folder = self._place.name
        try:
            self.run(Program("", ""))  # says at once where nothing can be contained
        except BaseException:
            self._place.cleanup()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._place.cleanup()

    def run_all(self, programs: Iterable[Program], *, workers: int | None = None) -> list[Outcome]:
        """Run programs side by side, one for each processor by default."""
        with ThreadPoolExecutor(workers or len(os.sched_getaffinity(0))) as pool:
            return list(pool.map(self.run, programs))

    def run(self, program: Program) -> Outcome:
        """Run one program to its end, or to the first limit it reaches."""
        number, token = next(self._numbers), secrets.token_hex(16)
        folder = Path(self.folder, str(number))
        folder.mkdir()
        order = {
            **asdict(program),
            "contained": self.contained,
            "folder": str(folder),
            "read_only": read_only(),
            "disk_bytes": self.limits.disk_bytes,
            "limits": self.limits.rlimits(),
            "user": FIRST_USER + os.getpid() * 256 % FIRST_USER + number % 256,
            "token": token,
        }
        reading, writing = os.pipe()
        command = [sys.executable, "-I", "-S", str(CONFINE), str(writing)]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={},
            pass_fds=(writing,),
            start_new_session=True,
        )
        os.close(writing)
        with os.fdopen(reading, "rb") as report:
            try:
                return self._watch(process, report, json.dumps(order).encode(), token)
            finally:
                _kill(process)

    def _watch(self, process: subprocess.Popen[bytes], report: IO[bytes], order: bytes, token: str) -> Outcome:
        assert process.stdin is not None
        assert process.stdout is not None
        with process.stdin:
            process.stdin.write(order)
        told, output, limit = _collect(report, process.stdout, self.limits)
        _kill(process)
        shown = output[-TAIL:].decode("utf-8", "replace")
        state, _, proof = told.decode("utf-8", "replace").partition("\n")
        if state != "ready":
            raise RuntimeError(
                f"programs cannot be contained on this machine ({state or shown.strip() or 'no answer'}); "
                "run where user namespaces are allowed, or as root with CAP_SYS_ADMIN, or accept --unsafe-sandbox"
            )
        if limit is None and proof == token:
            return Outcome(True, "passed", shown)
        last = shown.strip().splitlines()[-1:] if process.returncode == 1 else []
        died = f"killed by {signal.Signals(process.returncode - 128).name}" if process.returncode > 128 else None
        return Outcome(False, limit or died or "".join(last) or "ended before its tests did", shown)


def read_only() -> list[str]:
    """Return what a program may see: the system's libraries and this Python without its installed packages."""
    prefixes = sorted({os.path.realpath(prefix) for prefix in (sys.base_prefix, sys.base_exec_prefix)})
    apart = [prefix for prefix in prefixes if not prefix.startswith(SYSTEM)]
    return [path for path in (*SYSTEM, *apart) if Path(path).exists()]


def _collect(report: IO[bytes], output: IO[bytes], limits: Limits) -> tuple[bytes, bytes, str | None]:
    """Read both pipes to their ends; return what came, and the limit that ended it."""
    deadline = time.monotonic() + limits.wall_s
    parts: dict[int, bytearray] = {report.fileno(): bytearray(), output.fileno(): bytearray()}
    with selectors.DefaultSelector() as ready:
        for pipe in (report, output):
            ready.register(pipe, selectors.EVENT_READ)
        while ready.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                return *map(bytes, parts.values()), f"{limits.wall_s:g} s of wall clock"  # type: ignore[return-value]
            for key, _ in ready.select(left):
                piece = os.read(key.fd, 65536)
                parts[key.fd] += piece
                if not piece:
                    ready.unregister(key.fileobj)
            if sum(map(len, parts.values())) > limits.output_bytes:
                return *map(bytes, parts.values()), f"{limits.output_bytes} bytes of output"  # type: ignore[return-value]
    return *map(bytes, parts.values()), None  # type: ignore[return-value]


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the whole process group; with process 1 of a namespace, all in it end."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
