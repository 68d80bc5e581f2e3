"""Hold a decision against the limits, and show the template where one is exceeded."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.dedup.guard import WHOLE_CORPUS, Breach, Limits, cluster_breaches, source_breaches
from curate.dedup.layout import Layout
from curate.dedup.passes import Job
from curate.dedup.shuffle import load, read_rows
from curate.document import ID, TEXT

EXAMPLE_CHARS = 300


class TooMuchRemovedError(ValueError):
    """The run would remove more than its limits allow; nothing was removed yet."""


def refuse(job: Job, layout: Layout, lost: pa.Table, limits: Limits) -> None:
    """Do nothing, or say which limit the decision exceeds, what the documents are like, and what to do now.

    Args:
        lost: columns source, total, lost.

    Raises:
        TooMuchRemovedError: a limit is exceeded.
    """
    texts = np.asarray(load(f"{layout.work}/texts.bin"))
    large = np.flatnonzero(texts > limits.max_cluster)
    clusters = {_id(layout, int(rank)): int(rank) for rank in large}
    sizes = [(name, int(texts[rank])) for name, rank in clusters.items()]
    found = [*source_breaches(lost, limits), *cluster_breaches(sizes, limits)]
    if not found:
        return
    worst = clusters.get(found[0].name)
    shown = _beginning(job, layout, _largest(layout, found[0]) if worst is None else worst)
    names = tuple(dict.fromkeys(breach.name for breach in found))
    raise TooMuchRemovedError(
        f"{found[0].message}{f' ({len(found) - 1} more limits exceeded)' if found[1:] else ''}. "
        f"What most of them are like begins:\n{shown!r}\n"
        f"If they may go, pass allow={names[:5]!r}, or raise max_source_loss ({limits.max_source_loss:g}) or "
        f"max_cluster ({limits.max_cluster:,}). If not, raise threshold ({job.settings.threshold:g}) or take the "
        "template's lines out first. Nothing was removed."
    )


def _largest(layout: Layout, breach: Breach) -> int:
    """Return the rank that most of a source's removed documents left for."""
    sizes: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
    survivors = load(f"{layout.work}/survivor.bin")
    for unit in layout.new_blocks:
        block = layout.blocks[unit]
        own = np.asarray(layout.ranks()[block.start : block.stop])
        left = survivors[own] != own
        if breach.name != WHOLE_CORPUS:
            source = pa.concat_tables([read_rows(file, ["source"]) for file in block.files])["source"]
            left &= pc.equal(source, breach.name).to_numpy()
        counted = np.bincount(survivors[own[left]], minlength=len(sizes))
        counted[: len(sizes)] += sizes
        sizes = counted
    return int(sizes.argmax())


def _id(layout: Layout, rank: int) -> str:
    """Return the id of one document."""
    row = int(layout.rows()[rank])
    block = layout.blocks[int(layout.block_of(np.array([row], dtype=np.uint32))[0])]
    return str(pa.concat_tables([read_rows(file, [ID]) for file in block.files])[ID][row - block.start].as_py())


def _beginning(job: Job, layout: Layout, survivor: int) -> str:
    """Return the beginning of the best document that left for a survivor."""
    leaving = np.flatnonzero(load(f"{layout.work}/survivor.bin") == survivor)
    row = int(layout.rows()[leaving[leaving != survivor][0]])
    for split in job.splits:
        if row < (split.num_rows or 0):
            for batch in job.corpus.read(split, [TEXT]):
                if row < batch.num_rows:
                    return (batch[TEXT][row].as_py() or "")[:EXAMPLE_CHARS]
                row -= batch.num_rows
        row -= split.num_rows or 0
    raise AssertionError("a decision about a row that the corpus does not have")
