"""The cheap scorer: hashed words, word pairs and 4-byte pieces with one weight each, and the look of the text.

    gate = fit_gate(count_features(texts), grades)
    gate.score(texts)               # (N,) float32, megabytes of text per second on one core

A document is the vector of (1 + log count) * sqrt(idf) over 2^17 buckets, scaled to length 1 (Salton & Buckley 1988;
hashing: Weinberger et al. 2009, arXiv 0902.2206), beside the 72 numbers of `shape` under a Gaussian kernel, which is
compared with some of the graded documents only (Nyström: Williams & Seeger 2001). One ridge regression over both gives
the weights. It reads 4,000 characters, with line ends and punctuation. It knows no synonyms: see `head` for that.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.classify.head import chunks, gaussian
from curate.classify.shape import NUM_SHAPES, shapes
from curate.text.arrow import strings
from curate.text.kernel import kernel

BUCKET_BITS = 17  # 2^16 and 2^18 gave the same F1 within 0.003
NUM_BUCKETS = 1 << BUCKET_BITS
MAX_CHARS = 4000  # what the teacher read; 2,000 cost 0.02 of F1
PENALTY = 0.1  # of the ridge; vectors have length 1; 0.03 to 0.3 are alike
SHAPE_SHARE = 0.3  # of the look in the likeness of two documents; 0.3 to 0.5 are alike
LANDMARKS = 512  # F1 as with all 1,116 (web) or 1,620 (code) documents; 256 and 128 lose up to 0.01
MAX_DEVIATION = 4.0  # standard deviations; what is further out counts as this far
JITTER = 1e-3  # on the diagonal of the landmarks' kernel, so that its root exists and stays small

WORD, PAIR, PIECE = np.uint64(1), np.uint64(2), np.uint64(3)
MULTIPLIER = np.uint64(0xFF51AFD7ED558CCD)  # of MurmurHash3's last mixing step
FNV_OFFSET, FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
SPACE, NEWLINE = 32, 10


class Features(NamedTuple):
    """Bucket counts of documents, row after row (the arrays of a sparse matrix in CSR form)."""

    buckets: np.ndarray  # int32
    counts: np.ndarray  # int32
    ends: np.ndarray  # (rows + 1,) int64
    shapes: np.ndarray  # (rows, NUM_SHAPES) float32


@dataclass(frozen=True, eq=False)
class Look:
    """The part of a gate that judges the shape of a text."""

    mean: np.ndarray  # (NUM_SHAPES,) float32
    scale: np.ndarray  # (NUM_SHAPES,) float32
    landmarks: np.ndarray  # (M, NUM_SHAPES) float16, standardised
    coefficients: np.ndarray  # (M,) float64

    def score(self, shapes: np.ndarray) -> np.ndarray:
        """Return (N,) float64, to be added to the score of the n-grams."""
        scores = np.empty(len(shapes))
        for rows in chunks(len(shapes)):
            scores[rows] = self.likeness(shapes[rows]) @ self.coefficients
        return scores

    def likeness(self, shapes: np.ndarray) -> np.ndarray:
        """Return (N, M) float64 in (0, 1]: the Gaussian kernel, one standard deviation of every number wide."""
        standard = standardised(shapes, self.mean, self.scale)
        return gaussian(standard, self.landmarks, 0.5 / NUM_SHAPES)


@dataclass(frozen=True, eq=False)
class Gate:
    """A fitted scorer; `score` needs NumPy and the counting kernels only."""

    weights: np.ndarray  # (NUM_BUCKETS,) float16
    idf: np.ndarray  # (NUM_BUCKETS,) float16, already under the square root
    look: Look
    bias: float

    def score(self, texts: Sequence[str] | pa.Array) -> np.ndarray:
        """Return (N,) float32 on the scale of the grades, uncalibrated."""
        return self.score_features(count_features(texts))

    def score_features(self, features: Features) -> np.ndarray:
        rows = np.repeat(np.arange(len(features.ends) - 1), np.diff(features.ends))  # the document of each entry
        terms = weighted(features, self.idf) * self.weights.astype(np.float32)[features.buckets]
        grams = np.bincount(rows, terms, minlength=len(features.ends) - 1)
        scores: np.ndarray = grams + self.look.score(features.shapes) + self.bias
        return scores.astype(np.float32)


def count_features(texts: Sequence[str] | pa.Array) -> Features:
    """Count the hashed features in the first MAX_CHARS characters of each text; a null counts as empty."""
    array = texts if isinstance(texts, pa.Array) else pa.array(texts, pa.large_string())
    data, starts, _ = strings(pc.utf8_slice_codeunits(pc.fill_null(array, ""), 0, MAX_CHARS))
    if not len(data):
        data = np.zeros(1, np.uint8)
    return Features(*_count(data, starts), shapes(array, MAX_CHARS))


def weighted(features: Features, idf: np.ndarray) -> np.ndarray:
    """Return the entries of the document vectors, each vector of length 1: (entries,) float32."""
    logs = np.log(np.arange(1, features.counts.max(initial=1) + 1)).astype(np.float32)  # by count - 1
    return _weigh(features.buckets, features.counts, features.ends, idf.astype(np.float32), logs)


def select(features: Features, rows: np.ndarray) -> Features:
    """Return the features of some documents, in the order of `rows`."""
    lengths = np.diff(features.ends)[rows]
    ends = np.concatenate([[0], np.cumsum(lengths)])
    entries = np.repeat(features.ends[rows] - ends[:-1], lengths) + np.arange(ends[-1])
    return Features(features.buckets[entries], features.counts[entries], ends, features.shapes[rows])


def fit_gate(features: Features, grades: np.ndarray, *, penalty: float = PENALTY, seed: int = 0) -> Gate:
    """Learn from graded documents; grades is (N,) float, `seed` chooses the landmarks."""
    from scipy.sparse import csr_matrix, hstack
    from sklearn.linear_model import Ridge

    num_docs = len(features.ends) - 1
    documents = np.bincount(features.buckets, minlength=NUM_BUCKETS)  # that hold the bucket
    # The square root: Spearman 0.825 on web grades, against 0.809 with the whole idf (code: 0.761 and 0.755).
    idf = np.sqrt(np.log((1 + num_docs) / (1 + documents)) + 1).astype(np.float16)
    idf[documents == 0] = 0  # what was never seen says nothing
    entries = np.sqrt(1 - SHAPE_SHARE) * weighted(features, idf)
    grams = csr_matrix((entries, features.buckets, features.ends), shape=(num_docs, NUM_BUCKETS), dtype=np.float32)
    look = _landmarks(features.shapes, seed)
    root = _root(gaussian(look.landmarks, look.landmarks, 0.5 / NUM_SHAPES))
    seen = np.empty((num_docs, len(root)), np.float32)
    for rows in chunks(num_docs):
        seen[rows] = np.sqrt(SHAPE_SHARE) * look.likeness(features.shapes[rows]) @ root
    matrix = hstack([grams, csr_matrix(seen)], format="csr")
    ridge = Ridge(penalty, solver="sparse_cg", tol=1e-4).fit(matrix, grades.astype(np.float32))
    weights = np.sqrt(1 - SHAPE_SHARE) * ridge.coef_[:NUM_BUCKETS]
    coefficients = np.sqrt(SHAPE_SHARE) * root @ ridge.coef_[NUM_BUCKETS:].astype(np.float64)
    return Gate(weights.astype(np.float16), idf, replace(look, coefficients=coefficients), float(ridge.intercept_))


def standardised(shapes: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return (N, NUM_SHAPES) float64 in units of standard deviations, within MAX_DEVIATION of the mean."""
    standard: np.ndarray = np.clip((shapes.astype(np.float64) - mean) / scale, -MAX_DEVIATION, MAX_DEVIATION)
    return standard


def _landmarks(shapes: np.ndarray, seed: int) -> Look:
    mean, scale = shapes.mean(0), shapes.std(0) + np.float32(1e-6)
    chosen = np.arange(len(shapes))
    if len(chosen) > LANDMARKS:
        chosen = np.sort(np.random.default_rng(seed).choice(chosen, LANDMARKS, replace=False))
    landmarks = standardised(shapes[chosen], mean, scale).astype(np.float16)
    return Look(mean, scale, landmarks, np.zeros(len(chosen)))


def _root(among: np.ndarray) -> np.ndarray:
    """Return R with R R' = inverse of the (M, M) kernel, so that likeness @ R are features whose products are it."""
    lower = np.linalg.cholesky(among + JITTER * np.eye(len(among)))
    root: np.ndarray = np.linalg.inv(lower).T
    return root


@kernel
def _weigh(buckets: np.ndarray, counts: np.ndarray, ends: np.ndarray, idf: np.ndarray, logs: np.ndarray) -> np.ndarray:
    values = np.empty(len(buckets), np.float32)
    for row in range(len(ends) - 1):
        squares = 1e-24  # a document without a known bucket stays at zero
        for i in range(ends[row], ends[row + 1]):
            value = (1 + logs[counts[i] - 1]) * idf[buckets[i]]
            values[i] = value
            squares += value * value
        values[ends[row] : ends[row + 1]] /= np.float32(np.sqrt(squares))
    return values


@kernel
def _bucket(value: np.uint64, kind: np.uint64) -> np.int64:
    """Mix 64 bits (with MurmurHash3's finaliser, once over) and keep the highest."""
    value = (value ^ (value >> np.uint64(33)) ^ (kind << np.uint64(56))) * MULTIPLIER
    value = (value ^ (value >> np.uint64(33))) * MULTIPLIER
    return np.int64(value >> np.uint64(64 - BUCKET_BITS))


@kernel
def _count(data: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count per document. A word is a run of letters, digits and bytes beyond ASCII; other visible bytes are words of
    their own. A piece is four bytes, blanks as spaces and line ends kept. Upper case of ASCII is lowered."""
    rows = len(starts) - 1
    capacity = 3 * (starts[-1] - starts[0]) + 3 * rows + 1
    buckets, counts = np.empty(capacity, np.int32), np.empty(capacity, np.int32)
    ends = np.zeros(rows + 1, np.int64)
    slot = np.full(NUM_BUCKETS, -1, np.int64)  # where a bucket's count is; older rows' slots lie before `first`
    n = 0
    for row in range(rows):
        first = n
        word, before, piece = FNV_OFFSET, np.uint64(0), np.uint64(0)
        length, inside = 0, False
        for i in range(starts[row], starts[row + 1] + 1):
            byte = np.int64(data[i]) if i < starts[row + 1] else SPACE  # a blank ends the last word
            if 65 <= byte <= 90:
                byte += 32
            letter = 97 <= byte <= 122 or 48 <= byte <= 57 or byte >= 128
            for part in range(2):  # a byte may end a word and be one itself
                if part == 0:
                    ended = bool(inside and not letter)
                    token = word
                else:
                    ended = bool(not letter and byte > SPACE)
                    token = np.uint64(byte)
                if ended:
                    n = _add(_bucket(token, WORD), buckets, counts, slot, first, n)
                    if before != 0:
                        n = _add(_bucket(before * FNV_PRIME + token, PAIR), buckets, counts, slot, first, n)
                    before = token
            word = ((word if inside else FNV_OFFSET) ^ np.uint64(byte)) * FNV_PRIME
            inside = bool(letter)
            if i < starts[row + 1]:
                kept = byte if byte > SPACE or byte == NEWLINE else SPACE
                piece = ((piece << np.uint64(8)) | np.uint64(kept)) & np.uint64(0xFFFFFFFF)
                length += 1
                if length >= 4:
                    n = _add(_bucket(piece, PIECE), buckets, counts, slot, first, n)
        ends[row + 1] = n
    return buckets[:n].copy(), counts[:n].copy(), ends


@kernel
def _add(bucket: np.int64, buckets: np.ndarray, counts: np.ndarray, slot: np.ndarray, first: int, n: int) -> int:
    at = slot[bucket]
    if at >= first:
        counts[at] += 1
        return n
    slot[bucket], buckets[n], counts[n] = n, bucket, 1
    return n + 1
