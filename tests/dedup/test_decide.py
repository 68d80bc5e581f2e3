"""Ranking, joining, linking and settling over signed files, against definitions in plain Python."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.dedup.candidates import link
from curate.dedup.decide import Decided, decide
from curate.dedup.dedup import blocks_of
from curate.dedup.layout import MOST, Block, Layout, Sets
from curate.dedup.minhash import MinHash
from curate.dedup.order import keyed, rank
from curate.dedup.shuffle import load, read_part, scatter_pieces

Set = list[int]


def in_turn(title: str, work: Callable[[Any], Any], units: Sequence[Any]) -> list[Any]:
    return [work(unit) for unit in units]


def read_made(folder: str, block: Block, rows: np.ndarray) -> Iterator[Sets]:
    """Sets of a made corpus, two rows at a time."""
    every = pq.read_table(f"{folder}/sets.parquet")["set"].to_pylist()
    for first in range(0, len(rows), 2):
        piece = rows[first : first + 2]
        sets = [every[block.start + row] for row in piece.tolist()]
        yield piece, np.array([len(s) for s in sets]), np.array([x for s in sets for x in s], dtype=np.uint64)


def made(folder: Path, sets: list[Set], keys: np.ndarray, file_rows: int = 10, **cuts: int) -> Layout:
    """Sign documents of given shingle sets and band keys (N, bands); ranked as they come, by length."""
    n = len(sets)
    exact = np.array([[hash(tuple(s)) & 2**63 - 1, len(s) + 1] for s in sets], dtype=np.uint64).reshape(n, 2)
    table = pa.table(
        {
            "id": [f"d{i:04}" for i in range(n)],
            "source": [""] * n,
            "score": pa.nulls(n, pa.float64()),
            "length": np.arange(n, 0, -1),
            "num_shingles": [len(s) for s in sets],
            "exact": pa.array([row.tobytes() for row in exact], pa.binary(16)),
            "bands": pa.array([row.tobytes() for row in keys.astype(np.uint64)], pa.binary(8 * keys.shape[1])),
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"set": pa.array(sets, pa.list_(pa.uint64()))}), folder / "sets.parquet")
    sizes = [min(file_rows, n - first) for first in range(0, n, file_rows)]
    for i in range(len(sizes)):
        pq.write_table(table.slice(i * file_rows, file_rows), folder / f"{i}.parquet")
    files = [str(folder / f"{i}.parquet") for i in range(len(sizes))]
    settings = MinHash(bands=keys.shape[1], rows=1, threshold=cuts.pop("threshold", 50) / 100)
    blocks = tuple(blocks_of(files, sizes, cuts.pop("block_docs", 20)))
    shape = {"num_ranges": 1, "num_strips": 1} | cuts
    work, sets_of = str(folder / "work"), partial(read_made, str(folder))
    return Layout(work, settings, settings.threshold, False, blocks, n, 0, sets=sets_of, **shape)


def survivors(layout: Layout) -> list[int]:
    """Each row's survivor, as a row."""
    by_rank = load(f"{layout.work}/survivor.bin")
    return layout.rows()[by_rank[layout.ranks()]].tolist()


def greedy(sets: list[Set], keys: np.ndarray, threshold: float) -> list[int]:
    """The definition, pair by pair, in rank order."""
    survivor = list(range(len(sets)))
    for i, mine in enumerate(sets):
        for j in range(i):
            near = len({*mine} & {*sets[j]}) >= threshold * len({*mine} | {*sets[j]}) and (keys[i] == keys[j]).any()
            if survivor[j] == j and (mine == sets[j] or near):
                survivor[i] = j
                break
    return survivor


def random_corpus(seed: int, count: int = 60, num_buckets: int = 6) -> tuple[list[Set], np.ndarray]:
    random = Random(seed)
    sets = [sorted(random.sample(range(12), random.randint(3, 9))) for _ in range(count)]
    keys = np.array([[random.randrange(num_buckets) << 60 for _ in range(3)] for _ in sets], dtype=np.uint64)
    return sets, keys


@pytest.mark.parametrize("seed", range(8))
def test_the_decision_equals_the_definition_on_random_documents(tmp_path, seed):
    sets, keys = random_corpus(seed)  # in a bucket of ten, at most ten survivors: below the bound
    layout = made(tmp_path, sets, keys)
    decide(layout, in_turn)
    assert survivors(layout) == greedy(sets, keys, 0.5)


@pytest.mark.parametrize("cuts", [(1, 1, 1000), (16, 1, 30), (1, 7, 1), (64, 3, 20)])
def test_ranges_strips_and_blocks_do_not_change_the_decision(tmp_path, cuts):
    sets, keys = random_corpus(42)
    ranges, strips, block_docs = cuts
    layout = made(tmp_path, sets, keys, num_ranges=ranges, num_strips=strips, block_docs=block_docs)
    found = decide(layout, in_turn)
    assert survivors(layout) == greedy(sets, keys, 0.5)
    assert found.num_compared > found.num_rejected > 0


def test_a_template_costs_about_one_comparison_per_page(tmp_path):
    sets = [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10 + i] for i in range(2_000)]  # J = 9/11
    layout = made(tmp_path, sets, np.zeros((2_000, 14)), file_rows=500, block_docs=500, threshold=80)
    found = decide(layout, in_turn)
    assert survivors(layout) == [0] * 2_000
    assert found.num_compared == 1_999


def test_a_bucket_of_different_documents_does_not_cost_the_square_of_its_size(tmp_path):
    sets = [[10 * i, 10 * i + 1] for i in range(1_500)]
    layout = made(tmp_path, sets, np.zeros((1_500, 1)), file_rows=500, block_docs=500)
    found = decide(layout, in_turn)
    assert survivors(layout) == list(range(1_500))
    assert found.num_compared == found.num_rejected == sum(min(i, MOST[-1]) for i in range(1_500))
    assert found.crowded


def test_what_a_crowded_bucket_hides_is_a_copy_behind_its_best_survivors_only(tmp_path):
    different = [[10 * i, 10 * i + 1] for i in range(MOST[-1] + 1)]
    sets = [*different, [7_000, 7_001, 7_002], [7_000, 7_001, 7_003], [10 * 63, 10 * 63 + 1, 8_000]]
    found = made(tmp_path, sets, np.zeros((len(sets), 1)))
    decide(found, in_turn)
    lost, near_the_bound = len(sets) - 2, len(sets) - 1
    assert survivors(found)[lost] == lost  # its neighbour is the 66th best survivor
    assert survivors(found)[near_the_bound] == 63  # the 64th best
    two = made(tmp_path / "two", sets, np.array([[0, 0]] * 65 + [[0, 5 << 60]] * 2 + [[0, 0]]))
    decide(two, in_turn)
    assert survivors(two)[lost] == lost - 1  # a second bucket that is not crowded finds it


def test_documents_without_shingles_leave_as_exact_copies_only(tmp_path):
    layout = made(tmp_path, [[], [], [1]], np.zeros((3, 2)))
    decide(layout, in_turn)
    assert survivors(layout) == [0, 0, 2]


def test_no_document_and_one_document(tmp_path):
    layout = made(tmp_path / "one", [[1]], np.zeros((1, 2)), num_strips=3)
    assert decide(layout, in_turn) == Decided(0, 0, 1, 1, False)


def test_a_decision_killed_after_any_file_resumes_to_the_same(tmp_path):
    sets, keys = random_corpus(3)
    whole = made(tmp_path / "whole", sets, keys, num_ranges=2, num_strips=2)
    expected = decide(whole, in_turn)
    done = 0
    while True:  # stop after one unit of work, after two, ...
        layout = made(tmp_path / "killed", sets, keys, num_ranges=2, num_strips=2)
        budget = [3]

        def stopping(title: str, work: Callable[[Any], Any], units: Sequence[Any], budget=budget) -> list[Any]:
            results = []
            for unit in units:
                before = set(tmp_path.joinpath("killed", "work").rglob("*.arrow"))
                results.append(work(unit))
                budget[0] -= before != set(tmp_path.joinpath("killed", "work").rglob("*.arrow"))
                if not budget[0]:
                    raise KeyboardInterrupt
            return results

        try:
            found = decide(layout, stopping)
            break
        except KeyboardInterrupt:
            done += 1
    assert done > 5
    assert found == expected
    assert survivors(layout) == survivors(whole)


def test_rank_is_score_then_length_then_id_and_what_has_no_score_is_last():
    score = pa.chunked_array([pa.array([None, 1.0, 3.0, 3.0, 3.0, float("nan"), -0.0, 0.0, -1.0])])
    table = pa.table(
        {
            "id": ["a", "b", "c", "e", "d", "f", "h", "g", "i"],
            "score": score,
            "length": [9, 9, 5, 7, 7, 9, 1, 1, 1],
            "exact": pa.array([bytes(16)] * 9, pa.binary(16)),
        }
    )
    assert rank(keyed(table)).tolist() == [4, 3, 2, 1, 7, 6, 8, 5, 0]


def test_linking_gives_each_document_the_best_survivors_that_are_better_than_its_own():
    buckets, ranks = np.ones(5, dtype=np.uint32), np.arange(5, dtype=np.uint32)
    survivor = np.array([0, 1, 2, 2, 4], dtype=np.uint32)
    ((pairs, more),) = link(buckets, ranks, survivor, first_new=0, most=2)
    assert [(int(p) >> 32, int(p) & 0xFFFFFFFF) for p in pairs] == [
        (1, 0),
        (2, 0),
        (2, 1),
        (3, 0),
        (3, 1),
        (4, 0),
        (4, 1),
    ]
    assert more
    ((pairs, more),) = link(buckets, ranks, survivor, first_new=4, most=9)  # 0 to 3 are of the index
    assert [int(p) & 0xFFFFFFFF for p in pairs] == [0, 1, 2]
    assert not more


@pytest.mark.parametrize("pairs_at_once", [1, 7, 64])
def test_linking_piece_by_piece_finds_the_pairs_of_linking_at_once(pairs_at_once):
    random = np.random.default_rng(3)
    buckets, ranks = np.sort(random.integers(0, 9, 400)).astype(np.uint32), np.empty(400, dtype=np.uint32)
    for bucket in range(9):
        inside = buckets == bucket
        ranks[inside] = np.sort(random.choice(500, inside.sum(), replace=False))
    survivor = np.arange(500, dtype=np.uint32)
    leaves = np.flatnonzero(random.random(500) < 0.4)
    survivor[leaves] = random.integers(0, leaves + 1)
    ((whole, more),) = link(buckets, ranks, survivor, 50, 3)
    pieces = list(link(buckets, ranks, survivor, 50, 3, pairs_at_once))
    assert len(pieces) > 1
    assert np.array_equal(np.unique(np.concatenate([pairs for pairs, _ in pieces])), whole)
    assert any(crowded for _, crowded in pieces) == more


def test_parts_written_in_pieces_are_read_back_whole(tmp_path):
    def batch(*values):
        return pa.record_batch({"x": pa.array(values, pa.int64())})

    scatter_pieces(str(tmp_path / "f"), iter([[batch(1, 2), batch(3)], [batch(), batch(4)], [batch(5), batch()]]))
    assert [read_part(str(tmp_path / "f"), part)["x"].to_pylist() for part in (0, 1)] == [[1, 2, 5], [3, 4]]
