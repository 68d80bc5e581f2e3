"""Rows of numbers as 8-bit integers with one scale a row: what lies between the integer products of `packed`.

    quantize(x, q, scale)               # x[r] = scale[r] * q[r], within half a step of scale[r]

Integer products are exact and every row has a scale of its own (dynamic per-token quantisation, as in ZeroQuant, Yao et
al. 2022, arXiv 2206.01861). So a row's result cannot depend on the rows beside it, which a scale for the whole batch
would make it do. Each kernel reads the integer sums of one product and writes the 8-bit input of the next.
"""

import math
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numba
import numpy as np

P = ParamSpec("P")
R = TypeVar("R")

F32, I32 = np.float32, np.int32
STEPS = F32(127)  # -127..127: the same on both sides of zero
TINY = F32(1e-12)  # the largest value of a row of zeros, so that it can be divided by


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile with sums in any order and no check for division by zero, without which loops do not vectorise."""
    options = {"cache": True, "nogil": True, "fastmath": True, "error_model": "numpy"}
    compiled: Callable[P, R] = numba.njit(**options)(function)
    return compiled


def inner(function: Callable[P, R]) -> Callable[P, R]:
    """Make a function part of each kernel that calls it.

    A kernel that calls another would hold the other's code where both are compiled, and call it where the other comes
    from the cache. With sums in any order that gives other bits: a machine's first process would score otherwise than
    its later ones.
    """
    part: Callable[P, R] = numba.njit(inline="always", fastmath=True, error_model="numpy")(function)
    return part


@kernel
def quantize(x: np.ndarray, q: np.ndarray, scale: np.ndarray) -> None:
    """Write x (R, D) float32 as q (R, D) int8 and scale (R,) float32."""
    for r in range(x.shape[0]):
        scale[r] = _quantize_row(x[r], q[r])


@kernel
def dequantize(sums: np.ndarray, scale: np.ndarray, columns: np.ndarray, bias: np.ndarray, out: np.ndarray) -> None:
    """Write the product that the sums (R, D) int32 stand for: times the scales of row and column, plus bias."""
    for r in range(sums.shape[0]):
        _dequantize_row(sums[r], scale[r], columns, bias, out[r])


@kernel
def gelu_quantize(
    sums: np.ndarray, scale: np.ndarray, columns: np.ndarray, bias: np.ndarray, q: np.ndarray, out_scale: np.ndarray
) -> None:
    """Dequantise, apply GELU, and quantise again."""
    row = np.empty(sums.shape[1], F32)
    for r in range(sums.shape[0]):
        _dequantize_row(sums[r], scale[r], columns, bias, row)
        _gelu_row(row)
        out_scale[r] = _quantize_row(row, q[r])


@kernel
def add_normalize_quantize(
    sums: np.ndarray,
    scale: np.ndarray,
    columns: np.ndarray,
    bias: np.ndarray,
    x: np.ndarray,
    gain: np.ndarray,
    shift: np.ndarray,
    epsilon: float,
    q: np.ndarray,
    out_scale: np.ndarray,
) -> None:
    """Dequantise, add to x (R, D) float32 in place, normalise each row (LayerNorm), and quantise it."""
    width = sums.shape[1]
    row = np.empty(width, F32)
    for r in range(sums.shape[0]):
        _dequantize_row(sums[r], scale[r], columns, bias, row)
        total = F32(0)
        for c in range(width):
            row[c] += x[r, c]
            total += row[c]
        mean, squares = total / F32(width), F32(0)
        for c in range(width):
            squares += (row[c] - mean) * (row[c] - mean)
        inverse = F32(1 / math.sqrt(squares / F32(width) + F32(epsilon)))
        for c in range(width):
            x[r, c] = (row[c] - mean) * inverse * gain[c] + shift[c]
        out_scale[r] = _quantize_row(x[r], q[r])


@inner
def _dequantize_row(sums: np.ndarray, scale: float, columns: np.ndarray, bias: np.ndarray, out: np.ndarray) -> None:
    for c in range(len(sums)):
        out[c] = F32(sums[c]) * (scale * columns[c]) + bias[c]


@inner
def _quantize_row(row: np.ndarray, q: np.ndarray) -> np.float32:
    bits, largest = row.view(I32), I32(0)
    for c in range(len(row)):  # the bits of floats without their sign rise with them, and integers have no NaN to mind
        largest = max(largest, bits[c] & I32(0x7FFFFFFF))
    top = max(I32(largest).view(F32), TINY)
    steps = STEPS / top
    for c in range(len(row)):
        q[c] = I32(row[c] * steps + F32(128.5)) - I32(128)  # positive before it is cut, so this rounds half up
    return top / STEPS


@inner
def _gelu_row(row: np.ndarray) -> None:
    """x/2 * (1 + erf(x / sqrt 2)), erf as the quotient of two polynomials that Eigen uses; off by 2e-6 at most."""
    for c in range(len(row)):
        z = row[c] * F32(math.sqrt(0.5))
        z = F32(-4) if z < F32(-4) else (F32(4) if z > F32(4) else z)
        t = z * z
        p = F32(-2.72614225801306e-10)
        p = p * t + F32(2.77068142495902e-08)
        p = p * t + F32(-2.10102402082508e-06)
        p = p * t + F32(-5.69250639462346e-05)
        p = p * t + F32(-7.34990630326855e-04)
        p = p * t + F32(-2.95459980854025e-03)
        p = p * t + F32(-1.60960333262415e-02)
        q = F32(-1.45660718464996e-05)
        q = q * t + F32(-2.13374055278905e-04)
        q = q * t + F32(-1.68282697438203e-03)
        q = q * t + F32(-7.37332916720468e-03)
        q = q * t + F32(-1.42647390514189e-02)
        row[c] *= F32(0.5) * (F32(1) + z * p / q)
