"""A folder of source code: one row per file, with The Stack's columns.

    run(stages, CodeFolder("projects"), "code")     projects/flask/src/app.py -> repo_name flask, path src/app.py

The first folder below the path is the repository, unless the path is one itself: it holds `.git` or a manifest such as
`setup.py`; with depth=2 the first two are, as in `owner/name`. Links, hidden folders and what tools leave behind
(`__pycache__`, `node_modules`) are passed over. Documents are the files of programming languages, Markdown and
notebooks; `languages` names others. Names tell most, the content of a file the rest (`curate.code.detect`); one whose
content turns out otherwise is marked in `dropped_by` (`code.language`), so is a binary one (`code.binary`: a `.ts` can
be a film), one that is too large (`code.size`) or not UTF-8 (`code.encoding`). The licence is an SPDX line of the file,
else the stricter of its own words and what the LICENSE files of its folder and those above it say, else "": unknown,
not free.
"""

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import fsspec
import pyarrow as pa

from curate.corpus import Split
from curate.document import Batch
from curate.readers.files import batched
from curate.readers.repository import (
    LANGUAGES,
    LICENSE_BYTES,
    SCHEMA,
    Licenses,
    Repositories,
    depth_of,
    is_license,
    passed_over,
)

SPLIT_FILES = 500


@dataclass(frozen=True)
class CodeFolder:
    """The source files below a folder, in the order of their paths; a split is `split_files` of them.

    Attributes:
        max_bytes: of a file; The Stack keeps files up to 1 MB too.
        max_notebook_bytes: the same for notebooks.
        depth: folders that name a repository; by what lies at the top if None.
        languages: Linguist's names of what is a document.
    """

    path: str
    max_bytes: int = 10**6
    split_files: int = SPLIT_FILES
    max_notebook_bytes: int = 10**7
    depth: int | None = None
    languages: frozenset[str] = LANGUAGES

    @property
    def schema(self) -> pa.Schema:
        return SCHEMA

    @cached_property
    def files(self) -> list[tuple[str, int]]:
        """Path below the folder and bytes of every document, sorted."""
        found = [(path, size) for path, size in self._found if self._repositories.is_document(path)]
        if not found:
            raise FileNotFoundError(f"{self.path} holds no source code in one of {', '.join(sorted(self.languages))}")
        return found

    @cached_property
    def _found(self) -> list[tuple[str, int]]:
        fs, root = self._root()
        if not fs.isdir(root):
            raise FileNotFoundError(f"{self.path} is not a folder; give the folder that holds the repositories")
        return sorted(every_file(fs, root))

    @cached_property
    def _license_files(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path, _ in self._found:
            if is_license(path):
                found.setdefault(posixpath.dirname(path), []).append(path)
        return found

    @cached_property
    def _repositories(self) -> Repositories:
        fs, root = self._root()
        names = [posixpath.basename(name) for name in fs.ls(root, detail=False)] if self.depth is None else []
        depth = depth_of(names) if self.depth is None else self.depth
        return Repositories(posixpath.basename(root), depth, self.max_bytes, self.max_notebook_bytes, self.languages)

    def _root(self) -> tuple[fsspec.AbstractFileSystem, str]:
        fs, root = fsspec.core.url_to_fs(self.path)
        return fs, root.rstrip("/")

    def splits(self) -> list[Split]:
        starts = range(0, len(self.files), self.split_files)
        chunks = [(start, self.files[start : start + self.split_files]) for start in starts]
        return [
            Split(f"code-{n:05d}", self.path, start, start + len(files), len(files), sum(size for _, size in files))
            for n, (start, files) in enumerate(chunks)
        ]

    def read(self, split: Split) -> Iterator[Batch]:
        """Yield one row per file of the split, in order."""
        fs, root = self._root()

        def texts(folder: str) -> list[str]:
            paths = self._license_files.get(folder, [])
            return [fs.cat_file(f"{root}/{p}", 0, LICENSE_BYTES).decode("utf-8", "replace") for p in paths]

        licenses = Licenses(texts)
        files = self.files[split.start : split.stop]
        yield from batched(((self._row(fs, root, path, size, licenses), size) for path, size in files), SCHEMA)

    def _row(
        self, fs: fsspec.AbstractFileSystem, root: str, path: str, size: int, licenses: Licenses
    ) -> dict[str, Any]:
        repository, _, _ = self._repositories.split(path)
        license_ = partial(licenses.of, repository, path)
        return self._repositories.row(path, size, lambda limit: fs.cat_file(f"{root}/{path}", 0, limit), license_)


def every_file(fs: fsspec.AbstractFileSystem, root: str) -> Iterator[tuple[str, int]]:
    """Yield (path below root, bytes) of every file that is not hidden, a link or below what is passed over."""
    for folder, folders, files in fs.walk(root, topdown=True, detail=True):
        for name in [name for name, info in folders.items() if passed_over(name) or info.get("islink")]:
            del folders[name]  # which keeps walk out of it
        for name, info in files.items():
            if not passed_over(name) and info["type"] == "file" and not info.get("islink"):
                yield f"{folder}/{name}".removeprefix(f"{root}/"), info["size"]
