"""Bits per byte by domain: how many bits a model needs for a byte of text that it has not been trained on.

    held = HeldOut.read({"edu": "heldout/edu", "code": "heldout/code.parquet"}, tokenizer, limit=200)
    held(model)            # {"edu": Estimate(0.91, 0.02), "code": Estimate(0.78, 0.03)}

The log likelihood of a text's tokens over ln 2 times its UTF-8 bytes, so models with other tokenizers compare. Every
byte counts once: the first token is predicted from the start-of-document token, which is itself never scored. A text
longer than the window is read in windows that overlap by half: each token is scored once, given at least half a window
before it (the first window apart). lm-evaluation-harness' rolling windows do not overlap, which costs up to 0.02 bits.
Texts are turned into tokens once, so a training run can ask again and again.
"""

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from curate.document import TEXT
from curate.evaluate.estimate import Estimate, ratio
from curate.evaluate.logprobs import Span, score_plain
from curate.evaluate.model import Model, encode, max_length, start_token


@dataclass(frozen=True)
class Document:
    spans: tuple[Span, ...]
    num_bytes: int


@dataclass(frozen=True)
class HeldOut:
    """Tokenized held-out documents by domain."""

    domains: Mapping[str, tuple[Document, ...]]

    @classmethod
    def of(cls, texts: Mapping[str, Iterable[str]], tokenizer: Any, *, window: int) -> "HeldOut":
        """Tokenize texts in memory; `window` is how many tokens a model reads at once."""
        domains = {
            name: tuple(_document(text, tokenizer, window) for text in some if text) for name, some in texts.items()
        }
        empty = [name for name, documents in domains.items() if not documents]
        if empty:
            raise ValueError(f"no text to measure bits per byte on in {', '.join(empty)}: the documents are empty")
        return cls(domains)

    @classmethod
    def read(
        cls,
        paths: Mapping[str, str | os.PathLike[str]],
        tokenizer: Any,
        *,
        window: int,
        limit: int | None = None,
    ) -> "HeldOut":
        """Tokenize the first `limit` documents of corpora, Parquet, JSONL or WARC files by domain."""
        return cls.of({name: read_texts(path, limit) for name, path in paths.items()}, tokenizer, window=window)

    def __call__(self, model: Model) -> dict[str, Estimate]:
        """Return the bits per byte of each domain."""
        return {name: _bits_per_byte(model, documents) for name, documents in self.domains.items()}

    def at_step(self, model: Model, step: int) -> dict[str, float]:
        """Return the bits per byte of each domain, as a training loop's hook."""
        return {f"bits_per_byte {name}": estimate.value for name, estimate in self(model).items()}


def bits_per_byte(model: Model, tokenizer: Any, texts: Iterable[str], *, window: int | None = None) -> Estimate:
    """Return the bits per byte over all texts; the standard error is that of a ratio over documents.

    Args:
        window: tokens the model sees at once, its own maximum by default.
    """
    longest = max_length(model)
    return HeldOut.of({"": texts}, tokenizer, window=min(window or longest, longest))(model)[""]


def read_texts(path: str | os.PathLike[str], limit: int | None = None) -> Iterator[str]:
    """Yield the first `limit` texts of whatever `curate.readers` opens; pages are extracted first."""
    from curate.readers import needs_extract, open_source
    from curate.readers.html import Extract

    source = open_source(path)
    extract = Extract() if needs_extract(source) else None
    batches = (batch for split in source.splits() for batch in source.read(split))
    texts = (text for batch in batches for text in (extract(batch) if extract else batch)[TEXT].to_pylist() if text)
    yield from islice(texts, limit)


def named_path(place: str) -> tuple[str, str]:
    """Read `edu=heldout/edu` as (name, path); a path alone is called as its last part."""
    name, found, path = place.partition("=")
    return (name, path) if found else (place.rstrip("/").rpartition("/")[2], place)


def windows(length: int, window: int) -> Iterator[tuple[int, int, int]]:
    """Yield (first, scored, last): read tokens [first, last), score [scored, last); token 0 is never scored."""
    scored = 1
    while scored < length:
        last = min(max(scored + window // 2, window), length)
        yield max(last - window, 0), scored, last
        scored = last


def _document(text: str, tokenizer: Any, window: int) -> Document:
    tokens = (start_token(tokenizer), *encode(tokenizer, text))
    # a window reads one token less than it spans: the last is predicted only
    spans = [Span(tokens[first:last], scored - first) for first, scored, last in windows(len(tokens), window + 1)]
    return Document(tuple(spans), len(text.encode()))


def document_bits(model: Model, documents: tuple[Document, ...]) -> npt.NDArray[np.float64]:
    """Return the bits that each document costs a model, (documents,)."""
    spans = [span for document in documents for span in document.spans]
    owners = np.repeat(np.arange(len(documents)), [len(document.spans) for document in documents])
    nats = np.zeros(len(documents))
    np.add.at(nats, owners, [-scored.logprobs.sum(dtype=np.float64) for scored in score_plain(model, spans)])
    return nats / math.log(2)


def _bits_per_byte(model: Model, documents: tuple[Document, ...]) -> Estimate:
    num_bytes = np.array([document.num_bytes for document in documents])
    return ratio(document_bits(model, documents), num_bytes)
