"""Reading and writing elsewhere than on this machine, where requests fail and other processes write too.

    with open_binary("s3://bucket/crawl/a.warc.gz") as file: ...
    upload(temporary, "s3://bucket/edu/a.parquet")

A read is a request for a range of bytes, asked for again until every byte of it is here: a body cut short is never
taken for the end of a file. A finished upload is the one act that makes a file appear, so nothing is renamed; an
upload that breaks off is taken back, and one whose process was killed shows nowhere but costs its parts' storage
until a rule of the bucket clears them (S3: AbortIncompleteMultipartUpload, a day is enough). Listings are not
remembered, since other processes write meanwhile. Credentials and endpoint are the store's own standard ones, such as
AWS_ENDPOINT_URL and AWS_PROFILE; so are AWS_MAX_ATTEMPTS and AWS_RETRY_MODE, the client's own retries below ours.
"""

import io
import logging
import os
import posixpath
import re
import time
from collections.abc import Callable
from functools import cache
from typing import IO, Any, NamedTuple, TypeVar

import fsspec
from fsspec.utils import glob_translate

T = TypeVar("T")

ATTEMPTS = 5  # of one request, each of which the store's client has tried several times itself
PATIENCE_S = 120  # no further attempt after this long: a store that only times out is down
WAIT_S = 0.25  # before the second attempt, doubled each time
BLOCK_BYTES = 8 * 2**20  # of a file read from its start to its end
PATTERN = re.compile(r"[*?\[]")
PERMANENT = (FileNotFoundError, FileExistsError, PermissionError, NotADirectoryError, MemoryError)

log = logging.getLogger(__name__)


def locate(path: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """Return a path's file system, which has forgotten what it listed before, and its name there."""
    fs, name = fsspec.core.url_to_fs(path)
    if is_web_store(fs):
        fs.invalidate_cache()
    return fs, name


def is_remote(fs: fsspec.AbstractFileSystem) -> bool:
    """Tell whether a file system is another than this machine's own."""
    return "file" not in ((fs.protocol,) if isinstance(fs.protocol, str) else fs.protocol)


def is_web_store(fs: fsspec.AbstractFileSystem) -> bool:
    """Tell whether a file system is made of HTTP requests of its own (s3, gs, http); hf:// looks after itself."""
    return bool(fs.async_impl) and is_remote(fs)


def info(path: str) -> dict[str, Any] | None:
    """Return what is known of a file or folder, None if it is not there; a failing store is an error, not absence."""
    fs, name = locate(path)
    try:
        return dict(insist(path, "looked up", lambda: fs.info(name)))
    except (FileNotFoundError, NotADirectoryError):
        return None


def find(path: str) -> list[str]:
    """Return the names of all files at or below a path, sorted; none if nothing is there."""
    fs, name = locate(path)
    return sorted(insist(path, "listed", lambda: fs.find(name)))


class Listing(NamedTuple):
    """Files that a path means."""

    root: str  # the folder that their names are below; of a single file, the file
    sizes: dict[str, int]  # bytes by name


def listed(path: str) -> Listing | None:
    """Return the files that a path means, None if it means nothing: a file, all below a folder, or what a glob matches.

    A link to a file is that file. A link to a folder is not followed, or `latest -> 2024-01` would be read twice; one
    that leads out of the folder is told.
    """
    fs, name = locate(path)
    known = info(path)
    if known is not None and known["type"] == "file":
        return Listing(name, {name: known["size"] or 0})
    if known is None and not PATTERN.search(name):
        return None
    if known is not None:
        root, found = name.rstrip("/"), insist(path, "listed", lambda: fs.find(name, detail=True))
        links = found
    else:
        root, found = folder_of_glob(name), insist(path, "listed", lambda: fs.glob(name, detail=True))
        links = found if is_remote(fs) else found | _on_the_way(fs, name)
    folders = {link for link, at in links.items() if at.get("islink") and fs.isdir(link)}
    _tell_links(root, tuple(sorted(folders)))
    files = {file: at["size"] or 0 for file, at in found.items() if at["type"] != "directory" and file not in folders}
    return Listing(root, files)


def folder_of_glob(name: str) -> str:
    """Return the folder that a glob searches: names below it are the input's, those above it the machine's.

    >>> folder_of_glob("/home/me/.cache/crawl/*/a.jsonl")
    '/home/me/.cache/crawl'
    """
    return posixpath.dirname(PATTERN.split(name, maxsplit=1)[0])


def folder_of(path: str) -> str:
    """Return what the names of a path's files are below: the folder that a glob searches, any other path as it is."""
    fs, name = fsspec.core.url_to_fs(path)
    if not PATTERN.search(name) or info(path) is not None:
        return path
    folder = folder_of_glob(name)
    return str(fs.unstrip_protocol(folder)) if is_remote(fs) else folder


def means(path: str, file: str) -> bool:
    """Tell whether a file of this name is, or would be, one that a glob matches."""
    pattern, name = (fsspec.core.url_to_fs(at)[1] for at in (path, file))
    return re.match(glob_translate(pattern), name) is not None


def _on_the_way(fs: fsspec.AbstractFileSystem, name: str) -> dict[str, Any]:
    """Return what the folders of a glob match, and would be entered if it were no link."""
    found: dict[str, Any] = {}
    while PATTERN.search(name := posixpath.dirname(name)):
        found |= fs.glob(name, detail=True)
    return found


@cache  # a folder is listed several times
def _tell_links(root: str, links: tuple[str, ...]) -> None:
    """Tell the first link to a folder elsewhere; what lies below the same root is read there."""
    own = os.path.realpath(root)
    targets = {link: os.path.realpath(link) for link in links}
    away = [link for link, target in targets.items() if target != own and not target.startswith(f"{own}/")]
    if away:
        more = f", nor are {len(away) - 1} more" if len(away) > 1 else ""
        log.warning("%s is a link to a folder and not read%s; to read it, give %s", away[0], more, targets[away[0]])


def open_binary(path: str, buffering: int = BLOCK_BYTES) -> IO[bytes]:
    """Open a file anywhere for reading; `buffering` bytes at a time where it is read by requests, 0 as asked for."""
    fs, name = locate(path)
    if not is_web_store(fs):
        file: IO[bytes] = fs.open(name, "rb")
        return file
    size = insist(path, "looked up", lambda: fs.info(name))["size"]
    if size is None:  # a web server that does not tell
        unsized: IO[bytes] = fs.open(name, "rb")
        return unsized
    raw = Ranges(fs, name, path, size)
    return io.BufferedReader(raw, buffering) if buffering else raw  # type: ignore[return-value]


def read_bytes(path: str) -> bytes:
    """Read a whole file."""
    with open_binary(path, 0) as file:
        return file.read()


def upload(local: str | os.PathLike[str], path: str, *, create: bool = False) -> None:
    """Put a local file in a place elsewhere, whole or not at all.

    Args:
        create: do it only where nothing is yet.

    Raises:
        FileExistsError: with `create`, something is there; after a lost answer it may be this very file.
        OSError: it failed again and again.
    """
    fs, name = locate(path)
    size = os.path.getsize(local)  # noqa: PTH202  as fsspec takes it

    def put() -> None:
        fs.put_file(str(local), name, mode="create" if create else "overwrite")
        there = fs.info(name)["size"]
        if there != size:
            fs.rm_file(name)
            raise OSError(f"{there:,} of {size:,} bytes arrived")

    insist(path, "written", put)


class Ranges(io.RawIOBase):
    """A file elsewhere as ranges of bytes: `read(n)` gives n bytes, or what is left, or an error."""

    def __init__(self, fs: fsspec.AbstractFileSystem, name: str, path: str, size: int) -> None:
        self.fs, self.name, self.path, self.size = fs, name, path, size
        self.position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.size}[whence]
        self.position = max(0, start + offset)
        return self.position

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self.size - self.position)
        wanted = left if size is None or size < 0 else min(size, left)
        if not wanted:
            return b""
        start = self.position
        data = insist(self.path, "read", lambda: self._range(start, start + wanted))
        self.position += wanted
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _range(self, start: int, stop: int) -> bytes:
        data: bytes = self.fs.cat_file(self.name, start=start, end=stop)
        if len(data) != stop - start:
            raise OSError(f"{len(data):,} bytes came of {stop - start:,} from byte {start:,}")
        return data


def insist(path: str, what: str, request: Callable[[], T]) -> T:
    """Make a request until it succeeds, some times and not for long; each further attempt is told.

    Raises:
        ConnectionError: it never succeeded. Absence, a refusal and a file in the way are raised at once, as they are.
    """
    begun = time.monotonic()
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return request()
        except PERMANENT:
            raise
        except Exception as error:  # each store's client has errors of its own
            reason = f"{type(error).__name__}: {error}"
            if attempt == ATTEMPTS or time.monotonic() - begun > PATIENCE_S:
                raise ConnectionError(
                    f"{path} could not be {what} in {attempt} attempts ({reason}); look at the store and the network "
                    "and run the same again: what is whole is not done twice"
                ) from error
            log.warning("%s could not be %s, attempt %d of %d: %s", path, what, attempt, ATTEMPTS, reason)
            time.sleep(WAIT_S * 2 ** (attempt - 1))
    raise AssertionError("the last attempt returns or raises")
