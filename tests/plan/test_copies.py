"""How near-copies grow from a sample of pieces to the whole."""

from collections import Counter

import numpy as np
import pytest

from curate.plan.copies import clusters_by_pieces, growth


def sampled(sizes: np.ndarray, *, of: int, drawn: int, seed: int) -> tuple[Counter[frozenset[str]], float]:
    """Spread clusters of given sizes over pieces; return what a draw shows of them and the share that really stays."""
    random = np.random.default_rng(seed)
    taken = set(random.choice(of, drawn, replace=False).tolist())
    shown = Counter[frozenset[str]]()
    for size in sizes:
        pieces = set(random.choice(of, min(int(size), of), replace=False).tolist())
        if pieces & taken:
            shown[frozenset(map(str, pieces & taken))] += 1
    return shown, len(sizes) / float(np.minimum(sizes, of).sum())


def test_copies_inside_of_a_piece_are_one_entry_of_it() -> None:
    members = [("a", "p1"), ("a", "p1"), ("a", "p2"), ("b", "p1"), ("c", "p2"), ("c", "p2")]
    assert clusters_by_pieces(members) == {frozenset({"p1", "p2"}): 1, frozenset({"p1"}): 1, frozenset({"p2"}): 1}


def test_a_sample_of_all_pieces_is_what_it_is() -> None:
    found = growth({frozenset({"1", "2"}): 2, frozenset({"1"}): 4}, drawn=2, of=2)
    assert (found.kept, found.low, found.high) == pytest.approx((6 / 8, 6 / 8, 6 / 8))


def test_pairs_are_met_in_proportion_to_the_sample() -> None:
    """A fifth of 4,000 are pairs: a tenth of the pieces shows 2 % of its entries to be copies, the whole 17 %."""
    kept, held = [], 0
    for seed in range(4):
        shown, real = sampled(np.where(np.arange(4000) % 5, 1, 2), of=100, drawn=10, seed=seed)
        found = growth(shown, drawn=10, of=100)
        held += found.low <= real <= found.high
        assert found.now > 0.97
        kept.append(found.kept / real)
    assert held >= 3
    assert np.mean(kept) == pytest.approx(1.0, abs=0.08)


def test_large_clusters_are_not_taken_for_pairs() -> None:
    """Of copies in 20 pieces each, a fifth of the pieces shows nearly all; as pairs they would be five times more."""
    sizes = np.concatenate([np.ones(600), np.full(60, 20)])
    shown, real = sampled(sizes, of=100, drawn=20, seed=1)
    found = growth(shown, drawn=20, of=100)
    assert found.low <= real <= found.high
    assert found.kept == pytest.approx(real, rel=0.15)


def test_no_copy_seen_is_not_a_promise_of_none() -> None:
    shown = {frozenset({str(at % 8)}): 50 for at in range(8)}
    found = growth(shown, drawn=8, of=80)
    assert found.kept == pytest.approx(1.0, abs=0.1)
    assert found.low == pytest.approx(1 - 3.0 / 400 / 0.1, abs=0.01)  # three could have been, one in ten of its kind
    assert found.high == 1.0


def test_an_empty_sample_keeps_what_it_has() -> None:
    assert growth({}, drawn=1, of=5).kept == 1.0
