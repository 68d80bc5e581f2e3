"""How the work of one run is cut: blocks of documents, ranges of band keys, ranges of ranks.

Documents have two numbers. The *row* says where one is: the new corpus's rows in order, then the index's documents. The
*rank* says how good one is: the index's documents first (older ones win), then the new ones from best to worst. Both
are uint32, so a run and its index hold at most 4,294,967,295 documents together.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curate.dedup.minhash import MinHash
from curate.dedup.shuffle import load

MOST_DOCUMENTS = 2**32 - 1
MOST = (1, 4, 16, 64)
Sets = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint64]]  # rows, sizes, the sets one after the other


@dataclass(frozen=True)
class Block:
    """Consecutive rows that one task works on."""

    files: tuple[str, ...]  # signed files, or one file of the index
    num_rows: tuple[int, ...]  # of each
    start: int  # row of the first
    old: bool = False  # of the index

    @property
    def stop(self) -> int:
        return self.start + sum(self.num_rows)


@dataclass(frozen=True)
class Layout:
    """All that a deciding task needs. `sets` reads the shingle sets of some rows of a block, piece by piece.

    Attributes:
        num_new: documents of the corpus; num_old: of the index.
        num_ranges: parts of the 64-bit space of keys, a power of two.
        num_strips: parts of the ranks.
        layers: folders of the index's entries, and deleted: (D,) uint32, ranks of documents deleted from it.
    """

    work: str
    settings: MinHash
    threshold: float
    by_url: bool
    blocks: tuple[Block, ...]
    num_new: int
    num_old: int
    num_ranges: int
    num_strips: int
    sets: Callable[[Block, NDArray[np.int64]], Iterator[Sets]]
    most: tuple[int, ...] = MOST  # survivors of one bucket that a document is compared with, by round; the last goes on
    keep: bool = False  # read the sets of all candidates once and keep them in this process
    layers: tuple[str, ...] = ()
    deleted: tuple[int, ...] = ()

    @property
    def total(self) -> int:
        return self.num_new + self.num_old

    @property
    def new_blocks(self) -> range:
        return range(sum(not block.old for block in self.blocks))

    def most_of(self, turn: int) -> int:
        """Return how many survivors of a bucket a document is compared with in a round, from 1 on."""
        return self.most[min(turn, len(self.most)) - 1]

    def path(self, phase: str, unit: int) -> str:
        return f"{self.work}/{phase}/{unit:05d}.arrow"

    def paths(self, phase: str, count: int) -> list[str]:
        return [self.path(phase, unit) for unit in range(count)]

    def rows(self) -> NDArray[np.uint32]:
        """(total,) the row of each rank."""
        return load(f"{self.work}/rows.bin")

    def ranks(self) -> NDArray[np.uint32]:
        """(num_new,) the rank of each row of the corpus."""
        return load(f"{self.work}/ranks.bin")

    def block_of(self, rows: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Return the number of the block that holds each row."""
        starts = np.array([block.start for block in self.blocks], dtype=np.uint32)
        return np.asarray(np.searchsorted(starts, rows, side="right") - 1)

    def strip_of(self, ranks: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Return the number of the strip that holds each rank."""
        return np.asarray(ranks.astype(np.int64) * self.num_strips // max(self.total, 1))

    def range_of(self, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Return the number of the range that holds each key: its highest bits."""
        bits = self.num_ranges.bit_length() - 1
        return np.asarray((keys >> np.uint64(64 - bits)).astype(np.int64) if bits else np.zeros(len(keys), np.int64))
