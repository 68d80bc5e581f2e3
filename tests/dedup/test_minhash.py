import numpy as np
import pyarrow as pa
import pytest

from curate.dedup.minhash import CHARACTERS, FINEWEB, STACK, MinHash, band_keys, permutation, signatures

M = 2**64 - 1
GAMMA = 0x9E3779B97F4A7C15


def signature(reference, text: str, settings: MinHash) -> list[int]:
    """The definition in Python integers: the least y of each bin, empty bins filled from the bins that a hash names."""
    a, b = (int(value) for value in permutation(settings.seed))
    bins = settings.bands * settings.rows
    least: dict[int, int] = {}
    for x in reference.shingles(text, settings.shingle_words, settings.shingles):
        y = (a * x + b) & M
        place = (y >> 32) * bins >> 32
        least[place] = min(y, least.get(place, M))
    found = []
    for i in range(bins if least else 0):
        place, attempt = i, 0
        while place not in least:
            attempt += 1
            place = (reference.mix(((i + 1) * GAMMA + attempt) & M) >> 32) * bins >> 32
        found.append(least[place])
    return found or [M] * bins


@pytest.mark.parametrize("settings", [FINEWEB, STACK, CHARACTERS, MinHash(bands=3, rows=5, shingle_words=2, seed=9)])
def test_signature_equals_the_exact_integer_reference(reference, settings):
    quick = "the quick brown Fox_jumps over the lazy dog"
    texts = [quick, "two words", "", "one", "東京は日本の首都です", "word " * 500, " ".join(map(str, range(5000)))]
    minima, counts = signatures(pa.array(texts), settings)
    for row, text in enumerate(texts):
        assert minima[row].tolist() == signature(reference, text, settings)
        assert counts[row] == len(reference.shingles(text, settings.shingle_words, settings.shingles))


def test_the_permutation_is_splitmix64_of_the_seed(reference):
    a, b = permutation(7)
    first, second = (reference.mix((7 + step * GAMMA) & M) for step in (1, 2))
    assert (a, b) == (first | 1, second)
    texts = pa.array(["the quick brown fox jumps over the lazy dog"])
    assert (signatures(texts, MinHash(seed=1))[0] != signatures(texts, MinHash(seed=2))[0]).all()


def test_band_keys_equal_the_exact_integer_reference(reference):
    settings = MinHash(bands=2, rows=3)
    minima = np.array([[1, 2, 3, 4, 5, M]], dtype=np.uint64)
    expected = []
    for rows in ([1, 2, 3], [4, 5, M]):
        h = 0
        for value in rows:
            h = (h * GAMMA + value) & M
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


@pytest.mark.parametrize("num_words", [54, 204])
@pytest.mark.parametrize("share", [1 / 50, 1 / 25, 1 / 16])
def test_planted_pairs_are_found_as_often_as_the_s_curve_says(plant, reference, num_words, share):
    count, num_changed = 600, round(num_words * share)
    pairs = plant(count, num_words, num_changed)
    shingles = num_words - 4
    jaccard = (shingles - 5 * num_changed) / (shingles + 5 * num_changed)  # .82, .67 and .54 or .48
    assert reference.jaccard(*pairs[0]) == jaccard
    one, two = (band_keys(signatures(pa.array(side), FINEWEB)[0], FINEWEB) for side in zip(*pairs, strict=True))
    found = (one == two).any(axis=1).mean()
    expected = 1 - (1 - jaccard**8) ** 14
    assert abs(found - expected) < 4 * np.sqrt(expected * (1 - expected) / count)


def test_the_share_of_equal_minima_estimates_the_jaccard_similarity(plant):
    settings = MinHash(bands=64, rows=8)
    one, two = (signatures(pa.array(side), settings)[0] for side in zip(*plant(200, 204, 8), strict=True))
    assert abs((one == two).mean() - 2 / 3) < 0.02  # 160 of 240 shingles fill 512 bins: standard error .0022


def test_a_text_of_one_shingle_has_one_minimum_and_a_text_without_words_none():
    minima, counts = signatures(pa.array(["one", "one two", "...", None]), FINEWEB)
    assert [len(set(row.tolist())) for row in minima] == [1, 1, 1, 1]
    assert counts.tolist() == [1, 1, 0, 0]
    assert minima[0][0] != minima[1][0] != M
    assert (minima[2:] == M).all()


def test_the_stack_cuts_256_permutations_as_datasketch_does_for_its_threshold():
    from datasketch.lsh import _optimal_param

    assert _optimal_param(STACK.threshold, 256, 0.5, 0.5) == (STACK.bands, STACK.rows)
    assert (STACK.threshold, STACK.shingle_words, STACK.shingles) == (0.7, 5, "code")
    assert STACK.probability(0.7) == pytest.approx(0.51, abs=0.01)


def test_only_what_changes_signatures_is_part_of_signing():
    assert MinHash(threshold=0.7, similarity="containment").signing() == FINEWEB.signing()
    others = [MinHash(bands=7), MinHash(rows=4), MinHash(shingle_words=3), MinHash(seed=2), MinHash(shingles="code")]
    assert len({settings.signing() for settings in [FINEWEB, *others]}) == 6


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"bands": 0}, "at least one band"),
        ({"shingles": "bytes"}, "choose one of words, code, characters"),
        ({"similarity": "cosine"}, "choose jaccard or containment"),
        ({"threshold": 80}, "threshold=80 is not a similarity"),
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        MinHash(**wrong)
