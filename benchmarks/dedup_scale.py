"""Deciding over millions of documents: time and memory from 1 to 10 million, and a billion on paper.

    python benchmarks/dedup_scale.py --scratch /tmp/scale --millions 1 2 5 10 --ray local --workers 2

Documents are made, not read: signed files as `curate dedup` writes them, and shingle sets of 400 that are generated
when a verification asks for them. Of 100 documents 67 are alone; 30 are in clusters of 3 on average, a third of them
exact copies, the others with up to 30 % of their shingles changed; 2 are pages of one template, 3 % changed; and one
has a band in common with all others of its kind, which differ (a menu; a bucket of 100,000 documents at 10 million),
but for one or two near-copies. A row of a signature equals that of the cluster's base with probability J, as in
MinHash.

Timed: ranking, scattering, joining, linking, verifying and settling, to the decision by rank. Not timed: making the
signed files, which stands for signing (`benchmarks/dedup.py` measures that). Memory is the resident set of this process
and all its children together (Ray's own too), sampled five times a second; pages that processes share count for each.
A sample of removed documents is held against their survivors, and the template's pages that leave are counted. Last,
100,000 documents are decided without a bound on the survivors of a bucket that a document is compared with: what stays
only because of the bound is what crowded buckets cost.
"""

import argparse
import shutil
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from curate.cluster import map_units
from curate.dedup.decide import decide
from curate.dedup.dedup import blocks_of
from curate.dedup.layout import MOST, Block, Layout, Sets
from curate.dedup.minhash import FINEWEB
from curate.dedup.plan import GB, plan
from curate.dedup.shingles import mix
from curate.dedup.shuffle import load
from curate.writer import ShardWriter

SHINGLES = 400
FILE_DOCS = 125_000
PIECE = 4096
U64 = np.uint64
SPREAD = U64(0x9E3779B97F4A7C15)
ALONE, CLUSTERED, TEMPLATE, CROWD = 0, 1, 2, 3


def main() -> None:
    """Print a table of sizes, and the plan for a billion with what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scratch", required=True, help="a folder for 1 kB a document, emptied after each size")
    parser.add_argument("--millions", type=float, nargs="+", default=[1, 2, 5, 10])
    parser.add_argument("--memory", type=float, default=2, help="GB that one task may use")
    parser.add_argument("--ray", default="none")
    parser.add_argument("--workers", type=int, default=1)
    args = parser.parse_args()
    print(
        f"{'documents':>12} {'seconds':>8} {'us/doc':>7} {'peak GB':>8} {'disk GB':>8} {'pairs/doc':>9} {'rounds':>6} "
        f"{'leave':>6} {'template':>8}"
    )
    for millions in args.millions:
        folder = Path(args.scratch, f"{millions:g}m")
        shutil.rmtree(folder, ignore_errors=True)
        measure(int(millions * 1e6), folder, int(args.memory * GB), args.ray, args.workers)
        shutil.rmtree(folder)
    crowded(Path(args.scratch, "crowded"))
    print(
        "\nA billion on paper, by the constants in curate/dedup/plan.py; first as above, without signing and writing:"
    )
    print(plan(1_000_000_000, memory=26 * GB, workers=16, text_bytes=0))
    print(plan(1_000_000_000, memory=26 * GB, workers=16))


def measure(count: int, folder: Path, memory: int, ray: str, workers: int) -> None:
    """Make `count` documents, decide over them and print one line."""
    layout = make(count, folder, memory, ray, workers)
    phases: dict[str, float] = defaultdict(float)
    watch, start = Watch(), time.perf_counter()
    decided = decide(layout, partial(each, phases, ray, workers))
    seconds, peak = time.perf_counter() - start, watch.stop()
    phases["settling"] = seconds - sum(phases.values())
    disk = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    survivor = np.asarray(load(f"{layout.work}/survivor.bin"))
    leave = float((survivor != np.arange(count)).mean())
    check(layout, survivor)
    print(
        f"{count:12,} {seconds:8.1f} {seconds / count * 1e6:7.1f} {peak / 1e9:8.2f} {disk / 1e9:8.2f} "
        f"{decided.num_compared / count:9.2f} {decided.num_rounds:6} {leave:6.3f} "
        f"{template_share(layout, survivor, count):8.4f}"
    )
    shares = ", ".join(f"{name} {spent:.1f}" for name, spent in phases.items())
    cut = f"{layout.num_ranges} ranges, {layout.num_strips} strips, {len(layout.blocks)} blocks"
    print(f"{'':12} seconds: {shares}; {cut}", flush=True)


def crowded(folder: Path) -> None:
    """Decide with and without the bound on survivors and print what the bound costs."""
    count, stays = 100_000, []
    for name, most in (("bound", MOST), ("none", (*MOST, 10**6))):
        shutil.rmtree(folder, ignore_errors=True)
        layout = replace(make(count, folder, 2 * GB, "none", 1), most=most)
        decided = decide(layout, partial(each, defaultdict(float), "none", 1))
        stays.append(int((load(f"{layout.work}/survivor.bin") == np.arange(count)).sum()))
        print(f"{count:,} documents, {name}: {stays[-1]:,} stay, {decided.num_compared:,} pairs compared")
    shutil.rmtree(folder)
    print(f"the bound keeps {stays[0] - stays[1]:,} that it should not, {(stays[0] - stays[1]) / count:.5%}")


def make(count: int, folder: Path, memory: int, ray: str, workers: int) -> Layout:
    """Write the signed files of `count` documents."""
    sizes = [min(FILE_DOCS, count - first) for first in range(0, count, FILE_DOCS)]
    names = [f"{i:05d}" for i in range(len(sizes))]
    starts = np.cumsum([0, *sizes])
    sign = partial(make_file, str(folder / "signed"), count)
    units = list(zip(names, starts[:-1].tolist(), sizes, strict=True))
    list(map_units(sign, units, ray=ray, workers=workers if ray != "none" else None))
    planned = plan(count, memory=memory, workers=workers, text_bytes=0)
    files = [f"{folder}/signed/{name}.parquet" for name in names]
    return Layout(
        work=str(folder / "work"),
        settings=FINEWEB,
        threshold=FINEWEB.threshold,
        by_url=False,
        blocks=tuple(blocks_of(files, sizes, planned.block_docs)),
        num_new=count,
        num_old=0,
        num_ranges=planned.num_ranges,
        num_strips=planned.num_strips,
        sets=partial(make_sets, count),
    )


def each(
    phases: dict[str, float], ray: str, workers: int, title: str, work: Callable[[Any], Any], units: Sequence[Any]
) -> list[Any]:
    """Map over units and add the time to its phase."""
    start = time.perf_counter()
    found = dict(map_units(work, units, ray=ray, workers=workers if ray != "none" else None))
    phases[title] += time.perf_counter() - start
    return [found[i] for i in range(len(units))]


def check(layout: Layout, survivor: NDArray[np.uint32]) -> None:
    """Hold a sample of removed documents against their survivors: each is a survivor, and at least 0.8 similar."""
    leaving = np.flatnonzero(survivor != np.arange(len(survivor)))
    sample = leaving[:: max(1, len(leaving) // 2000)]
    assert (survivor[survivor[sample]] == survivor[sample]).all(), "a survivor left"
    rows = layout.rows()
    for rank in sample.tolist():
        one, two = (set(sets_of(layout.total, np.array([rows[r]], dtype=np.int64))[0]) for r in (rank, survivor[rank]))
        assert len(one & two) / len(one | two) >= layout.threshold, "a removed document is not near its survivor"


def template_share(layout: Layout, survivor: NDArray[np.uint32], count: int) -> float:
    """Return the share of the template's pages that left; nearly all are 0.8 similar or more to each other."""
    rows = np.arange(0, count, max(1, count // 1_000_000), dtype=np.int64)
    pages = rows[[kind_of(row, count)[0] == TEMPLATE for row in rows]]
    ranks = layout.ranks()[pages]
    return float((survivor[ranks] != ranks).mean()) if len(pages) else float("nan")


def make_file(folder: str, count: int, unit: tuple[str, int, int]) -> None:
    """Write one signed file."""
    name, first, size = unit
    if Path(folder, f"{name}.parquet").exists():
        return
    rows = np.arange(first, first + size, dtype=np.int64)
    keys = np.empty((size, FINEWEB.bands), dtype=np.uint64)
    exact = np.empty((size, 2), dtype=np.uint64)
    random = np.empty(size, dtype=np.uint64)
    _sign(rows, count, FINEWEB.rows, keys, exact, random)
    arrays = {
        "id": ids(random),
        "source": pa.array((random % U64(5000)).astype(str)),
        "score": pa.array(np.round((random >> U64(40)) / 2**24 * 5, 3)),
        "length": pa.array((random % U64(4001)).astype(np.int64) + 500),
        "num_shingles": pa.array(np.full(size, SHINGLES)),
        "exact": binary(exact),
        "bands": binary(keys),
    }
    batch = pa.record_batch(arrays)
    with ShardWriter(folder, name, batch.schema) as writer:
        writer.write(batch)
        writer.commit({})


def ids(random: NDArray[np.uint64]) -> pa.Array:
    """Ids of 47 characters, as Common Crawl's."""
    return pa.array([f"<urn:uuid:{x:016x}-4000-8000-{x % 2**48:012x}>" for x in random.tolist()])


def binary(hashes: NDArray[np.uint64]) -> pa.Array:
    kind = pa.binary(8 * hashes.shape[1])
    return pa.FixedSizeBinaryArray.from_buffers(kind, len(hashes), [None, pa.py_buffer(hashes)])


def make_sets(count: int, block: Block, rows: NDArray[np.int64]) -> Iterator[Sets]:
    """Generate the shingle sets of some rows of a block."""
    for first in range(0, len(rows), PIECE):
        piece = rows[first : first + PIECE]
        sets = sets_of(count, piece + block.start)
        yield piece, np.full(len(piece), SHINGLES), sets.ravel()


def sets_of(count: int, rows: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return (len(rows), SHINGLES) sorted shingles."""
    sets = np.empty((len(rows), SHINGLES), dtype=np.uint64)
    _sets(rows, count, sets)
    sets.sort(axis=1)
    return sets


@njit(cache=True, nogil=True)
def kind_of(row: int, count: int) -> tuple[int, np.uint64, float]:
    """Return a document's kind, the base that it is a variation of, and the share of its shingles that differ."""
    h = mix(U64(row) * SPREAD + U64(1))
    share = (h >> U64(11)) / 2.0**53
    other = mix(h)
    if share < 0.67:
        return ALONE, h, 0.0
    if share < 0.97:
        base = mix(other % U64(max(count // 10, 1)))
        change = (mix(other) >> U64(11)) / 2.0**53
        return CLUSTERED, base, 0.0 if change < 0.33 else (change - 0.33) / 0.67 * 0.3
    if share < 0.99:
        return TEMPLATE, U64(12345), 0.03
    return CROWD, mix(other % U64(max(count // 200, 1)) + U64(1 << 60)), (mix(other) >> U64(11)) / 2.0**53 * 0.11


@njit(cache=True, nogil=True)
def _sign(
    rows: NDArray[np.int64],
    count: int,
    num_rows: int,
    keys: NDArray[np.uint64],
    exact: NDArray[np.uint64],
    random: NDArray[np.uint64],
) -> None:
    for i in range(len(rows)):
        kind, base, changed = kind_of(rows[i], count)
        own = mix(U64(rows[i]) * SPREAD + U64(2))
        random[i] = own
        similar = (1 - changed) / (1 + changed)
        for band in range(keys.shape[1]):
            key = U64(band)
            for row in range(num_rows):
                draw = mix(own + U64(band * num_rows + row) * SPREAD)
                same = (draw >> U64(11)) / 2.0**53 < similar
                key = mix(key ^ (base if same else draw) + U64(row))
            keys[i, band] = key
        if kind == CROWD:
            keys[i, 0] = U64(99)
        exact[i, 0] = mix(base if changed == 0 else own)
        exact[i, 1] = mix(exact[i, 0])


@njit(cache=True, nogil=True)
def _sets(rows: NDArray[np.int64], count: int, sets: NDArray[np.uint64]) -> None:
    for i in range(len(rows)):
        _, base, changed = kind_of(rows[i], count)
        own = mix(U64(rows[i]) * SPREAD + U64(2))
        for j in range(sets.shape[1]):
            draw = mix(own + U64(j + 1000) * SPREAD)
            different = (draw >> U64(11)) / 2.0**53 < changed
            sets[i, j] = draw if different else mix(base + U64(j) * SPREAD)


class Watch:
    """The resident set of this process and its children, at its largest."""

    def __init__(self) -> None:
        self.peak, self._on = 0, True
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _sample(self) -> None:
        import os

        while self._on:
            self.peak = max(self.peak, resident(os.getpid()))
            time.sleep(0.2)

    def stop(self) -> int:
        self._on = False
        self._thread.join()
        return self.peak


def resident(root: int) -> int:
    """Return the bytes of memory of a process and all below it."""
    parents, sizes = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents[int(folder.name)], sizes[int(folder.name)] = int(fields[1]), int(fields[21]) * 4096
    total, below = 0, [root]
    while below:
        process = below.pop()
        total += sizes.get(process, 0)
        below += [child for child, parent in parents.items() if parent == process]
    return total


if __name__ == "__main__":
    main()
