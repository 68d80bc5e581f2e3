"""A number and how sure it is: the mean of items, or a ratio of sums over documents, each with its standard error."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Estimate:
    value: float
    stderr: float  # over items or documents; says nothing about other seeds of training


def ratio(above: np.ndarray, below: np.ndarray) -> Estimate:
    """Return sum(above) / sum(below) over N documents with the linearised standard error of a ratio."""
    value, count = float(above.sum() / below.sum()), len(above)
    if count < 2:
        return Estimate(value, math.nan)
    squares = float(((above - value * below) ** 2).sum())
    return Estimate(value, math.sqrt(squares * count / (count - 1)) / float(below.sum()))


def mean(values: Iterable[float]) -> Estimate:
    """Return the mean of N values and its standard error, s / sqrt(N) with the N - 1 of a sample."""
    array = np.fromiter(values, dtype=np.float64)
    spread = float(array.std(ddof=1) / math.sqrt(len(array))) if len(array) > 1 else math.nan
    return Estimate(float(array.mean()), spread)
