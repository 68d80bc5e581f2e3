"""A random sample of a corpus that no order or number of shards can change.

The `n` documents with the smallest hash of (seed, id): every document has the same chance, a larger sample contains the
smaller one, and one pass with a heap of `n` documents in memory finds it. Rows without a text have nothing to judge.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

from curate.corpus import Corpus, Source, read_split
from curate.document import ID, QUARANTINED, TEXT, Batch
from curate.stage import id_hash


@dataclass(frozen=True)
class Document:
    id: str
    text: str


def draw(source: Source, n: int, seed: int) -> list[Document]:
    """Return the sample in the order of the hash; fewer than `n` documents if there are no more.

    Of rows that share an id the first in the order of the source is taken.

    Raises:
        ValueError: there is no text or id column, an id is null, or not one row has a text.
    """
    heap: list[tuple[int, str, str]] = []  # (-hash, id, text): the largest hash on top
    held: set[str] = set()
    for batch in _batches(source):
        quarantined = batch[QUARANTINED].is_valid().to_pylist() if QUARANTINED in batch.schema.names else None
        for row, document_id in enumerate(batch[ID].to_pylist()):
            if document_id is None:
                raise ValueError("a row of the source has no id, so it cannot be drawn; give every document an id")
            hashed = _hash(document_id, seed)
            if (len(heap) == n and -hashed <= heap[0][0]) or document_id in held or (quarantined and quarantined[row]):
                continue
            text = batch[TEXT][row].as_py()
            if not text or text.isspace():
                continue
            held.add(document_id)
            heapq.heappush(heap, (-hashed, document_id, text))
            if len(heap) > n:
                held.remove(heapq.heappop(heap)[1])
    if not heap:
        raise ValueError(f"no document to draw: the source has no row with a text (n={n})")
    return [Document(document_id, text) for _, document_id, text in sorted(heap, reverse=True)]


def _hash(document_id: str, seed: int) -> int:
    """A hash of our own: `Sample` and train/test splits cut by hash too, and must not line up with this sample."""
    return id_hash(f"annotate\0{document_id}", seed)


def _batches(source: Source) -> Iterator[Batch]:
    names = source.schema.names
    missing = [name for name in (TEXT, ID) if name not in names]
    if missing:
        raise ValueError(f"the source has no column {missing[0]!r} to grade; it has {names}")
    columns = [name for name in (TEXT, ID, QUARANTINED) if name in names]
    for split in source.splits():
        yield from source.read(split, columns) if isinstance(source, Corpus) else read_split(source, split)
