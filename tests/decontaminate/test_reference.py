"""Counts of ordinary code, and the bits that a match is worth."""

import math

import pytest

from curate.decontaminate.bits import Twin, bound_by_twins, docstring_bits, flow_bits, spelling_bits, surprises
from curate.decontaminate.reference import MIN_COUNT, contexts, count, load_reference
from curate.decontaminate.trees import plant

SOURCE = "def f(x):\n    return x\n"


def test_a_context_is_the_parent_and_the_left_sibling() -> None:
    forest = plant("def f(x):\n    y = 1\n    return x + y")
    assert list(contexts(forest.labels, forest.sizes)) == [
        ("^", "^", "def"), ("def", "^", "arg"), ("def", "arg", "="), ("=", "^", "v"), ("=", "v", "1"),
        ("def", "=", "Return"), ("Return", "^", "+"), ("+", "^", "v"), ("+", "v", "v"),
    ]  # fmt: skip


def test_what_is_common_surprises_less_and_probabilities_add_up_to_one() -> None:
    reference = count(plant(SOURCE) for _ in range(MIN_COUNT))
    assert reference.functions == MIN_COUNT
    assert reference.alone == dict.fromkeys(("def", "arg", "Return", "v"), MIN_COUNT)
    assert reference.surprise("def", "arg", "Return") < 1 < reference.surprise("def", "arg", "while")
    below = sum(2 ** -reference.surprise("def", "^", label) for label in reference.alone)
    assert below <= 1


def test_a_function_that_occurs_twice_is_an_idiom_and_one_that_occurs_once_is_not() -> None:
    reference = count([plant(SOURCE + "\ndef g(y):\n    return y\n\ndef h(a, b):\n    return a + b\n")])
    assert reference.idioms == []  # four nodes are too few
    twice = "def {}(a, b):\n    return a + b\n"
    reference = count([plant(twice.format("f") + twice.format("g") + "def h(a):\n    return a * 2 - 1\n")])
    assert reference.idioms == [(2, ["def", "arg", "arg", "Return", "+", "v", "v"], [7, 1, 1, 4, 3, 1, 1])]


def test_names_used_again_alike_tell_more_the_more_names_there_are() -> None:
    assert flow_bits([("x", "a"), ("x", "a")]) == 0  # of one name there is no choice
    assert flow_bits([("x", "a"), ("y", "b"), ("x", "a"), ("y", "b")]) == 2
    assert flow_bits([("x", "a"), ("y", "b"), ("x", "b"), ("y", "b")]) == 0
    assert flow_bits([(n, n) for n in "abcda"]) == 2


def test_only_names_spelt_alike_give_bits_and_rare_ones_more() -> None:
    reference = load_reference()
    assert spelling_bits([("x", "y")], "x", reference) == 0
    common = spelling_bits([("i", "i"), ("i", "i")], "f", reference)
    assert common == pytest.approx(reference.spelling("i") / 2)
    rare = [("truncate_number", "truncate_number")]
    assert common < spelling_bits(rare, "f", reference) == 6
    assert spelling_bits(rare, "truncate_number", reference) == 12  # the function's own name counts whole


def test_docstrings_tell_by_their_longest_run_of_equal_words() -> None:
    ours = "Return the largest prime factor of n. Assume n > 1."
    assert docstring_bits(ours, "  return the largest prime factor of N!") == 7 * 4
    assert docstring_bits(ours, "Return the largest of all.") == 0  # three words are a phrase
    assert docstring_bits(ours, "") == docstring_bits("", ours) == 0


def test_twins_in_ordinary_code_bound_the_bits() -> None:
    twins = (Twin(0.95, 3, 0), Twin(1.0, 1, 1))
    assert bound_by_twins(50.0, (), 1024) == 50
    assert bound_by_twins(50.0, twins, 1024) == math.log2(1024 / 4)
    assert bound_by_twins(3.0, twins, 1024) == 3


def test_a_name_that_twins_have_too_tells_only_what_it_tells_among_them() -> None:
    source = "def mean(xs):\n    return sum(xs) / len(xs)\n\n"
    others = "def level(ys):\n    return sum(ys) / len(ys)\n\n"
    reference = count([plant(6 * source + 2 * others)])
    assert [times for times, _, _ in reference.idioms] == [8]
    assert reference.spelt == [{"level": 2, "mean": 6, "xs": 6, "ys": 2}]
    twins = [Twin(1.0, 8, 0)]
    assert spelling_bits([("mean", "mean")], "mean", reference, twins) == -math.log2(6.5 / 9)
    assert spelling_bits([("odd", "odd")], "odd", reference, twins) == spelling_bits([("odd", "odd")], "odd", reference)


def test_the_reference_that_ships_knows_what_is_common() -> None:
    reference = load_reference()
    assert reference.functions > 100_000
    forest = plant("def f(x):\n    return len(x)\n")
    idle = float(surprises(forest.labels, forest.sizes, reference).sum())
    forest = plant("def f(n):\n    while n % 7919:\n        n = (n << 3) ^ 41\n    return n.bit_count()\n")
    assert idle < 20 < 60 < float(surprises(forest.labels, forest.sizes, reference).sum())
