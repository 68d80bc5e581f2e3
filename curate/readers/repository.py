"""What a file of a repository becomes: one row with The Stack's columns, wherever the file came from.

    read = Repositories("projects", depth=1)
    read.row("flask/src/app.py", 120, content, license_="BSD-3-Clause")     repo_name flask, path src/app.py

`curate.readers.code` reads folders with this and `curate.readers.archive` archives, so that a folder and its archive
give the same rows. A name may end in what codeload.github.com and source distributions add: of `flask-2.3.1`,
`flask-main` and `flask-<sha>` the repository is `flask`, and the rest is `revision_id`.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from curate.code.detect import detect, shebang
from curate.code.languages import PROGRAMMING, by_name, of_kinds
from curate.code.license_text import detect_all, is_license_name, of_file
from curate.code.spdx import join
from curate.document import CODE, DROPPED_BY, ID, QUARANTINED, TEXT

NOTEBOOK = "Jupyter Notebook"
LANGUAGES = of_kinds([PROGRAMMING]) | {"Markdown", NOTEBOOK}  # what is read unless one asks for others
PASSED_OVER = frozenset({"__pycache__", "node_modules", "bower_components", "site-packages"})
MANIFESTS = frozenset(  # a folder with one of these is a repository, not a folder of repositories
    ("setup.py", "pyproject.toml", "package.json", "Cargo.toml", "go.mod", "pom.xml", "composer.json", "Gemfile")
) | {"CMakeLists.txt", "build.gradle"}
REVISION = re.compile(
    r"(.+?)-(v?\d+(?:\.\d+)+(?:[-.]?(?:rc|a|b|alpha|beta|dev|post)[-.]?\d*)?|[0-9a-f]{40}"
    r"|(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{7,12}|main|master|HEAD)"
)
HEAD_BYTES = 8000  # where a NUL byte means that a file is binary: git's rule, and go-enry's
LICENSE_BYTES = 200_000
SCHEMA = pa.schema(
    [*CODE, ("revision_id", pa.string()), (DROPPED_BY, pa.list_(pa.string())), (QUARANTINED, pa.string())]
)
Content = Callable[[int], bytes]  # read at most so many bytes from a file's start


@dataclass(frozen=True)
class Repositories:
    """How files below a source are told apart and read.

    Attributes:
        source: what ids begin with.
        depth: folders below the source that name a repository: 0 where the source is one, 2 for `owner/name`.
        max_bytes: of a file; The Stack keeps files up to 1 MB too.
        max_notebook_bytes: the same for notebooks, most of whose bytes are pictures that `Notebooks` leaves out.
        languages: what is a document; of other files only those are rows that just their content could tell.
    """

    source: str
    depth: int = 1
    max_bytes: int = 10**6
    max_notebook_bytes: int = 10**7
    languages: frozenset[str] = LANGUAGES

    def split(self, path: str) -> tuple[str, str, str]:
        """Return (the repository's folder, its name, the path in it) of a file's path below the source."""
        parts = path.split("/")
        if self.depth == 0 or len(parts) <= self.depth:  # a file beside the repositories is of the source's own
            return "", self.source.rsplit("/", 1)[-1], path
        folder = "/".join(parts[: self.depth])
        return folder, folder, "/".join(parts[self.depth :])

    def row(self, path: str, size: int, content: Content, license_: Callable[[], str]) -> dict[str, Any]:
        """Return the row of one file; what cannot be a document is marked with the reason.

        Marks say what a file is, `code.language`, `code.size`, `code.binary`, `code.encoding`: an old tree may be full
        of such. In `quarantined` is what should not be.
        """
        shown = path.encode("utf-8", "backslashreplace").decode()
        if shown != path:
            return {ID: f"{self.source}/{shown}", "size": size, QUARANTINED: f"name is not UTF-8: {shown}"}
        _, folder, below = self.split(path)
        name, revision = repository_and_revision(folder)
        row: dict[str, Any] = {
            ID: f"{self.source}/{path}",
            "repo_name": name,
            "path": below,
            "language": detect(path),
            "size": size,
            "license": "",
            "revision_id": revision,
        }
        limit = self.max_notebook_bytes if row["language"] == NOTEBOOK else self.max_bytes
        data = content(limit + 1) if size <= limit else b""
        if not by_name(path) and not shebang(data[:HEAD_BYTES].decode("utf-8", "replace")):
            return row | {DROPPED_BY: ["code.language"]}
        if max(size, len(data)) > limit:
            return row | {DROPPED_BY: ["code.size"]}
        return row | self._text(path, data, license_)

    def _text(self, path: str, data: bytes, license_: Callable[[], str]) -> dict[str, Any]:
        if b"\0" in data[:HEAD_BYTES]:
            return {DROPPED_BY: ["code.binary"]}  # a `.ts` can be a film
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            return {DROPPED_BY: ["code.encoding"]}  # old sources are in Latin-1 and others; which, nothing tells
        language = detect(path, text)
        if language not in self.languages:
            return {"language": language, DROPPED_BY: ["code.language"]}
        return {TEXT: text, "language": language, "license": of_file(text, license_())}

    def is_document(self, path: str) -> bool:
        """Tell by its path whether a file may be a document: in a language that is asked for, or perhaps a script."""
        parts = path.split("/")
        if any(passed_over(part) for part in parts):
            return False
        allowed = by_name(path)
        script = not allowed and "." not in parts[-1] and not is_license_name(parts[-1])
        return script or not self.languages.isdisjoint(allowed)


def passed_over(name: str) -> bool:
    """Tell whether a file or folder is hidden, or what tools leave behind."""
    return name.startswith(".") or name in PASSED_OVER


def is_license(path: str) -> bool:
    """Tell by a file's path whether it is a licence that speaks for its folder."""
    *folders, name = path.split("/")
    return is_license_name(name) and not any(map(passed_over, folders))


def repository_and_revision(folder: str) -> tuple[str, str | None]:
    """Split the name of a folder as codeload and source distributions make it.

    >>> repository_and_revision("flask-2.3.1"), repository_and_revision("json-c")
    (('flask', '2.3.1'), ('json-c', None))
    """
    match = REVISION.fullmatch(folder)
    return (match[1], match[2]) if match else (folder, None)


def depth_of(names: Iterable[str]) -> int:
    """Return 0 if these names at the top of a source are a repository's, else 1: folders that each are one."""
    return 0 if ".git" in names or not MANIFESTS.isdisjoint(names) else 1


class Licenses:
    """What the licence files below a source say for each folder: for it and all below, as The Stack v2 has it.

    Filled with `add`, or read when asked for: `texts` gives the licence texts of one folder.
    """

    def __init__(self, texts: Callable[[str], list[str]]) -> None:
        self._texts, self._said = texts, dict[str, str]()

    def of(self, repository: str, path: str) -> str:
        """Return what holds for a file: the licence files of its repository's folder and of those down to the file."""
        folder = path.rpartition("/")[0]
        below = folder.removeprefix(repository).strip("/")
        parts = below.split("/") if below else []
        above = ["/".join(filter(None, (repository, *parts[:depth]))) for depth in range(len(parts) + 1)]
        return join(self._of_folder(name) for name in above)

    def _of_folder(self, folder: str) -> str:
        if folder not in self._said:
            self._said[folder] = detect_all(self._texts(folder))
        return self._said[folder]
