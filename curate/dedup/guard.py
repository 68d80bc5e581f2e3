"""Stop before a run removes what nobody meant to remove.

Templated sites (ten thousand pages that differ in one field), boilerplate longer than the page, a wrong text column:
each looks like duplication, and each has emptied corpora without a word. Two limits are held before anything is
written: the share of its documents that one source (site, repository, dump, the whole corpus) loses, and the number of
different texts that one survivor replaces. Exact copies do not count towards the second: nothing is lost with them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.dedup.cluster import NONE, Stars
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
    """One limit exceeded: what is to be said, and the document (in rank order) whose text shows why."""

    name: str  # what `allow` takes
    message: str
    example: int


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


def breaches(stars: Stars, ids: pa.Array, origin: pa.Array, limits: Limits) -> list[Breach]:
    """Return the limits that a decision exceeds and that are not allowed, the worst of each kind first."""
    return [*_sources(stars, origin, limits), *_clusters(stars, ids, limits)]


def _sources(stars: Stars, origin: pa.Array, limits: Limits) -> list[Breach]:
    encoded = pc.dictionary_encode(origin)
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    codes, names = encoded.indices.to_numpy(), encoded.dictionary.to_pylist()
    leaves = stars.survivor != NONE
    found = []
    for name, rows in ((WHOLE_CORPUS, np.ones_like(leaves)), *_large(codes, names, leaves, limits)):
        total, lost = len(leaves[rows]), int(leaves[rows].sum())
        if total >= limits.min_source_docs and lost > limits.max_source_loss * total and name not in limits.allow:
            message = f"{name} would lose {lost:,} of its {total:,} documents"
            found.append((lost, Breach(name, message, _largest(stars.survivor[rows]))))
    return [breach for _, breach in sorted(found, key=lambda pair: (-pair[0], pair[1].name))]


def _large(
    codes: NDArray[np.int32], names: list[str], leaves: NDArray[np.bool_], limits: Limits
) -> list[tuple[str, NDArray[np.bool_]]]:
    """Return (name, its rows) of the sources that exceed the share, so that only those are looked at one by one."""
    totals = np.bincount(codes, minlength=len(names))
    lost = np.bincount(codes[leaves], minlength=len(names))
    exceed = (totals >= limits.min_source_docs) & (lost > limits.max_source_loss * totals)
    return [(names[code], codes == code) for code in np.flatnonzero(exceed) if names[code]]


def _clusters(stars: Stars, ids: pa.Array, limits: Limits) -> list[Breach]:
    sizes = np.bincount(stars.survivor[(stars.survivor != NONE) & ~stars.copy], minlength=1)
    large = np.flatnonzero(sizes > limits.max_cluster)
    found = []
    for survivor in large[np.argsort(-sizes[large], kind="stable")].tolist():
        name = ids[survivor].as_py()
        if name not in limits.allow:
            found.append(Breach(name, f"{name} would stand for {sizes[survivor]:,} different texts", survivor))
    return found


def _largest(survivors: NDArray[np.int64]) -> int:
    """Return the survivor that most of the removed documents left for."""
    return int(np.bincount(survivors[survivors != NONE]).argmax())
