"""Token shards as one long array, each token with its document.

    tokens = Tokens("tokens/edu")
    tokens.read(0, 2049)                # uint16 or uint32, a view of a memory map where it lies in one shard
    tokens.document_of(12_345)          # the id that `curate why` answers for; a binary search
    tokens.documents(0, 2049)           # [(id, start, stop), ...] of a window

What `curate.tokenizer.pack.tokenize` wrote: `NAME.bin` with plain integers and `NAME.parquet` with `id, start, stop`.
Nothing is read before it is asked for; shards follow one another in the order of their names.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain, count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from curate.corpus import Corpus, shard_name
from curate.document import ID
from curate.parquet import read_receipt
from curate.storage import PATTERN, folder_of_glob

TOKENIZER = "tokenizer"  # folder inside the tokens, so that they can be decoded and a model exported without asking
DATA_ENDING = re.compile(r"\.(parquet|jsonl?|ndjson)(\.\w+)?$")  # of a corpus in one file
OPEN_INDEXES = 64  # indexes of shards held in memory, a few MB each

TokenArray = npt.NDArray[np.unsignedinteger[Any]]


class Document(NamedTuple):
    """Where a document lies: tokens [start, stop), the last of which is its end mark."""

    id: str
    start: int
    stop: int


@dataclass(frozen=True)
class Tokens:
    """A folder that `tokenize` wrote."""

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
        if len({(receipt["tokenizer"], receipt["end_of_text"]) for _, receipt in found}) > 1:
            raise ValueError(f"{self.path} mixes shards of different tokenizers; tokenize into a fresh folder")
        return [receipt for _, receipt in found]

    @cached_property
    def arrays(self) -> list[TokenArray]:
        """Memory maps of the shards, checked against the lengths in their receipts."""
        return [self._map(name, receipt) for name, receipt in zip(self.shards, self.receipts, strict=True)]

    def _map(self, name: str, receipt: dict[str, Any]) -> TokenArray:
        file, dtype = bin_file(self.path, name), np.dtype(receipt["dtype"])
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
    def end_of_text(self) -> int:
        """Id of the token that ends every document, and so opens the next; no document's text holds it."""
        return int(self.receipts[0]["end_of_text"])

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(str(self.receipts[0]["dtype"]))

    @property
    def tokenizer(self) -> Path:
        """Folder of the tokenizer that made these tokens."""
        return self.path / TOKENIZER

    @cached_property
    def fingerprint(self) -> dict[str, Any]:
        """What a training run writes down of its data; `content` tells these tokens from others, wherever they lie."""
        receipts = json.dumps(list(zip(self.shards, self.receipts, strict=True)), sort_keys=True)
        return {
            "tokenizer": self.receipts[0]["tokenizer"],
            "num_tokens": self.num_tokens,
            "content": hashlib.sha256(receipts.encode()).hexdigest()[:16],
        }

    def read(self, start: int, stop: int) -> TokenArray:
        """Return tokens [start, stop), a view where they lie in one shard."""
        assert 0 <= start <= stop <= self.num_tokens, f"[{start}, {stop}) of {self.num_tokens} tokens"
        return np.concatenate(parts) if len(parts := list(self._parts(start, stop))) > 1 else parts[0]

    def _parts(self, start: int, stop: int) -> Iterator[TokenArray]:
        shard = min(self._shard_of(start), len(self.arrays) - 1)
        while True:
            first, last = self.offsets[shard], self.offsets[shard + 1]
            yield self.arrays[shard][max(start - first, 0) : stop - first]
            shard += 1
            if stop <= last or shard == len(self.arrays):
                return

    def _shard_of(self, position: int) -> int:
        return int(np.searchsorted(self.offsets, position, side="right")) - 1

    def document_of(self, position: int) -> str:
        """Return the id of the document whose token (or end mark) is at `position`; O(log n)."""
        return self.documents(position, position + 1)[0].id

    def documents(self, start: int, stop: int) -> list[Document]:
        """Return the documents that have a token in [start, stop), in order."""
        if not 0 <= start < stop <= self.num_tokens:
            raise IndexError(f"{self.path} has tokens 0 to {self.num_tokens - 1}, not {start} to {stop - 1}")
        found: list[Document] = []
        for shard in range(self._shard_of(start), self._shard_of(stop - 1) + 1):
            offset = int(self.offsets[shard])
            ids, stops = _index(str(self.path / f"{self.shards[shard]}.parquet"))
            first = int(np.searchsorted(stops, start - offset, side="right"))
            for row in range(first, len(stops)):
                begin = int(stops[row - 1]) if row else 0
                if begin + offset >= stop:
                    break
                found.append(Document(str(ids[row]), begin + offset, int(stops[row]) + offset))
        return found


def subfolders(paths: Sequence[str]) -> dict[str, str]:
    """Return the folder that each corpus's tokens get: its path's last part, with a number where two are alike."""
    names: dict[str, str] = {}
    for path in paths:
        last = Path(path).name
        last = Path(path).resolve().name if last in ("", "..") else last  # `.` has no name of its own
        name = DATA_ENDING.sub("", last)
        if PATTERN.search(path):  # of a glob what is the same in all names, or else its folder's
            name = re.sub(r"[*?\[\]]+", "", name).strip("-_.") or Path(folder_of_glob(path)).name or "input"
        numbered = (f"{name}-{number}" for number in count(2))
        names[path] = next(free for free in chain([name], numbered) if free not in names.values())
    return names


def bin_file(folder: str | os.PathLike[str], name: str) -> Path:
    """Return the file of a shard's tokens."""
    return Path(folder, f"{name}.bin")


@lru_cache(OPEN_INDEXES)
def _index(path: str) -> tuple[pa.ChunkedArray, npt.NDArray[np.int64]]:
    """Return ids and ends (N,) of a shard's documents."""
    index = pq.read_table(path, columns=[ID, "stop"])
    return index[ID], index["stop"].to_numpy()
