"""Archives of source code, as codeload.github.com, source distributions and `tar` make them: a row per file.

    run(stages, CodeArchive("flask-2.3.1.tar.gz"), "code")      repo_name flask, revision_id 2.3.1
    run(stages, CodeArchive("downloads/"), "code")              a folder of archives; each is a split

The rows are those of the unpacked folder (`curate.readers.code`), in the archive's order. One folder at the top with
files of its own, or with a revision in its name, is a repository; one without is a folder of repositories; several are
a repository each. `depth` says it where that is wrong. Names that lead out of the archive are quarantined, links are
marked (`code.link`) and never followed, of two members with one name the later holds, as `tar -x` has it. An archive is
read twice, first for its names and licences, and never unpacked to disk; see `curate.readers.tar` for what bounds it.
"""

import posixpath
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import pyarrow as pa

from curate.corpus import Split
from curate.document import DROPPED_BY, ID, QUARANTINED, Batch
from curate.readers.files import InputFile, batched, listing
from curate.readers.repository import (
    LANGUAGES,
    LICENSE_BYTES,
    REVISION,
    SCHEMA,
    Licenses,
    Repositories,
    depth_of,
    is_license,
)
from curate.readers.tar import ENDINGS, MAX_BYTES, Archive, Member, MemberError, open_archive, safe_path


@dataclass(frozen=True)
class CodeArchive:
    """The source files in an archive, or in every archive below a folder.

    Attributes:
        path: `.tar`, also `.gz`, `.bz2` or `.xz`, or `.zip`; a folder or glob of them.
        depth: folders that name a repository, below the one folder at the top if there is only one; see above if None.
        max_archive_bytes: what one archive may unpack to; more is an error.
    """

    path: str
    max_bytes: int = 10**6
    max_notebook_bytes: int = 10**7
    depth: int | None = None
    languages: frozenset[str] = LANGUAGES
    max_archive_bytes: int = MAX_BYTES

    @property
    def schema(self) -> pa.Schema:
        return SCHEMA

    @cached_property
    def files(self) -> dict[str, InputFile]:
        return {file.path: file for file in listing(self.path, ENDINGS)}

    def splits(self) -> list[Split]:
        return [Split(file.name, file.path, 0, -1, None, file.num_bytes) for file in self.files.values()]

    def read(self, split: Split) -> Iterator[Batch]:
        """Yield one row per source file of an archive, in its order.

        Raises:
            ValueError: the archive is damaged, breaks off, or is larger than an honest one.
        """
        contents = self._contents(self.files[split.path])
        yield from batched(((row, int(row["size"])) for row in self._rows(split.path, contents)), SCHEMA)

    def _contents(self, file: InputFile) -> "_Contents":
        with open_archive(file.path, self.max_archive_bytes) as archive:
            last: dict[str, int] = {}
            licenses: dict[str, str] = {}
            for number, member in enumerate(archive):
                path = safe_path(member.path)
                if member.kind != "file" or path is None:
                    continue
                last[path] = number
                if is_license(path):
                    with suppress(MemberError):  # which its row will tell, where it is a document
                        licenses[path] = archive.content(member, LICENSE_BYTES).decode("utf-8", "replace")
        top, repositories = self._layout(file, list(last))
        return _Contents(last, licenses, top, repositories)

    def _layout(self, file: InputFile, paths: list[str]) -> tuple[str, Repositories]:
        """Return (the folder at the top that names no repository, or "", and how to tell them apart)."""
        limits = Repositories("", 1, self.max_bytes, self.max_notebook_bytes, self.languages)
        paths = [path for path in paths if not _is_of_finder(path)]
        tops = {path.split("/", 1)[0] for path in paths}
        beside = {path for path in paths if "/" not in path}
        if len(tops) != 1 or beside:
            depth = depth_of(tops) if self.depth is None else self.depth
            return "", replace(limits, source=file.name, depth=depth)
        (top,) = tops
        within = {path.split("/", 2)[1] for path in paths if path.count("/") == 1}
        alone = bool(REVISION.fullmatch(top) or within)
        if self.depth == 0 or (self.depth is None and alone):
            above = posixpath.dirname(file.name)
            return "", replace(limits, source=f"{file.source}/{above}" if above else file.source)
        source = top if len(self.files) == 1 else file.name
        return f"{top}/", replace(limits, source=source, depth=self.depth or 1)

    def _rows(self, path: str, contents: "_Contents") -> Iterator[dict[str, Any]]:
        repositories = contents.repositories
        licenses = Licenses(contents.texts)
        with open_archive(path, self.max_archive_bytes) as archive:
            for number, member in enumerate(archive):
                safe = safe_path(member.path)
                below = None if safe is None else safe.removeprefix(contents.top)
                if member.kind == "other" or (below is not None and not repositories.is_document(below)):
                    continue
                if below is None or safe is None:
                    yield self._unsafe(repositories, number, member)
                elif member.kind == "link":
                    yield _bare(repositories, below) | {DROPPED_BY: ["code.link"]}
                elif contents.last[safe] == number:
                    yield _row(archive, member, repositories, below, licenses)

    def _unsafe(self, repositories: Repositories, number: int, member: Member) -> dict[str, Any]:
        row = _bare(repositories, f"member-{number}")
        return row | {QUARANTINED: f"unsafe name: member {number} is called {member.path[:200]!r}"}


@dataclass(frozen=True)
class _Contents:
    """What the first reading of an archive tells."""

    last: dict[str, int]  # number of the member that holds, by path
    licenses: dict[str, str]  # text of each licence file, by path
    top: str
    repositories: Repositories

    def texts(self, folder: str) -> list[str]:
        """Return the licence texts of one folder, in the order of their names as in a folder on disk."""
        within = f"{self.top}{folder}".rstrip("/")
        return [text for path, text in sorted(self.licenses.items()) if posixpath.dirname(path) == within]


def _is_of_finder(path: str) -> bool:
    """Tell what macOS puts beside everything that it packs: it is of no repository."""
    name = posixpath.basename(path)
    return path.startswith("__MACOSX/") or name.startswith("._") or name == ".DS_Store"


def _bare(repositories: Repositories, path: str) -> dict[str, Any]:
    return {ID: f"{repositories.source}/{path}", "path": path, "size": 0}


def _row(archive: Archive, member: Member, repositories: Repositories, path: str, licenses: Licenses) -> dict[str, Any]:
    repository, _, _ = repositories.split(path)
    try:
        content = partial(archive.content, member)
        return repositories.row(path, member.size, content, partial(licenses.of, repository, path))
    except MemberError as error:
        return _bare(repositories, path) | {QUARANTINED: f"cannot be unpacked: {path}: {error}"}
