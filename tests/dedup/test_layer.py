"""Files of an index, made of a run that is cut into more ranges of keys than the index has."""

import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curate.dedup.candidates import NEAR
from curate.dedup.layer import add_keys
from curate.dedup.layout import Block, Layout
from curate.dedup.minhash import MinHash
from curate.dedup.shuffle import cut, save, scatter


def test_a_run_of_many_ranges_is_indexed_one_range_at_a_time(tmp_path: Path) -> None:
    num, ranges, work = 5_000_000, 256, str(tmp_path / "work")
    keys = np.sort(np.random.default_rng(3).integers(0, 2**64, num, dtype=np.uint64))
    ranks = np.arange(num, dtype=np.uint32)[::-1]
    block = Block(("signed",), (num,), 0)
    layout = Layout(work, MinHash(), 0.8, False, (block,), num, 0, ranges, 1, sets=lambda block, rows: iter(()))
    entries = pa.record_batch({"key": keys, "rank": ranks})
    scatter(layout.path(f"entries/{NEAR}", 0), [entries[part] for part in cut(layout.range_of(keys), ranges)])
    for name in ("survivor", "numbers"):  # all stay
        save(f"{work}/{name}.bin", np.arange(num, dtype=np.uint32))
    tracemalloc.start()
    add_keys(layout, str(tmp_path / "layer"), (NEAR, 5))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    first, stop = np.searchsorted(keys >> np.uint64(60), [5, 6])
    found = pq.read_table(tmp_path / "layer" / NEAR / "005.parquet")
    assert np.array_equal(found["key"], keys[first:stop])
    assert np.array_equal(found["rank"], ranks[first:stop])
    assert peak < 11e6  # 8 MiB to read the file for its checksum; all of it at once takes 44 bytes an entry, 14 MB
