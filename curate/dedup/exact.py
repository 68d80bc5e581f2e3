"""Exact duplicates: the same text but for white space.

    "a  b\\r\\n" and "a b" -> "a b" -> BLAKE2b, 128 bits

Runs of ASCII white space become one blank and the ends are trimmed; case and punctuation count, so two program texts
that differ in an operator stay two. BLAKE2b because a removed document cannot be looked at again by chance: 128 bits of
a cryptographic hash do not collide, not even on purpose, and at 1 GB/s it is not what a run waits for.
"""

from hashlib import blake2b

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from curate.dedup.shingles import text_buffers


def exact_hashes(texts: pa.Array) -> NDArray[np.uint64]:
    """Return (N, 2) uint64: 128 bits of the text with its white space normalised."""
    data, offsets = text_buffers(texts)
    squeezed = np.empty(int(offsets[-1] - offsets[0]), dtype=np.uint8)
    ends = np.empty(len(texts), dtype=np.int64)
    _squeeze(data, offsets, squeezed, ends)
    view, start, digests = squeezed.data, 0, bytearray()
    for end in ends.tolist():
        digests += blake2b(view[start:end], digest_size=16).digest()
        start = end
    return np.frombuffer(bytes(digests), dtype=np.uint64).reshape(-1, 2)


@njit(cache=True, nogil=True)
def _squeeze(
    data: NDArray[np.uint8], offsets: NDArray[np.int64], out: NDArray[np.uint8], ends: NDArray[np.int64]
) -> None:
    n = 0
    for row in range(len(ends)):
        first = n
        after_blank = True  # so that a leading blank is not written
        for i in range(offsets[row], offsets[row + 1]):
            byte = data[i]
            blank = (byte == 32) | ((byte >= 9) & (byte <= 13))
            out[n] = 32 if blank else byte
            n += 1 - (blank & after_blank)  # no branch: where words end cannot be predicted
            after_blank = blank
        if n > first and after_blank:
            n -= 1
        ends[row] = n
