"""A real Ray cluster on this machine: a head and more nodes, each of which can be killed, frozen and replaced.

    with Nodes(2) as cluster:
        subprocess.run([..., "--ray", cluster.address], env=cluster.environment)
        cluster.kill(cluster.nodes[0])
        cluster.add()

Each node is a raylet with its workers and agents, told from the others by its processes. A token of its own and ports
of its own keep the cluster apart from others on this machine. Only processes that were started here are ended.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.ports import free_port

RAY = str(Path(sys.executable).parent / "ray")
FAR = (0, 2**32)  # file times: 1970 and 2106
STORE_BYTES = 100 * 10**6  # of shared memory for a node's objects: units are small
PATIENCE_S = 300  # for anything that a busy machine may take long for
BUSY = {"RAY_raylet_start_wait_time_s": "240"}  # the machine may be
SOON_DEAD = {  # a node that does not answer is given up after some 15 seconds, in place of Ray's half a minute
    "RAY_health_check_initial_delay_ms": "5000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "3000",
    "RAY_health_check_failure_threshold": "4",
}

SKEW_SOURCE = """
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static long skew(void) { const char *s = getenv("CLOCK_SKEW_S"); return s ? atol(s) : 0; }
int clock_gettime(clockid_t id, struct timespec *t) {
  int failed = syscall(SYS_clock_gettime, id, t);
  if (!failed && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) t->tv_sec += skew();
  return failed;
}
int gettimeofday(struct timeval *t, void *zone) {
  struct timespec now;
  int failed = clock_gettime(CLOCK_REALTIME, &now);
  t->tv_sec = now.tv_sec;
  t->tv_usec = now.tv_nsec / 1000;
  return failed;
}
time_t time(time_t *t) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (t) *t = now.tv_sec;
  return now.tv_sec;
}
"""  # what a process takes for the time of day, shifted by CLOCK_SKEW_S; intervals stay right, as on a real machine


class Nodes:
    """A head that the drivers join, and `count` further nodes; every node has `cpus` CPUs."""

    def __init__(self, count: int, *, cpus: int = 1, settings: dict[str, str] | None = None) -> None:
        self.count, self.cpus = count, cpus
        self.folder = Path(tempfile.mkdtemp(prefix="cf-", dir="/tmp"))  # short: it becomes part of a socket's name
        ours = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        ours |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_TMPDIR": str(self.folder)}
        self.environment = ours | {"RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"} | BUSY | (settings or {})
        self.nodes: list[psutil.Process] = []  # the raylets, without the head's
        self.seen: set[psutil.Process] = set()
        self.beside: dict[psutil.Process, list[psutil.Process]] = {}  # raylet -> what `ray start` starts beside it

    def __enter__(self) -> "Nodes":
        self.address = f"127.0.0.1:{free_port()}"
        try:
            port = self.address.rpartition(":")[2]
            options = [f"--port={port}", "--head", "--include-dashboard=false", f"--temp-dir={self.folder}"]
            self.head = self._start(options, self.environment)
            for _ in range(self.count):
                self.add()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End all processes of this cluster, by their ids."""
        for process in self.all_processes():
            send(process, signal.SIGCONT)
            send(process, signal.SIGKILL)
        psutil.wait_procs(self.all_processes(), timeout=PATIENCE_S)
        shutil.rmtree(self.folder, ignore_errors=True)

    def all_processes(self) -> list[psutil.Process]:
        """Every process of this cluster that lives, and those that its processes have started.

        The folder in their environment tells; but a worker has overwritten that with its name, so those that were
        seen below a raylet are remembered.
        """
        found = [p for p in psutil.process_iter() if p.pid != os.getpid() and self._is_ours(p)]
        self.seen |= {process for parent in found for process in (parent, *children(parent))}
        self.seen = {process for process in self.seen if process.is_running()}
        return sorted(self.seen, key=lambda process: process.pid)

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get("RAY_TMPDIR") == str(self.folder)
        except psutil.Error:
            return False

    def add(self, environment: dict[str, str] | None = None, *options: str) -> psutil.Process:
        """Start one more node, with further options of `ray start`, and return its raylet when it has joined."""
        raylet = self._start([f"--address={self.address}", *options], self.environment | (environment or {}))
        self.nodes.append(raylet)
        return raylet

    def _start(self, options: list[str], environment: dict[str, str]) -> psutil.Process:
        """Start one node (two at the same time may take the same socket), and return its raylet when it has joined."""
        before = set(self.all_processes())
        command = [RAY, "start", *options, f"--num-cpus={self.cpus}", "--disable-usage-stats"]
        command += [f"--object-store-memory={STORE_BYTES}", "--min-worker-port=0", "--max-worker-port=0"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
        started = [raylet for raylet in self.raylets() if raylet not in before]
        if done.returncode or len(started) != 1:
            raise RuntimeError(f"a node did not start: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        self.beside[started[0]] = [p for p in self.all_processes() if p not in before and is_log_monitor(p)]
        return started[0]

    def raylets(self) -> list[psutil.Process]:
        """The raylets that live, the head's among them."""
        return [process for process in self.all_processes() if process_name(process) == "raylet"]

    def workers(self, node: psutil.Process | None = None) -> list[psutil.Process]:
        """The processes that carry out a node's tasks, or those of all nodes; idle ones too."""
        raylets = [self.head, *self.nodes] if node is None else [node]
        found = [child for raylet in raylets for child in children(raylet)]
        return [process for process in found if process_name(process).startswith(("ray::_call", "ray::IDLE"))]

    def busy(self, node: psutil.Process | None = None) -> list[psutil.Process]:
        """Those workers that are at a task of ours: Ray names a process after what it does."""
        return [process for process in self.workers(node) if process_name(process).startswith("ray::_call")]

    def processes(self, node: psutil.Process) -> list[psutil.Process]:
        """All of a node: its raylet, with workers and agents, and what runs beside it."""
        return [node, *children(node), *self.beside[node]]

    def kill(self, node: psutil.Process) -> None:
        """Let a node die at once with all its processes, as a machine does that loses its power."""
        doomed = self.processes(node)
        self.seen |= set(doomed)
        for process in doomed:
            send(process, signal.SIGKILL)
        psutil.wait_procs(doomed, timeout=PATIENCE_S)
        self.nodes.remove(node)

    def kill_raylet(self, node: psutil.Process) -> None:
        """Kill a node's raylet; its workers notice by themselves, its log monitor never would."""
        self.seen |= set(children(node))
        for process in (node, *self.beside[node]):
            send(process, signal.SIGKILL)
        self.nodes.remove(node)

    def freeze(self, node: psutil.Process) -> list[psutil.Process]:
        """Stop a node with all its processes; `thaw` lets them go on."""
        stopped = self.processes(node)
        for process in stopped:
            send(process, signal.SIGSTOP)
        return stopped


def skewing(folder: Path) -> Path | None:
    """Compile what shifts the clock of the processes that preload it; None where there is no compiler."""
    if shutil.which("gcc") is None:
        return None
    source, library = folder / "skew.c", folder / "skew.so"
    source.write_text(SKEW_SOURCE)
    subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-o", str(library), str(source)], check=True)
    return library


def thaw(processes: list[psutil.Process]) -> None:
    for process in processes:
        send(process, signal.SIGCONT)


def send(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def children(process: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return list(process.children(recursive=True))
    return []


def lives(process: psutil.Process) -> bool:
    """Tell whether a process runs; one that ended and that nobody has asked after does not."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def process_name(process: psutil.Process) -> str:
    """Return what a process shows first in its command line, without its folder."""
    try:
        return Path((process.cmdline() or [""])[0].split(" ")[0]).name
    except psutil.Error:
        return ""


def is_log_monitor(process: psutil.Process) -> bool:
    """Tell whether this is what sends a node's logs on; each takes three hundredths of a core."""
    try:
        return any(part.endswith("log_monitor.py") for part in process.cmdline())
    except psutil.Error:
        return False


def polled(seconds: float = PATIENCE_S, every_s: float = 0.02) -> Iterator[None]:
    """Go round until the caller breaks off; after so long it is a failure."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(every_s)
    raise TimeoutError(f"what was waited for did not happen in {seconds:.0f} s")
