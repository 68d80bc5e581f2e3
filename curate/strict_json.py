"""JSON that every reader takes: null for NaN and the infinities, which JSON does not have, and plain numbers.

    dumps({"value": np.float32(0.5), "high": math.nan}, indent=None)        '{"value": 0.5, "high": null}'

Python's `json` writes NaN as it stands; JavaScript's reader and many others then refuse the whole file. RFC 8259, 6.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def dumps(value: Any, indent: int | None = 2) -> str:
    """Return a value as JSON, without a line's end.

    Raises:
        TypeError: something in it is no mapping, sequence, text, number, truth or None.
    """
    return json.dumps(plain(value), indent=indent, allow_nan=False)


def plain(value: Any) -> Any:
    """Return the value with Python's numbers for NumPy's, and None for what is not finite."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, Mapping):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
