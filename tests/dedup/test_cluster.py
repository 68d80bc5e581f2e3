from random import Random

import numpy as np
import pytest

from curate.dedup.cluster import cluster_sizes, settle_edges


def settled(count: int, edges: list[tuple[int, int, float]]) -> tuple[list[int], list[float]]:
    """Settle edges (worse, better, similarity) of documents that are their own ranks."""
    ordered = sorted(edges)
    pairs = np.array([worse << 32 | better for worse, better, _ in ordered], dtype=np.uint64)
    survivor, similarity = np.arange(count, dtype=np.uint32), np.full(count, np.nan, dtype=np.float32)
    settle_edges(pairs, np.array([found for _, _, found in ordered], dtype=np.float32), survivor, similarity)
    return survivor.tolist(), similarity.tolist()


def test_case_6_in_a_chain_only_the_neighbours_of_the_survivor_leave():
    survivor, similarity = settled(3, [(1, 0, 0.75), (2, 1, 0.875)])  # A ~ B ~ C, A not ~ C
    assert survivor == [0, 0, 2]
    assert similarity[1] == 0.75


def test_a_chain_ranked_from_its_middle_loses_both_ends():
    assert settled(3, [(1, 0, 0.9), (2, 0, 0.9)])[0] == [0, 0, 0]


def test_the_survivor_named_is_the_best_ranked_neighbour_that_stays():
    edges = [(1, 0, 0.8), (3, 1, 0.99), (3, 2, 0.81), (4, 2, 0.8), (4, 0, 0.9)]
    survivor, similarity = settled(5, edges)
    assert survivor == [0, 0, 2, 2, 0]  # 3 is nearest to 1, which left
    assert similarity[3:] == [np.float32(0.81), np.float32(0.9)]


@pytest.mark.parametrize("seed", range(10))
def test_settling_equals_the_definition(seed):
    random = Random(seed)
    edges = {tuple(sorted(random.sample(range(40), 2), reverse=True)) for _ in range(80)}
    stays: dict[int, int] = {}
    for document in range(40):
        better = [b for w, b in edges if w == document and stays[b] == b]
        stays[document] = min(better, default=document)
    assert settled(40, [(w, b, 0.9) for w, b in edges])[0] == list(stays.values())


def test_strips_settled_one_after_the_other_give_the_same():
    random = Random(1)
    edges = sorted({tuple(sorted(random.sample(range(40), 2), reverse=True)) for _ in range(80)})
    pairs = np.array([w << 32 | b for w, b in edges], dtype=np.uint64)
    survivor, similarity = np.arange(40, dtype=np.uint32), np.full(40, np.nan, dtype=np.float32)
    for part in np.array_split(pairs, 7):
        settle_edges(part, np.ones(len(part), dtype=np.float32), survivor, similarity)
    assert survivor.tolist() == settled(40, [(w, b, 1.0) for w, b in edges])[0]


def test_cluster_sizes_count_the_survivor_and_what_left_for_it():
    survivor = np.array([0, 0, 2, 0], dtype=np.uint32)
    assert cluster_sizes(survivor, np.ones(4, dtype=bool)).tolist() == [3, 0, 1, 0]
    assert cluster_sizes(survivor, np.array([False, True, False, False])).tolist() == [1, 0, 0, 0]
