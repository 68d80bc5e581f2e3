"""Exact duplicates: the same text but for white space.

    "a  b\\r\\n" and "a b" -> "a b" -> SHA-256, its first 128 bits

Runs of ASCII white space become one blank and the ends are trimmed; case and punctuation count, so two program texts
that differ in an operator stay two. A cryptographic hash, because a removed document cannot be looked at again by
chance: 128 bits of one do not collide, not even on purpose. SHA-256, because processors since about 2018 compute it
themselves, at 2 GB/s where BLAKE2b has 1.4; on an older one it has a third of that.
"""

from hashlib import sha256

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from curate.dedup.lanes import WIDTH, even_blanks, lowest_bit
from curate.dedup.shingles import text_buffers

U64 = np.uint64


def exact_hashes(texts: pa.Array) -> NDArray[np.uint64]:
    """Return (N, 2) uint64: 128 bits of the text with its white space normalised."""
    data, offsets = text_buffers(texts)
    squeezed = np.empty(int(offsets[-1] - offsets[0]) + WIDTH, dtype=np.uint8)
    ends = np.empty(len(texts), dtype=np.int64)
    _squeeze(data, offsets, squeezed, ends)
    return digests(squeezed, ends)


def digests(data: NDArray[np.uint8], ends: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return (N, 2) uint64: 128 bits of SHA-256 of pieces of bytes that follow each other."""
    view, start, found = data.data, 0, bytearray()
    for end in ends.tolist():
        found += sha256(view[start:end], usedforsecurity=False).digest()[:16]
        start = end
    return np.frombuffer(bytes(found), dtype=np.uint64).reshape(-1, 2)


@njit(cache=True, nogil=True)
def _squeeze(
    data: NDArray[np.uint8], offsets: NDArray[np.int64], out: NDArray[np.uint8], ends: NDArray[np.int64]
) -> None:
    n = 0
    for row in range(len(ends)):
        first = n
        after_blank = U64(1)  # so that a leading blank is not written
        start, stop = offsets[row], offsets[row + 1]
        while start + WIDTH <= stop:
            blanks = even_blanks(data, start, out, n)
            doubles = blanks & ((blanks << U64(1)) | after_blank)
            if doubles == 0:  # no blank follows another: the block stays as it is
                start, n, after_blank = start + WIDTH, n + WIDTH, blanks >> U64(63)
                continue
            place = lowest_bit(doubles)
            behind = ~(blanks >> U64(place))
            start += place + (lowest_bit(behind) if behind else WIDTH)  # the next block begins behind these blanks
            n, after_blank = n + place, U64(1)
        for i in range(start, stop):  # fewer than a block
            byte = data[i]
            blank = U64((byte == 32) | ((byte >= 9) & (byte <= 13)))
            out[n] = 32 if blank else byte
            n += int(1 - np.int64(blank & after_blank))
            after_blank = blank
        ends[row] = n = n - 1 if n > first and after_blank else n
