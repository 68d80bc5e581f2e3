"""Decide over signed documents: rank them, join their keys, then link, verify and settle until nothing new is linked.

    decided = decide(layout, each)      what `dedup` does between signing and writing; benchmarks/dedup_scale.py too

Everything here is units of work over files, but for the settling, one pass over the sorted edges in this process.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.dedup.candidates import NEAR, join_range, kinds, link_range, scatter_block
from curate.dedup.cluster import Settled, cluster_sizes, copies, settle
from curate.dedup.compare import ask_block, compare_block, forget_sets, send_block
from curate.dedup.layout import Layout
from curate.dedup.order import bounds, sort_block, sort_range, write_ranks
from curate.dedup.shuffle import exists, save

Each = Callable[[str, Callable[[Any], Any], Sequence[Any]], list[Any]]  # title, work, units -> results in their order


@dataclass(frozen=True)
class Decided:
    """What deciding found. The decision itself is in the layout's files survivor, similarity and sizes, by rank."""

    num_compared: int  # candidate pairs whose exact similarity was computed
    num_rejected: int  # of those, below the threshold
    num_rounds: int
    largest_cluster: int  # documents, the survivor included
    crowded: bool  # some bucket has more survivors than a document is compared with


def decide(layout: Layout, each: Each, old_rows: NDArray[np.uint32] | None = None) -> Decided:
    """Leave in the layout's files which document each one leaves for.

    Args:
        old_rows: (num_old,) the row of each of the index's documents, from the oldest and best on.
    """
    blocks, ranges = layout.new_blocks, range(layout.num_ranges)
    cuts = bounds([layout.blocks[unit] for unit in blocks], layout.num_strips)
    each("ranking", partial(sort_block, layout, cuts), blocks)
    each("ranking", partial(sort_range, layout), range(layout.num_strips))
    write_ranks(layout, np.zeros(0, dtype=np.uint32) if old_rows is None else old_rows)
    each("scattering", partial(scatter_block, layout), blocks)
    keys = [(kind, part) for kind in kinds(layout) for part in ranges]
    each("joining", partial(join_range, layout), keys)
    try:
        settled, compared, rejected, turns, more = _rounds(layout, each, keys)
    finally:
        forget_sets()
    largest = _save(layout, settled)
    return Decided(compared, rejected, turns, largest, more)


def _rounds(layout: Layout, each: Each, keys: Sequence[tuple[str, int]]) -> tuple[Settled, int, int, int, bool]:
    joined = [key for key in keys if key[0] != NEAR]
    turns_compared: list[int] = []
    compared = rejected = turn = 0
    while True:
        settled = settle(layout, turn, turns_compared)
        _save_state(layout, turn, settled)
        linking = keys if turn else joined  # exact copies first: it spares verifying them
        linked = list(zip(linking, each("linking", partial(link_range, layout, turn), linking), strict=True))
        new = sum(count for (kind, _), (count, _) in linked if kind != NEAR)
        more = any(crowded for (kind, _), (_, crowded) in linked if kind == NEAR)
        if turn:
            asked = sum(each("asking", partial(ask_block, layout, turn), layout.new_blocks))
            if asked:
                each("reading", partial(send_block, layout, turn), range(len(layout.blocks)))
                counts = each("verifying", partial(compare_block, layout, turn), layout.new_blocks)
                compared, rejected = compared + sum(c for c, _ in counts), rejected + sum(r for _, r in counts)
                turns_compared.append(turn)
            if not new + asked and (not more or layout.most_of(turn) == layout.most[-1]):
                return settled, compared, rejected, turn, more
        turn += 1


def _save_state(layout: Layout, turn: int, settled: Settled) -> None:
    path = f"{layout.work}/survivor-{turn:02d}.bin"
    if not exists(path):
        save(path, settled[0])


def _save(layout: Layout, settled: Settled) -> int:
    survivor, similarity = settled
    sizes = cluster_sizes(survivor, np.ones(len(survivor), dtype=bool))
    for name, array in (("similarity", similarity), ("sizes", sizes), ("survivor", survivor)):
        if not exists(f"{layout.work}/{name}.bin"):
            save(f"{layout.work}/{name}.bin", array)
    texts = cluster_sizes(survivor, (survivor != np.arange(len(survivor))) & ~copies(layout))
    if not exists(f"{layout.work}/texts.bin"):
        save(f"{layout.work}/texts.bin", texts)
    return int(sizes.max(initial=0))
