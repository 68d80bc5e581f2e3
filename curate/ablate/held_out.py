"""Held-out documents by domain, and the stage that keeps them, and near-copies of them, out of every arm.

    held = given({"wiki": "heldout/wiki", "code": "heldout/code.parquet"}, "OUT/held", num=200)
    held = drawn({"raw": [Corpus("clean")], "edu": [Corpus("scored")]}, "OUT/held", num=200)
    stages = (WithoutHeldOut(held.folder, held.fingerprint), ...)

A model that has read the held-out text measures its memory, not its data, and the arm that holds more of it wins. So
every document of every arm is held against every held-out one: where they share half of the 8-word shingles of either,
it leaves the arm (an exact copy shares all; Lee et al. 2022 find that validation sets of C4 and others leak so). Words
are folded as in deduplication, so case, punctuation and white space do not matter.

Sets from neither arm are the better evidence. Where none is given, each arm gives the same number of its own
documents, taken out of all arms before training: a fair set, but one of the arms' own kind, and told so.

Which documents are taken follows from their text alone (the smallest SHA-256), so any order of shards gives the same.
"""

import heapq
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.corpus import Corpus, Source, read_split, write_corpus
from curate.dedup.exact import exact_hashes
from curate.dedup.shingles import shingles
from curate.document import ID, TEXT, Batch
from curate.stage import mark

MAX_CHARS = 2000  # of a held-out document that is measured: about one window, so that many documents are affordable
MIN_SHINGLES = 16  # of a held-out document; shorter ones are boilerplate that half of an arm may hold
SHINGLE = 8  # words; a shared run of 8 is rarely chance, and half of all of them is never
SHARED = 0.5  # of the shingles of either document
MOST_OF_AN_ARM = 0.1  # of its documents, that may be held out
RULE = "ablate.held_out"
ITEM = "item"  # first 16 hexadecimal digits of the text's hash: the same document in two domains is one item
HELD = pa.schema([(ID, pa.string()), (ITEM, pa.string()), (TEXT, pa.string())])
SUMMARY = "held.json"


@dataclass(frozen=True)
class HeldOut:
    """Domains of held-out documents, each a small corpus with `id, item, text` below one folder."""

    folder: str
    domains: tuple[str, ...]
    fingerprint: str
    from_arms: bool

    def path(self, domain: str) -> str:
        return f"{self.folder}/{domain}"

    def texts(self, domain: str) -> pa.Table:
        return Corpus(self.path(domain)).table()


def given(sources: Mapping[str, Source], folder: str, *, num: int) -> HeldOut:
    """Take `num` documents of each source, or all that it has.

    Raises:
        ValueError: a source has no document long enough.
    """
    return _write(folder, {domain: _smallest([source], num) for domain, source in sources.items()}, from_arms=False)


def drawn(arms: Mapping[str, Sequence[Source]], folder: str, *, num: int) -> HeldOut:
    """Take up to `num` documents of each arm, the same number of all, and no more than a tenth of any.

    Raises:
        ValueError: an arm is too small to give any.
    """
    sizes = {arm: sum(map(_num_documents, sources)) for arm, sources in arms.items()}
    small = min(sizes, key=lambda arm: sizes[arm])
    room = int(MOST_OF_AN_ARM * sizes[small])
    if room < 1:
        raise ValueError(
            f"arm {small} has {sizes[small]} documents, too few to take a held-out set from; "
            "give --held-out NAME=PATH with documents from neither arm"
        )
    found = {f"from-{arm}": _smallest(sources, min(num, room)) for arm, sources in arms.items()}
    return _write(folder, found, from_arms=True)


def _write(folder: str, domains: Mapping[str, list[tuple[str, str, str]]], *, from_arms: bool) -> HeldOut:
    empty = [domain for domain, rows in domains.items() if not rows]
    if empty:
        raise ValueError(
            f"held-out {empty[0]} has no document of {SHINGLE + MIN_SHINGLES - 1} words or more; give longer documents"
        )
    for domain, rows in domains.items():
        columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
        write_corpus(f"{folder}/{domain}", [pa.RecordBatch.from_arrays(columns, schema=HELD)])
    items = sorted({item for rows in domains.values() for _, item, _ in rows})
    fingerprint = f"{exact_hashes(pa.array([' '.join(items)]))[0, 0]:016x}"
    summary = {"domains": list(domains), "fingerprint": fingerprint, "from_arms": from_arms}
    partial = Path(folder, f".{SUMMARY}.tmp")
    partial.write_text(json.dumps(summary) + "\n", encoding="utf-8")
    partial.replace(Path(folder, SUMMARY))  # last: where it is, all domains are
    return HeldOut(folder, tuple(domains), fingerprint, from_arms)


def found_in(folder: str) -> HeldOut | None:
    """Return what an earlier call wrote, None if it did not finish."""
    file = Path(folder, SUMMARY)
    if not file.exists():
        return None
    summary = json.loads(file.read_text(encoding="utf-8"))
    return HeldOut(folder, tuple(summary["domains"]), summary["fingerprint"], summary["from_arms"])


def _smallest(sources: Sequence[Source], num: int) -> list[tuple[str, str, str]]:
    """Return (id, item, text) of the `num` documents with the smallest hashes, each text once."""
    kept: dict[str, tuple[str, str]] = {}
    bound = "g"  # above every hexadecimal digit
    for ids, texts in _documents(sources):
        hashes = exact_hashes(texts)[:, 0]
        ends, _ = shingles(texts, SHINGLE)
        long = np.diff(ends) >= MIN_SHINGLES
        for row in np.flatnonzero(long).tolist():
            item = f"{hashes[row]:016x}"
            if item < bound:
                kept[item] = (ids[row].as_py(), texts[row].as_py()[:MAX_CHARS])
        if len(kept) > 2 * num:
            kept = {item: kept[item] for item in heapq.nsmallest(num, kept)}
            bound = max(kept)
    return [(kept[item][0], item, kept[item][1]) for item in heapq.nsmallest(num, kept)]


def _num_documents(source: Source) -> int:
    known = [split.num_rows for split in source.splits()]
    if None not in known:
        return sum(rows or 0 for rows in known)
    return sum(len(ids) for ids, _ in _documents([source]))  # JSON lines do not say


def _documents(sources: Iterable[Source]) -> Iterator[tuple[pa.Array, pa.Array]]:
    for source in sources:
        for split in source.splits():
            for batch in read_split(source, split):
                yield batch[ID], batch[TEXT]


@dataclass(frozen=True)
class Index:
    """The shingles of all held-out documents."""

    shingles: NDArray[np.uint64]  # (S,) sorted
    owners: NDArray[np.int64]  # (S,) number of the document
    sizes: NDArray[np.int64]  # (documents,) distinct shingles of each

    @classmethod
    def of(cls, texts: pa.Array) -> "Index":
        rows, hashes = _distinct(texts)
        order = np.argsort(hashes, kind="stable")
        return cls(hashes[order], rows[order], np.bincount(rows, minlength=len(texts)))

    def leaked(self, texts: pa.Array) -> NDArray[np.bool_]:
        """Return (N,) whether each text shares half of its own shingles, or of a held-out document's, with one."""
        rows, hashes = _distinct(texts)
        own = np.bincount(rows, minlength=len(texts))
        first = np.searchsorted(self.shingles, hashes, side="left")
        counts = np.searchsorted(self.shingles, hashes, side="right") - first
        hit = np.flatnonzero(counts)
        leaked = np.zeros(len(texts), dtype=bool)
        if not len(hit):
            return leaked
        counts = counts[hit]
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        owners = self.owners[np.repeat(first[hit], counts) + within]
        pairs, shared = np.unique(np.repeat(rows[hit], counts) * len(self.sizes) + owners, return_counts=True)
        row, owner = np.divmod(pairs, len(self.sizes))
        own_share = np.where(own[row] >= MIN_SHINGLES, shared / own[row], 0.0)  # a line of boilerplate is no copy
        leaked[row[(shared >= SHARED * self.sizes[owner]) | (own_share >= SHARED)]] = True
        return leaked


def _distinct(texts: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Return the distinct shingles of each text: rows (S,) and hashes (S,)."""
    ends, hashes = shingles(texts, SHINGLE)
    rows = np.repeat(np.arange(len(texts)), np.diff(ends))
    order = np.lexsort((hashes, rows))
    rows, hashes = rows[order], hashes[order]
    new = np.ones(len(rows), dtype=bool)
    new[1:] = (rows[1:] != rows[:-1]) | (hashes[1:] != hashes[:-1])
    return rows[new], hashes[new]


@dataclass(frozen=True)
class WithoutHeldOut:
    """Mark the documents that hold a held-out one, or most of whose text is in one."""

    folder: str = field(repr=False)  # where it lies is not what it is
    fingerprint: str = ""

    def __call__(self, batch: Batch) -> Batch:
        return mark(batch, [(RULE, _index(self.folder, self.fingerprint).leaked(batch[TEXT]))])


@cache
def _index(folder: str, fingerprint: str) -> Index:
    held = found_in(folder)
    assert held is not None
    assert held.fingerprint == fingerprint
    return Index.of(pa.concat_arrays([chunk for d in held.domains for chunk in held.texts(d)[TEXT].chunks]))
