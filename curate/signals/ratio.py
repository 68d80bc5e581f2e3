"""The one division of the heuristics: a share of nothing is NaN, not zero, and NaN breaks every rule."""

import numpy as np

Columns = dict[str, np.ndarray]  # one value per document


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return part / whole as float64, NaN where `whole` is zero."""
    out = np.full(len(part), np.nan)
    np.divide(part, whole, out=out, where=whole > 0)
    return out
