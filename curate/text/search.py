"""Which lines hold which phrases: `"lorem ipsum" in line.lower()` over bytes, for every line of a batch.

    found = find(pages, ("lorem ipsum", "{"))
    found & 0b10      # the lines with a curly bracket

Phrases are ASCII in small letters, and only ASCII letters are folded: a Kelvin sign is not a k here.
"""

import numpy as np

from curate.text.kernel import kernel
from curate.text.pages import Pages


def find(pages: Pages, phrases: tuple[str, ...]) -> np.ndarray:
    """Return (lines,) uint64: bit i is set where the line contains phrases[i]; at most 64 phrases."""
    assert len(phrases) <= 64
    assert all(phrase.isascii() and phrase == phrase.lower() for phrase in phrases)
    letters = np.zeros((len(phrases), max(map(len, phrases))), np.uint8)
    for i, phrase in enumerate(phrases):
        letters[i, : len(phrase)] = np.frombuffer(phrase.encode(), np.uint8)
    sizes = np.array([len(phrase) for phrase in phrases], np.int64)
    begins = np.zeros(256, np.uint64)  # which phrases begin with this byte
    for i, phrase in enumerate(phrases):
        begins[[ord(phrase[0]), ord(phrase[0].upper())]] |= np.uint64(1 << i)
    found = np.zeros(len(pages.lines.hash), np.uint64)
    _find(pages.text.data, pages.lines.starts, pages.lines.stops, letters, sizes, begins, found)
    return found


@kernel
def _find(
    data: np.ndarray,
    starts: np.ndarray,
    stops: np.ndarray,
    letters: np.ndarray,
    sizes: np.ndarray,
    begins: np.ndarray,
    found: np.ndarray,
) -> None:
    for line in range(len(starts)):
        for place in range(starts[line], stops[line]):
            which = begins[data[place]]
            if which == 0:
                continue
            for phrase in range(len(sizes)):
                if not (which >> np.uint64(phrase)) & np.uint64(1) or place + sizes[phrase] > stops[line]:
                    continue
                same = 1
                while same < sizes[phrase]:
                    letter = data[place + same]
                    if 65 <= letter <= 90:  # A-Z
                        letter += 32
                    if letter != letters[phrase, same]:
                        break
                    same += 1
                if same == sizes[phrase]:
                    found[line] |= np.uint64(1) << np.uint64(phrase)
