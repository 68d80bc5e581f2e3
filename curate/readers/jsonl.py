"""JSON lines: FineWeb's fields become columns, everything else one JSON string.

    {"text": "...", "id": "a", "url": "http://x", "stars": 3}    ->  text, id, url, ..., metadata '{"stars":3}'
    {"text": "...", "metadata": {"url": "http://x"}}             ->  the same url: datatrove's layout is flattened
    {"content": "...", "url": "http://x"}                        ->  text, url: other names of the text as in Parquet

So the schema is the same whatever the lines hold. Reads `.jsonl` and `.ndjson`, plain, `.gz` or `.zst`, `.json.gz` and
`.json.zst`, local or any fsspec URL. A plain file is cut into byte ranges, so that one large file feeds many workers; a
line belongs to the range that its first byte is in. A compressed file can only be read from its start.

Lines are named by the offset of their first byte in the decompressed file, not by a number, which nobody who starts
in the middle can know: `tail -c +OFFSET+1 FILE | head -1` shows one. A line without `id` gets source/file/offset.
A damaged line is marked in `quarantined` and reading goes on; a file that breaks off is an error.
"""

import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import IO, Any

import orjson
import pyarrow as pa

from curate.code.stack import ALIASES
from curate.corpus import Split
from curate.document import ID, QUARANTINED, TEXT, WEB, Batch
from curate.readers.files import InputFile, batched, listing
from curate.storage import open_binary

PLAIN = (".jsonl", ".ndjson")
ENDINGS = (*PLAIN, *(f"{plain}{packed}" for plain in (*PLAIN, ".json") for packed in (".gz", ".zst")))
SPLIT_BYTES = 128 * 2**20  # of a plain file
METADATA = "metadata"
SCHEMA = pa.schema([*WEB, (METADATA, pa.string()), (QUARANTINED, pa.string())])
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Jsonl:
    """Documents in files of JSON lines.

    Attributes:
        path: a file, a folder, or a glob.
        text_key: the field that holds the text; `text` may have the other names that `curate.code.stack` knows.
        max_line_bytes: a longer line is quarantined, and never held in memory whole.
    """

    path: str
    text_key: str = TEXT
    max_line_bytes: int = 50 * 2**20
    split_bytes: int = SPLIT_BYTES

    @property
    def schema(self) -> pa.Schema:
        return SCHEMA

    @cached_property
    def files(self) -> dict[str, InputFile]:
        return {file.path: file for file in listing(self.path, ENDINGS)}

    def splits(self) -> list[Split]:
        return [split for file in self.files.values() for split in self._split_file(file)]

    def _split_file(self, file: InputFile) -> list[Split]:
        size, step = file.num_bytes, self.split_bytes
        if not file.path.endswith(PLAIN) or size <= step:
            return [Split(file.name, file.path, 0, -1, None, size)]
        starts = range(0, size, step)
        return [
            Split(f"{file.name}.{number:05d}", file.path, start, min(start + step, size), None, min(step, size - start))
            for number, start in enumerate(starts)
        ]

    def read(self, split: Split) -> Iterator[Batch]:
        """Yield the rows of the lines that start in the split.

        Raises:
            ValueError: a compressed file is damaged or breaks off.
        """
        file = self.files[split.path]
        if file.num_bytes == 0 and not file.path.endswith(PLAIN):
            raise ValueError(f"{file.path} is empty, which no compressed file is; fetch it again")
        found = lines(split.path, split.start, split.stop, self.max_line_bytes)
        yield from batched(((self._row(file, at, line), len(line or b"")) for at, line in found), SCHEMA)

    def _row(self, file: InputFile, offset: int, line: bytes | None) -> dict[str, Any]:
        fallback = {ID: f"{file.source}/{file.name}/{offset}", "file_path": file.shown}
        where = f"{file.shown}, byte {offset}"
        if line is None:
            return fallback | {QUARANTINED: f"line too long: {where}: over {self.max_line_bytes:,} bytes"}
        try:
            fields = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            return fallback | {QUARANTINED: f"not valid JSON: {where}: {error}"}
        keys = (TEXT, *ALIASES[TEXT]) if self.text_key == TEXT else (self.text_key,)
        key = next((key for key in keys if isinstance(fields, dict) and fields.get(key) is not None), self.text_key)
        if not isinstance(fields, dict) or not isinstance(fields.get(key), str):
            has = f"it has {', '.join(fields)}" if isinstance(fields, dict) else "it is no object"
            return fallback | {QUARANTINED: f"no {self.text_key!r} that is a string: {where}: {has}"}
        return columns(fields, key, fallback)


def columns(fields: dict[str, Any], text_key: str, fallback: dict[str, str]) -> dict[str, Any]:
    """Sort a line's fields into the columns of the schema and the rest."""
    nested = fields.pop(METADATA, None)
    text = fields.pop(text_key)
    rest = {**nested, **fields} if isinstance(nested, dict) else fields
    if nested is not None and not isinstance(nested, dict):
        rest[METADATA] = nested
    row: dict[str, Any] = {TEXT: text}
    for name in WEB.names[1:]:
        value = rest.get(name)
        if name == "language_score" and isinstance(value, float | int):
            row[name] = float(rest.pop(name))
        elif name != "language_score" and isinstance(value, str | int):
            row[name] = str(rest.pop(name))
    row[METADATA] = orjson.dumps(rest).decode() if rest else None
    return fallback | row


def lines(path: str, start: int, stop: int, max_bytes: int) -> Iterator[tuple[int, bytes | None]]:
    """Yield (offset, line) of the lines whose first byte is in [start, stop), -1 for the end; None for one too long.

    Blank lines are passed over, a byte order mark at the start of the file too.
    """
    offset = max(start - 1, 0)  # from the byte before: the rest of its line is the range before's
    try:
        with open_binary(path) as raw:
            raw.seek(offset)
            file = decompressed(path, raw)
            if start:
                offset += _skip_line(file)
            while stop < 0 or offset < stop:
                line = file.readline(max_bytes + 1)
                if not line:
                    return
                here, offset = offset, offset + len(line)
                if len(line) > max_bytes and not line.endswith(b"\n"):
                    offset += _skip_line(file)
                    yield here, None
                    continue
                line = line.removeprefix(BOM) if here == 0 else line
                if line.strip():
                    yield here, line
    except FileNotFoundError:
        raise
    except (EOFError, OSError) as error:
        raise ValueError(
            f"{path} cannot be read after byte {offset} of the decompressed file: {error}; "
            "fetch the file again, or take it out of the input"
        ) from error


def _skip_line(file: IO[bytes]) -> int:
    """Read up to the next line and return how many bytes that was."""
    skipped = 0
    while piece := file.readline(2**20):
        skipped += len(piece)
        if piece.endswith(b"\n"):
            break
    return skipped


def decompressed(path: str, raw: IO[bytes]) -> IO[bytes]:
    """Undo the compression that the file's ending names; both readers raise where the stream breaks off."""
    if path.endswith(".gz"):
        return gzip.GzipFile(fileobj=raw)  # type: ignore[return-value]
    if path.endswith(".zst"):
        raw = pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd")
    return io.BufferedReader(raw, 2**20)  # type: ignore[type-var]  # fsspec's own readline takes no bound
