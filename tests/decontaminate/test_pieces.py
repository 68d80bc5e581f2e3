"""The Python in texts that are not one Python file."""

import ast

import pytest

from curate.decontaminate.pieces import parsed

ADD = "def add(a, b):\n    return a + b\n"


def functions(text: str) -> list[tuple[str, int]]:
    """Return (name, line in the text) of every function read."""
    return [
        (node.name, lines[node.lineno - 1] + 1)
        for module, lines in parsed(text)
        for node in ast.walk(module)
        if isinstance(node, ast.FunctionDef)
    ]


def test_a_python_file_is_one_piece() -> None:
    assert functions(f"import os\n\n{ADD}") == [("add", 3)]


def test_code_fences_of_markdown_are_read() -> None:
    text = f"# Adding\n\nSee:\n\n```python\n{ADD}```\n\nand\n\n~~~\ndef two():\n    return 2\n~~~\n\nIt's done.\n"
    assert set(functions(text)) == {("add", 6), ("two", 13)}


def test_functions_in_a_page_are_read_one_by_one() -> None:
    text = f"Here's how we add.\n\n{ADD}\nAnd it's easy.\n\n  def two():\n    return 2\n  That was it.\n"
    assert functions(text) == [("add", 3), ("two", 8)]


def test_prompts_tags_and_entities_are_taken_off() -> None:
    session = "It's so:\n>>> def less(a, b):\n...     return a < b\n...\n>>> less(1, 2)\nTrue\n"
    assert functions(session) == [("less", 2)]
    page = "<p>It's so</p>\n<pre><span class='k'>def</span> less(a, b):\n    return a &lt; b</pre>\n"
    assert functions(page) == [("less", 2)]


def test_a_file_with_a_mistake_gives_its_other_functions() -> None:
    text = f"{ADD}\ndef broken(:\n    return\n\nclass A:\n    def three(self):\n        return 3\n"
    assert functions(text) == [("add", 1), ("three", 8)]


def test_a_function_inside_one_that_was_read_is_not_read_again() -> None:
    text = "It's\ndef outer():\n    def inner():\n        return 1\n    return inner\n"
    assert functions(text) == [("outer", 2), ("inner", 3)]


def test_a_docstring_or_a_closing_parenthesis_at_the_margin_does_not_end_a_function() -> None:
    text = 'It\'s\ndef f(\n    a,\n):\n    """Text\nat the margin\n"""\n    return a\nThe end.\n'
    assert functions(text) == [("f", 2)]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"\ufeff{ADD}", 1),
        (f"He wrote:\n\n> {ADD}".replace("\n    ", "\n>     ") + "\nNice.", 3),
        ("@@ -0,0 +1,2 @@\n+def add(a, b):\n+    return a + b\n unchanged", 2),
        ("It's\n  9  def add(a, b):\n 10      return a + b\n", 2),
        ("It's\n9: def add(a, b):\n10:     return a + b\n11:\n", 2),
        ("In [3]: def add(a, b):\n   ...:     return a + b\n   ...: \n\nOut[3]: 4", 1),
        ("It's\n# def add(a, b):\n#     return a + b\n", 2),
        ("It's\ndef add(a, b):\n\u00a0\u00a0return a + b\n", 2),
        ("<html><body><pre><code>def add(a, b):\n    return a &lt; b</code></pre></body></html>", 1),
        ("<p>It's</p>\ndef add(a, b):<br>&nbsp;&nbsp;return a + b<br>", 2),
        ("It's\nx = null;\n{'a': 'It\\'s', \"code\": \"def add(a, b):\\n    return a + b\\n\"}", 3),
        ('{"cells": [{"source": ["def add(a, b):\\n", "    return a + b"]}]}', 1),
        ('{"cells": [{"source": [\n "x = 1\\n",\n "def add(a, b):\\n",\n "    return a + b"\n]}], "x": true}', 3),
        ("cimport numpy\ncpdef double add(double a, int[:] b=None) except -1:\n    cdef int c = 0\n    return a\n", 2),
        (f"import os\r\n\r\n{ADD}It's\r\n".replace("\n", "\r\n").replace("\r\r", "\r"), 3),
    ],
)
def test_code_is_found_in_what_stands_around_it(text: str, line: int) -> None:
    assert functions(text) == [("add", line)]


def test_a_file_in_python_2_is_read() -> None:
    body = "    try:\n        print 'no', x\n    except OSError, e:\n        raise ValueError, 'no'\n"
    assert functions(f"import os\n\ndef f(x):\n{body}") == [("f", 3)]


@pytest.mark.parametrize("text", ["", "Prose, of course.", "def", "def f(", "```", "a" * 5000, "def f(x)\n" * 3000])
def test_what_is_no_python_gives_nothing(text: str) -> None:
    assert functions(text) == []


def test_functions_in_functions_that_do_not_parse_cost_no_more_than_their_lines() -> None:
    nested = "".join(" " * depth + f"def f{depth}(x):\n" for depth in range(2000))
    assert functions(f"It's\n{nested}") == []


def test_text_that_is_made_to_be_slow_is_not() -> None:
    poison = ["`" * k for k in range(3, 600)] + ["def f(x):"] * 600 + ["print " + " " * 20_000 + "x", "<pre " * 9000]
    assert functions("It's\n" + "\n".join(poison)) == []
