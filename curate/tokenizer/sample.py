"""The texts a tokenizer is learned from: a weighted, deterministic sample of several corpora.

    for texts in sample({"runs/edu": 0.7, "runs/code": 0.3}, sample_bytes=500_000_000): ...

A weight is a corpus's share of the sample's bytes, and a corpus that has less than its share is taken whole, the others
making up for it. Without weights every corpus gives the same share of its documents. Documents are drawn by the hash of
(seed, id), so the order and number of shards decide nothing. Of a long document only the beginning counts. How much
text there is, is read from the footers, to about a percent, and how much of it counts from the first documents of some
shards; a file without a footer counts with its size, so one that is compressed gives some three times its share beside
Parquet. Every document is read once to draw some: a corpus of terabytes is better given as a part of it.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from curate.corpus import Corpus, Source, Split, read_split
from curate.document import ID, TEXT, Batch
from curate.parquet import open_parquet
from curate.stage import id_hash

DOCUMENT_CHARS = 10_000  # of one document that count, so that a few long books do not decide (nanochat)
BATCH_TEXTS = 1000
LOOKED_AT = 16  # splits, of which the first batch tells how long documents are

Given = str | os.PathLike[str] | Source  # a corpus by path, or any source of documents
Corpora = Given | Sequence[Given] | Mapping[str, float] | Sequence[tuple[Given, float]]


def sample(corpora: Corpora, sample_bytes: int, seed: int = 0) -> Iterator[list[str]]:
    """Yield batches of texts, together about `sample_bytes` bytes.

    Args:
        corpora: one, several, or several with weights: a mapping of paths, or pairs of a source and its weight.

    Raises:
        ValueError: a weight is not positive, or nothing was drawn.
    """
    sources, weights = opened(corpora)
    taken = False
    texts: list[str] = []
    sizes = [countable_bytes(source) for source in sources]
    for source, share in zip(sources, _shares(sizes, weights, sample_bytes), strict=True):
        bound = int(share * 2**64)
        for batch in (batch for split in source.splits() for batch in documents(source, split)):
            for document, text in zip(batch[ID].to_pylist(), batch[TEXT].to_pylist(), strict=True):
                if text and id_hash(document, seed) < bound:
                    texts.append(text[:DOCUMENT_CHARS])
            if len(texts) >= BATCH_TEXTS:
                yield texts
                texts, taken = [], True
    if not texts and not taken:
        names = ", ".join(map(name_of, sources))
        raise ValueError(f"no text to learn a tokenizer from in {names}; empty documents, or sample_bytes too small?")
    yield texts


def opened(corpora: Corpora) -> tuple[list[Source], list[float] | None]:
    """Return the sources, and their weights if they have any."""
    if isinstance(corpora, str | os.PathLike) or not isinstance(corpora, Mapping | Sequence):
        return [source_of(corpora)], None
    pairs = list(corpora.items()) if isinstance(corpora, Mapping) else [i for i in corpora if isinstance(i, tuple)]
    if not pairs:
        return [source_of(item) for item in corpora if not isinstance(item, tuple)], None
    for given, weight in pairs:
        if not weight > 0:
            raise ValueError(f"the weight of {name_of(given)} is {weight}; weights must be positive")
    return [source_of(given) for given, _ in pairs], [weight for _, weight in pairs]


def source_of(given: Given) -> Source:
    return Corpus(given) if isinstance(given, str | os.PathLike) else given


def name_of(source: Given) -> str:
    """Return what to call a source in a message."""
    return str(getattr(source, "path", source))


def documents(source: Source, split: Split) -> Iterator[Batch]:
    """Yield ids and texts of a split, reading no other column where the source can do that."""
    if isinstance(source, Corpus):
        yield from source.read(split, [ID, TEXT])
        return
    for batch in read_split(source, split):
        yield batch.select([ID, TEXT])


def _shares(sizes: Sequence[int], weights: Sequence[float] | None, sample_bytes: int) -> list[float]:
    """Return the share of each corpus's documents to draw; `sizes` and `sample_bytes` in bytes of text."""
    if weights is None:
        return [min(1.0, sample_bytes / max(sum(sizes), 1))] * len(sizes)
    shares, open_ones, left = [1.0] * len(sizes), set(range(len(sizes))), float(sample_bytes)
    while open_ones:
        of_all = sum(weights[n] for n in open_ones)
        small = {n for n in open_ones if sizes[n] <= left * weights[n] / of_all}
        if not small:
            return [left * w / of_all / sizes[n] if n in open_ones else 1.0 for n, w in enumerate(weights)]
        open_ones -= small
        left -= sum(sizes[n] for n in small)
    return shares


def countable_bytes(source: Source) -> int:
    """Return about how many bytes of a source's text lie in the first `DOCUMENT_CHARS` of its documents."""
    size, splits = text_bytes(source), source.splits()
    some = splits[:: -(-len(splits) // LOOKED_AT) or 1]
    batches = (batch for split in some for batch in islice(documents(source, split), 1))
    lengths = [len(text) for batch in batches for text in batch[TEXT].to_pylist() if text]
    counted = sum(min(length, DOCUMENT_CHARS) for length in lengths)
    return round(size * counted / max(sum(lengths), 1))


def text_bytes(source: Source) -> int:
    """Return about how many bytes of text a source holds, without reading it.

    A corpus's footers know; of another source it is the size of its files.
    """
    if not isinstance(source, Corpus):
        return sum(split.num_bytes for split in source.splits())
    total = 0
    for path in source.files:
        with open_parquet(path) as file:
            footer = file.metadata
            places = [n for n in range(footer.num_columns) if footer.schema.column(n).path == TEXT]
            if not places:
                raise ValueError(f"{path} has no column {TEXT!r}; it has {', '.join(file.schema_arrow.names)}")
            groups = range(footer.num_row_groups)
            total += sum(footer.row_group(g).column(places[0]).total_uncompressed_size for g in groups)
    return total
