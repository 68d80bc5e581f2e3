"""Python files: do they parse, and how much of them is said in words."""

import pickle

import pyarrow as pa
import pytest

from curate.signals.code import Python, python


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = 1\n", (1, 0.0)),
        ("", (1, 0.0)),
        ("# abc\n", (1, 5 / 6)),
        ('"""abc"""\ny = "# no comment"\n', (1, 3 / 29)),
        ("def f():\n    'd'\n    return 1  # c\n", (1, 4 / 35)),
        ("def f(:\n", (0, None)),
        ("x = 1\x00", (0, None)),
        ("print 'two'", (0, None)),
        ("(" * 1000 + ")" * 1000, (0, None)),
        ("x = '\\d'\n", (1, 0.0)),  # an invalid escape is a warning, and not ours
    ],
)
def test_python_by_hand(source, expected):
    assert python(source) == expected


def test_other_languages_and_missing_texts_are_not_measured():
    rows = pa.RecordBatch.from_pydict(
        {"text": ["x = 1", "x = 1", None, "x ="], "language": ["Python", "Ruby", "python", "python"]}
    )
    found = Python()(rows)
    assert found["code.parses"].to_pylist() == [1, None, None, 0]
    assert found["code.comments"].to_pylist() == [0.0, None, None, None]
    assert Python()(rows.select(["text"]))["code.parses"].to_pylist() == [1, 1, None, 0]
    assert Python()(rows.slice(0, 0))["code.parses"].to_pylist() == []
    assert repr(pickle.loads(pickle.dumps(Python()))) == "Python()"
