"""Run programs that a model wrote where they can do no harm, and say whether they passed their tests.

    with Sandbox() as sandbox:
        sandbox.run(Program("def double(x):\\n    return 2 * x", tests="assert double(2) == 4"))     # passed=True

What a program finds (Linux; `curate.evaluate.confine` does it, as root or as any user):

- files: an empty folder of limited size, /dev/null, and Python and the system's libraries read-only. No other file of
  this machine has a name there: nothing can be deleted, and no secret read;
- network: none, not even localhost. Processes: only its own; all of them end with it. No environment, no input;
- limits: seconds of processor and of clock, memory of each process and of all together, disk, number of processes,
  open files, bytes of output; system calls that get round these are refused (`curate.evaluate.syscalls`).

Where a kernel or a container does not allow namespaces, nothing is run: `Sandbox` raises and says why. `unsafe=True`
runs there all the same, in a process group of its own with the limits and an empty environment; it then keeps a
careless program from harm, not a hostile one, which can reach the network and every file that you can.

A program passes when its last test is behind it and a token comes back through a pipe: sys.exit(0) or os._exit(0)
before that fails, and so does a change to the builtins that tests rely on. What answers True to every == passes tests
that ask nothing else, here as in HumanEval's own harness: a pass is what the tests say. A program that looks for the
token in its own process, through frames or the garbage collector, can forge it: contained all the same, but do not
reward a model by training on this verdict, and do not judge people by it.
"""

import json
import os
import platform
import secrets
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from curate.evaluate.syscalls import filter_program

CONFINE = Path(__file__).with_name("confine.py")
SYSTEM = ("/usr", "/lib", "/lib32", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/alternatives")  # read-only inside
TAIL = 2000  # bytes of output that an outcome keeps
LOOK_S = 0.1  # between looks at how much memory all processes of a program hold
FIRST_USER = 2**30  # a user id of its own for each sandbox that root starts, so that its processes are counted alone


@dataclass(frozen=True)
class Limits:
    wall_s: float = 20.0
    cpu_s: int = 5  # HumanEval's own harness allows 3 s of wall clock on an idle machine
    memory_bytes: int = 2**30  # of address space for each process, and held by all together
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


class _NotReadyError(RuntimeError):
    """The sandbox came to a limit before the program was begun."""


class Sandbox:
    """A place to run programs in.

    Raises:
        RuntimeError: this machine allows no containment, and `unsafe` was not asked for; or no program can run here.
    """

    folder: str  # where programs run, while the sandbox is open

    def __init__(self, limits: Limits = Limits(), *, unsafe: bool = False) -> None:
        self.limits, self.contained = limits, not unsafe
        self._numbers = count()

    def __enter__(self) -> Self:
        require_system(sys.platform, contained=self.contained)
        self._place = tempfile.TemporaryDirectory(prefix="curate-sandbox-")
        self.folder = self._place.name
        try:
            self._try_out()
        except BaseException:
            self._place.cleanup()
            raise
        return self

    def _try_out(self) -> None:
        """Raise at once where nothing can be contained, or where programs would fail whatever is in them."""
        trial = self.run(Program("", "import heapq"))
        if not trial.passed:
            raise RuntimeError(
                "no program can run in the sandbox on this machine: one that only imports a module ends with "
                f"{trial.reason!r}. Look at the limits it has ({self.limits}; `ulimit -H -a`), and whether all users "
                f"may read {sys.base_prefix}"
            )

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._place.cleanup()

    def run_all(self, programs: Iterable[Program], *, workers: int | None = None) -> list[Outcome]:
        """Run programs side by side, one for each processor by default."""
        with ThreadPoolExecutor(workers or processors()) as pool:
            return list(pool.map(self.run, programs))

    def run(self, program: Program) -> Outcome:
        """Run one program to its end, or to the first limit it reaches."""
        with suppress(_NotReadyError):  # a node may stall for once; nothing of the program has run
            return self._run(program)
        return self._run(program)

    def _run(self, program: Program) -> Outcome:
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
            "refused": filter_program(platform.machine()).hex(),
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
        with suppress(BrokenPipeError), process.stdin:  # who did not live to read it has said why
            process.stdin.write(order)
        told, output, limit = _collect(process.pid, report, process.stdout, self.limits)
        _kill(process)
        shown = output[-TAIL:].decode("utf-8", "replace")
        state, _, proof = told.decode("utf-8", "replace").partition("\n")
        if limit and not told:
            raise _NotReadyError(
                f"the sandbox reached {limit} before its program began, twice; this machine is too busy: run less "
                "beside it, and evaluate again"
            )
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


def require_system(system: str, *, contained: bool) -> None:
    """Raise where programs cannot run at all, or not contained; `system` is as sys.platform names it."""
    if contained and system != "linux":
        raise RuntimeError(
            f"programs can be contained on Linux only, whose namespaces shut them in; this is {system}. Evaluate code "
            "in a Linux virtual machine or container, or leave the code suite out; --unsafe-sandbox runs the programs "
            "with your own rights"
        )
    if system == "win32":
        raise RuntimeError("programs cannot be limited on Windows; evaluate code in WSL 2 or a Linux virtual machine")


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def held_memory(process: int) -> int:
    """Return the bytes of memory that a process and all below it hold, without what they share with files.

    Who loses its parent inside becomes a child of the sandbox's process 1, so none is missed.
    """
    held = 0
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8", errors="replace")
        children = [path.read_text() for path in Path(f"/proc/{process}/task").glob("*/children")]
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        return 0
    for line in status.splitlines():
        if line.startswith(("RssAnon:", "RssShmem:")):
            held += int(line.split()[1]) * 1024
    return held + sum(held_memory(int(child)) for child in " ".join(children).split())


def read_only() -> list[str]:
    """Return what a program may see: the system's libraries and this Python without its installed packages."""
    prefixes = sorted({os.path.realpath(prefix) for prefix in (sys.base_prefix, sys.base_exec_prefix)})
    apart = [prefix for prefix in prefixes if not prefix.startswith(SYSTEM)]
    return [path for path in (*SYSTEM, *apart) if Path(path).exists()]


def _collect(process: int, report: IO[bytes], output: IO[bytes], limits: Limits) -> tuple[bytes, bytes, str | None]:
    """Read both pipes until they or the process end; return what came, and the limit that ended it."""
    deadline, look, reached = time.monotonic() + limits.wall_s, time.monotonic() + LOOK_S, None
    told, shown = bytearray(), bytearray()
    with selectors.DefaultSelector() as ready:
        ready.register(report, selectors.EVENT_READ, told)
        ready.register(output, selectors.EVENT_READ, shown)
        ended = False
        while ready.get_map() and reached is None and not ended:
            ended = _has_ended(process)  # asked first, so that what it wrote is read; uncontained, others may hold on
            for key, _ in ready.select(0 if ended else min(LOOK_S, max(deadline - time.monotonic(), 0))):
                piece = os.read(key.fd, 65536)
                key.data.extend(piece)
                if not piece:
                    ready.unregister(key.fileobj)
            now = time.monotonic()
            if now >= deadline:
                reached = f"{limits.wall_s:g} s of wall clock"
            elif len(told) + len(shown) > limits.output_bytes:
                reached = f"{limits.output_bytes} bytes of output"
            elif now >= look:
                look = now + LOOK_S
                if held_memory(process) > limits.memory_bytes:
                    reached = f"{limits.memory_bytes} bytes of memory in all its processes"
    return bytes(told), bytes(shown), reached


def _has_ended(process: int) -> bool:
    """Tell whether a process has ended, and leave it unwaited for: until then its number is that of its group."""
    if not hasattr(os, "waitid"):  # macOS before Python 3.13, where only the pipes tell
        return False
    return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the whole process group, also what its first process left; with process 1 of a namespace, all in it end."""
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):  # the latter is macOS' word for a group of the dead
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
