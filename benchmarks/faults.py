"""Random faults over the whole FineWeb-Edu pipeline on a Ray cluster of three nodes: does every run end with the same?

    python -m benchmarks.faults [--faults 200] [--seed 0] [--input PAGES.warc.gz ...] [--folder runs/faults]

A head and two more nodes (real raylets, on this machine) run pipelines/fineweb_edu.py over twelve WARC files with
planted copies and a broken record, into a folder, a file system that fills up, or a store behind a proxy that makes
requests fail. Faults strike by the seed: those of IN_FLIGHT while drivers work, those of BETWEEN before one is started
again. A driver that ends with an error has to say so in one sentence and to name a damaged file, which is then deleted,
as it says; what no driver has looked at, `curate verify` has to find. It is started again until it ends well.

Whenever no driver runs, every file with a final name is compared, byte for byte, with that of an undisturbed run in one
process; at the end of a run none may be missing and none be too many. Printed: each kind of fault, how often it struck,
and whether its driver went on or another had to be started. The exit code is 1 if any run ended otherwise.
"""

import argparse
import gzip
import itertools
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
from fastwarc.warc import WarcRecordType

from benchmarks.faulty_places import Local, Place, Small, Store, is_final, may_mount, serving
from curate.readers.warc import records
from pipelines.bare_machine import project_pages, topic_pages, write_warc
from tests.faults.nodes import SOON_DEAD, Nodes, lives, send, skewing, thaw

ROOT = Path(__file__).parents[1]
NUM_FILES, NUM_PAGES, MAX_PAGE_BYTES = 12, 480, 60_000
FAULTS_A_RUN = (6, 11)
FILES_BETWEEN = (0, 14)  # of some 80, temporary ones too, before the next fault strikes
MOST_ATTEMPTS = 15  # of one run: nearly each fault may need one
DRIVER_S = 900  # a driver that takes longer on this machine hangs
IN_FLIGHT = {  # weights
    "worker killed": 28,
    "worker stopped for seconds": 10,
    "worker's files limited": 8,
    "raylet killed": 8,
    "node killed": 8,
    "node frozen for seconds": 6,
    "node's clock an hour off": 5,
    "driver killed": 20,
    "driver killed, started at once": 12,
    "driver killed, scratch damaged": 8,
    "second driver": 10,
    "file times set": 5,
}
BETWEEN = {"shard truncated": 9, "bit of a shard flipped": 9, "stray files": 5, "input damaged": 6}
NEEDS_FOLDER = {"driver killed, scratch damaged", "file times set", *BETWEEN}
PLACES = {Local: 80, Small: 10, Store: 10}
HOUR_S = 3600
FAR = (0, 2**32)  # file times: 1970 and 2106
BROKEN = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\n\r\nthis is not gzip"


class Study:
    """What all runs share: a cluster, a crawl, what an undisturbed run makes of it, and what was found so far."""

    def __init__(self, options: argparse.Namespace, cluster: Nodes, store: object) -> None:
        self.folder, self.cluster, self.store = Path(options.folder), cluster, store
        self.chance, self.left = random.Random(options.seed), options.faults
        self.skew, self.may_mount = skewing(self.folder), may_mount(self.folder)
        self.whole: dict[str, bytes] = {}
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.said: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.attempts: list[int] = []
        self.adding: threading.Thread | None = None
        self.begun = time.monotonic()

    def tell(self, line: str) -> None:
        print(f"{time.monotonic() - self.begun:7.1f} s  {line}", flush=True)

    def is_wrong(self, line: str) -> None:
        self.wrong.append(line)
        self.tell(f"WRONG {line}")

    def place(self, number: int) -> Place:
        """Draw where a run writes."""
        kind = self.chance.choices(list(PLACES), list(PLACES.values()))[0]
        path = self.folder / f"run-{number}"
        if kind is Store:
            return Store(f"s3://faults/run-{number}", self.store)
        if kind is Small and self.may_mount:
            return Small(path, self.chance.randrange(200_000, 3_500_000))
        return Local(path)

    def kinds(self, place: Place) -> list[str]:
        """Draw the faults of one run."""
        weights = IN_FLIGHT | BETWEEN
        unfit = NEEDS_FOLDER if not isinstance(place, Local) else set() if self.skew else {"node's clock an hour off"}
        weights = {kind: weight for kind, weight in weights.items() if kind not in unfit}
        count = min(self.left, self.chance.randint(*FAULTS_A_RUN))
        return self.chance.choices(list(weights), list(weights.values()), k=count)

    def keep_nodes(self, *, wait: bool = False) -> None:
        """Put new nodes in the place of dead ones, one at a time and beside what goes on."""
        while True:
            if self.adding is not None and (wait or not self.adding.is_alive()):
                self.adding.join()
                self.adding = None
            self.cluster.nodes[:] = [node for node in self.cluster.nodes if lives(node)]
            if self.adding is not None or len(self.cluster.nodes) >= self.cluster.count:
                return
            self.adding = threading.Thread(target=self._add, args=({}, self.chance.uniform(0, 5)))
            self.adding.start()
            if not wait:
                return

    def _add(self, environment: dict[str, str], delay_s: float) -> None:
        time.sleep(delay_s)
        try:
            self.cluster.add(environment)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            self.tell(f"a node did not start: {str(error)[-300:]}")

    def add_skewed(self) -> None:
        self.keep_nodes(wait=True)
        seconds = self.chance.choice((-HOUR_S, HOUR_S))
        self._add({"LD_PRELOAD": str(self.skew), "CLOCK_SKEW_S": str(seconds)}, 0)


class Run:
    """One output folder, and the drivers that work on it one after another until one ends well."""

    def __init__(self, number: int, study: Study) -> None:
        self.number, self.study, self.chance, self.cluster = number, study, study.chance, study.cluster
        self.place = study.place(number)
        self.crawl = study.folder / f"crawl-{number}"
        shutil.copytree(study.folder / "crawl", self.crawl)
        self.drivers: list[subprocess.Popen[bytes]] = []
        self.logs: list[Path] = []
        self.struck: list[str] = [self.place.kind] if self.place.kind else []  # and their driver has not ended yet
        self.repairs: list[Callable[[], None]] = []
        self.damaged: dict[str, str] = {}  # file -> the fault that did it
        self.scratch: list[str] = []  # damaged files of scratch

    def start(self) -> None:
        self.logs.append(self.study.folder / f"run-{self.number}.{len(self.logs):02d}.log")
        command = [sys.executable, str(ROOT / "pipelines/fineweb_edu.py"), "--threshold", "1"]
        command += ["--input", str(self.crawl), "--output", self.place.url, "--ray", self.cluster.address]
        with self.logs[-1].open("wb") as log:
            driver = subprocess.Popen(
                command, stdout=log, stderr=log, env=self.cluster.environment, start_new_session=True
            )
        self.drivers.append(driver)

    def running(self) -> list[subprocess.Popen[bytes]]:
        return [driver for driver in self.drivers if driver.poll() is None]

    def works(self, seconds: float) -> bool:
        """Wait so long, or until no driver runs; tell whether one does."""
        deadline = time.monotonic() + seconds
        while self.running() and time.monotonic() < deadline:
            time.sleep(0.05)
        return bool(self.running())

    def went_on(self, num_files: int) -> bool:
        """Wait until so many more files are there, or for a while; tell whether a driver still runs."""
        goal = len(files_in(self.place.path)) + num_files
        deadline = time.monotonic() + num_files * (1 if self.place.path is None else 4)
        while self.works(0.1) and time.monotonic() < deadline and len(files_in(self.place.path)) < goal:
            pass
        return bool(self.running())

    def to_the_end(self, kinds: list[str]) -> None:
        """Start drivers, and let faults strike them, until one ends well."""
        flying = [kind for kind in kinds if kind in IN_FLIGHT]
        between = [kind for kind in kinds if kind in BETWEEN]
        if "input damaged" in between:  # of use before it is read only
            self.strike(between.pop(between.index("input damaged")))
        for attempt in range(1, MOST_ATTEMPTS + 1):
            first = len(self.drivers)
            self.start()
            while flying and self.went_on(self.chance.randint(*FILES_BETWEEN)):
                self.strike(flying.pop())
            if self.works(DRIVER_S):
                self.study.is_wrong(f"run {self.number}: a driver hangs (see {self.logs[-1]}); killed")
                for driver in self.running():
                    driver.kill()
            codes = [driver.wait() for driver in self.drivers[first:]]
            well = self.concluded(first, codes)
            if between and (well or self.chance.random() < 0.5):
                self.strike(between.pop())
            elif well and not self.missing():
                self.study.attempts.append(attempt)
                break
        else:
            self.study.is_wrong(f"run {self.number} has not ended well in {MOST_ATTEMPTS} attempts: {self.place.url}")

    def concluded(self, first: int, codes: list[int]) -> bool:
        """Mend what is mended by itself, look at what drivers said and left; tell whether one ended well."""
        well = 0 in codes
        for kind in self.struck:
            self.study.outcomes[kind, "went on" if well else "started again"] += 1
        self.study.tell(f"run {self.number}: {codes} after {self.struck}")
        self.struck.clear()
        for repair in self.repairs:
            repair()
        self.repairs.clear()
        self.place.heal()
        self.study.keep_nodes(wait=True)
        for number, code in enumerate(codes, start=first):
            self.heard(number, code)
        self.look()
        return well

    def heard(self, number: int, code: int) -> None:
        """Read what a driver said; delete the damaged files that it names."""
        said = self.logs[number].read_text(errors="replace")
        if code == -signal.SIGKILL or code == 0:
            return
        told = re.findall(r"^curate: .*", said, re.MULTILINE | re.DOTALL)
        if code != 1 or not told:
            self.study.is_wrong(
                f"run {self.number}: a driver ended with {code} and no sentence, see {self.logs[number]}"
            )
            return
        self.study.said[normal(told[-1], self.study.folder)] += 1
        for name in [name for name in self.damaged if name in told[-1]]:
            self.delete(name, "an error named it")
        for name in [name for name in self.scratch if name in told[-1]]:
            self.study.outcomes["scratch damaged", "an error named it"] += 1
            self.scratch.remove(name)
            folder = re.search(r"delete the folder (\S+) and run", told[-1])
            shutil.rmtree(folder[1]) if folder else (self.place.path / name).unlink()

    def delete(self, name: str, outcome: str) -> None:
        self.study.outcomes[self.damaged.pop(name), outcome] += 1
        path = self.place.path / name
        for doomed in (path, Path(re.sub(r"/(dropped|quarantine)/", "/", str(path)))):
            doomed.unlink(missing_ok=True)

    def look(self) -> None:
        """Compare whatever has its final name now."""
        for name, data in self.place.files().items():
            if name not in self.damaged and self.study.whole.get(name) != data:
                self.study.is_wrong(f"run {self.number}: {name} is not as in the undisturbed run")

    def missing(self) -> bool:
        """After a driver ended well: is anything missing or damaged? What is damaged `verify` has to find."""
        there = self.place.files()
        self.study.outcomes["scratch damaged", "made good"] += len(self.scratch)
        self.scratch.clear()
        for name in [name for name in self.damaged if there.get(name) == self.study.whole.get(name)]:
            self.study.outcomes[self.damaged.pop(name), "made good"] += 1
        if self.damaged:
            command = [str(Path(sys.executable).parent / "curate"), "verify", self.place.url]
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=self.cluster.environment)
            for name in list(self.damaged):
                if name not in done.stderr:
                    self.study.is_wrong(f"run {self.number}: nobody noticed the damage to {name}: {done.stderr[-500:]}")
                self.delete(name, "verify named it")
            return True
        if lost := sorted(set(self.study.whole) - set(there)):
            self.study.is_wrong(f"run {self.number}: ended well without {', '.join(lost[:5])}")
        return False

    def strike(self, kind: str) -> None:
        """Let one fault happen, now."""
        workers = self.cluster.busy() or self.cluster.workers()
        node = self.chance.choice(self.cluster.nodes) if self.cluster.nodes else None
        if (kind.startswith("worker") and not workers) or (kind.startswith(("node", "raylet")) and node is None):
            return  # nobody is there to be struck
        self.study.tell(f"run {self.number}: {kind}")
        if kind not in BETWEEN:
            self.struck.append(kind)
        if kind.startswith("driver killed"):
            self.kill_driver(kind)
        elif kind == "second driver":
            self.start()
        elif kind.startswith("worker"):
            self.strike_worker(kind, self.chance.choice(workers))
        elif node is not None and kind.startswith(("node", "raylet")):
            self.strike_node(kind, node)
        elif kind in NEEDS_FOLDER:
            self.strike_files(kind)
        self.study.keep_nodes()

    def kill_driver(self, kind: str) -> None:
        scratch = self.place.path / "3-unique/_work" if self.place.path else None
        while kind.endswith("damaged") and self.works(0.01) and not files_in(scratch):
            pass
        for driver in self.running():
            driver.kill()
            driver.wait()
        if kind.endswith("at once"):
            self.start()
        elif kind.endswith("damaged") and (found := files_in(scratch)):
            file = self.chance.choice(found)
            damage(file, self.chance)
            self.scratch.append(str(file.relative_to(self.place.path)))

    def strike_worker(self, kind: str, worker: psutil.Process) -> None:
        if kind == "worker killed":
            send(worker, signal.SIGKILL)
        elif kind == "worker stopped for seconds":
            send(worker, signal.SIGSTOP)
            self.works(self.chance.uniform(1, 6))
            send(worker, signal.SIGCONT)
        else:
            limit(worker, self.chance.choice((0, 2_000, 20_000)))
            self.repairs.append(lambda: limit(worker, resource.RLIM_INFINITY))

    def strike_node(self, kind: str, node: psutil.Process) -> None:
        if kind == "raylet killed":
            self.cluster.kill_raylet(node)
        elif kind == "node frozen for seconds":
            stopped = self.cluster.freeze(node)
            self.works(self.chance.uniform(2, 24))
            thaw(stopped)
        else:
            self.cluster.kill(node)
            if kind == "node's clock an hour off":
                self.study.add_skewed()

    def strike_files(self, kind: str) -> None:
        final = [path for path in files_in(self.place.path) if is_final(str(path.relative_to(self.place.path)))]
        if kind == "input damaged":
            file = self.chance.choice(sorted(self.crawl.iterdir()))
            before = file.read_bytes()
            damage(file, self.chance)
            self.repairs.append(lambda: file.write_bytes(before) and None)
            self.struck.append(kind)
        elif kind == "file times set":
            for path in files_in(self.place.path):
                when = self.chance.choice(FAR)
                path.exists() and os.utime(path, (when, when))
        elif kind == "stray files":
            self.struck.append(kind)
            for path in self.chance.sample(final, min(len(final), 5)):
                data = path.read_bytes()
                stray = path.with_name(f".{path.name}.{self.chance.randbytes(16).hex()}.tmp")
                stray.write_bytes(data[: self.chance.randrange(len(data))])
        elif final:
            path = self.chance.choice(final)
            damage(path, self.chance, cut=kind == "shard truncated")
            self.damaged[str(path.relative_to(self.place.path))] = kind

    def remove(self) -> None:
        self.place.remove()
        shutil.rmtree(self.crawl)


def files_in(folder: Path | None) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file()) if folder and folder.exists() else []


def damage(path: Path, chance: random.Random, *, cut: bool | None = None) -> None:
    """Cut a file short, or turn round one bit of it."""
    data = bytearray(path.read_bytes())
    place = chance.randrange(len(data)) if data else 0
    if cut if cut is not None else chance.random() < 0.5:
        del data[place:]
    elif data:
        data[place] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def limit(process: psutil.Process, num_bytes: int) -> None:
    """Bound the size of the files that a process may write: what it meets is what a full disk is to it."""
    if lives(process):
        process.rlimit(psutil.RLIMIT_FSIZE, (num_bytes, resource.RLIM_INFINITY))


def normal(sentence: str, folder: Path) -> str:
    """Return a driver's sentence without what differs from one run to another."""
    short = re.sub(rf"{re.escape(str(folder))}/|s3://faults/", "", sentence)
    short = re.sub(r"[0-9a-f]{16,}", "#", short)
    return re.sub(r"\d+", "#", short)[:240].replace("\n", " ")


def make_crawl(folder: Path, inputs: list[str]) -> None:
    """Write the crawl: pages with, of each tenth, a copy elsewhere, and one record that nobody can read."""
    folder.mkdir(parents=True)
    if not inputs:
        pages = [*project_pages(), *topic_pages()][:NUM_PAGES]
        for part in range(NUM_FILES):
            write_warc(folder / f"part-{part:02d}.warc.gz", [*pages[part::NUM_FILES], *pages[part :: 10 * NUM_FILES]])
        return
    found = [page for path in inputs for page in responses(path, NUM_PAGES // len(inputs))]
    copies = [(f"{head}-copy", block) for head, block in found[::10]]
    found = [*found, *copies, ("broken", BROKEN)]
    for part in range(NUM_FILES):
        with (folder / f"part-{part:02d}.warc.gz").open("wb") as file:
            for name, block in found[part::NUM_FILES]:
                file.write(gzip.compress(record(name, block), mtime=0))


def responses(path: str, count: int) -> Iterator[tuple[str, bytes]]:
    """Yield (URL, HTTP message) of the first responses of a WARC file."""
    for _, found, block in records(path, MAX_PAGE_BYTES):
        if found.record_type == WarcRecordType.response and block and len(block) < MAX_PAGE_BYTES and count:
            yield found.headers["WARC-Target-URI"], block
            count -= 1


def record(url: str, block: bytes) -> bytes:
    head = {"WARC-Type": "response", "WARC-Record-ID": f"<urn:page:{url}>", "WARC-Target-URI": url}
    head |= {"WARC-Date": "2026-01-01T00:00:00Z", "Content-Type": "application/http; msgtype=response"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    return f"WARC/1.1\r\n{lines}Content-Length: {len(block)}\r\n\r\n".encode() + block + b"\r\n\r\n"


def undisturbed(study: Study) -> dict[str, bytes]:
    place = Local(study.folder / "whole")
    command = [sys.executable, str(ROOT / "pipelines/fineweb_edu.py"), "--threshold", "1", "--ray", "none"]
    command += ["--input", str(study.folder / "crawl"), "--output", place.url]
    subprocess.run(command, check=True, env=study.cluster.environment, capture_output=True)
    return place.files()


def report(study: Study) -> None:
    """Print the table, what drivers said, and what went wrong."""
    names = ["went on", "started again", "an error named it", "verify named it", "made good"]
    print(f"\n{'fault':<32}{'struck':>8}" + "".join(f"{name:>19}" for name in names))
    kinds = sorted({kind for kind, _ in study.outcomes})
    totals = Counter({name: sum(study.outcomes[kind, name] for kind in kinds) for name in names})
    for kind in kinds:
        counts = [study.outcomes[kind, name] for name in names]
        print(f"{kind:<32}{sum(counts):>8}" + "".join(f"{count or '':>19}" for count in counts))
    print(f"{'all':<32}{sum(totals.values()):>8}" + "".join(f"{totals[name]:>19}" for name in names))
    print(f"\n{len(study.attempts)} runs, {sum(study.attempts)} drivers one after another, at most", end=" ")
    print(f"{max(study.attempts, default=0)} for one; {(time.monotonic() - study.begun) / 60:.0f} minutes")
    print("\nwhat drivers said:")
    for sentence, count in study.said.most_common():
        print(f"{count:5} x {sentence}")
    print(f"\n{len(study.wrong)} wrong" + "".join(f"\n  {line}" for line in study.wrong))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--input", nargs="*", default=[], help="WARC files to take pages from")
    parser.add_argument("--folder", default="runs/faults")
    options = parser.parse_args()
    options.folder = str(Path(options.folder).absolute())
    shutil.rmtree(options.folder, ignore_errors=True)
    make_crawl(Path(options.folder, "crawl"), options.input)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with serving(Path(options.folder)) as (proxy, environment):
        settings = environment | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **SOON_DEAD}
        with Nodes(2, settings=settings) as cluster:
            study = Study(options, cluster, proxy)
            study.whole = undisturbed(study)
            study.tell(f"undisturbed: {len(study.whole)} files, {sum(map(len, study.whole.values())):,} bytes")
            try:
                for number in itertools.count():
                    if study.left <= 0:
                        break
                    one_run(study, number)
                    study.left = options.faults - sum(study.outcomes.values())
                study.keep_nodes(wait=True)
            finally:  # of a study that was stopped, too
                report(study)
    sys.exit(bool(study.wrong))


def one_run(study: Study, number: int) -> None:
    run, before = Run(number, study), len(study.wrong)
    try:
        run.to_the_end(study.kinds(run.place))
    finally:
        for driver in run.running():
            driver.kill()
            driver.wait()
    if len(study.wrong) == before:
        run.remove()


if __name__ == "__main__":
    main()
