"""Ids as 64-bit hashes, so that millions of documents are drawn and joined in a few bytes each.

    hash_ids(batch["id"], seed=7)        # (N,) uint64; the same in every process and on every machine

FNV-1a over the bytes, then SplitMix64's mixing, which makes every bit depend on every byte. Two of a hundred million
documents share a hash with probability 0.0003 (n^2 / 2^65).
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.text.arrow import strings
from curate.text.kernel import kernel

FNV_OFFSET, FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
GOLDEN, MIX_1, MIX_2 = (  # of SplitMix64
    np.uint64(0x9E3779B97F4A7C15),
    np.uint64(0xBF58476D1CE4E5B9),
    np.uint64(0x94D049BB133111EB),
)


def hash_ids(ids: pa.Array | pa.ChunkedArray, seed: int = 0) -> np.ndarray:
    """Return a hash of each id and the seed: (N,) uint64. Ids that are numbers count as their digits."""
    array = pc.cast(ids, pa.large_string())
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    data, starts, valid = strings(array)
    hashes = np.zeros(len(valid), np.uint64)
    _hash(data if len(data) else np.zeros(1, np.uint8), starts, np.uint64(seed % 2**64), hashes)
    return hashes


@kernel
def _hash(data: np.ndarray, starts: np.ndarray, seed: np.uint64, hashes: np.ndarray) -> None:
    for row in range(len(hashes)):
        value = FNV_OFFSET ^ (seed * GOLDEN)
        for place in range(starts[row], starts[row + 1]):
            value = (value ^ np.uint64(data[place])) * FNV_PRIME
        value += GOLDEN
        value = (value ^ (value >> np.uint64(30))) * MIX_1
        value = (value ^ (value >> np.uint64(27))) * MIX_2
        hashes[row] = value ^ (value >> np.uint64(31))
