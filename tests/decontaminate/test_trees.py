"""Normalised trees: what a rewriting leaves as it was, and what it does not."""

import ast

import pytest

from curate.decontaminate.trees import MAX_DEPTH, parse, plant

TOTAL = """
def total(numbers, start):
    result = start
    count = 0
    for number in numbers:
        if number > 0:
            result = result + number
            count += 1
    return result, count
"""


def labels(source: str) -> list[str]:
    return plant(source).labels


def test_a_tree_is_its_labels_in_preorder_with_the_sizes_of_its_subtrees() -> None:
    forest = plant("def f(xs):\n    return len(xs) + 1")
    assert forest.labels == ["def", "arg", "Return", "+", "()", "len", "v", "1"]
    assert forest.sizes == [8, 1, 6, 5, 3, 1, 1, 1]
    assert forest.names == ["f", "xs", None, None, None, None, "xs", None]


@pytest.mark.parametrize(
    "rewritten",
    [
        "def f(a, b):\n  r = b\n  k = 0\n  for x in a:\n    if x > 0:\n      r = r + x\n      k += 1\n  return r, k",
        TOTAL.replace("result = result + number", "result += number"),
        TOTAL.replace("count += 1", "count = 1 + count"),
        TOTAL.replace("number > 0", "(0 < number)"),
        TOTAL.replace("    result = start\n    count = 0\n", "    count = 0\n    result = start\n"),
        TOTAL.replace("    result = start", '    """Sum\n    it."""\n    # begin\n    result = start'),
        TOTAL.replace("numbers, start)", "numbers: list[int], start: int) -> tuple[int, int]"),
        TOTAL.replace("count = 0", "count: int = 0"),
        TOTAL.replace("def total", "@cache\n@other(1)\ndef total"),
        TOTAL.replace("return result, count", "return (\n        result,\n        count,\n    )"),
        TOTAL.replace("    result = start", "    import math\n    pass\n    result = start"),
        TOTAL.replace("def total", "async def total"),
    ],
)
def test_names_layout_comments_hints_and_trivial_changes_leave_the_tree_as_it_is(rewritten: str) -> None:
    assert labels(rewritten) == labels(TOTAL)


@pytest.mark.parametrize(
    "rewritten",
    [
        TOTAL.replace("count = 0", "count = 1"),
        TOTAL.replace("number > 0", "number >= 0"),
        TOTAL.replace("+ number", "- number"),
        TOTAL.replace("in numbers", "in sorted(numbers)"),
        TOTAL.replace("return result, count", "return result"),
    ],
)
def test_what_a_program_does_changes_its_tree(rewritten: str) -> None:
    assert labels(rewritten) != labels(TOTAL)


def test_a_method_has_the_tree_of_the_function_it_was() -> None:
    method = "class A:\n    def fib(self, n):\n        return n if n < 2 else self.fib(n - 1) + self.fib(n - 2)"
    function = "def fib(n):\n    return n if n < 2 else fib(n - 1) + fib(n - 2)"
    forest = plant(method)
    (tree,) = forest.trees
    assert forest.labels[tree.start : tree.stop] == labels(function)
    assert (tree.name, tree.first_line, tree.last_line) == ("A.fib", 2, 3)


def test_a_built_in_is_told_from_a_name_unless_the_function_binds_it() -> None:
    assert labels("def f(x):\n    return sum(x)") != labels("def f(x):\n    return total(x)")
    assert labels("def f(sum):\n    return sum + 1") == labels("def f(x):\n    return x + 1")
    assert labels("def f(x):\n    list = [y for y in x]\n    return list") == labels(
        "def f(x):\n    out = [y for y in x]\n    return out"
    )


def test_every_function_at_any_depth_is_a_tree_and_so_are_the_statements_of_a_module() -> None:
    functions = "def f():\n    def g():\n        return 2\n    return g\nclass C:\n    def h(self):\n        return 3\n"
    forest = plant(f"x = 1\n{functions}print(x)\n")
    assert [(tree.name, tree.first_line, tree.last_line) for tree in forest.trees] == [
        ("f.g", 3, 4), ("f", 2, 5), ("C.h", 7, 8), ("", 1, 9),
    ]  # fmt: skip
    module = forest.trees[-1]
    assert forest.labels[module.start : module.stop] == ["def", "=", "v", "1", "()", "print", "v"]


def test_sizes_are_those_of_the_subtrees_whatever_was_sorted() -> None:
    forest = plant(
        "def f(a, b):\n    z = {1: a}\n    y = [b, a]\n    x = b[0] * (a + 1) + 3\n    return z and (y or x)"
    )
    for tree in forest.trees:
        covered = 1
        while covered < tree.stop - tree.start:  # the children of a root follow each other to its end
            covered += forest.sizes[tree.start + covered]
        assert covered == forest.sizes[tree.start] == tree.stop - tree.start


def test_what_python_does_not_parse_is_an_error_that_shows_it() -> None:
    assert parse("def f(:\n") is None
    assert parse("x = '\0'") is None
    with pytest.raises(SyntaxError, match="not Python: 'def f"):
        plant("def f(:\n")


def test_a_statement_that_is_nested_too_deeply_is_left_out_and_the_rest_is_read() -> None:
    deep = "def deep(x):\n    return " + "-" * (MAX_DEPTH + 10) + "x\n\n\ndef flat(x):\n    return x\n"
    forest = plant(deep)
    assert forest.too_deep
    assert [tree.name for tree in forest.trees] == ["flat"]
    assert forest.labels == labels("def flat(x):\n    return x")


def test_nesting_of_ten_thousand_levels_is_no_error() -> None:
    for source in ("(" * 10_000, "-" * 10_000 + "1", "x" + ".a" * 10_000, "+".join("1" * 10_000), "[" * 10_000):
        tree = parse(source)
        assert tree is None or isinstance(tree, ast.Module)
