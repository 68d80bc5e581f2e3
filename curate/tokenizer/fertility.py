"""Bytes per token, by tokenizer and by kind of text: higher is shorter sequences, and more text in a context.

    texts = texts_by(source, "language")                       # a sample, {"Python": [...], "Rust": [...]}
    table = fertilities(texts, {"ours": "tokenizer", "gpt2": "gpt2-folder"})
    table["Rust"]["ours"]                                      # 3.9

Compare tokenizers of one vocabulary size: a larger vocabulary always gives more bytes per token, and pays for it in
embeddings. Per-language numbers matter more than the mean, which the largest corpus decides.
"""

import os
from collections.abc import Iterable, Mapping, Sequence

from tokenizers import Tokenizer

from curate.corpus import Source, read_split
from curate.document import ID, TEXT
from curate.stage import id_hash
from curate.tokenizer.bpe import load_tokenizer
from curate.tokenizer.sample import DOCUMENT_CHARS, countable_bytes, name_of

SAMPLE_BYTES = 2_000_000  # of each corpus
KINDS = 40  # values of a column that get a row of their own, the most frequent ones


def fertility(tokenizer: Tokenizer, texts: Iterable[str]) -> float:
    """Return bytes per token over all texts together."""
    num_bytes = num_tokens = 0
    for text in texts:
        num_bytes += len(text.encode())
        num_tokens += len(tokenizer.encode(text, add_special_tokens=False).ids)
    if num_tokens == 0:
        raise ValueError("no tokens in the texts; fertility needs some text")
    return num_bytes / num_tokens


def fertilities(
    texts: Mapping[str, Sequence[str]], tokenizers: Mapping[str, str | os.PathLike[str]]
) -> dict[str, dict[str, float]]:
    """Return bytes per token by kind of text and tokenizer (folders, or `tokenizer.json` files)."""
    loaded = {name: load_tokenizer(path) for name, path in tokenizers.items()}
    return {
        kind: {name: fertility(tokenizer, found) for name, tokenizer in loaded.items()} for kind, found in texts.items()
    }


def texts_by(
    source: Source, column: str | None = None, *, sample_bytes: int = SAMPLE_BYTES, seed: int = 0
) -> dict[str, list[str]]:
    """Draw about `sample_bytes` of a source by the hash of (seed, id), and group the texts by a column's values.

    Raises:
        ValueError: the source has no such column.
    """
    if column is not None and column not in source.schema.names:
        raise ValueError(f"{name_of(source)} has no column {column!r}; it has {', '.join(source.schema.names)}")
    bound = int(min(1.0, sample_bytes / max(countable_bytes(source), 1)) * 2**64)
    kinds: dict[str, list[str]] = {}
    for batch in (batch for split in source.splits() for batch in read_split(source, split)):
        values = batch[column].to_pylist() if column else [name_of(source)] * batch.num_rows
        for document, text, kind in zip(batch[ID].to_pylist(), batch[TEXT].to_pylist(), values, strict=True):
            if text and id_hash(document, seed) < bound:
                kinds.setdefault(str(kind), []).append(text[:DOCUMENT_CHARS])
    frequent = sorted(kinds, key=lambda kind: (-sum(map(len, kinds[kind])), kind))[:KINDS]
    return {kind: kinds[kind] for kind in frequent}
