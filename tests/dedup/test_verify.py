import numpy as np
import pyarrow as pa
import pytest

from curate.dedup.verify import shingle_sets, similarity, taken


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


def test_sets_are_taken_in_the_order_asked_for_empty_and_repeated_ones_too():
    offsets, hashes = np.array([0, 2, 2, 5]), np.array([1, 2, 7, 8, 9], np.uint64)
    ends, chosen = taken(offsets, hashes, np.array([2, 1, 0, 2]))
    assert ends.tolist() == [0, 3, 3, 5, 8]
    assert chosen.tolist() == [7, 8, 9, 1, 2, 7, 8, 9]
    assert [len(part) for part in taken(offsets, hashes, np.zeros(0, np.int64))] == [1, 0]
