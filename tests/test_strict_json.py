"""What is written as JSON is JSON, whatever the numbers."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.strict_json import dumps

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": math.nan, "b": (math.inf, -math.inf, 0.5)}, '{"a": null, "b": [null, null, 0.5]}'),
        ([np.float32(0.5), np.float64("nan"), np.int32(3), np.bool_(True)], "[0.5, null, 3, true]"),
        ({"deep": [{"in": [float("nan")]}]}, '{"deep": [{"in": [null]}]}'),
    ],
)
def test_what_is_not_finite_is_null_and_numpy_is_python(value: object, expected: str) -> None:
    assert dumps(value, indent=None) == expected


@given(VALUES)
def test_every_value_is_read_back_by_a_strict_reader(value: object) -> None:
    read = json.loads(dumps(value), parse_constant=refuse)
    if "NaN" not in (loose := json.dumps(value)) and "Infinity" not in loose:
        assert read == value


def test_an_array_is_refused_and_not_guessed_at() -> None:
    with pytest.raises(TypeError, match="ndarray"):
        dumps({"a": np.zeros(2)})
