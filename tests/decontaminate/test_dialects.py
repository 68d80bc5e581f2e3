"""Python 2 and Cython as Python 3."""

import ast

import pytest

from curate.decontaminate.dialects import modern, without_types


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("print 'a', b", "print('a', b)"),
        ("    print", "    print()"),
        ("if x: print x", "if x: print(x)"),
        ("print >>sys.stderr, x", "print(x)"),
        ("except (A, B), error:", "except (A, B) as error:"),
        ("raise ValueError, 'no'", "raise ValueError('no')"),
        ("if a <> b:", "if a != b:"),
        ("x = 0777 + 10L", "x = 0o777 + 10"),
        ("x = `y`", "x = repr(y)"),
        ("print_it = 3", "print_it = 3"),
        ("x = 0.05 + 10", "x = 0.05 + 10"),
    ],
)
def test_python_2_is_read_as_python_3(old: str, new: str) -> None:
    assert modern(old) == new


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("cpdef int f(int x, double[:] y):", "def f(x, y):"),
        ("cdef inline f(unsigned int x=3) nogil:", "def f(x=3):"),
        ("def f(self, np.ndarray[double, ndim=2] x not None):", "def f(self, x):"),
        ("    cdef int i = 0", "    i = 0"),
        ("    cdef int i, j", "    pass"),
        ("    with nogil:", "    if True:"),
        ("    x = <int>y", "    x = y"),
        ("def f(a, b=None):", "def f(a, b=None):"),
        ("    if a < b > c:", "    if a < b > c:"),
    ],
)
def test_cython_is_read_as_python(old: str, new: str) -> None:
    assert without_types(old) == new
    ast.parse(f"{new}\n    pass" if new.startswith("def") else f"if 1:\n{new}" + ("\n        pass" * new.endswith(":")))
