import numpy as np
import pyarrow as pa
import pytest

from curate.dedup.verify import shingle_sets, similarity


@pytest.mark.parametrize(
    ("a", "b", "jaccard", "containment"),
    [
        ("a b c", "a b c", 1.0, 1.0),
        ("a b c", "c b a a", 1.0, 1.0),
        ("a b c d", "c d e f g h", 0.25, 0.5),
        ("c d e f g h", "a b c d", 0.25, 1 / 3),
        ("a b", "a b c d", 0.5, 1.0),
        ("a", "b", 0, 0),
        ("", "b", 0, 0),
        ("b", "", 0, 0),
        ("", "", 0, 0),
    ],
)
def test_jaccard_is_over_both_and_containment_over_the_first(a, b, jaccard, containment):
    offsets, hashes = shingle_sets(pa.array([a, b]), 1)
    assert similarity(hashes, *offsets[:2], *offsets[1:], False) == jaccard
    assert similarity(hashes, *offsets[:2], *offsets[1:], True) == containment


@pytest.mark.parametrize("unit", ["words", "code", "characters"])
def test_the_sets_of_random_texts_equal_python_sets(reference, plant, unit):
    texts = [text for pair in plant(20, 60, 3) for text in pair] + ["", "x_Y " * 50]
    offsets, hashes = shingle_sets(pa.array(texts), 5, unit)
    for row, text in enumerate(texts):
        assert hashes[offsets[row] : offsets[row + 1]].tolist() == sorted(set(reference.shingles(text, 5, unit)))


def test_four_fifths_is_at_the_threshold_of_point_eight():
    hashes = np.array([1, 2, 3, 4, 1, 2, 3, 4, 5], dtype=np.uint64)
    assert similarity(hashes, 0, 4, 4, 9, False) >= 0.8
    assert similarity(hashes, 4, 9, 0, 4, True) >= 0.8
