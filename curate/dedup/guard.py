"""Stop before a run removes what nobody meant to remove.

Templated sites (ten thousand pages that differ in one field), boilerplate longer than the page, a wrong text column:
each looks like duplication, and each has emptied corpora without a word. Two limits are held before anything is
written: the share of its documents that one source (site, repository, dump, the whole corpus) loses, and the number of
different texts that one survivor replaces. Exact copies do not count towards the second: nothing is lost with them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from curate.document import URL, Batch

SOURCE_COLUMNS = ("repo_name", "source", URL, "dump")  # the first that a corpus has; of a URL its host
WHOLE_CORPUS = "the whole corpus"


@dataclass(frozen=True)
class Limits:
    """What a run may remove without being asked. `allow` names sources, or ids of survivors, that may exceed them."""

    max_source_loss: float = (
        0.9  # share of a source's documents; FineWeb's oldest dumps lost 90 % and were worse for it
    )
    min_source_docs: int = 100  # smaller sources may be copies through and through
    max_cluster: int = 1000  # different texts replaced by one survivor
    allow: tuple[str, ...] = ()


@dataclass(frozen=True)
class Breach:
    """One limit exceeded."""

    name: str  # what `allow` takes
    message: str


def source_column(names: Sequence[str]) -> str | None:
    """Return the column that says where a document is from, None if there is none."""
    return next((name for name in SOURCE_COLUMNS if name in names), None)


def sources(batch: Batch) -> pa.Array:
    """Return (N,) string: where each document is from, "" where that is unknown."""
    name = source_column(batch.schema.names)
    if name is None:
        return pa.repeat(pa.scalar(""), batch.num_rows)
    values = pc.fill_null(pc.cast(batch[name], pa.string()), "")
    if name != URL:
        return values
    host = pc.struct_field(
        pc.extract_regex(values, r"^[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?(?P<host>[^/?#:]*)"), "host"
    )
    return pc.fill_null(pc.utf8_lower(host), "")


def source_breaches(losses: pa.Table, limits: Limits) -> list[Breach]:
    """Return the sources that would lose more than their share, the largest loss first.

    Args:
        losses: columns source, total, lost; the whole corpus is their sum.
    """
    whole = [(WHOLE_CORPUS, pc.sum(losses["total"]).as_py() or 0, pc.sum(losses["lost"]).as_py() or 0)]
    large = losses.filter(pc.greater_equal(losses["total"], limits.min_source_docs))
    named = [(row["source"], row["total"], row["lost"]) for row in large.to_pylist() if row["source"]]
    found = [
        (lost, Breach(name, f"{name} would lose {lost:,} of its {total:,} documents"))
        for name, total, lost in whole + named
        if total >= limits.min_source_docs and lost > limits.max_source_loss * total and name not in limits.allow
    ]
    return [breach for _, breach in sorted(found, key=lambda pair: (-pair[0], pair[1].name))]


def cluster_breaches(clusters: Sequence[tuple[str, int]], limits: Limits) -> list[Breach]:
    """Return the survivors, given as (id, different texts that leave for it), that exceed the limit, largest first."""
    return [
        Breach(name, f"{name} would stand for {size:,} different texts")
        for name, size in sorted(clusters, key=lambda pair: (-pair[1], pair[0]))
        if size > limits.max_cluster and name not in limits.allow
    ]
