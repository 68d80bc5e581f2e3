"""Files of code put together for training: a document for each repository, in the order of its paths, or for each file.

    concatenate(Corpus("runs/code/4-edu"), "runs/code/repositories")
    <repo_name>pallets/flask<file_sep>src/flask/app.py\\nimport os...<file_sep>src/flask/blueprints.py\\n...

The separators are StarCoder2's (arXiv 2402.19173, section 5.1), which found that a model learns from the files around
a file; nothing but a line break after each path is added. A share of the repositories may go without names (StarCoder2:
half, so that a model needs none). It drew the order of files at random; paths in order keep a package together, its
`__init__` first, and are the same every time. A document has at most `max_chars` characters: whole files as long as
they fit, then another document of the same repository; a file that is larger by itself is cut at line ends.

Files of one repository may lie in any shards of the corpus: they are sorted through scratch files, by a hash of the
repository, so that the output depends on what the corpus holds and not on how it is split. Receipts say what it held:
another corpus into the same folder is refused. Their tallies count files that begin in a shard, and its documents.
"""

import hashlib
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import count, groupby, islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from curate.code.spdx import join
from curate.corpus import Corpus, Source, Split
from curate.document import CODE, ID, TEXT, Batch
from curate.ledger.runs import JOINS
from curate.parquet import read_receipt
from curate.stage import id_hash
from curate.tally import Tally
from curate.writer import ShardWriter, sweep

REPO_NAME, FILE_SEP = "<repo_name>", "<file_sep>"
MAX_CHARS = 65_536  # StarCoder2's context of 16,384 tokens, at about four characters each
PART_BYTES = 256 * 2**20  # of input, sorted in memory at a time; a larger repository is one part
MAX_PARTS = 512  # scratch files open at a time
BATCH_DOCUMENTS, SHARD_DOCUMENTS = 64, 4096
NEEDED = (TEXT, ID, "repo_name", "path")
OPTIONAL = ("revision_id", "language", "license")
ORDER, FILES, FILE_BYTES = "order", "files", "file_bytes"
SCHEMA = pa.schema(
    [*CODE, ("revision_id", pa.string()), ("num_files", pa.int64()), ("file_ids", pa.list_(pa.string()))]
)
SORTED = [(name, "ascending") for name in (ORDER, "repo_name", "revision_id", "path", ID)]


@dataclass(frozen=True)
class Concatenated:
    """What became of a corpus."""

    files: int
    without_text: int  # rows that had none and are not in the output
    documents: int


@dataclass(frozen=True)
class Joining:
    """How files become documents.

    Attributes:
        by: "repo", or "file" for a document of each file, with the same separators.
        max_chars: of a document.
        named: share of the repositories whose name and paths are written; StarCoder2 wrote half.
        seed: of the draw of those.
    """

    by: Literal["repo", "file"] = "repo"
    max_chars: int = MAX_CHARS
    named: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.by not in ("repo", "file"):
            raise ValueError(f"by={self.by!r}: files are put together by repo or by file")
        if self.max_chars < 1000:
            raise ValueError(f"max_chars={self.max_chars}: a document needs room for names and code, 1,000 or more")
        if not 0 <= self.named <= 1:
            raise ValueError(f"named={self.named}: a share of the repositories is between 0 and 1")


def concatenate(
    source: Source,
    out: str,
    *,
    by: Literal["repo", "file"] = "repo",
    max_chars: int = MAX_CHARS,
    named: float = 1.0,
    seed: int = 0,
) -> Concatenated:
    """Write a corpus of files to `out` as documents of repositories; `Joining` explains the options.

    Raises:
        ValueError: the source lacks a column, or `out` holds something else.
    """
    joining = Joining(by, max_chars, named, seed)
    missing = [name for name in NEEDED if name not in source.schema.names]
    if missing:
        raise ValueError(f"no column {missing[0]!r} to put files together by; there are {source.schema.names}")
    receipt: dict[str, Any] = {"recipe": {"concatenate": asdict(joining)}}
    _refuse_others(out, receipt)
    counts = Counter[str]()
    with tempfile.TemporaryDirectory(prefix="curate-concatenate-") as scratch:
        parts = _scatter(source, Path(scratch), counts)
        receipt["input"] = {"files": counts["files"], "digest": f"{counts['digest'] % 2**64:016x}"}
        _refuse_others(out, receipt)
        documents = (document for part in parts for document in _documents(_sorted(part), joining))
        num_documents = _write(out, documents, joining, receipt, counts["without_text"])
    sweep(out)
    return Concatenated(counts["files"], counts["without_text"], num_documents)


def _refuse_others(out: str, receipt: dict[str, Any]) -> None:
    """Raise if `out` holds a shard of another recipe or, where the receipt tells the input already, of another input.

    With fewer documents than before, the last shards of the other input would stay beside the new ones.
    """
    try:
        there = Corpus(out).files
    except FileNotFoundError:
        return
    for path in there:
        made = read_receipt(path) or {}
        other = next((key for key in receipt if made.get(key) != receipt[key]), None)
        if other is not None:
            how = "by another recipe" if other == "recipe" else "from another input"
            raise ValueError(f"{path} was made {how}; choose another output folder, or delete that one")


def _scatter(source: Source, scratch: Path, counts: Counter[str]) -> list[Path]:
    """Write the files to scratch by ranges of their repository's hash; the ranges are in order."""
    splits = source.splits()
    num_parts = min(MAX_PARTS, 1 + sum(split.num_bytes for split in splits) // PART_BYTES)
    paths = [scratch / f"{number}.arrow" for number in range(num_parts)]
    kinds = {TEXT: pa.large_string(), ORDER: pa.uint64()}
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in (*NEEDED, *OPTIONAL, ORDER)])
    with ExitStack() as stack:
        writers = [stack.enter_context(pa.ipc.new_file(str(path), schema)) for path in paths]
        for split in splits:
            for batch in source.read(split):
                rows = _prepared(batch, schema, counts)
                parts = (rows[ORDER].to_numpy() >> np.uint64(32)) * np.uint64(num_parts) >> np.uint64(32)
                for part in np.unique(parts):
                    writers[part].write_batch(rows.filter(pa.array(parts == part)))
    return paths


def _prepared(batch: Batch, schema: pa.Schema, counts: Counter[str]) -> Batch:
    with_text = batch.filter(pc.is_valid(batch[TEXT]))
    counts["files"] += with_text.num_rows
    counts["without_text"] += batch.num_rows - with_text.num_rows
    have = {name: with_text[name] for name in schema.names if name in with_text.schema.names}
    names = zip(have["repo_name"].to_pylist(), have[ID].to_pylist(), strict=True)
    have[ORDER] = pa.array([id_hash(name or own or "", 0) for name, own in names], pa.uint64())
    if "license" in have and isinstance(have["license"], pa.ListArray | pa.LargeListArray):  # all of which hold
        said = [None if names is None else join(names) for names in have["license"].to_pylist()]
        have["license"] = pa.array(said, pa.string())
    nothing = pa.nulls(with_text.num_rows)
    rows = pa.RecordBatch.from_arrays([have.get(f.name, nothing).cast(f.type) for f in schema], schema=schema)
    counts["digest"] += sum(map(_digest, zip(*(column.to_pylist() for column in rows.columns), strict=True)))
    return rows


def _digest(row: tuple[Any, ...]) -> int:
    """Return 64 bits of a row; their sum tells what a corpus holds, in any order."""
    return int.from_bytes(hashlib.blake2b(orjson.dumps(row), digest_size=8).digest(), "big")


def _sorted(part: Path) -> Iterator[dict[str, Any]]:
    """Yield the files of a part, by repository and path."""
    with pa.memory_map(str(part)) as mapped:
        table = pa.ipc.open_file(mapped).read_all().combine_chunks()
        order = pc.sort_indices(table.drop_columns([TEXT]), sort_keys=SORTED)
        for start in range(0, len(order), BATCH_DOCUMENTS):
            yield from table.take(order.slice(start, BATCH_DOCUMENTS)).to_pylist()


def _documents(files: Iterable[dict[str, Any]], joining: Joining) -> Iterator[dict[str, Any]]:
    for _, together in groupby(files, key=lambda file: _group(file, joining.by)):
        held: list[dict[str, Any]] = []
        new: list[dict[str, Any]] = []  # files that begin in this document
        text, number, head = "", 0, ""
        for file in together:
            named = joining.named >= 1 or id_hash(file["repo_name"] or file[ID], joining.seed) < joining.named * 2**64
            head = f"{REPO_NAME}{file['repo_name']}" if named and file["repo_name"] else ""
            for place, piece in enumerate(_cut(file, named, joining.max_chars - len(head))):
                if held and len(text) + len(piece) > joining.max_chars:
                    yield _document(held, text, number, joining.by) | _counted(new)
                    held, new, number = [], [], number + 1
                text = (text if held else head) + piece
                held.append(file)
                new += [file] * (place == 0)
        if held:
            yield _document(held, text, number, joining.by) | _counted(new)


def _group(file: dict[str, Any], by: str) -> tuple[str | None, ...]:
    alone = by == "file" or not file["repo_name"]
    return (file["repo_name"], file["revision_id"], *((file["path"], file[ID]) if alone else ()))


def _cut(file: dict[str, Any], named: bool, max_chars: int) -> Iterator[str]:
    """Yield a file with its separator; what is too large in pieces, each under the same header, cut at line ends."""
    path = (file["path"] or "").lstrip("/") if named else ""
    header = f"{FILE_SEP}{path}\n" if path else FILE_SEP
    room = max_chars - len(header)
    if room <= 0:
        raise ValueError(f"{file[ID]}: names of {len(header)} characters leave no room for code; raise max_chars")
    text, start = file[TEXT], 0
    while start == 0 or start < len(text):
        stop = start + room
        if stop < len(text):
            stop = text.rfind("\n", start, stop) + 1 or stop
        yield f"{header}{text[start:stop]}"
        start = max(stop, 1)


def _document(held: list[dict[str, Any]], text: str, number: int, by: str) -> dict[str, Any]:
    first = held[0]
    chars = Counter[str]()
    for file in held:
        chars[file["language"] or ""] += len(file[TEXT])
    language = min(chars, key=lambda name: (-chars[name], name))
    revision = f"@{first['revision_id']}" if first["revision_id"] else ""
    own = by == "file" or not first["repo_name"]
    name = first[ID] if own else f"{first['repo_name']}{revision}"
    return {
        TEXT: text,
        ID: name if own and not number else f"{name}#{number}",
        "repo_name": first["repo_name"],
        "path": first["path"] if own else None,
        "language": language or None,
        "license": join(file["license"] or "" for file in held),
        "size": len(text.encode()),
        "revision_id": first["revision_id"],
        "num_files": len({file[ID] for file in held}),
        "file_ids": list(dict.fromkeys(file[ID] for file in held)),
    }


def _counted(new: list[dict[str, Any]]) -> dict[str, int]:
    """Return what a document adds to the tally and is no column of it: files that begin in it, and their bytes."""
    return {FILES: len(new), FILE_BYTES: sum(len(file[TEXT].encode()) for file in new)}


def _write(
    out: str, documents: Iterator[dict[str, Any]], joining: Joining, receipt: dict[str, Any], without_text: int
) -> int:
    """Write the documents as shards with their tallies, and return how many there are."""
    pieces = iter(lambda: list(islice(documents, BATCH_DOCUMENTS)), [])
    pending = next(pieces, None)
    num_documents = 0
    for number in count():
        if number and pending is None:
            break
        counts = Counter[str]()
        with ShardWriter(out, f"{number:05d}", SCHEMA) as writer:
            while pending is not None and writer.num_rows < SHARD_DOCUMENTS:
                writer.write(pa.RecordBatch.from_pylist(pending, schema=SCHEMA))
                for row in pending:
                    counts.update({name: row[name] for name in (FILES, FILE_BYTES, "size")})
                pending = next(pieces, None)
            tally = _tally(joining, counts, writer.num_rows, 0 if number else without_text, bool(without_text))
            split = Split(f"{number:05d}", "", 0, -1, counts[FILES], counts[FILE_BYTES])
            writer.commit({**receipt, "split": split.identity(), "tally": tally.to_json()})
            num_documents += writer.num_rows
    return num_documents


def _tally(joining: Joining, counts: Counter[str], rows: int, without_text: int, some_without: bool) -> Tally:
    """Count a shard: the files that begin in it, and the documents; rows without text are the first shard's."""
    settings = ", ".join(f"{name}={value!r}" for name, value in asdict(joining).items())
    files = (counts[FILES], counts[FILE_BYTES])
    steps = [("input", counts[FILES] + without_text, counts[FILE_BYTES])]
    steps += [("with text", *files)] * some_without
    steps.append((f"{JOINS}({settings})", rows, counts["size"]))
    return Tally(steps, joined=counts[FILES] + without_text - rows)
