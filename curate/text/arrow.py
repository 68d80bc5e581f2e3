"""An Arrow column of strings as three NumPy arrays, without copying the text.

    texts = strings(batch["text"])
    texts.data[texts.starts[3] : texts.starts[4]]     # the UTF-8 bytes of row 3

Slices keep their offset, `string` and `large_string` look the same, and a null row has no bytes and `valid` False.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa


class Strings(NamedTuple):
    """Views of the buffers of a string array."""

    data: np.ndarray  # uint8, the bytes of all rows (and of the rows around a slice)
    starts: np.ndarray  # (rows + 1,) int64, where each row begins in `data`; the next row's start is its end
    valid: np.ndarray  # (rows,) bool


def strings(array: pa.Array) -> Strings:
    """Return views of the text in `array`; a null row may own bytes, so callers skip rows that are not valid."""
    if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
        raise ValueError(f"text must be a string or large_string array, not {array.type}; cast the column first")
    valid = np.asarray(array.is_valid())
    width = np.int64 if pa.types.is_large_string(array.type) else np.int32
    _, offsets, data = array.buffers()
    if offsets is None or len(array) == 0:
        return Strings(np.empty(0, np.uint8), np.zeros(len(array) + 1, np.int64), valid)
    starts = np.frombuffer(offsets, width)[array.offset : array.offset + len(array) + 1].astype(np.int64)
    bytes_ = np.empty(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    return Strings(bytes_, starts, valid)
