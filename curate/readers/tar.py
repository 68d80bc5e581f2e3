"""Members of tar and zip archives, read from front to back, from hands one does not trust.

    with open_archive("flask-2.3.1.tar.gz") as archive:
        for member in archive:
            member.path, member.size, archive.content(member, 1_000_000)

Nothing is ever written to disk, so that a name with `..` leads nowhere; it is still told apart (`safe_path`). Links and
devices are told from files and never followed. What an archive may cost is bounded: `MAX_BYTES` decompressed in all,
`MAX_MEMBERS` names, 64 MiB in one header. The standard library's tarfile ends without a word at a broken header; here
that is an error, as is a file that breaks off.
"""

import bz2
import gzip
import lzma
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any, Protocol

import fsspec

TARS: dict[str, Callable[[Any], IO[bytes]]] = {
    ".tar": lambda raw: raw,
    ".tar.gz": lambda raw: gzip.GzipFile(fileobj=raw),  # type: ignore[dict-item,return-value]
    ".tgz": lambda raw: gzip.GzipFile(fileobj=raw),  # type: ignore[dict-item,return-value]
    ".tar.bz2": bz2.BZ2File,  # type: ignore[dict-item]
    ".tbz2": bz2.BZ2File,  # type: ignore[dict-item]
    ".tar.xz": lzma.LZMAFile,  # type: ignore[dict-item]
    ".txz": lzma.LZMAFile,  # type: ignore[dict-item]
}
ZIPS = (".zip",)
ENDINGS = (*TARS, *ZIPS)
MAX_BYTES = 64 * 2**30  # decompressed, of one archive: the Linux kernel with all its history is a tenth of it
MAX_MEMBERS = 5_000_000  # names are held in memory, some 200 bytes each
MAX_READ = 64 * 2**20  # at once; only a header made to exhaust memory asks for more
ODD = re.compile("[\0-\x1f\ud800-\udfff]")  # control characters, and bytes of names that are not UTF-8
DAMAGED = (EOFError, OSError, NotImplementedError, tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)


@dataclass(frozen=True)
class Member:
    """A file in an archive, or what is none: `kind` is "file", "link" or "other"."""

    path: str
    size: int
    kind: str
    inner: Any  # tarfile's or zipfile's own


class MemberError(Exception):
    """One member of an archive cannot be read; the others can."""


class Archive(Protocol):
    """An open archive; `content` is to be asked of the member that was just yielded."""

    def __iter__(self) -> Iterator[Member]: ...

    def content(self, member: Member, limit: int) -> bytes: ...


class open_archive:  # noqa: N801  reads like open()
    """Open an archive anywhere for reading, as a context.

    Raises:
        ValueError: it is damaged or breaks off, it is no archive, or larger than an honest one; also while reading.
    """

    def __init__(self, path: str, max_bytes: int = MAX_BYTES) -> None:
        self.path, self.max_bytes = path, max_bytes

    def __enter__(self) -> Archive:
        fs, name = fsspec.core.url_to_fs(self.path)
        self.file: IO[bytes] = fs.open(name, "rb")
        try:
            if self.path.endswith(ZIPS):
                return _Zip(self.file, self.max_bytes)
            unpack = next(unpack for ending, unpack in TARS.items() if self.path.endswith(ending))
            return _Tar(_Bounded(unpack(self.file), self.max_bytes))
        except DAMAGED as error:
            self.file.close()
            raise self._damaged(error) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()
        if isinstance(error, DAMAGED) and not isinstance(error, FileNotFoundError):
            raise self._damaged(error) from error

    def _damaged(self, error: BaseException) -> ValueError:
        return ValueError(
            f"{self.path} cannot be read as an archive: {error}; fetch it again, or take it out of the input"
        )


class _Bounded:
    """A decompressed stream that goes forward only, no further than `max_bytes` and in pieces that fit memory."""

    def __init__(self, stream: IO[bytes], max_bytes: int) -> None:
        self.stream, self.max_bytes = stream, max_bytes
        self.last = b""  # what was read last: at the end of a whole archive nothing, or zeros

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > MAX_READ:
            raise tarfile.ReadError(f"a header of {size:,} bytes, more than any honest one")
        self.last = self.stream.read(size)
        self._check()
        return self.last

    def seek(self, place: int) -> int:
        if place > self.max_bytes:
            self._refuse(place)
        return self.stream.seek(place)

    def tell(self) -> int:
        return self.stream.tell()

    def _check(self) -> None:
        if self.stream.tell() > self.max_bytes:
            self._refuse(self.stream.tell())

    def _refuse(self, size: int) -> None:
        raise tarfile.ReadError(f"it unpacks to {size:,} bytes or more, and {self.max_bytes:,} are allowed")


class _Tar:
    def __init__(self, stream: _Bounded) -> None:
        self.stream = stream
        self.tar = tarfile.open(fileobj=stream, mode="r:")  # type: ignore[call-overload]  # noqa: SIM115

    def __iter__(self) -> Iterator[Member]:
        number = 0
        while (info := self.tar.next()) is not None:
            self.tar.members = []  # tarfile would remember them all
            number += 1
            _check_number(number)
            linked = info.issym() or info.islnk()
            kind = "link" if linked else "file" if info.isreg() else "other"
            yield Member(info.name, info.size, kind, info)
        if self.stream.last.strip(b"\0"):
            raise tarfile.ReadError(f"a broken header after member {number}")
        while self.stream.read(2**20):  # to the end, where the compression's checksum is
            pass

    def content(self, member: Member, limit: int) -> bytes:
        file = self.tar.extractfile(member.inner)
        assert file is not None, "content is asked of files only"
        data: bytes = file.read(min(limit, member.size))
        if len(data) < min(limit, member.size):
            raise EOFError(f"it breaks off in {member.path}")
        return data


class _Zip:
    def __init__(self, file: IO[bytes], max_bytes: int) -> None:
        self.zip, self.left = zipfile.ZipFile(file), max_bytes
        _check_number(len(self.zip.infolist()))

    def __iter__(self) -> Iterator[Member]:
        for info in self.zip.infolist():
            mode = info.external_attr >> 16
            kind = "other" if info.is_dir() else "link" if stat.S_ISLNK(mode) else "file"
            yield Member(info.filename, info.file_size, kind, info)

    def content(self, member: Member, limit: int) -> bytes:
        """Return the content; a member that cannot be decrypted or decompressed raises MemberError."""
        if member.inner.flag_bits & 1:
            raise MemberError("it is encrypted")
        try:
            with self.zip.open(member.inner) as file:
                data: bytes = file.read(limit)
        except (zipfile.BadZipFile, NotImplementedError, EOFError, zlib.error, lzma.LZMAError) as error:
            raise MemberError(str(error)) from error
        self.left -= len(data)
        if self.left < 0:
            raise zipfile.BadZipFile("it unpacks to more bytes than are allowed")
        return data


def _check_number(number: int) -> None:
    if number > MAX_MEMBERS:
        raise tarfile.ReadError(f"it has over {MAX_MEMBERS:,} members")


def safe_path(path: str) -> str | None:
    """Return a member's path without `./`, or None where it leads out of the archive, is absolute or no text.

    >>> safe_path("./a/b.py"), safe_path("../b.py"), safe_path("C:\\\\b.py")
    ('a/b.py', None, None)
    """
    parts = [part for part in path.split("/") if part not in ("", ".")]
    odd = path.startswith("/") or "\\" in path or ":" in path.split("/")[0][1:2]
    if odd or not parts or ".." in parts or ODD.search(path):
        return None
    return "/".join(parts)
