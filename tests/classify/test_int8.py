"""The integer encoder's kernels give the same bits freshly compiled, as in a machine's first process, and cached."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import hashlib
import numpy as np
from curate.classify import int8

random = np.random.default_rng(0)
sums = random.integers(-9000, 9000, (20, 384)).astype(np.int32)
scale, columns, bias, gain, shift = (random.random(n).astype(np.float32) / 50 for n in (20, 384, 384, 384, 384))
x = random.standard_normal((20, 384)).astype(np.float32)
q, out = np.zeros((20, 384), np.int8), np.zeros(20, np.float32)
found = hashlib.sha256()
int8.add_normalize_quantize(sums, scale, columns, bias, x, gain, shift, 1e-12, q, out)
found.update(x.tobytes() + q.tobytes() + out.tobytes())
int8.gelu_quantize(sums, scale, columns, bias, q, out)
found.update(q.tobytes() + out.tobytes())
print(found.hexdigest())
"""


def test_a_process_that_compiles_and_one_that_finds_it_compiled_score_alike(tmp_path: Path) -> None:
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", PROGRAM]
    first, second = (subprocess.run(command, env=environment, capture_output=True, check=True) for _ in range(2))
    assert len(first.stdout) == 65
    assert second.stdout == first.stdout
