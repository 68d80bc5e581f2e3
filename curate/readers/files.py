"""Which files lie under a path, and what their shards are called.

    listing("crawl/", (".warc.gz", ".warc"))      -> InputFile(path="/data/crawl/a/1.warc.gz", name="a/1", ...), ...

A path is one file, a folder (searched all the way down) or a glob, local or any fsspec URL. Folders that `curate` fills
itself (`dropped`, `quarantine`) and hidden names are not input. The name of a file is its path below the source without
the ending: unique, the same on every machine, and a file name everywhere.
"""

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import fsspec
import pyarrow as pa

from curate.corpus import BATCH_BYTES, BATCH_ROWS, is_document
from curate.document import Batch
from curate.storage import is_remote, listed

UNSAFE = re.compile(r"[^\w./=+-]")  # characters that some file system, URL or shell takes for something else


@dataclass(frozen=True)
class InputFile:
    """One file of a source."""

    path: str  # what fsspec opens
    name: str  # below the source, without the ending
    shown: str  # what documents say they are from: below the source where that is local, the URL elsewhere
    source: str  # the name of the source's folder: it keeps the ids of two sources apart
    num_bytes: int


def listing(path: str, endings: tuple[str, ...]) -> list[InputFile]:
    """Return the files with one of `endings` under `path`, sorted; a single file needs no ending.

    Raises:
        FileNotFoundError: nothing is there, or nothing with these endings.
    """
    fs, plain = fsspec.core.url_to_fs(path)
    remote = is_remote(fs)
    found = listed(path)
    if found is None:
        raise FileNotFoundError(f"{path} does not exist; check the path, or make it with the step before")
    root, sizes = found
    if root == plain and set(sizes) == {plain}:  # a single file
        root = posixpath.dirname(plain)
    else:
        sizes = {name: size for name, size in sizes.items() if name.endswith(endings) and is_input(name, root)}
    if not sizes:
        raise FileNotFoundError(f"{path} holds no file that ends in {' or '.join(endings)}; is it the right folder?")
    files = []
    for name in sorted(sizes):
        below = name.removeprefix(root.rstrip("/") + "/")
        url = fs.unstrip_protocol(name) if remote else name
        shown = url if remote else below
        files.append(InputFile(url, safe_name(below, endings), shown, posixpath.basename(root), sizes[name]))
    return files


def is_input(name: str, root: str) -> bool:
    """Tell documents from our own evidence and from hidden files."""
    return is_document(name.removeprefix(root.rstrip("/") + "/"))


def batched(
    rows: Iterable[tuple[dict[str, Any], int]], schema: pa.Schema, max_rows: int = BATCH_ROWS
) -> Iterator[Batch]:
    """Gather (row, its bytes) into batches bounded in rows and bytes."""
    held: list[dict[str, Any]] = []
    size = 0
    for row, num_bytes in rows:
        held.append(row)
        size += num_bytes
        if len(held) >= max_rows or size >= BATCH_BYTES:
            yield pa.RecordBatch.from_pylist(held, schema=schema)
            held, size = [], 0
    if held:
        yield pa.RecordBatch.from_pylist(held, schema=schema)


def safe_name(below: str, endings: tuple[str, ...]) -> str:
    """Drop the longest ending that fits and replace what file systems do not take.

    >>> safe_name("a b/CC:1.warc.gz", (".warc", ".warc.gz"))
    'a-b/CC-1'
    """
    fitting = [ending for ending in endings if below.endswith(ending)]
    bare = below.removesuffix(max(fitting, key=len)) if fitting else below
    return UNSAFE.sub("-", bare).lstrip("._") or "input"
