"""Long documents by their first, middle and last chunk, instead of by their beginning alone.

    Chunked(score_stage("web_edu"), pool="mean")(batch)

Every classifier reads a beginning: 4,000 characters here, 512 tokens in FineWeb-Edu. A book that opens with its
licence, or an article under a long menu, is judged by that. `Chunked` hands three chunks of a document to any scoring
stage and keeps, for each quality X, X.score_first, X.score_mean and X.score_max; X.score, `score` and `int_score` are
the one that `pool` names. Documents of one chunk cost and score what they did; long ones cost up to three times as
much, and at most 12,000 of their characters are copied while a batch is scored.

Which pool is best depends on what a grade is of. Our teacher read the first 3,500 characters, and little hangs on it:
on 1,116 web grades, 494 of longer texts, F1 is .875, .869 and .865 by first, mean and max, Spearman .857, .859
and .860. FinePDFs-Edu takes the greater score of two ends.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from curate.classify.annotations import LANGUAGE
from curate.document import ID, TEXT, Batch, int_score, with_columns
from curate.stage import Stage, stage_name

Pool = Literal["first", "mean", "max"]
POOLS: tuple[Pool, ...] = ("first", "mean", "max")
RAW, WHOLE = "score", "int_score"


@dataclass(frozen=True)
class Chunked:
    """A stage that scores chunks with `stage` and pools their scores."""

    stage: Stage
    pool: Pool = "mean"
    chunk_chars: int = 4000  # what the shipped classifiers read

    @property
    def on_gpu(self) -> bool:
        return bool(getattr(self.stage, "on_gpu", False))

    def __call__(self, batch: Batch) -> Batch:
        """Add the columns of `stage`, pooled, and for each column X.score its first, mean and max."""
        if TEXT not in batch.schema.names:
            raise ValueError(f"there is no column {TEXT!r} to score; the batch has {batch.schema.names}")
        chunks, owners = cut([text or "" for text in batch[TEXT].to_pylist()], self.chunk_chars)
        ids = pa.array([str(i) for i in range(len(chunks))], pa.string())
        parts = {ID: ids, TEXT: pa.array(chunks, pa.large_string())}
        if LANGUAGE in batch.schema.names:
            parts[LANGUAGE] = batch[LANGUAGE].take(pa.array(owners))
        scored = self.stage(pa.RecordBatch.from_pydict(parts))
        columns: dict[str, pa.Array] = {}
        for name in scored.schema.names:
            if name.endswith(f".{RAW}") or name == RAW:
                columns |= self._pooled(name, scored[name].to_numpy(zero_copy_only=False), owners, batch.num_rows)
        if RAW in columns and WHOLE in scored.schema.names:
            columns[WHOLE] = pa.array(int_score(columns[RAW].to_numpy()), pa.int64())
        return with_columns(batch, columns)

    def _pooled(self, name: str, scores: np.ndarray, owners: np.ndarray, num_rows: int) -> dict[str, pa.Array]:
        pooled = {pool: pa.array(pool_scores(scores, owners, num_rows, pool), pa.float32()) for pool in POOLS}
        kept = {name: pooled[self.pool]}
        return kept if name == RAW else kept | {f"{name}_{pool}": pooled[pool] for pool in POOLS}

    def __repr__(self) -> str:
        return f"Chunked({stage_name(self.stage)}, pool={self.pool!r}, chunk_chars={self.chunk_chars})"


def cut(texts: list[str], chars: int) -> tuple[list[str], np.ndarray]:
    """Return the first, middle and last `chars` characters of each text, and which text each is of.

    A text of one chunk gives itself, one of up to two gives its first and its last, which then overlap or meet.
    """
    chunks, owners = [], []
    for row, text in enumerate(texts):
        middle, last = (len(text) - chars) // 2, len(text) - chars
        starts = [0] if last <= 0 else [0, last] if last <= chars else [0, middle, last]
        chunks += [text[start : start + chars] for start in starts]
        owners += [row] * len(starts)
    return chunks, np.array(owners, np.int64)


def pool_scores(scores: np.ndarray, owners: np.ndarray, num_rows: int, pool: Pool) -> np.ndarray:
    """Return (num_rows,) float32 of the chunks' scores; the chunks of a row lie together, its first one first."""
    if not num_rows:
        return np.zeros(0, np.float32)
    starts = np.searchsorted(owners, np.arange(num_rows))
    if pool == "first":
        result = scores[starts]
    elif pool == "max":
        result = np.maximum.reduceat(scores, starts)
    else:
        result = np.add.reduceat(scores.astype(np.float64), starts) / np.bincount(owners, minlength=num_rows)
    pooled: np.ndarray = result.astype(np.float32)
    return pooled
