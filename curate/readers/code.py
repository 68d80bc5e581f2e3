"""A folder of source code: one row per file, with The Stack's columns.

    run(stages, CodeFolder("projects"), "code")     projects/flask/src/app.py -> repo_name flask, path src/app.py

The first folder below the path is the repository. Only files of the languages in `LANGUAGES` are documents; links,
hidden folders and what tools leave behind (`__pycache__`, `node_modules`) are passed over. A file with a known ending
that is binary is marked in `dropped_by` (`code.binary`: a `.ts` can be a film); one that is too large or not UTF-8 in
`quarantined`. The licence is an SPDX line of the file, else what the repository's LICENSE says where that is one of
a few well-known texts, else "": unknown, not free.
"""

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import fsspec
import pyarrow as pa

from curate.corpus import Split
from curate.document import CODE, DROPPED_BY, ID, QUARANTINED, TEXT, Batch
from curate.readers.files import batched

LANGUAGES = {  # the 15 of Stack-Edu (Allal et al., 2025), then a few that small models are often asked for
    "C": ".c .h",
    "C++": ".cpp .cc .cxx .hpp .hh .hxx",
    "C#": ".cs",
    "Go": ".go",
    "Java": ".java",
    "JavaScript": ".js .mjs .cjs .jsx",
    "Markdown": ".md .markdown",
    "PHP": ".php",
    "Python": ".py .pyi",
    "Ruby": ".rb",
    "Rust": ".rs",
    "Shell": ".sh .bash",
    "SQL": ".sql",
    "Swift": ".swift",
    "TypeScript": ".ts .tsx",
    "Haskell": ".hs",
    "Julia": ".jl",
    "Kotlin": ".kt .kts",
    "Lua": ".lua",
    "R": ".r",
    "Scala": ".scala",
}
LANGUAGE_OF = {ending: language for language, endings in LANGUAGES.items() for ending in endings.split()}
PASSED_OVER = frozenset({"__pycache__", "node_modules", "site-packages"})
SPDX = re.compile(rb"SPDX-License-Identifier:[ \t]*([\w.+-]+(?: (?:OR|AND|WITH) [\w.+-]+)*)")
LICENSE_FILES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "COPYING")
LICENSE_TEXTS = (  # what only this licence says -> its SPDX name; the first that fits
    (b"Permission is hereby granted, free of charge", "MIT"),
    (b"Apache License Version 2.0", "Apache-2.0"),
    (b"Neither the name of", "BSD-3-Clause"),
    (b"Redistribution and use in source and binary forms", "BSD-2-Clause"),
    (b"Mozilla Public License Version 2.0", "MPL-2.0"),
    (b"GNU AFFERO GENERAL PUBLIC LICENSE Version 3", "AGPL-3.0"),
    (b"GNU LESSER GENERAL PUBLIC LICENSE Version 3", "LGPL-3.0"),
    (b"GNU GENERAL PUBLIC LICENSE Version 3", "GPL-3.0"),
    (b"GNU GENERAL PUBLIC LICENSE Version 2", "GPL-2.0"),
)
HEAD_BYTES = 4096  # where an SPDX line or a NUL byte is looked for
SPLIT_FILES = 500
SCHEMA = pa.schema([*CODE, (DROPPED_BY, pa.list_(pa.string())), (QUARANTINED, pa.string())])


@dataclass(frozen=True)
class CodeFolder:
    """The source files below a folder, in the order of their paths; a split is `split_files` of them.

    Attributes:
        max_bytes: a larger file is quarantined; The Stack keeps files up to 1 MB too.
    """

    path: str
    max_bytes: int = 10**6
    split_files: int = SPLIT_FILES

    @property
    def schema(self) -> pa.Schema:
        return SCHEMA

    @cached_property
    def files(self) -> list[tuple[str, int]]:
        """Path below the folder and bytes of every document, sorted."""
        fs, root = self._root()
        if not fs.isdir(root):
            raise FileNotFoundError(f"{self.path} is not a folder; give the folder that holds the repositories")
        found = sorted(source_files(fs, root))
        if not found:
            raise FileNotFoundError(f"{self.path} holds no source code in one of {', '.join(LANGUAGES)}")
        return found

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
        licenses: dict[str, str] = {}
        files = self.files[split.start : split.stop]
        yield from batched(((self._row(fs, root, path, size, licenses), size) for path, size in files), SCHEMA)

    def _row(
        self, fs: fsspec.AbstractFileSystem, root: str, path: str, size: int, licenses: dict[str, str]
    ) -> dict[str, Any]:
        source = posixpath.basename(root)
        folder, slash, below = path.partition("/")
        if not slash:  # a file beside the repositories is of a repository of the source's name
            folder, below = "", path
        row: dict[str, Any] = {
            ID: f"{source}/{path}",
            "repo_name": folder or source,
            "path": below,
            "language": LANGUAGE_OF[ending(path)],
            "size": size,
            "license": "",
        }
        if size > self.max_bytes:
            return row | {QUARANTINED: f"file too large: {path} has {size:,} of at most {self.max_bytes:,} bytes"}
        content: bytes = fs.cat_file(f"{root}/{path}")
        if b"\0" in content[:HEAD_BYTES]:
            return row | {DROPPED_BY: ["code.binary"]}
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            return row | {QUARANTINED: f"not UTF-8: {path}, byte {error.start}"}
        if folder not in licenses:
            licenses[folder] = license_of(fs, f"{root}/{folder}")
        own = SPDX.search(content[:HEAD_BYTES])
        return row | {TEXT: text, "license": own[1].decode() if own else licenses[folder]}


def source_files(fs: fsspec.AbstractFileSystem, root: str) -> Iterator[tuple[str, int]]:
    """Yield (path below root, bytes) of every file in a known language."""
    for folder, folders, files in fs.walk(root, topdown=True, detail=True):
        for name in [name for name, info in folders.items() if passed_over(name, info)]:
            del folders[name]  # which keeps walk out of it
        for name, info in files.items():
            if not passed_over(name, info) and ending(name) in LANGUAGE_OF and info["type"] == "file":
                yield f"{folder}/{name}".removeprefix(f"{root}/"), info["size"]


def passed_over(name: str, info: dict[str, Any]) -> bool:
    return name.startswith(".") or name in PASSED_OVER or bool(info.get("islink"))


def ending(path: str) -> str:
    return posixpath.splitext(path)[1].lower()


def license_of(fs: fsspec.AbstractFileSystem, folder: str) -> str:
    """Return the SPDX name of a repository's licence, "" if it has none that is known."""
    for name in LICENSE_FILES:
        if fs.isfile(f"{folder}/{name}"):
            text = b" ".join(fs.cat_file(f"{folder}/{name}").split())
            return next((spdx for phrase, spdx in LICENSE_TEXTS if phrase in text), "")
    return ""
