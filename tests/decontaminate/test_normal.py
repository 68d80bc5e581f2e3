"""Ways of writing that say the same become one tree, and ways that do not stay apart."""

import ast

import pytest

from curate.decontaminate.normal import settled
from curate.decontaminate.trees import plant


def labels(source: str) -> list[str]:
    return plant(source).labels


def body(*lines: str) -> str:
    return "def f(a, b):\n" + "".join(f"    {line}\n" for line in lines)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (body("if not a: b = 1", "else: b = 2"), body("if a: b = 2", "else: b = 1")),
        (body("if a != 3: b = 1", "else: b = 2"), body("if a == 3: b = 2", "else: b = 1")),
        (body("if a not in b: b = 1", "else: b = 2"), body("if a in b: b = 2", "else: b = 1")),
        (body("if a >= b: a = 1", "else: a = 2"), body("if a < b: a = 2", "else: a = 1")),
        (body("if a > b: return 1", "else: return 2"), body("if a <= b: return 2", "else: return 1")),
        (body("if a: return 1", "else: return 2"), body("if a: return 1", "return 2")),
        (body("if a: return 1", "elif b: return 2", "else: b = 3"), body("if a: return 1", "if b: return 2", "b = 3")),
        (body("return 1 if not a else 2"), body("return 2 if a else 1")),
        (body("return '{} of {:.2f}'.format(a, b)"), body("return f'{a} of {b:.2f}'")),
        (body("return '{1} of {0}'.format(a, b)"), body("return '{1} of {0}'.format(b, a)")),
        (body("return '%s of %.2f' % (a, b)"), body("return f'{a} of {b:.2f}'")),
        (body("return '%d%%' % a"), body("return f'{a}%'")),
        (body("return f'{a}'"), body("return str(a)")),
    ],
)  # fmt: skip
def test_two_ways_of_writing_are_one_tree(one: str, other: str) -> None:
    assert labels(one) == labels(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (body("if not a: b = 1"), body("if a: b = 1")),  # without an else the opposite says something else
        (body("if a: b = 1", "else: b = 2"), body("if a: b = 2", "else: b = 1")),
        (body("if a: return 1", "else: b = 2"), body("if a: b = 1", "else: b = 2")),
        (body("return '%s' % a % b"), body("return f'{a}'")),
        (body("return '{a}'.format(a=b)"), body("return f'{b}'")),
        (body("return a % b"), body("return f'{b}'")),
        (body("return f'{a!r}'"), body("return str(a)")),
    ],
)
def test_what_says_something_else_stays_apart(one: str, other: str) -> None:
    assert labels(one) != labels(other)


def test_the_nodes_given_stay_as_they_are() -> None:
    module = ast.parse(body("if not a: return 1", "else: return 2"))
    before = ast.dump(module)
    assert len(settled(module.body[0].body)) == 2  # type: ignore[attr-defined]
    assert ast.dump(module) == before
