import numpy as np
import pyarrow as pa
import pytest

from curate.dedup.minhash import FINEWEB, MinHash, band_keys, coefficients, signatures

M = 2**64 - 1


def test_signature_equals_the_exact_integer_reference(reference):
    texts = ["the quick brown fox jumps over the lazy dog", "two words", "", "東京は日本の首都です", "word " * 500]
    minima, counts = signatures(pa.array(texts), FINEWEB)
    a, b = (values.tolist() for values in coefficients(FINEWEB))
    for row, text in enumerate(texts):
        found = reference.shingles(text, 5)
        expected = [min([(ai * x + bi) & M for x in found], default=M) for ai, bi in zip(a, b, strict=True)]
        assert minima[row].tolist() == expected
        assert counts[row] == len(found)


def test_coefficients_are_splitmix64_of_the_seed(reference):
    a, b = coefficients(MinHash(bands=1, rows=2, seed=7))
    stream = [reference.mix((7 + step * 0x9E3779B97F4A7C15) & M) for step in range(1, 5)]
    assert a.tolist() == [stream[0] | 1, stream[2] | 1]
    assert b.tolist() == [stream[1], stream[3]]
    assert (coefficients(MinHash(seed=1))[0] != coefficients(MinHash(seed=2))[0]).all()


def test_band_keys_equal_the_exact_integer_reference(reference):
    settings = MinHash(bands=2, rows=3)
    minima = np.array([[1, 2, 3, 4, 5, M]], dtype=np.uint64)
    expected = []
    for rows in ([1, 2, 3], [4, 5, M]):
        h = 0
        for value in rows:
            h = (h * 0x9E3779B97F4A7C15 + value) & M
        expected.append(reference.mix(h))
    assert band_keys(minima, settings).tolist() == [expected]


@pytest.mark.parametrize(
    ("jaccard", "probability"),  # worked out with exact fractions
    [
        (0.0, 0.0),
        (0.5, 0.05332041503272351),
        (0.6, 0.2111218544753032),
        (0.7, 0.5645040423914175),
        (0.75, 0.7716335687619111),
        (0.8, 0.923547558632581),
        (0.85, 0.9883656759977398),
        (0.9, 0.9996221997318117),
        (1.0, 1.0),
    ],
)
def test_fineweb_bands_find_a_pair_with_the_probability_of_the_s_curve(jaccard, probability):
    assert FINEWEB.probability(jaccard) == pytest.approx(probability, rel=1e-12)


@pytest.mark.parametrize("num_changed", [4, 8, 13])
def test_planted_pairs_are_found_as_often_as_the_s_curve_says(plant, reference, num_changed):
    count, settings = 600, MinHash(bands=14, rows=8)
    pairs = plant(count, 204, num_changed)
    jaccard = (200 - 5 * num_changed) / (200 + 5 * num_changed)  # .818, .667, .509
    assert reference.jaccard(*pairs[0]) == jaccard
    one, two = (band_keys(signatures(pa.array(side), settings)[0], settings) for side in zip(*pairs, strict=True))
    found = (one == two).any(axis=1).mean()
    expected = settings.probability(jaccard)
    assert abs(found - expected) < 4 * np.sqrt(expected * (1 - expected) / count)


def test_the_share_of_equal_minima_estimates_the_jaccard_similarity(plant):
    settings = MinHash(bands=64, rows=8)
    one, two = (signatures(pa.array(side), settings)[0] for side in zip(*plant(50, 204, 8), strict=True))
    assert abs((one == two).mean() - 2 / 3) < 0.02  # standard error .003 over 25,600 minima


def test_settings_without_a_band_are_refused():
    with pytest.raises(ValueError, match="at least one band"):
        MinHash(bands=0)
