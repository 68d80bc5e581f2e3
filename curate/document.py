"""What a document is: column names, the two schemas, and the arithmetic of a score.

Names are FineWeb's for web pages and The Stack's for code, so that every trainer that reads those reads ours:

    WEB.names   ['text', 'id', 'dump', 'url', 'date', 'file_path', 'language', 'language_score']
    CODE.names  ['text', 'id', 'repo_name', 'path', 'language', 'license', 'size']

A measured signal is a further column, prefixed by who made it (`gopher.word_count`, `web_edu.score`).
Two columns mark rows that leave the corpus, and the runner (`curate.run`) takes them out:
`dropped_by`, the names of the rules a document broke, and `quarantined`, why a record could not be read at all.
"""

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Batch: TypeAlias = pa.RecordBatch

TEXT = "text"
ID = "id"
URL = "url"
DROPPED_BY = "dropped_by"  # list<string>: every broken rule, in the order of the rules
QUARANTINED = "quarantined"  # string: null, or the reason why this record cannot be used

WEB = pa.schema(
    [
        (TEXT, pa.string()),
        (ID, pa.string()),  # WARC-Record-ID where there is one, else source/file/record
        ("dump", pa.string()),
        (URL, pa.string()),
        ("date", pa.string()),
        ("file_path", pa.string()),
        ("language", pa.string()),
        ("language_score", pa.float64()),
    ]
)
CODE = pa.schema(
    [
        (TEXT, pa.string()),
        (ID, pa.string()),
        ("repo_name", pa.string()),
        ("path", pa.string()),
        ("language", pa.string()),
        ("license", pa.string()),
        ("size", pa.int64()),  # bytes
    ]
)


def with_columns(batch: Batch, columns: Mapping[str, pa.Array]) -> Batch:
    """Return `batch` with `columns` replaced where the name exists and appended where it does not; same rows."""
    arrays = dict(zip(batch.schema.names, batch.columns, strict=True)) | dict(columns)
    wrong = {name: len(array) for name, array in columns.items() if len(array) != batch.num_rows}
    if wrong:
        raise ValueError(f"columns {wrong} do not have the batch's {batch.num_rows} rows")
    return pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))


def int_score(scores: np.ndarray) -> np.ndarray:
    """Round raw scores to FineWeb-Edu's 0-5 integers: clip, then round half up, so that 2.5 and above reads 3.

    Python's `round`, which FineWeb-Edu used, sends 2.5 itself to 2; one point of the real line, kept here with
    its neighbours so that `int_score >= 3` and `score >= 2.5` are the same rows.

    Returns: (N,) int64.
    """
    clipped = np.clip(np.asarray(scores, dtype=np.float64), 0.0, 5.0)
    return np.floor(clipped + 0.5).astype(np.int64)


def text_bytes(batch: Batch) -> int:
    """Return the UTF-8 bytes of a batch's text; 0 before there is text."""
    if TEXT not in batch.schema.names:
        return 0
    return int(pc.sum(pc.binary_length(batch[TEXT])).as_py() or 0)
