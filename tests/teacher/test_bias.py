import numpy as np
import pytest

from curate.teacher.bias import partial, shift, swap_halves


def test_a_shift_by_hand():
    found = shift([1, 2, 3, 4], [1, 3, 2, 5])
    assert (found.num_documents, found.mean.value, found.moved, found.crossed) == (4, 0.25, 0.75, 0.5)


def test_the_interval_of_a_shift_holds_zero_when_nothing_moved_on_average():
    rng = np.random.default_rng(0)
    a = rng.integers(6, size=300)
    same = shift(a, a + rng.choice([-1, 0, 1], size=300))
    assert same.mean.low < 0 < same.mean.high
    lower = shift(a, a - rng.choice([0, 1], size=300))
    assert lower.mean.high < 0


def test_the_partial_correlation_takes_out_what_the_control_explains():
    found = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        content = rng.normal(size=400)
        length = content + rng.normal(size=400)
        grade = content + 0.5 * rng.normal(size=400)  # knows content only
        assert partial(grade, length).low > 0.4
        found.append(partial(grade, length, content).value)
        assert partial(grade + 0.5 * length, length, content).low > 0.3
    assert abs(np.mean(found)) < 3 * 1 / np.sqrt(4 * 400)  # three standard errors


def test_a_partial_correlation_equals_the_textbook_formula():
    rng = np.random.default_rng(2)
    x, y, z = rng.permutation(50), rng.permutation(50), rng.permutation(50)
    r = np.corrcoef([x, y, z])  # of ranks, for there are no ties
    formula = (r[0, 1] - r[0, 2] * r[1, 2]) / np.sqrt((1 - r[0, 2] ** 2) * (1 - r[1, 2] ** 2))
    assert partial(x, y, z).value == pytest.approx(formula)


def test_halves_change_places_at_the_end_of_a_line_or_word():
    assert swap_halves("First line here.\nSecond line.", 4000) == "Second line.\n\nFirst line here."
    assert swap_halves("one two three four", 4000) == "four\n\none two three"
    assert swap_halves("abcdef", 4) == "cd\n\nab"
    assert swap_halves("", 10) == "\n\n"


def test_gradings_with_gaps_are_refused():
    with pytest.raises(ValueError, match="two full gradings"):
        shift([1, 2], [1, np.nan])
