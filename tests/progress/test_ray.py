"""On Ray the log has what the workers measured, and a split that kills its workers is named; the others are done."""

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import pyarrow as pa
import pytest

from curate.corpus import Corpus, write_corpus
from curate.document import Batch
from curate.progress import failure_table, read_log
from curate.run import RunError, run


@dataclass(frozen=True)
class Deadly:
    """Ends its process where it sees one document, as the kernel does when memory is short."""

    id: str

    def __call__(self, batch: Batch) -> Batch:
        if self.id in batch["id"].to_pylist():
            os._exit(137)
        return batch


def test_a_split_that_kills_its_workers_is_named_and_the_log_tells_who_did_the_others(
    tmp_path: Path, pages: pa.Table, local_ray: str
) -> None:
    write_corpus(tmp_path / "in", pages.to_batches(max_chunksize=5), shard_rows=10)
    with pytest.raises(RunError, match=r"1 of 4 splits failed \(00002\); the rest are done") as raised:
        run((Deadly("doc-025"),), Corpus(tmp_path / "in"), str(tmp_path / "out"), ray=local_ray, workers=2)
    assert sorted(Corpus(tmp_path / "out").receipts()) == ["00000", "00001", "00003"]
    head, row, _ = failure_table(raised.value)
    assert head.split() == ["failed", "stage", "error"]
    assert row.split()[:2] == ["00002", "-"]
    assert "its worker was lost again and again" in row
    assert "If memory ran out, give --workers fewer at a time" in row
    (told,) = read_log(str(tmp_path / "out"))
    assert told.start["ray"] == "local"
    assert sorted(unit["name"] for unit in told.units) == ["00000", "00001", "00003"]
    assert all(unit["worker"].split(":")[1] != f"{os.getpid()}" for unit in told.units)
    assert all(unit["parts"][1][0] == "Deadly" and unit["seconds"] > 0 for unit in told.units)
    assert [failed["name"] for failed in told.failures] == ["00002"]
    assert told.end is not None
    assert told.end["splits"] == {"done": 3, "resumed": 0, "failed": 1, "left": 0}


def test_the_clusters_dashboard_counts_rows_and_splits(tmp_path: Path, pages: pa.Table, local_ray: str) -> None:
    import ray

    write_corpus(tmp_path / "in", pages.to_batches(max_chunksize=5), shard_rows=10)
    run((), Corpus(tmp_path / "in"), str(tmp_path / "out"), ray=local_ray, workers=2)
    port, counts, until = ray.nodes()[0]["MetricsExportPort"], {}, time.monotonic() + 180
    while counts.get("ray_curate_rows_total") != 40 and time.monotonic() < until:  # told every ten seconds or so
        time.sleep(0.5)
        with contextlib.suppress(OSError), urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            counts = ours(answer.read().decode(), f'out="{tmp_path}/out"')
    assert counts["ray_curate_rows_total"] == 40
    assert counts["ray_curate_splits_total"] == 4
    assert counts["ray_curate_bytes_total"] > 0


def ours(told: str, tag: str) -> dict[str, float]:
    """Return our counters of one output folder from what Prometheus reads."""
    lines = [line for line in told.splitlines() if line.startswith("ray_curate_") and tag in line]
    return {line.partition("{")[0]: float(line.rpartition(" ")[2]) for line in lines}
