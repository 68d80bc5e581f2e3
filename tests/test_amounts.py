"""Sizes, times and counts are told in few digits, in one unit, and are never wrong by more than they show."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.amounts import SIZES, amount, clock, count, digits, duration, megabytes, size, size_up, whole_amount


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (size(0), "0 bytes"),
        (size(209), "209 bytes"),
        (size(999.6), "1 kB"),
        (size(209_123), "209 kB"),
        (size(999_700_000), "1 GB"),
        (size(2_413_000_000), "2.41 GB"),
        (size(1.5e15), "1,500 TB"),
        (size_up(21_610_000_001), "21.7 GB"),
        (size_up(650_000_000), "650 MB"),
        (size_up(999_100_000), "1 GB"),
        (duration(0), "0 s"),
        (duration(4.21), "4.2 s"),
        (duration(45.4), "45 s"),
        (duration(59.7), "1 min"),
        (duration(600), "10 min"),
        (duration(3599), "1 h"),
        (duration(5400), "1.5 h"),
        (duration(1234 * 3600), "1,230 h"),
        (clock(0.4), "0s"),
        (clock(80), "1m20s"),
        (clock(3599.6), "1h00m"),
        (clock(90_000), "25h00m"),
        (count(12), "12"),
        (count(9625), "9,625"),
        (count(1.234e9), "1.23 billion"),
        (count(999_999_999), "1 billion"),
        (digits(0.001234), "0.00123"),
        (digits(99.96), "100"),
        (digits(-12_345), "-12,300"),
        (megabytes(0), "-"),
        (megabytes(1_234_567_890), "1,234.57"),
    ],
)
def test_an_amount_has_few_digits_and_one_unit(told: str, expected: str) -> None:
    assert told == expected


def read(told: str) -> float:
    number, unit = told.replace(",", "").split(" ")
    return float(number) * {name: scale for scale, name in SIZES}[unit]


@given(st.integers(min_value=1, max_value=10**17))
def test_a_size_is_right_to_half_of_its_third_digit_and_rounded_up_never_too_small(num_bytes: int) -> None:
    assert read(size(num_bytes)) == pytest.approx(num_bytes, rel=0.005)
    allowed = read(size_up(num_bytes))
    assert num_bytes <= allowed * (1 + 1e-12)
    assert allowed <= num_bytes * 1.01 * (1 + 1e-12) + 1e-6
    assert re.fullmatch(r"[\d,.]+ (bytes|kB|MB|GB|TB)", size(num_bytes))


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("0.3m", 3e5),
        ("1.7B", 1.7e9),
        ("600b", 6e11),
        ("11T", 1.1e13),
        ("2e9", 2e9),
        ("1_000", 1e3),
        ("1,000", 1e3),
        ("5 M", 5e6),
        ("4096", 4096),
    ],
)
def test_amounts_as_people_write_them(written: str, value: float) -> None:
    assert amount(written) == pytest.approx(value)
    assert whole_amount(written) == value


def test_tokens_are_whole() -> None:
    assert (whole_amount(7), whole_amount("1.15M"), whole_amount("1.5k")) == (7, 1_150_000, 1500)
    with pytest.raises(ValueError, match=r"'0\.2' is less than one"):
        whole_amount("0.2")


@pytest.mark.parametrize("written", ["", "m", "-3m", "3q", "0", "ten", "1e999", "5 M tokens"])
def test_what_is_no_amount_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="no amount"):
        amount(written)
