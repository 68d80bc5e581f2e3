"""Edit distance of trees: against the recursive definition, and bounds that are never above it."""

from functools import cache
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.decontaminate.distance import align, allowed, near_pairs, sequence_distance, tree_distance

Tree = tuple  # (label, (children...))
TREES = st.recursive(
    st.tuples(st.integers(1, 3), st.just(())),
    lambda children: st.tuples(st.integers(1, 3), st.lists(children, max_size=3).map(tuple)),
    max_leaves=6,
)
SEQUENCES = st.lists(st.integers(1, 3), max_size=9)


def preorder(tree: Tree) -> tuple[np.ndarray, np.ndarray]:
    labels: list[int] = []
    sizes: list[int] = []

    def walk(node: Tree) -> int:
        place = len(labels)
        labels.append(node[0])
        sizes.append(0)
        sizes[place] = 1 + sum(walk(child) for child in node[1])
        return sizes[place]

    walk(tree)
    return np.array(labels, np.int32), np.array(sizes, np.int32)


@cache
def by_definition(a: tuple[Tree, ...], b: tuple[Tree, ...]) -> int:
    """The distance of two forests: delete, insert or keep the root of the last tree."""
    if not a and not b:
        return 0
    options = []
    if a:
        options.append(by_definition((*a[:-1], *a[-1][1]), b) + 1)
    if b:
        options.append(by_definition(a, (*b[:-1], *b[-1][1])) + 1)
    if a and b:
        below = by_definition(a[-1][1], b[-1][1]) + (a[-1][0] != b[-1][0])
        options.append(by_definition(a[:-1], b[:-1]) + below)
    return min(options)


@given(TREES, TREES)
@settings(max_examples=150, deadline=None)
def test_the_distance_of_trees_is_that_of_the_recursive_definition(a: Tree, b: Tree) -> None:
    assert tree_distance(*preorder(a), *preorder(b)) == by_definition((a,), (b,))


def test_a_node_taken_out_of_the_middle_is_one_edit() -> None:
    deep: Tree = (1, ((2, ((3, ()), (1, ()))), (2, ())))
    flat: Tree = (1, ((3, ()), (1, ()), (2, ())))
    assert tree_distance(*preorder(deep), *preorder(flat)) == 1
    assert tree_distance(*preorder(deep), *preorder(deep)) == 0


@given(TREES, TREES)
@settings(max_examples=150, deadline=None)
def test_no_bound_is_above_the_distance(a: Tree, b: Tree) -> None:
    (x, x_sizes), (y, y_sizes) = preorder(a), preorder(b)
    exact = tree_distance(x, x_sizes, y, y_sizes)
    assert sequence_distance(x, y, 100) <= exact
    assert abs(len(x) - len(y)) <= exact


@given(SEQUENCES, SEQUENCES, st.integers(0, 9))
@settings(max_examples=200, deadline=None)
def test_the_distance_of_sequences_is_exact_up_to_the_most_that_is_asked(a: list[int], b: list[int], most: int) -> None:
    table = [[max(i, j) for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (a[i - 1] != b[j - 1]))
    found = sequence_distance(np.array(a, np.int32), np.array(b, np.int32), most)
    assert found == min(table[-1][-1], most + 1)


@given(SEQUENCES, SEQUENCES)
@settings(max_examples=100, deadline=None)
def test_partners_have_the_same_label_and_do_not_cross(a: list[int], b: list[int]) -> None:
    partners = align(np.array(a, np.int32), np.array(b, np.int32))
    kept = [(i, j) for i, j in enumerate(partners.tolist()) if j >= 0]
    assert all(a[i] == b[j] for i, j in kept)
    assert all(one[1] < two[1] for one, two in pairwise(kept))


def test_equal_sequences_are_paired_place_by_place() -> None:
    assert align(np.array([1, 2, 2, 3], np.int32), np.array([1, 2, 2, 3], np.int32)).tolist() == [0, 1, 2, 3]


@given(
    st.lists(SEQUENCES.filter(bool), min_size=1, max_size=4), st.lists(SEQUENCES.filter(bool), min_size=1, max_size=4)
)
@settings(max_examples=100, deadline=None)
def test_near_pairs_are_those_that_sizes_and_common_labels_allow(
    trees: list[list[int]], items: list[list[int]]
) -> None:
    rows = sorted((label, k, own.count(label)) for k, own in enumerate(items) for label in set(own))
    offsets = np.searchsorted([row[0] for row in rows], np.arange(5)).astype(np.int32)
    stops = np.cumsum([len(tree) for tree in trees]).astype(np.int32)
    starts = (stops - [len(tree) for tree in trees]).astype(np.int32)
    columns = np.array(rows, np.int32).T
    sizes = np.array([len(own) for own in items], np.int32)
    labels = np.array([label for tree in trees for label in tree], np.int32)
    found = near_pairs(labels, starts, stops, sizes, offsets, columns[1].copy(), columns[2].copy(), 0.6)
    expected = [
        [t, k]
        for t, tree in enumerate(trees)
        for k, own in enumerate(items)
        if max(len(tree), len(own)) - sum(min(tree.count(x), own.count(x)) for x in set(own))
        <= allowed(max(len(tree), len(own)), 0.6)
    ]
    assert found.tolist() == expected


def test_a_rate_is_reached_where_it_is_equal() -> None:
    assert [allowed(size, 0.8) for size in (4, 5, 9, 10, 20)] == [0, 1, 1, 2, 4]
