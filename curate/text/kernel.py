"""`@kernel` compiles a function of arrays and numbers to machine code, once per machine; `@inner`, what kernels call.

    @kernel
    def total(values: np.ndarray) -> int: ...

numba keeps the compiled code beside the source (or in the user's cache folder when that cannot be written) and
compiles again when the *file* of the function changes. A kernel therefore calls kernels of its own file only: numba
does not notice a change in another one. (The bits of `characters` and `split` are compiled in as numbers:
whoever changes one empties `__pycache__`.) Kernels release the GIL, raise nothing and never touch a Python object.
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numba

P = ParamSpec("P")
R = TypeVar("R")


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile `function` on its first call and cache the result on disk."""
    compiled: Callable[P, R] = numba.njit(cache=True, nogil=True)(function)
    return compiled


def inner(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a kernel that only kernels call and that makes no array: it runs two to five times as fast.

    numba counts references to every array that a function is handed, with locked instructions, unless it is told that
    the function makes none (`_nrt`, an option that it does not document).
    """
    options = {"_nrt": False, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    compiled: Callable[P, R] = numba.njit(cache=True, nogil=True, **options)(function)
    return compiled
