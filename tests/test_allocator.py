"""Freed memory stays with the process that will want it again."""

import os
import platform
import subprocess
import sys

import pytest

CHURN = """
import resource, sys
import numpy as np
from curate.allocator import keep_freed_memory

done = keep_freed_memory() if sys.argv[1] == "kept" else None
faults = []
for _ in range(10):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [np.ones(3_000_000) for _ in range(6)]  # 24 MB each, freed together as a batch's are
    del blocks
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(done, sum(faults[5:]))
"""
ON_GLIBC = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library keeps memory its own way")


def churn(how: str, **variables: str) -> tuple[str, int]:
    """Return what the function said, and the page faults of the last five of ten batches."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    # numpy asks for huge pages, of which one fault brings 512: without them the count is the same on every machine
    env = {**plain, **variables, "NUMPY_MADVISE_HUGEPAGE": "0"}
    told = subprocess.run([sys.executable, "-c", CHURN, how], env=env, check=True, capture_output=True, text=True)
    said, faults = told.stdout.split()
    return said, int(faults)


@ON_GLIBC
def test_pages_are_not_given_back_between_batches() -> None:
    said, kept = churn("kept")
    _, plain = churn("plain")
    assert said == "True"
    assert kept * 20 < plain, (kept, plain)


@ON_GLIBC
@pytest.mark.parametrize("variable", ["MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"])
def test_what_the_environment_says_of_memory_stands(variable: str) -> None:
    value = {"GLIBC_TUNABLES": "glibc.malloc.trim_threshold=131072"}.get(variable, "131072")
    assert churn("kept", **{variable: value})[0] == "False"


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from curate import allocator

    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not allocator.keep_freed_memory.__wrapped__()
