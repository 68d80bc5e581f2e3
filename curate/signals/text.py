"""Several groups of text heuristics over one splitting of the text: `TextSignals(("gopher", "repetition"))`.

    Measure((TextSignals(),))

Splitting is most of the cost, so the groups of one stage share it. A group is a function from `Pages` to columns; one's
own goes into a signal of one's own, which returns `columns(my_group(pages))`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa

from curate.document import TEXT, Batch
from curate.signals import c4, code, fineweb, gopher, repetition
from curate.signals.ratio import Columns
from curate.text.layout import read_layout
from curate.text.pages import Pages, read_pages

GROUPS: Mapping[str, Callable[[Pages], Columns]] = {
    "repetition": repetition.repetition,
    "gopher": gopher.quality,
    "c4": c4.page,
    "fineweb": fineweb.quality,
    "code": lambda pages: code.layout(pages.counts),
}
ENGLISH = ("repetition", "gopher", "c4", "fineweb")  # the order of FineWeb's chain


@dataclass(frozen=True)
class TextSignals:
    """Measure the named groups; a null text is measured as an empty one, so that no rule set lets it pass.

    Raises:
        ValueError: a text is not UTF-8 (a run puts that document in quarantine).
    """

    groups: tuple[str, ...] = ENGLISH

    def __post_init__(self) -> None:
        unknown = [name for name in self.groups if name not in GROUPS]
        if unknown:
            raise ValueError(f"no group of text signals is called {unknown[0]!r}; there are {', '.join(GROUPS)}")

    def __call__(self, batch: Batch) -> Mapping[str, pa.Array]:
        if self.groups == ("code",):  # asks lines and letters only, no words
            return columns(code.layout(read_layout(batch[TEXT])))
        pages = read_pages(batch[TEXT])
        found: Columns = {}
        for name in self.groups:
            found |= GROUPS[name](pages)
        return columns(found)


def columns(values: Columns) -> dict[str, pa.Array]:
    """Turn measured values into Arrow columns."""
    return {name: pa.array(array) for name, array in values.items()}
