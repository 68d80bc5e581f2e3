"""Benchmarks to keep out of a corpus: files of JSON lines or Parquet, read as texts to look for.

    benchmarks = prepare("eval/", "clean/_benchmarks", only=("humaneval", "gsm8k"))
    benchmarks.items()          # Item("gsm8k_test", "17", "question", "Janet's ducks ...", answer="18"), ...

A benchmark is a file, named by its path below the folder without the ending. What a run looks for is written once,
under the hash of its content, and every worker reads that file: so the receipt of a run names what it was held against,
however the files were called or packed, and nobody reads a benchmark that changed in between. Files of one name but
for the ending keep it in their names. Tables and packed files of other kinds, which may be benchmarks, are an error:
what is not read is not found.
"""

import gzip
import hashlib
import json
import posixpath
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import fsspec
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from curate.decontaminate.fields import OURS, Fields, Item, items_of
from curate.storage import is_remote

ENDINGS = (".jsonl", ".ndjson", ".json", ".jsonl.gz", ".ndjson.gz", ".json.gz", ".parquet")
UNREAD = (".csv", ".tsv", ".arrow", ".gz", ".zst", ".xz", ".bz2", ".zip", ".tar", ".tgz")  # and may hold benchmarks


@dataclass(frozen=True)
class Benchmarks:
    """What to look for, by the hash of its content; `path` is where it lies and says nothing about a run."""

    fingerprint: str  # the first 16 hexadecimal digits of SHA-256
    names: tuple[str, ...]
    path: str = field(repr=False, compare=False)

    def items(self) -> tuple[Item, ...]:
        """Return all items, read once in each process."""
        return _load(self.path, self.fingerprint)

    def __repr__(self) -> str:
        return f"Benchmarks({self.fingerprint}, {len(self.names)} files)"


def prepare(against: str, folder: str, *, only: Sequence[str] = (), fields: Fields = OURS) -> Benchmarks:
    """Read the benchmarks at `against` and write what to look for to `folder`.

    Args:
        against: a file or folder of .jsonl, .json (lines) or .parquet, local or any fsspec URL.
        folder: where the workers find it.
        only: the benchmarks whose names contain one of these.

    Raises:
        FileNotFoundError: there is none.
        ValueError: a file cannot be read, or its fields mean nothing to us.
    """
    items = read_benchmarks(against, only=only, fields=fields)
    lines = [orjson.dumps(vars(item)) for item in items]
    content = b"\n".join(lines) + b"\n"
    fingerprint = hashlib.sha256(content).hexdigest()[:16]
    fs, root = fsspec.core.url_to_fs(folder)
    path = posixpath.join(root, f"{fingerprint}.jsonl")
    if not fs.exists(path):
        fs.makedirs(root, exist_ok=True)
        fs.pipe_file(f"{path}.tmp", content)
        fs.mv(f"{path}.tmp", path)
    names = tuple(dict.fromkeys(item.benchmark for item in items))
    return Benchmarks(fingerprint, names, fs.unstrip_protocol(path) if is_remote(fs) else path)


def read_benchmarks(against: str, *, only: Sequence[str] = (), fields: Fields = OURS) -> list[Item]:
    """Return the items of all benchmarks at a path, in the order of the files' names; see `prepare`."""
    fs, root = fsspec.core.url_to_fs(against.rstrip("/"))
    if not fs.exists(root):
        raise FileNotFoundError(f"{against} does not exist; give a file or folder of benchmarks, JSON lines or Parquet")
    files = _files(fs, root, only)
    chosen = {name: path for name, path in files.items() if not only or any(word in name for word in only)}
    if not chosen:
        there = f"; there are {', '.join(files)}" if files else ""
        wanted = f" whose name contains {' or '.join(only)}" if only and files else " (.jsonl, .json or .parquet)"
        raise FileNotFoundError(f"{against} holds no benchmark{wanted}{there}")
    idle = [word for word in only if not any(word in name for name in chosen)]
    if idle:
        raise ValueError(f"no benchmark's name contains {idle[0]!r}; there are {', '.join(files)}")
    items: list[Item] = []
    known: set[str] = set()
    for name, path in chosen.items():
        for number, row in enumerate(_rows(fs, path)):
            items += items_of(row, name, number, fields)
            known |= row.keys()
    if not items:
        raise ValueError(f"the benchmarks at {against} are empty")
    unknown = [field for field in fields.named if field not in known]
    if unknown:
        raise ValueError(f"no benchmark of {', '.join(chosen)} has a field {unknown[0]!r}, which --fields names")
    return items


def _files(fs: fsspec.AbstractFileSystem, root: str, only: Sequence[str]) -> dict[str, str]:
    """Return the path of each benchmark by its name.

    Raises:
        ValueError: something else of these names may hold a benchmark, and is not read.
    """
    if fs.isfile(root):
        return {_name(posixpath.basename(root)): root}
    inside = {path[len(root) :].strip("/"): path for path in sorted(fs.find(root))}
    read = {name: path for name, path in inside.items() if name.endswith(ENDINGS)}
    for name in sorted(inside.keys() - read.keys()):
        linked = not is_remote(fs) and fs.isdir(inside[name])  # a folder, into which `find` does not go
        wanted = not only or any(word in name for word in only)
        if wanted and "/." not in f"/{name}" and (linked or name.endswith(UNREAD)):
            raise ValueError(
                f"{inside[name]} may hold a benchmark and is not read: write it there as .jsonl, .json or .parquet, "
                "take it out of the folder, or name those that count with --only"
            )
    times = Counter(map(_name, read))
    return {_name(name) if times[_name(name)] == 1 else name: path for name, path in read.items()}


def _name(path: str) -> str:
    ending = max((ending for ending in ENDINGS if path.endswith(ending)), key=len, default="")
    return path.removesuffix(ending)


def _rows(fs: fsspec.AbstractFileSystem, path: str) -> Iterator[Mapping[str, Any]]:
    if path.endswith(".parquet"):
        try:
            with fs.open(path, "rb") as file:
                yield from pq.read_table(file).to_pylist()
        except pa.ArrowInvalid as error:
            raise ValueError(f"{path} is not a readable Parquet file ({error}); fetch it again") from error
        return
    with fs.open(path, "rb") as file:
        data: bytes = file.read()
    if path.endswith(".gz"):
        try:
            data = gzip.decompress(data)
        except (gzip.BadGzipFile, zlib.error, EOFError) as error:
            raise ValueError(f"{path} is no gzip file, or cut short ({error}); fetch it again") from error
    if data.lstrip().startswith(b"["):  # a whole file that is one list
        lines: list[tuple[int, Any]] = list(enumerate(_parsed(data, path, 1)))
    else:
        lines = [(n, _parsed(line, path, n)) for n, line in enumerate(data.splitlines(), 1) if line.strip()]
    for number, row in lines:
        if not isinstance(row, dict):
            raise ValueError(f"{path}, line {number}: a row is an object with named fields, not {type(row).__name__}")
        yield row


def _parsed(data: bytes, path: str, line: int) -> Any:
    try:
        return json.loads(data)
    except ValueError as error:
        raise ValueError(f"{path}, line {line} is not JSON ({error}); mend or remove it") from error


@cache
def _load(path: str, fingerprint: str) -> tuple[Item, ...]:
    with fsspec.open(path, "rb") as file:
        content: bytes = file.read()
    if hashlib.sha256(content).hexdigest()[:16] != fingerprint:
        raise ValueError(f"{path} is not what the run began with ({fingerprint}); delete its folder and run again")
    rows = map(orjson.loads, content.splitlines())
    return tuple(Item(**(row | {"choices": tuple(row["choices"])})) for row in rows)
