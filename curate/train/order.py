"""A pseudo-random order of n things in closed form: where is place p? Needs no memory, however large n is.

    permute(np.arange(10), 10, key=(seed, 7, 0))       # [3 9 0 ...], each of 0 to 9 once

A Feistel network permutes the next power of four; a place sent outside [0, n) walks on until it is inside (Black and
Rogaway 2002). A shuffled list of 2 T tokens in windows of 2,048 would hold 8 GB, and each rank one.
"""

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
ROUNDS = 6


def permute(places: Ints, size: int, key: tuple[int, ...]) -> Ints:
    """Map each of `places` in [0, size) to its image under a pseudo-random permutation of [0, size)."""
    half = max((max(size - 1, 1).bit_length() + 1) // 2, 1)  # bits of each half
    keys = np.random.SeedSequence(key).generate_state(ROUNDS, np.uint64).astype(np.uint64)
    images = places.copy()
    walking = np.ones(len(places), dtype=bool)
    while walking.any():
        images[walking] = _feistel(images[walking], half, keys)
        walking = images >= size
    return images


def _feistel(values: Ints, half: int, keys: npt.NDArray[np.uint64]) -> Ints:
    mask = np.uint64(2**half - 1)
    left, right = values.astype(np.uint64) >> np.uint64(half), values.astype(np.uint64) & mask
    for key in keys:
        left, right = right, left ^ (_mix(right + key) & mask)
    return (left << np.uint64(half) | right).astype(np.int64)


def _mix(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """SplitMix64's finaliser: every input bit reaches every output bit."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
