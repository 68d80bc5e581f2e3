"""Licences of whole repositories, where LICENSE is a row of the corpus like any other file.

    repository_licenses(source, "licenses.parquet")          one pass over the rows named LICENSE, COPYING, ...
    Measure((License(repositories="licenses.parquet"),))     and what they say reaches every file below them

As in The Stack v2 (arXiv 2402.19173, section 2.1): a licence file speaks for its folder and all below, and where
several do, all must hold. The table is small, a row per licence file: repo_name, folder, license. Readers of folders
and archives do the same by themselves (`curate.readers.code`).
"""

import functools
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass

import fsspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.code.license_text import detect, is_license_name
from curate.code.spdx import join
from curate.corpus import Source
from curate.document import TEXT
from curate.writer import ShardWriter

SCHEMA = pa.schema([("repo_name", pa.string()), ("folder", pa.string()), ("license", pa.string())])


def repository_licenses(source: Source, out: str) -> int:
    """Write the table of a corpus' licence files and return how many there are.

    Raises:
        ValueError: the source has no `repo_name`, `path` or text to tell them by, or `out` is no Parquet file's name.
    """
    missing = [name for name in ("repo_name", "path", TEXT) if name not in source.schema.names]
    if missing:
        raise ValueError(f"the source has no column {missing[0]!r} to find licences by; it has {source.schema.names}")
    if not out.endswith(".parquet"):
        raise ValueError(f"{out} should end in .parquet: the table of licences is one file")
    rows = [row for split in source.splits() for batch in source.read(split) for row in _found(batch)]
    rows.sort(key=lambda row: (row["repo_name"], row["folder"], row["license"]))
    folder, name = posixpath.split(out)
    with ShardWriter(folder or ".", name.removesuffix(".parquet"), SCHEMA) as writer:
        writer.write(pa.RecordBatch.from_pylist(rows, schema=SCHEMA))
        writer.commit({})
    return len(rows)


def _found(batch: pa.RecordBatch) -> list[dict[str, str]]:
    paths = pc.fill_null(batch["path"].cast(pa.string()), "")
    likely = pc.match_substring_regex(paths, r"(?i)(licen[cs]e|copying|copyright|ofl)[^/]*$")
    rows = batch.filter(likely).select(["repo_name", "path", TEXT]).to_pylist()
    found = []
    for row in rows:
        folder, name = posixpath.split(row["path"].lstrip("/"))
        license_ = detect(row[TEXT] or "") if is_license_name(name) else ""
        if license_ and row["repo_name"]:
            found.append({"repo_name": row["repo_name"], "folder": folder, "license": license_})
    return found


@dataclass(frozen=True)
class Repositories:
    """What the licence files of repositories say, by (repository, folder)."""

    licenses: Mapping[tuple[str, str], str]

    def of(self, repository: str, path: str) -> str:
        """Return what holds for a file: the licences of its folder and of all above it, "" if there are none."""
        folder = posixpath.dirname(path.lstrip("/"))
        return join(self.licenses.get((repository, above), "") for above in folders(folder))


def folders(folder: str) -> list[str]:
    """Return a folder and all above it, from the top.

    >>> folders("a/b")
    ['', 'a', 'a/b']
    """
    parts = folder.split("/") if folder else []
    return ["/".join(parts[:depth]) for depth in range(len(parts) + 1)]


@functools.cache
def load(path: str) -> Repositories:
    """Read a table that `repository_licenses` wrote."""
    with fsspec.open(path, "rb") as file:
        rows = pq.read_table(file).to_pylist()
    together: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        together.setdefault((row["repo_name"], row["folder"]), []).append(row["license"])
    return Repositories({key: join(found) for key, found in together.items()})
