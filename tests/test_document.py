import numpy as np
import pyarrow as pa
import pytest

from curate.document import int_score, with_columns


@pytest.mark.parametrize(
    ("raw", "expected"), [(-1.0, 0), (0.49, 0), (0.5, 1), (2.49999, 2), (2.5, 3), (3.49, 3), (4.5, 5), (9.0, 5)]
)
def test_int_score_rounds_half_up_and_clips(raw: float, expected: int) -> None:
    assert int_score(np.array([raw], dtype=np.float32)).tolist() == [expected]


def test_int_score_three_is_the_same_rows_as_raw_two_and_a_half() -> None:
    raw = np.linspace(-1, 6, 7001)
    assert ((int_score(raw) >= 3) == (raw >= 2.5)).all()


def test_with_columns_replaces_in_place_and_appends_at_the_end() -> None:
    batch = pa.RecordBatch.from_pydict({"text": ["a", "b"], "id": ["1", "2"]})
    changed = with_columns(batch, {"n": pa.array([1, 2]), "text": pa.array(["A", "B"])})
    assert changed.to_pydict() == {"text": ["A", "B"], "id": ["1", "2"], "n": [1, 2]}


def test_a_column_of_another_length_is_refused() -> None:
    batch = pa.RecordBatch.from_pydict({"text": ["a", "b"]})
    with pytest.raises(ValueError, match=r"n.*2 rows"):
        with_columns(batch, {"n": pa.array([1])})
