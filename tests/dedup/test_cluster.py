from random import Random

import numpy as np
import pyarrow as pa
import pytest

from curate.dedup.cluster import MOST_STARS, NONE, first_copies, rank, shared_buckets, stars, with_copies


def laid_out(sets: list[list[int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    stops = np.cumsum([len(s) for s in sets])
    return stops - [len(s) for s in sets], stops, np.array([x for s in sets for x in sorted(s)], dtype=np.uint64)


def test_in_a_chain_only_the_neighbours_of_the_survivor_leave():
    a, b, c = [1, 2, 3, 4], [2, 3, 4, 5], [3, 4, 5, 6]  # J = .6, .6 and .33
    found = stars(np.zeros((3, 1), dtype=np.int32), *laid_out([a, b, c]), 0.6)
    assert found.survivor.tolist() == [NONE, 0, NONE]
    assert found.similarity.tolist() == [0, np.float32(0.6), 0]
    assert found.sizes().tolist() == [2, 0, 1]


def test_a_chain_ranked_from_its_middle_loses_both_ends():
    b, a, c = [2, 3, 4, 5], [1, 2, 3, 4], [3, 4, 5, 6]
    found = stars(np.zeros((3, 1), dtype=np.int32), *laid_out([b, a, c]), 0.6)
    assert found.survivor.tolist() == [NONE, 0, 0]
    assert found.sizes().tolist() == [3, 0, 0]


def test_the_survivor_named_is_the_best_ranked_neighbour_and_the_band_the_first_shared():
    sets = [[1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 7, 8], [1, 2, 3, 4]]  # J: 0-1 .5, 0-2 .67, 1-2 .67
    buckets = np.array([[NONE, NONE, 5, 6], [1, NONE, NONE, NONE], [1, NONE, 5, 6]], dtype=np.int32)
    found = stars(buckets, *laid_out(sets), 0.6)
    assert found.survivor.tolist() == [NONE, NONE, 0]
    assert found.band.tolist() == [NONE, NONE, 2]


def test_documents_that_share_no_bucket_are_not_compared():
    found = stars(np.array([[0], [1], [NONE], [NONE]], dtype=np.int32), *laid_out([[1, 2]] * 4), 0.5)
    assert found.survivor.tolist() == [NONE] * 4
    assert found.num_compared == 0


def test_a_template_costs_one_comparison_per_copy():
    buckets = np.zeros((10_000, 14), dtype=np.int32) + np.arange(14, dtype=np.int32)
    found = stars(buckets, *laid_out([[1, 2, 3]] * 10_000), 0.8)
    assert found.num_compared == 9_999
    assert (found.survivor[1:] == 0).all()


def test_a_bucket_of_different_documents_does_not_cost_the_square_of_its_size():
    sets = [[10 * i, 10 * i + 1] for i in range(5_000)]
    found = stars(np.zeros((5_000, 1), dtype=np.int32), *laid_out(sets), 0.8)
    assert (found.survivor == NONE).all()
    assert found.num_compared == found.num_rejected == sum(min(i, MOST_STARS) for i in range(5_000))


def greedy(sets: list[set[int]], buckets: np.ndarray, threshold: float) -> list[int]:
    """The definition, pair by pair."""
    survivor = [NONE] * len(sets)
    for i, mine in enumerate(sets):
        for j in range(i):
            shared = ((buckets[i] == buckets[j]) & (buckets[i] != NONE)).any()
            if shared and survivor[j] == NONE and len(mine & sets[j]) / len(mine | sets[j]) >= threshold:
                survivor[i] = j
                break
    return survivor


@pytest.mark.parametrize("seed", range(20))
def test_stars_equal_the_definition_on_random_documents(seed):
    random = Random(seed)
    sets = [set(random.sample(range(12), random.randint(3, 9))) for _ in range(60)]  # at most 60 stars: below the bound
    buckets = np.array(
        [[random.randrange(6) if random.random() < 0.8 else NONE for _ in range(3)] for _ in sets], np.int32
    )
    buckets[:, 1][buckets[:, 1] != NONE] += 10  # a bucket belongs to one band
    buckets[:, 2][buckets[:, 2] != NONE] += 20
    found = stars(buckets, *laid_out([sorted(s) for s in sets]), 0.5)
    assert found.survivor.tolist() == greedy(sets, buckets, 0.5)


def test_rank_is_score_then_length_then_id_and_what_has_no_score_is_last():
    score, length = pa.array([None, 1.0, 3.0, 3.0, 3.0, float("nan")]), pa.array([9, 9, 5, 7, 7, 9])
    order = rank(score, length, pa.array(["a", "b", "c", "e", "d", "f"]), np.zeros((6, 2), dtype=np.uint64))
    assert order.tolist() == [4, 3, 2, 1, 5, 0]


def test_copies_leave_for_the_survivor_of_their_first_copy():
    exact = np.array([[1, 1], [2, 2], [1, 1], [2, 2], [2, 3]], dtype=np.uint64)
    first = first_copies(exact)
    assert first.tolist() == [0, 1, 0, 1, 4]
    near = stars(
        np.zeros((3, 1), dtype=np.int32), *laid_out([[1, 2, 3, 4], [1, 2, 3], [9]]), 0.7
    )  # of documents 0, 1, 4
    found = with_copies(near, first)
    assert found.survivor.tolist() == [NONE, 0, 0, 0, NONE]
    assert found.similarity.tolist() == [0, 0.75, 1, 0.75, 0]
    assert found.exact().tolist() == [False, False, True, False, False]
    assert found.copy.tolist() == [False, False, True, True, False]
    assert found.sizes().tolist() == [4, 0, 0, 0, 1]


def test_buckets_are_keys_that_two_or_more_documents_share_within_a_band():
    keys = np.array([[7, 1], [7, 2], [8, 2], [9, 7]], dtype=np.uint64)
    assert shared_buckets(keys).tolist() == [[0, NONE], [0, 1], [NONE, 1], [NONE, NONE]]


def test_no_document_gives_no_star():
    nothing = np.zeros(0, dtype=np.int64)
    found = stars(np.zeros((0, 14), dtype=np.int32), nothing, nothing, np.zeros(0, dtype=np.uint64), 0.8)
    assert found.sizes().tolist() == []
    assert shared_buckets(np.zeros((0, 3), dtype=np.uint64)).shape == (0, 3)
