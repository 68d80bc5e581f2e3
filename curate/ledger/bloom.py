"""Which row groups of a Parquet file may hold a value: its Bloom filters, read without the column.

    groups = may_hold(parquet.metadata, file, "id", "<urn:uuid:...>")

`ShardWriter` asks Arrow for a split-block Bloom filter of ids and URLs, as the Parquet specification has them, so
DuckDB, Spark and Trino use them too. Arrow (26) writes them and says where they lie, but does not look into them; that
is done here. A filter says "surely not" or "perhaps"; a group without one is "perhaps", unless its smallest and largest
value exclude it.

Source: Putze, Sanders & Singler 2007, "Cache-, Hash- and Space-Efficient Bloom Filters"; apache/parquet-format,
BloomFilter.md; XXH64 as in the xxHash specification, seed 0.
"""

import struct
from typing import IO, Any

import pyarrow.parquet as pq

MASK32, MASK64 = 2**32 - 1, 2**64 - 1
BLOCK_BYTES = 32  # a block is eight words of 32 bits, with one bit of the value in each
# The eight odd numbers of the specification.
SALTS = (0x47B6137B, 0x44974D91, 0x8824AD5B, 0xA2B7289D, 0x705495C7, 0x2DF1424B, 0x9EFC4947, 0x5C6BFB31)
P1, P2, P3, P4, P5 = (  # XXH64's primes
    0x9E3779B185EBCA87,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)


def may_hold(footer: pq.FileMetaData, file: IO[bytes], column: str, value: str) -> list[int]:
    """Return the row groups of a file in which `column` may hold `value`; empty where there is no such column."""
    places = {footer.schema.column(i).path: i for i in range(footer.num_columns)}
    if column not in places:
        return []
    chunks = [footer.row_group(group).column(places[column]) for group in range(footer.num_row_groups)]
    if any(chunk.physical_type != "BYTE_ARRAY" for chunk in chunks):
        return list(range(len(chunks)))  # numbers as ids: their filters hold no strings
    spans = [(chunk.bloom_filter_offset, chunk.bloom_filter_length) for chunk in chunks]
    known = [(offset, offset + length) for offset, length in spans if offset is not None and length]
    first = min((start for start, _ in known), default=0)
    file.seek(first)
    data = file.read(max((end for _, end in known), default=0) - first)  # a file's filters lie together: one read
    hashed = xxh64(value.encode())

    def perhaps(group: int) -> bool:
        offset, length = spans[group]
        if offset is None or not length:
            return _in_range(chunks[group].statistics, value)
        header = length % BLOCK_BYTES  # Thrift's header is shorter than a block, and whole blocks follow
        return check(data[offset - first + header : offset - first + length], hashed)

    return [group for group in range(len(chunks)) if perhaps(group)]


def has_filter(footer: pq.FileMetaData, column: str) -> bool:
    """Tell whether a column has filters in a file; True of a file without rows."""
    places = {footer.schema.column(i).path: i for i in range(footer.num_columns)}
    return column in places and (
        not footer.num_row_groups or footer.row_group(0).column(places[column]).bloom_filter_offset is not None
    )


def check(blocks: bytes, hashed: int) -> bool:
    """Tell whether a filter may hold a value of this XXH64."""
    block = ((hashed >> 32) * (len(blocks) // BLOCK_BYTES)) >> 32
    words = struct.unpack_from("<8I", blocks, block * BLOCK_BYTES)
    key = hashed & MASK32
    return all(word >> (((key * salt) & MASK32) >> 27) & 1 for word, salt in zip(words, SALTS, strict=True))


def xxh64(data: bytes) -> int:
    """Return XXH64 with seed 0."""
    size, place = len(data), 0
    if size >= 32:
        lanes = [(P1 + P2) & MASK64, P2, 0, -P1 & MASK64]
        while place + 32 <= size:
            words = struct.unpack_from("<4Q", data, place)
            lanes = [_round(lane, word) for lane, word in zip(lanes, words, strict=True)]
            place += 32
        total = sum(_turn(lane, by) for lane, by in zip(lanes, (1, 7, 12, 18), strict=True)) & MASK64
        for lane in lanes:
            total = ((total ^ _round(0, lane)) * P1 + P4) & MASK64
    else:
        total = P5
    total = (total + size) & MASK64
    while place + 8 <= size:
        total = (_turn(total ^ _round(0, *struct.unpack_from("<Q", data, place)), 27) * P1 + P4) & MASK64
        place += 8
    if place + 4 <= size:
        (word,) = struct.unpack_from("<I", data, place)
        total = (_turn(total ^ (word * P1) & MASK64, 23) * P2 + P3) & MASK64
        place += 4
    for byte in data[place:]:
        total = (_turn(total ^ (byte * P5) & MASK64, 11) * P1) & MASK64
    total = ((total ^ total >> 33) * P2) & MASK64
    total = ((total ^ total >> 29) * P3) & MASK64
    return total ^ total >> 32


def _round(lane: int, word: int) -> int:
    return (_turn((lane + word * P2) & MASK64, 31) * P1) & MASK64


def _turn(value: int, by: int) -> int:
    return (value << by | value >> (64 - by)) & MASK64


def _in_range(statistics: Any, value: str) -> bool:
    if statistics is None or not statistics.has_min_max or not isinstance(statistics.min, str):
        return True
    return bool(statistics.min.encode() <= value.encode() <= statistics.max.encode())
