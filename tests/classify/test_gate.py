"""The compiled counter and the scorer against a slow Python reference."""

import itertools
import math
from collections import Counter

import numpy as np
import pyarrow as pa

from curate.classify.gate import (
    BUCKET_BITS,
    MAX_CHARS,
    NUM_BUCKETS,
    PENALTY,
    SHAPE_SHARE,
    Gate,
    Look,
    count_features,
    fit_gate,
    select,
    weighted,
)
from curate.classify.shape import NUM_SHAPES

MASK = 2**64 - 1
TEXTS = ["The leaf, the light.", "", "def f(x):\n    return x_1 + 2\n", "光合作用 ist ÄÖ", "a", "..a.", "x" * 5000]


def bucket(value: int, kind: int) -> int:
    value = ((value ^ (value >> 33) ^ (kind << 56)) * 0xFF51AFD7ED558CCD) & MASK
    value = ((value ^ (value >> 33)) * 0xFF51AFD7ED558CCD) & MASK
    return value >> (64 - BUCKET_BITS)


def tokens(data: bytes) -> list[int]:
    """A run of word bytes by FNV-1a, any other visible byte by itself."""
    found: list[int] = []
    word = None
    for byte in [*data, 32]:
        if byte >= 128 or chr(byte).isalnum():
            word = (((0xCBF29CE484222325 if word is None else word) ^ byte) * 0x100000001B3) & MASK
            continue
        if word is not None:
            found.append(word)
            word = None
        if byte > 32:
            found.append(byte)
    return found


def counted(text: str) -> Counter[int]:
    """What the docstring of the module says, word by word."""
    data = bytes(byte + 32 if 65 <= byte <= 90 else byte for byte in text[:MAX_CHARS].encode())
    words = tokens(data)
    blanked = bytes(byte if byte > 32 or byte == 10 else 32 for byte in data)
    found = Counter(bucket(word, 1) for word in words)
    pairs = itertools.pairwise(words)
    found.update(bucket((left * 0x100000001B3 + right) & MASK, 2) for left, right in pairs)
    found.update(bucket(int.from_bytes(blanked[i : i + 4], "big"), 3) for i in range(len(blanked) - 3))
    return found


def test_the_compiled_counts_equal_the_slow_reference() -> None:
    features = count_features(TEXTS)
    for row, text in enumerate(TEXTS):
        entries = slice(features.ends[row], features.ends[row + 1])
        found = dict(zip(features.buckets[entries].tolist(), features.counts[entries].tolist(), strict=True))
        assert found == dict(counted(text)), text


def test_nulls_count_as_empty_and_slices_start_where_they_say() -> None:
    column = pa.array(["never seen", *TEXTS, None]).slice(1)
    features, expected = count_features(column), count_features([*TEXTS, ""])
    assert all(np.array_equal(a, b) for a, b in zip(features, expected, strict=True))


def test_a_score_is_the_bias_plus_the_dot_product_with_a_vector_of_length_one() -> None:
    rng = np.random.default_rng(0)
    blind = Look(np.zeros(NUM_SHAPES), np.ones(NUM_SHAPES), np.zeros((1, NUM_SHAPES)), np.zeros(1))
    weights, idf = rng.normal(size=NUM_BUCKETS).astype(np.float16), rng.random(NUM_BUCKETS).astype(np.float16)
    gate = Gate(weights, idf, blind, 1.5)
    for text, score in zip(TEXTS, gate.score(TEXTS), strict=True):
        vector = {at: (1 + math.log(n)) * float(gate.idf[at]) for at, n in counted(text).items()}
        length = math.sqrt(sum(value**2 for value in vector.values())) or 1.0
        dot = sum(value / length * float(gate.weights[at]) for at, value in vector.items())
        assert abs(score - (1.5 + dot)) < 1e-4, text


def test_the_look_adds_the_likeness_to_each_landmark_times_its_coefficient() -> None:
    rng = np.random.default_rng(0)
    landmarks = rng.normal(size=(2, NUM_SHAPES)).astype(np.float16)
    look = Look(np.ones(NUM_SHAPES), np.full(NUM_SHAPES, 2.0), landmarks, np.array([0.5, -2.0]))
    found = count_features(TEXTS).shapes
    for numbers, score in zip(found, look.score(found), strict=True):
        standard = [min(max((float(number) - 1) / 2, -4), 4) for number in numbers]
        squares = [sum((a - float(b)) ** 2 for a, b in zip(standard, row, strict=True)) for row in landmarks]
        expected = 0.5 * math.exp(-squares[0] / 2 / NUM_SHAPES) - 2 * math.exp(-squares[1] / 2 / NUM_SHAPES)
        assert abs(score - expected) < 1e-6


def test_with_every_document_a_landmark_the_fit_is_the_ridge_on_the_sum_of_both_kernels() -> None:
    rng = np.random.default_rng(0)
    words = [f"w{i}" for i in range(40)]
    texts = ["\n".join(" ".join(rng.choice(words, 6)) for _ in range(int(rng.integers(1, 6)))) for _ in range(60)]
    grades = rng.integers(0, 6, 60).astype(float)
    features = count_features(texts)
    gate = fit_gate(features, grades)
    vectors = np.zeros((60, NUM_BUCKETS))
    rows = np.repeat(np.arange(60), np.diff(features.ends))
    vectors[rows, features.buckets] = weighted(features, gate.idf)
    likeness = gate.look.likeness(features.shapes)
    kernel = (1 - SHAPE_SHARE) * vectors @ vectors.T + SHAPE_SHARE * likeness
    middle = np.eye(60) - 1 / 60  # the bias is not penalised
    dual = np.linalg.solve(middle @ kernel @ middle + PENALTY * np.eye(60), grades - grades.mean())
    centred = middle @ kernel @ middle @ dual
    np.testing.assert_allclose(gate.score(texts), centred + grades.mean(), atol=0.03)  # the landmarks' jitter, float16


def test_selected_rows_are_those_that_would_have_been_counted() -> None:
    rows = np.array([3, 0, 0, 1])
    chosen, expected = select(count_features(TEXTS), rows), count_features([TEXTS[row] for row in rows])
    assert all(np.array_equal(a, b) for a, b in zip(chosen, expected, strict=True))


def test_a_fitted_gate_tells_what_it_was_taught() -> None:
    lessons = [f"Lesson {i}: the cell divides, and each half keeps its {i} chromosomes." for i in range(20)]
    offers = [f"Buy {i} watches now! Click here, free shipping, only $9.{i:02}." for i in range(20)]
    gate = fit_gate(count_features(lessons + offers), np.repeat([4.0, 0.0], 20))
    lesson, offer = gate.score(["The cell keeps its chromosomes.", "Free watches! Buy now, only $5."])
    assert lesson > 2.5 > offer
