import re
from hashlib import sha256

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.dedup.exact import exact_hashes


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("a b", " a \t\r\n b\n", True),
        ("a b", "ab", False),
        ("a b", "A b", False),
        ("x + y", "x - y", False),
        ("", " \n", True),
        ("", None, True),
        ("a\x00b", "ab", False),
        ("é", "e\u0301", False),
    ],
)
def test_equal_hashes_are_equal_texts_but_for_white_space(a, b, same):
    one, two = exact_hashes(pa.array([a, b], pa.large_string()))
    assert (one == two).all() == same


def test_a_hash_is_that_of_sha256_of_the_squeezed_text():
    text = "  def f(x):\n\treturn x  "
    expected = sha256(" ".join(text.split()).encode()).digest()[:16]
    assert exact_hashes(pa.array(["other", text]))[1].tobytes() == expected


@given(st.lists(st.text("ab \t\n\r\u00a0\x00", max_size=300), min_size=1, max_size=4))
def test_any_texts_hash_as_python_squeezes_them(texts):
    squeezed = [re.sub(r"[ \t\n\v\f\r]+", " ", text).strip(" ") for text in texts]
    expected = [sha256(text.encode()).digest()[:16] for text in squeezed]
    assert [row.tobytes() for row in exact_hashes(pa.array(texts))] == expected


def test_no_text_gives_no_hash():
    assert exact_hashes(pa.array([], pa.string())).shape == (0, 2)
