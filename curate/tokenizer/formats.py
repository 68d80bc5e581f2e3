"""Token shards for other trainers: datatrove's and nanotron's `.ds`, Megatron-LM's `.bin` and `.idx`.

    to_nanotron(Tokens("tokens/edu"), "nanosets/edu", tokenizer="tokenizer")    # nanotron: dataset_folder: nanosets/edu
    to_megatron(Tokens("tokens/edu"), "megatron/edu")                  # Megatron: --data-path megatron/edu/00000

Both hold plain little-endian integers one after another, which is what our shards are, with the end mark after every
document, as `datatrove` and `--append-eod` write them. So only the indexes are new; the tokens are linked where the
disk can do that (no second copy), else copied. The order of the documents is the corpus's: datatrove's tokenizer can
shuffle them inside a file, because nanotron reads windows nearly in order; our own loader, and Megatron's, shuffle as
they read.
"""

import os
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from curate.tokenizer.tokens import Tokens, bin_file

MEGATRON_MAGIC = b"MMIDIDX\x00\x00"  # of megatron/core/datasets/indexed_dataset.py, version 1
MEGATRON_CODES = {2: 8, 4: 4}  # bytes of a token -> its code there: uint16, int32


def to_nanotron(
    tokens: Tokens, out: str | os.PathLike[str], *, tokenizer: str | os.PathLike[str] | None = None
) -> Path:
    """Write `NAME.ds`, `NAME.ds.index` (uint64 ends of documents) and `NAME.ds.metadata` for every shard.

    nanotron looks into no subfolder: the slashes of a nested shard's name become points.

    Args:
        tokenizer: the folder that the metadata names, which nanotron opens and wants to be one for all corpora of a
            mixture; by default the one beside these tokens.

    Raises:
        ValueError: two shards would have one name.
    """
    kept = Path(tokenizer or tokens.tokenizer).absolute()
    kept = kept.parent if kept.is_file() else kept
    flat = {name.replace("/", "."): name for name in tokens.shards}
    if len(flat) < len(tokens.shards):
        raise ValueError(f"{tokens.path} has shards that differ by / and . only; nanotron has no folders, rename them")
    for plain, name in flat.items():
        target = Path(out, f"{plain}.ds")
        _link(bin_file(tokens.path, name), target)
        ends = _ends(tokens, name)
        _write(target.with_name(f"{target.name}.index"), ends.astype("<u8").tobytes())
        count = int(ends[-1]) if len(ends) else 0
        lines = (f"{kept}|{tokens.dtype.itemsize}", str(count), f"{count:,} T")
        _write(target.with_name(f"{target.name}.metadata"), "\n".join(lines).encode())
    return Path(out)


def to_megatron(tokens: Tokens, out: str | os.PathLike[str]) -> Path:
    """Write `NAME.bin` and `NAME.idx` for every shard that has documents; each of them is one sequence."""
    for name in tokens.shards:
        ends = _ends(tokens, name)
        if not len(ends):
            continue  # Megatron cannot map an empty file
        _link(bin_file(tokens.path, name), Path(out, f"{name}.bin"))
        starts = np.concatenate([[0], ends[:-1]])
        size = tokens.dtype.itemsize
        parts = (
            MEGATRON_MAGIC,
            (1).to_bytes(8, "little"),  # version
            MEGATRON_CODES[size].to_bytes(1, "little"),
            len(ends).to_bytes(8, "little"),  # sequences
            (len(ends) + 1).to_bytes(8, "little"),  # documents, and one more, as its own writer counts
            (ends - starts).astype("<i4").tobytes(),  # length of each sequence in tokens
            (starts * size).astype("<i8").tobytes(),  # its place in bytes
            np.arange(len(ends) + 1, dtype="<i8").tobytes(),  # first sequence of each document
        )
        _write(Path(out, f"{name}.idx"), b"".join(parts))
    return Path(out)


def _ends(tokens: Tokens, name: str) -> npt.NDArray[np.int64]:
    """Return where each document of a shard ends, (documents,) in tokens."""
    return np.asarray(pq.read_table(tokens.path / f"{name}.parquet", columns=["stop"])["stop"].to_numpy())


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(source)
    except OSError:  # another disk, or one without links
        shutil.copyfile(source, target)


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.tmp")
    partial.write_bytes(content)
    partial.replace(path)
