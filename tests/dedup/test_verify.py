import numpy as np
import pyarrow as pa
import pytest

from curate.dedup.verify import jaccard, shingle_sets


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [("a b c", "a b c", 1.0), ("a b c", "c b a a", 1.0), ("a b c d", "c d e f g h", 0.25), ("a", "b", 0), ("", "", 0)],
)
def test_similarity_is_shared_over_all_distinct_shingles(a, b, expected):
    offsets, hashes = shingle_sets(pa.array([a, b]), 1)
    assert jaccard(hashes, *offsets[:2], *offsets[1:]) == expected


def test_the_sets_of_random_texts_equal_python_sets(reference, plant):
    texts = [text for pair in plant(20, 60, 3) for text in pair] + ["", "x " * 50]
    offsets, hashes = shingle_sets(pa.array(texts), 5)
    for row, text in enumerate(texts):
        assert hashes[offsets[row] : offsets[row + 1]].tolist() == sorted(set(reference.shingles(text, 5)))


def test_four_fifths_is_at_the_threshold_of_point_eight():
    hashes = np.array([1, 2, 3, 4, 1, 2, 3, 4, 5], dtype=np.uint64)
    assert jaccard(hashes, 0, 4, 4, 9) >= 0.8
