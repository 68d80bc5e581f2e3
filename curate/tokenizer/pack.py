"""Tokenise a corpus into shards of plain integers that training maps into memory.

    tokens = tokenize(Corpus("runs/edu"), "tokens/edu", tokenizer="tokenizer")
    tokens.num_tokens, tokens.document_of(12_345), tokens.read(0, 2049)

One shard per split: `NAME.bin` holds the documents' tokens one after another, each document followed by
`<|endoftext|>`, little-endian uint16 (uint32 for vocabularies above 65,536; the format of nanoGPT and litgpt).
`NAME.parquet` beside it is the index: `id, start, stop` in tokens, so that any position names its document. The index
is written last and its footer holds the receipt, so it exists only beside a whole `.bin`; a run that was killed goes on
with the splits that have none. `out` is a folder on a disk that all workers see: memory maps need files.
"""

import hashlib
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from tokenizers import Tokenizer

from curate.cluster import map_units
from curate.corpus import Corpus, ShardWriter, Split, read_receipt, shard_name
from curate.document import ID, TEXT
from curate.tokenizer.bpe import end_of_text_id, from_json, load_tokenizer, save_tokenizer

INDEX = pa.schema([(ID, pa.string()), ("start", pa.int64()), ("stop", pa.int64())])
TOKENIZER = "tokenizer"  # folder inside the tokens, so that they can be decoded and a model exported without asking
UINT16_VOCAB = 2**16


def tokenize(
    corpus: Corpus | str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    tokenizer: str | os.PathLike[str],
    ray: str | None = None,
    workers: int | None = None,
) -> "Tokens":
    """Write one token shard and its index per split of `corpus` into the folder `out`."""
    corpus = corpus if isinstance(corpus, Corpus) else Corpus(corpus)
    trained = load_tokenizer(tokenizer)
    end_of_text_id(trained)
    kept = Path(out, TOKENIZER)
    if not (kept / "tokenizer.json").exists():
        save_tokenizer(trained, kept)
    elif load_tokenizer(kept).to_str() != trained.to_str():
        raise ValueError(f"{out} holds tokens of another tokenizer; choose another folder or delete it")
    work = _TokenizeSplit(corpus, str(out), trained.to_str())
    for _ in map_units(work, corpus.splits(), ray=ray, workers=workers):
        pass
    tokens = Tokens(out)
    if tokens.num_documents == 0:
        raise ValueError(f"{corpus.path} has no documents; nothing was tokenised")
    return tokens


@dataclass(frozen=True)
class _TokenizeSplit:
    """Unit of work: one split in, one `.bin` and its index out. Carries the tokenizer's JSON to any worker."""

    corpus: Corpus
    out: str
    tokenizer_json: str

    def __call__(self, split: Split) -> None:
        recipe = self.recipe(split)
        if self.is_done(split, recipe):
            return
        tokenizer = _tokenizer(self.tokenizer_json)
        end = end_of_text_id(tokenizer)
        dtype = "<u2" if tokenizer.get_vocab_size() <= UINT16_VOCAB else "<u4"
        partial = Path(self.out, f".{split.name.replace('/', '.')}.{uuid.uuid4().hex}.tmp")
        try:
            with ShardWriter(self.out, split.name, INDEX) as index, partial.open("wb") as file:
                position = num_bytes = 0
                for batch in self.corpus.read(split, [ID, TEXT]):
                    texts = _texts(batch, split)
                    documents = [[*encoding.ids, end] for encoding in tokenizer.encode_batch_fast(texts)]
                    stops = position + np.cumsum([len(document) for document in documents])
                    file.write(np.concatenate(documents).astype(dtype).tobytes())
                    starts = np.concatenate([[position], stops[:-1]])
                    columns = [batch[ID], pa.array(starts, pa.int64()), pa.array(stops, pa.int64())]
                    index.write(pa.RecordBatch.from_arrays(columns, schema=INDEX))
                    position = int(stops[-1])
                    num_bytes += sum(len(text.encode()) for text in texts)
                file.flush()
                os.fsync(file.fileno())
                partial.replace(_bin(self.out, split.name))
                vocab = {"vocab_size": tokenizer.get_vocab_size(), "end_of_text": end, "dtype": dtype}
                index.commit({**recipe, **vocab, "num_tokens": position, "num_bytes": num_bytes})
        finally:
            partial.unlink(missing_ok=True)

    def recipe(self, split: Split) -> dict[str, Any]:
        return {"step": "tokenize", "tokenizer": _digest(self.tokenizer_json), "split": split.identity()}

    def is_done(self, split: Split, recipe: dict[str, Any]) -> bool:
        index = Path(self.out, f"{split.name}.parquet")
        if not index.exists():
            return False
        receipt = read_receipt(str(index)) or {}
        different = [name for name in recipe if receipt.get(name) != recipe[name]]
        if different:
            raise ValueError(f"{index} was made with another {' and '.join(different)}; choose another folder")
        return _bin(self.out, split.name).exists()


def _texts(batch: pa.RecordBatch, split: Split) -> list[str]:
    texts: list[str | None] = batch[TEXT].to_pylist()
    if None in texts:
        raise ValueError(f"{split.path}: document {batch[ID][texts.index(None)]} has no text (null); drop it first")
    return texts  # type: ignore[return-value]  # checked above


@cache
def _tokenizer(json: str) -> Tokenizer:
    """Load once per worker process."""
    return from_json(json)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _bin(folder: str, name: str) -> Path:
    return Path(folder, f"{name}.bin")


@dataclass(frozen=True)
class Tokens:
    """A folder that `tokenize` wrote, as one long array of tokens; shards in the order of their names."""

    path: Path

    def __init__(self, path: str | os.PathLike[str]) -> None:
        object.__setattr__(self, "path", Path(path))

    @cached_property
    def shards(self) -> list[str]:
        files = Corpus(self.path).files
        return [shard_name(file, str(self.path)) for file in files]

    @cached_property
    def receipts(self) -> list[dict[str, Any]]:
        found = [(name, read_receipt(str(self.path / f"{name}.parquet")) or {}) for name in self.shards]
        strange = [name for name, receipt in found if receipt.get("step") != "tokenize"]
        if strange:
            raise ValueError(f"{self.path}/{strange[0]}.parquet is no index of tokens; tokenize the corpus first")
        if len({receipt["tokenizer"] for _, receipt in found}) > 1:
            raise ValueError(f"{self.path} mixes shards of different tokenizers; tokenize into a fresh folder")
        return [receipt for _, receipt in found]

    @cached_property
    def arrays(self) -> list[npt.NDArray[np.unsignedinteger[Any]]]:
        """Memory maps of the shards, checked against the lengths in their receipts."""
        return [self._map(name, receipt) for name, receipt in zip(self.shards, self.receipts, strict=True)]

    def _map(self, name: str, receipt: dict[str, Any]) -> npt.NDArray[np.unsignedinteger[Any]]:
        file, dtype = _bin(str(self.path), name), np.dtype(receipt["dtype"])
        expected = receipt["num_tokens"] * dtype.itemsize
        size = file.stat().st_size if file.exists() else None
        if size != expected:
            raise ValueError(f"{file} has {size} bytes, its index says {expected}; delete the index and tokenize again")
        return np.memmap(file, dtype, mode="r") if expected else np.empty(0, dtype)

    @cached_property
    def offsets(self) -> npt.NDArray[np.int64]:
        """(shards + 1,) first token of each shard, and the total."""
        return np.cumsum([0, *(receipt["num_tokens"] for receipt in self.receipts)], dtype=np.int64)

    @property
    def num_tokens(self) -> int:
        return int(self.offsets[-1])

    @property
    def num_bytes(self) -> int:
        """Bytes of text, without what ends the documents."""
        return sum(receipt["num_bytes"] for receipt in self.receipts)

    @cached_property
    def num_documents(self) -> int:
        return Corpus(self.path).num_rows

    @property
    def vocab_size(self) -> int:
        return int(self.receipts[0]["vocab_size"])

    @property
    def tokenizer(self) -> Path:
        """Folder of the tokenizer that made these tokens."""
        return self.path / TOKENIZER

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What a training run writes down of its data."""
        return {"tokenizer": self.receipts[0]["tokenizer"], "num_tokens": self.num_tokens}

    def read(self, start: int, stop: int) -> npt.NDArray[np.unsignedinteger[Any]]:
        """Return tokens [start, stop), a view where they lie in one shard."""
        assert 0 <= start <= stop <= self.num_tokens, f"[{start}, {stop}) of {self.num_tokens} tokens"
        return np.concatenate(parts) if len(parts := list(self._parts(start, stop))) > 1 else parts[0]

    def _parts(self, start: int, stop: int) -> Iterator[npt.NDArray[np.unsignedinteger[Any]]]:
        shard = min(int(np.searchsorted(self.offsets, start, side="right")), len(self.arrays)) - 1
        while True:
            first, last = self.offsets[shard], self.offsets[shard + 1]
            yield self.arrays[shard][max(start - first, 0) : stop - first]
            shard += 1
            if stop <= last or shard == len(self.arrays):
                return

    def document_of(self, position: int) -> str:
        """Return the id of the document whose token (or end mark) is at `position`."""
        if not 0 <= position < self.num_tokens:
            raise IndexError(f"{self.path} has tokens 0 to {self.num_tokens - 1}, not {position}")
        shard = int(np.searchsorted(self.offsets, position, side="right")) - 1
        index = _index(str(self.path / f"{self.shards[shard]}.parquet"))
        row = int(np.searchsorted(index["stop"].to_numpy(), position - self.offsets[shard], side="right"))
        return str(index[ID][row])


@cache
def _index(path: str) -> pa.Table:
    return pq.read_table(path)
