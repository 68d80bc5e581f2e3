"""A checksum of every byte of a Parquet file, inside of the file: `seal` writes it, `intact` holds the file against it.

    seal(path)          b"curate.crc32" in the footer: "00000000" -> "9f3ac01b"
    intact(path)        True; False if a bit has changed since; None for a file without a seal

Parquet's own checksums are of pages; indexes, filters and the footer itself have none, so a flipped bit there can go
unseen. The seal is the CRC-32 of the whole file with eight zeros in its own place: any reader of Parquet takes it for
one more key of the metadata. To write it costs one more read of what is in the page cache (1 s a GB).
"""

import os
import zlib
from pathlib import Path
from typing import IO

from curate.storage import BLOCK_BYTES, open_binary

KEY = b"curate.crc32"
ZEROS = b"00000000"
TAIL_BYTES = 8  # the footer's length and b"PAR1"


def seal(path: str | os.PathLike[str]) -> None:
    """Write the checksum into a local file that was closed with `{KEY: ZEROS}` in its metadata."""
    with Path(path).open("r+b") as file:
        place = _place(file)
        assert place is not None, f"{path} has no place for a checksum"
        value = _checksum(file, place)
        file.seek(place)
        file.write(b"%08x" % value)


def intact(path: str) -> bool | None:
    """Tell whether every byte is as it was written; None for a file that was written without a checksum."""
    with open_binary(path) as file:
        place = _place(file)
        if place is None:
            return None
        file.seek(place)
        return file.read(len(ZEROS)) == b"%08x" % _checksum(file, place)


def require_intact(path: str) -> None:
    """Refuse a file with a flipped bit.

    Raises:
        ValueError: its checksum does not hold.
    """
    if intact(path) is False:
        raise ValueError(f"{path} is damaged: its checksum does not hold; delete it and run again")


def _place(file: IO[bytes]) -> int | None:
    """Return where the checksum's digits are: after the key and two bytes of Thrift (string, length)."""
    size = file.seek(0, os.SEEK_END)
    if size < TAIL_BYTES:
        return None
    file.seek(size - TAIL_BYTES)
    start = size - TAIL_BYTES - int.from_bytes(file.read(4), "little")
    if start < 0:
        return None
    file.seek(start)
    found = file.read(size - start).rfind(KEY)
    return None if found < 0 else start + found + len(KEY) + 2


def _checksum(file: IO[bytes], place: int) -> int:
    file.seek(0)
    before = _crc(file, place, 0)
    file.seek(place + len(ZEROS))
    return _crc(file, None, zlib.crc32(ZEROS, before))


def _crc(file: IO[bytes], num_bytes: int | None, value: int) -> int:
    """Go on with a CRC over so many bytes from here, or all that are left."""
    while num_bytes is None or num_bytes > 0:
        block = file.read(BLOCK_BYTES if num_bytes is None else min(BLOCK_BYTES, num_bytes))
        if not block:
            break
        value = zlib.crc32(block, value)
        num_bytes = None if num_bytes is None else num_bytes - len(block)
    return value
