"""JSON lines of source code: The Stack's fields become our columns, everything else one JSON string.

    {"content": "x = 1", "lang": "Python", "max_stars_repo_name": "a/b"}    ->  text, language, repo_name, ...
    {"text": "x = 1", "path": "a.py", "stars": 3}                           ->  text, path, ..., metadata '{"stars":3}'

Names are taken as in Parquet (`curate.code.stack.ALIASES`), without regard to the first line that has them. Files,
ranges, damaged lines and the names of lines without an id are those of `curate.readers.jsonl`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import IO, Any

import orjson
import pyarrow as pa

from curate.code.spdx import join
from curate.code.stack import ALIASES, OURS
from curate.corpus import Split
from curate.document import CODE, ID, QUARANTINED, TEXT, Batch
from curate.readers.files import InputFile, batched
from curate.readers.jsonl import METADATA, Jsonl, decompressed, lines

NUMBERS = ("size",)
PUBLISHED = ("blob_id", "detected_licenses", "license_type", "src_encoding", "is_vendor", "is_generated")
SCHEMA = pa.schema(
    [
        *CODE,
        ("revision_id", pa.string()),
        ("blob_id", pa.string()),
        ("detected_licenses", pa.list_(pa.string())),
        ("license_type", pa.string()),
        ("src_encoding", pa.string()),
        (METADATA, pa.string()),
        (QUARANTINED, pa.string()),
    ]
)
TELLING = frozenset(OURS) - {TEXT, "doc_id", "raw_content", "revision"} | {"repo_name", "path", "blob_id"}  # of code


@dataclass(frozen=True)
class CodeJsonl:
    """Source files in files of JSON lines.

    Attributes:
        path: a file, a folder, or a glob.
        max_line_bytes: a longer line is quarantined, and never held in memory whole.
    """

    path: str
    max_line_bytes: int = 50 * 2**20

    @property
    def schema(self) -> pa.Schema:
        return SCHEMA

    @cached_property
    def lines_of(self) -> Jsonl:
        return Jsonl(self.path, max_line_bytes=self.max_line_bytes)

    def splits(self) -> list[Split]:
        return self.lines_of.splits()

    def read(self, split: Split) -> Iterator[Batch]:
        """Yield the rows of the lines that start in the split."""
        file = self.lines_of.files[split.path]
        found = lines(file.path, split.start, split.stop, self.max_line_bytes)
        rows = ((self._row(file, place, line), len(line or b"")) for place, line in found)
        yield from batched(rows, SCHEMA)

    def _row(self, file: InputFile, place: int, line: bytes | None) -> dict[str, Any]:
        fallback = {ID: f"{file.source}/{file.name}/{place}"}
        where = f"{file.shown}, byte {place}"
        if line is None:
            return fallback | {QUARANTINED: f"line too long: {where} has over {self.max_line_bytes:,} bytes"}
        try:
            fields = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            return fallback | {QUARANTINED: f"not valid JSON: {where}: {error}"}
        if not isinstance(fields, dict):
            return fallback | {QUARANTINED: f"no object: {where}"}
        row = columns(fields)
        if TEXT not in row and "blob_id" not in row:
            return fallback | {QUARANTINED: f"no text ({', '.join((TEXT, *ALIASES[TEXT]))}): {where}"}
        return fallback | row


def columns(fields: dict[str, Any]) -> dict[str, Any]:
    """Sort a line's fields into the columns of the schema and the rest."""
    row: dict[str, Any] = {}
    if isinstance(fields.get("blob_id"), str):
        row["blob_id"] = fields["blob_id"]
    if _is_list(fields.get("detected_licenses")):
        row["detected_licenses"] = fields["detected_licenses"]
    for ours in (*CODE.names, "revision_id", "license_type", "src_encoding"):
        names = (name for name in (ours, *ALIASES.get(ours, ())) if fields.get(name) is not None)
        theirs = next(names, None)
        value = _as(ours, fields[theirs]) if theirs else None
        if theirs is not None and value is not None:
            row[ours] = value
            del fields[theirs]
    rest = {name: value for name, value in fields.items() if name not in row}
    return row | {METADATA: orjson.dumps(rest).decode() if rest else None}


def _as(ours: str, value: Any) -> Any:
    if ours == "license" and _is_list(value):
        return join(value)
    if ours in NUMBERS:
        return value if isinstance(value, int) and not isinstance(value, bool) else None
    if ours == TEXT:
        return value if isinstance(value, str) else None
    return str(value) if isinstance(value, str | int) else None


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def is_code(path: str, raw: IO[bytes]) -> bool:
    """Tell by the first line of a file whether its rows are source code: at least two fields that only code has."""
    with decompressed(path, raw) as file:
        line = file.readline(2**22)
    try:
        fields = orjson.loads(line.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError:
        return False
    return isinstance(fields, dict) and len(TELLING & fields.keys()) >= 2
