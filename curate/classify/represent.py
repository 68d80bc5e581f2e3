"""What a fit reads of each text: the gate's counts and the encoder's vector, in this process or on Ray.

    features, vectors = represent(texts, Encoder(), ray="auto")

Texts go in chunks, as many at a time as there are workers, each of which loads the encoder once. Chunks are the same
without Ray, so an encoder whose result depends on the batch (a padded one; 8 bits do not) gives the same bits either
way. Between kinds of processors, and between a CPU and a GPU, it does not: nodes should be alike, as for `score`.

This is what a fit can spread. Its cross-validation fits 30 small models on the driver, in some seconds a thousand
grades: their sums depend on the number of threads, so workers would not return the bits that the driver computes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from curate.classify.embedding import Encoder
from curate.classify.gate import Features, count_features
from curate.cluster import map_units

CHUNK = 256  # texts: some seconds on a CPU; with two windows of 256 tokens each, one batch of a GPU


@dataclass(frozen=True)
class Represent:
    """Count and embed a chunk of texts."""

    encoder: Encoder

    def __call__(self, texts: Sequence[str]) -> tuple[Features, np.ndarray]:
        return count_features(texts), self.encoder(texts)


def represent(
    texts: Sequence[str],
    encoder: Encoder,
    *,
    ray: str | None = None,
    workers: int | None = None,
    num_gpus: float = 0,
) -> tuple[Features, np.ndarray]:
    """Return the features of all texts, and their vectors, (N, dim) float32.

    Args:
        ray: "none", "local", "auto" or an address; see `curate.cluster.map_units`.
        workers: chunks at a time.
        num_gpus: GPUs that each of them holds.
    """
    chunks = [texts[start : start + CHUNK] for start in range(0, len(texts), CHUNK)]
    engine = {"ray": ray, "workers": workers, "num_gpus": num_gpus}
    done = dict(map_units(Represent(encoder), chunks, **engine))  # type: ignore[arg-type]
    found = [done[index] for index in range(len(chunks))]
    return join([features for features, _ in found]), np.concatenate([vectors for _, vectors in found])


def join(parts: Sequence[Features]) -> Features:
    """Put the features of some documents behind those of others."""
    starts = np.cumsum([0, *(part.ends[-1] for part in parts)])
    ends = [np.zeros(1, np.int64), *(part.ends[1:] + start for part, start in zip(parts, starts, strict=False))]
    return Features(
        np.concatenate([part.buckets for part in parts]),
        np.concatenate([part.counts for part in parts]),
        np.concatenate(ends),
        np.concatenate([part.shapes for part in parts]),
    )
