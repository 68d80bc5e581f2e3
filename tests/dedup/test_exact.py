import pyarrow as pa
import pytest

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


def test_a_hash_is_that_of_blake2b_of_the_squeezed_text():
    from hashlib import blake2b

    text = "  def f(x):\n\treturn x  "
    expected = blake2b(" ".join(text.split()).encode(), digest_size=16).digest()
    assert exact_hashes(pa.array(["other", text]))[1].tobytes() == expected


def test_no_text_gives_no_hash():
    assert exact_hashes(pa.array([], pa.string())).shape == (0, 2)
