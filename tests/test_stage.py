from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import pytest

from curate.document import DROPPED_BY, Batch
from curate.stage import Keep, Measure, Rule, Sample, Stage, mark, stage_name


def num_chars(batch: Batch) -> dict[str, pa.Array]:
    return {"t.chars": pa.array([len(text) for text in batch["text"].to_pylist()])}


def batch_of(*texts: str) -> Batch:
    return pa.RecordBatch.from_pydict({"text": list(texts), "id": [f"d{i}" for i in range(len(texts))]})


def test_measure_adds_the_columns_of_every_signal() -> None:
    measured = Measure((num_chars,))(batch_of("a", "bcd"))
    assert measured["t.chars"].to_pylist() == [1, 3]
    assert repr(Measure((num_chars,))) == f"Measure({__name__}.num_chars)"


@pytest.mark.parametrize(
    ("rule", "broken"),
    [
        (Rule("x", at_least=2), [True, False, False, False, True]),
        (Rule("x", at_most=2), [False, False, True, False, True]),
        (Rule("x", at_least=2, at_most=2), [True, False, True, False, True]),
    ],
)
def test_bounds_are_inclusive_null_breaks_nothing_and_nan_breaks_all(rule: Rule, broken: list[bool]) -> None:
    values = pa.array([1.0, 2.0, 3.0, None, float("nan")])
    assert rule.broken(values).tolist() == broken


def test_a_rule_reads_as_its_inequality() -> None:
    assert str(Rule("gopher.word_count", 50, 100_000)) == "50 <= gopher.word_count <= 100000"


@pytest.mark.parametrize(
    ("one", "other"), [(1_048_576, 1_048_580), (2.4837261, 2.4837263), (np.float64(0.1234567), np.float64(0.1234568))]
)
def test_rules_with_other_bounds_have_other_names(one: float, other: float) -> None:
    assert repr(Keep((Rule("x", at_most=one),))) == f"Keep(x <= {one})"
    assert repr(Keep((Rule("x", at_most=one),))) != repr(Keep((Rule("x", at_most=other),)))
    assert repr(Keep((Rule("x", 50, 100_000), Rule("y", at_most=1e6)))) == "Keep(50 <= x <= 100000, y <= 1e+06)"


def test_a_rule_without_a_bound_is_an_error() -> None:
    with pytest.raises(ValueError, match="needs at_least or at_most"):
        Rule("x")


def test_keep_names_every_broken_rule_and_removes_no_row() -> None:
    batch = pa.RecordBatch.from_pydict({"id": ["1", "2", "3"], "x": [0, 5, 9], "y": [0.0, 0.0, 1.0]})
    kept = Keep((Rule("x", at_most=4), Rule("y", at_most=0.5)))(batch)
    assert kept[DROPPED_BY].to_pylist() == [None, ["x"], ["x", "y"]]


def test_keep_says_which_column_is_missing() -> None:
    with pytest.raises(KeyError, match=r"no column 'gopher\.x'"):
        Keep((Rule("gopher.x", at_least=1),))(batch_of("a"))


def test_marks_of_two_stages_are_kept_side_by_side() -> None:
    once = mark(batch_of("a", "b"), [("first", np.array([True, False]))])
    twice = mark(once, [("second", np.array([True, True]))])
    assert twice[DROPPED_BY].to_pylist() == [["first", "second"], ["second"]]


def test_a_sample_is_the_same_in_any_order_and_near_its_share() -> None:
    ids = [f"doc-{i}" for i in range(4000)]
    forward = Sample(0.25)(pa.RecordBatch.from_pydict({"id": ids}))
    backward = Sample(0.25)(pa.RecordBatch.from_pydict({"id": ids[::-1]}))
    kept = [mark is None for mark in forward[DROPPED_BY].to_pylist()]
    assert kept == [mark is None for mark in backward[DROPPED_BY].to_pylist()][::-1]
    assert abs(sum(kept) - 1000) < 4 * (4000 * 0.25 * 0.75) ** 0.5  # four standard deviations of a fair draw


class Nameless:
    def __call__(self, batch: Batch) -> Batch:
        return batch


@dataclass(frozen=True)
class Around:
    stage: Nameless


@pytest.mark.parametrize(
    "stage", [lambda batch: batch, Nameless(), Nameless().__call__, Around(Nameless()), partial(mark, broken=[])]
)
def test_a_stage_without_a_stable_name_is_refused(stage: Stage) -> None:
    with pytest.raises(ValueError, match="no stable name"):
        stage_name(stage)


def test_a_signal_without_a_stable_name_is_refused() -> None:
    with pytest.raises(ValueError, match="no stable name"):
        stage_name(Measure((partial(num_chars),)))


def test_a_rule_on_a_column_of_text_is_refused() -> None:
    with pytest.raises(ValueError, match="1 <= url asks for a number, and 'url' is a column of string"):
        Rule("url", at_least=1).broken(pa.array([], pa.string()))
