"""What a worker holds is bounded by its batch, not by the file, however large the file's row groups are."""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

FILTER = """
import sys
from pathlib import Path
from curate.corpus import Corpus
from curate.run import run
from curate.signals import gopher
from curate.signals.text import TextSignals
from curate.stage import Keep, Measure

run((Measure((TextSignals(("gopher",)),)), Keep(gopher.RULES)), Corpus(sys.argv[1]), sys.argv[2])
(line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
print(line.split()[1])
"""
DOCUMENT = "The tide comes in twice a day, because the moon pulls at the water of the sea. " * 100  # 8 KB


def peak(folder: Path, megabytes: int) -> float:
    """Return the megabytes of memory that filtering a file of one row group takes in a process of its own."""
    rows = megabytes * 1_000_000 // len(DOCUMENT)
    table = pa.table({"text": [DOCUMENT] * rows, "id": [str(i) for i in range(rows)]})
    path = folder / f"{megabytes}.parquet"
    pq.write_table(table, path, row_group_size=rows, compression="none", use_dictionary=False)
    command = [sys.executable, "-c", FILTER, str(path), str(folder / f"out{megabytes}")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1]) / 1000


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from Linux's /proc")
def test_a_file_five_times_as_large_takes_no_more_memory(tmp_path):
    small, large = peak(tmp_path, 60), peak(tmp_path, 300)
    assert large - small < 120  # of 240 MB more text, in one row group; the allocators' own noise is some 50
