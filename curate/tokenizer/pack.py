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
import json
import os
import uuid
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from tokenizers import Tokenizer

from curate.corpus import Source, Split
from curate.document import ID, TEXT
from curate.parquet import read_receipt
from curate.progress import Progress, RunLog
from curate.tokenizer.bpe import (
    CHAT_FILE,
    CONFIG_FILE,
    TOKENIZER_CLASS,
    end_of_text_id,
    from_json,
    load_tokenizer,
    num_ids,
    save_tokenizer,
)
from curate.tokenizer.encode import Encoder
from curate.tokenizer.sample import Given, documents, name_of, source_of
from curate.tokenizer.tokens import TOKENIZER, Tokens, bin_file
from curate.units import Shard, each
from curate.writer import ShardWriter

INDEX = pa.schema([(ID, pa.string()), ("start", pa.int64()), ("stop", pa.int64())])
UINT16_VOCAB = 2**16


def tokenize(
    source: Given,
    out: str | os.PathLike[str],
    *,
    tokenizer: str | os.PathLike[str],
    markup: bool = False,
    ray: str | None = None,
    workers: int | None = None,
) -> Tokens:
    """Write one token shard and its index per split of a corpus, or any source, into the folder `out`.

    With `markup`, names of special tokens in a text, such as `<file_sep>`, become those tokens; never the end of text.
    """
    opened = source_of(source)
    splits = opened.splits()
    trained = load_tokenizer(tokenizer)
    end = end_of_text_id(tokenizer, trained)
    _keep_tokenizer(trained, _settings(Path(tokenizer), trained, end), Path(out, TOKENIZER))
    work = _TokenizeSplit(opened, str(out), trained.to_str(), end, markup)
    _refuse_foreign_shards(Path(out), splits)
    log, num_bytes = RunLog(str(out), "tokenize"), sum(split.num_bytes for split in splits)
    log.start(recipe=work.about(), splits=len(splits), bytes=num_bytes, ray=ray, workers=workers)
    names, sizes = [split.name for split in splits], [(split.num_bytes, split.num_rows or 0) for split in splits]
    with Progress(str(out), num_bytes, len(splits), log=log) as progress:
        each(work, splits, progress, names=names, sizes=sizes, ray=ray, workers=workers)
    for leftover in Path(out).rglob(".*.bin.tmp"):  # of killed writers
        leftover.unlink(missing_ok=True)
    tokens = Tokens(out)
    if tokens.num_documents == 0:
        raise ValueError(f"{name_of(opened)} has no documents; nothing was tokenised")
    return tokens


def _settings(given: Path, trained: Tokenizer, end: int) -> dict[str, Any] | None:
    """Return a tokenizer's own settings, and what these tokens decided that they do not say; None if it has none."""
    file, template = given / CONFIG_FILE, given / CHAT_FILE
    if not file.exists():
        return None
    own: dict[str, Any] = {"tokenizer_class": TOKENIZER_CLASS} | json.loads(file.read_text(encoding="utf-8"))
    own["eos_token"] = own.get("eos_token") or trained.id_to_token(end)
    if template.exists():
        own.setdefault("chat_template", template.read_text(encoding="utf-8"))
    return own


def _keep_tokenizer(trained: Tokenizer, settings: dict[str, Any] | None, kept: Path) -> None:
    """Put the tokenizer beside its tokens, with its own settings where it has some."""
    if not (kept / "tokenizer.json").exists():
        save_tokenizer(trained, kept, settings)
    elif load_tokenizer(kept).to_str() != trained.to_str():
        raise ValueError(f"{kept.parent} holds tokens of another tokenizer; choose another folder or delete it")


def _refuse_foreign_shards(out: Path, splits: list[Split]) -> None:
    names = {split.name for split in splits}
    there = [str(path.relative_to(out).with_suffix("")) for path in out.rglob("*.bin")]
    foreign = sorted(name for name in there if name not in names)
    if foreign:
        raise ValueError(
            f"{out} holds {len(foreign)} token shards that this input does not make, the first {foreign[0]}; "
            "choose another folder, or delete that one"
        )


@dataclass(frozen=True)
class _TokenizeSplit:
    """Unit of work: one split in, one `.bin` and its index out. Carries the tokenizer's JSON to any worker."""

    source: Source
    out: str
    tokenizer_json: str
    end_of_text: int
    markup: bool

    def __call__(self, split: Split) -> Shard:
        """Return the number of documents, of a split done before too."""
        recipe = self.recipe(split)
        done = self.receipt(split, recipe)
        if done is not None:
            return Shard(int(done["num_documents"]), resumed=True)
        encode = _encoder(self.tokenizer_json, self.markup, self.end_of_text)
        dtype = "<u2" if encode.vocab_size <= UINT16_VOCAB else "<u4"
        unfinished = Path(self.out, f".{split.name.replace('/', '.')}.{uuid.uuid4().hex}.bin.tmp")
        try:
            with ShardWriter(self.out, split.name, INDEX) as index, unfinished.open("wb") as file:
                position = num_bytes = 0
                content = hashlib.sha256()
                for batch in documents(self.source, split):
                    _refuse_null(batch, split)
                    ids, ends = encode(batch[TEXT])
                    plain = np.insert(ids, ends, self.end_of_text).astype(dtype).tobytes()
                    file.write(plain)
                    content.update(plain)
                    stops = position + ends + np.arange(1, len(ends) + 1)
                    starts = np.concatenate([[position], stops[:-1]])
                    columns = [batch[ID], pa.array(starts, pa.int64()), pa.array(stops, pa.int64())]
                    index.write(pa.RecordBatch.from_arrays(columns, schema=INDEX))
                    position = int(stops[-1])
                    num_bytes += pc.sum(pc.binary_length(batch[TEXT])).as_py()
                file.flush()
                os.fsync(file.fileno())
                unfinished.replace(bin_file(self.out, split.name))
                recipe |= {
                    "vocab_size": encode.vocab_size,
                    "dtype": dtype,
                    "sha256": content.hexdigest(),
                }
                counts = {"num_documents": index.num_rows, "num_tokens": position, "num_bytes": num_bytes}
                index.commit({**recipe, **counts})
                return Shard(index.num_rows)
        finally:
            unfinished.unlink(missing_ok=True)

    def about(self) -> dict[str, Any]:
        """Return what decides the bytes of all shards; `markup` only where it was asked for."""
        marked = {"markup": True} if self.markup else {}
        return {"step": "tokenize", "tokenizer": _digest(self.tokenizer_json), **marked}

    def recipe(self, split: Split) -> dict[str, Any]:
        """Return what decides the bytes of a shard."""
        return self.about() | {"split": split.identity(), "end_of_text": self.end_of_text}

    def receipt(self, split: Split, recipe: dict[str, Any]) -> dict[str, Any] | None:
        """Return the receipt of a split that is done.

        Raises:
            ValueError: the shard there is of another input or tokenizer.
        """
        index = Path(self.out, f"{split.name}.parquet")
        if not index.exists():
            return None
        found = read_receipt(str(index)) or {}
        names = {*recipe, "markup"}
        different = sorted(name for name in names if found.get(name) != recipe.get(name))
        if different:
            raise ValueError(f"{index} was made with another {' and '.join(different)}; choose another folder")
        return found if bin_file(self.out, split.name).exists() else None


def _refuse_null(batch: pa.RecordBatch, split: Split) -> None:
    if batch[TEXT].null_count:
        first = batch[ID].filter(pc.is_null(batch[TEXT]))[0]
        raise ValueError(f"{split.path}: document {first} has no text (null); drop it first")


class _Encode:
    """Texts to ids and the end of each row in them: compiled where the tokenizer is ours, else by the library."""

    def __init__(self, tokenizer_json: str, markup: bool, end: int) -> None:
        self.compiled = None if markup else Encoder.of(tokenizer_json)
        self.library = from_json(tokenizer_json, markup=markup, end=end)
        self.vocab_size = num_ids(self.library)

    def __call__(self, texts: pa.Array) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        if self.compiled is not None:
            return self.compiled(texts)
        encoded = self.library.encode_batch_fast(texts.to_pylist(), add_special_tokens=False)
        rows = [np.array(encoding.ids, dtype=np.int32) for encoding in encoded]
        return np.concatenate(rows), np.cumsum([len(row) for row in rows], dtype=np.int64)


@cache
def _encoder(tokenizer_json: str, markup: bool, end: int) -> _Encode:
    """Load once per worker process."""
    return _Encode(tokenizer_json, markup, end)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
