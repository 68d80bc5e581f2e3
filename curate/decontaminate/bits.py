"""How much of a match is no accident, in bits: `return sorted(set(x))` is everybody's, forty rare choices one author's.

A benchmark's one-liners equal thousands of innocent functions once names are gone, so a rate alone condemns them. A
match is therefore weighed as a message (minimum description length, Wallace & Boulton 1968): bits saved by copying
the benchmark's tree instead of writing it anew, less what the edits cost.

    structure    for each node that both have, its surprise after its parent and left sibling in ordinary code
    data flow    log2(k) for each name used again where the benchmark uses it again, of k names so far; as much is lost
                 where the uses disagree
    spelling     half the surprise of an identifier that both spell alike, for names of one subject come together; the
                 whole surprise of the function's own name; no more than its surprise among the twins
    docstring    WORD_BITS for each word of the longest run of words that both docstrings have, from MIN_RUN words on
    edits        EDIT_BITS for each edit of the exact distance: which place, and what label

Structure and data flow count for no more than log2(functions / twins), where ordinary code has twins: functions at
least as near to the benchmark's as the document's is (`curate.decontaminate.reference`).
"""

import math
import re
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

import numpy as np

from curate.decontaminate.reference import Reference, contexts

EDIT_BITS = 12.0  # log2 of some 60 nodes, and the 6 bits of a label's mean surprise
MAX_SPELLING = 12.0  # bits of one identifier
WORD_BITS = 4.0  # of a word of a docstring: half of what English has, for the subject is the same
MIN_RUN, MAX_WORDS = 4, 200  # words that a run needs; words of a docstring that are read
_WORD = re.compile(r"\w+")


class Twin(NamedTuple):
    """Functions of ordinary code, all alike, that are near to a benchmark's."""

    rate: float
    times: int
    idiom: int  # number in `Reference.idioms`


def surprises(labels: Sequence[str], sizes: Sequence[int], reference: Reference) -> np.ndarray:
    """Return (n,) float64 bits of each node of one tree."""
    return np.array([reference.surprise(*context) for context in contexts(labels, sizes)])


def flow_bits(pairs: Iterable[tuple[str, str]]) -> float:
    """Return the bits of names used again, paired in order: (the benchmark's, the document's)."""
    partner: dict[str, str] = {}
    bits = 0.0
    for ours, theirs in pairs:
        if ours in partner:
            bits += math.log2(len(partner)) * (1 if partner[ours] == theirs else -1)
        else:
            partner[ours] = theirs
    return bits


def spelling_bits(
    pairs: Iterable[tuple[str, str]], function: str | None, reference: Reference, twins: Sequence[Twin] = ()
) -> float:
    """Return the bits of the identifiers that both sides spell alike; `function` is the benchmark's function.

    What its twins in ordinary code are spelt like too says less: `mean(x)` is what one calls it.
    """
    alike = sorted({ours for ours, theirs in pairs if ours == theirs})
    number = sum(twin.times for twin in twins)
    bits = 0.0
    for name in alike:
        surprise = min(MAX_SPELLING, reference.spelling(name)) / (1 if name == function else 2)
        usual = sum(reference.spelt[twin.idiom].get(name, 0) for twin in twins)
        bits += min(surprise, -math.log2((usual + 0.5) / (number + 1))) if usual else surprise
    return bits


def docstring_bits(ours: str, theirs: str) -> float:
    """Return the bits of the longest run of words that two docstrings have in common."""
    if not ours or not theirs:
        return 0.0
    a, b = (_WORD.findall(text[: 20 * MAX_WORDS].lower())[:MAX_WORDS] for text in (ours, theirs))
    run = SequenceMatcher(None, a, b, autojunk=False).find_longest_match().size
    return WORD_BITS * run if run >= MIN_RUN else 0.0


def bound_by_twins(bits: float, twins: Sequence[Twin], functions: int) -> float:
    """Return `bits`, or log2(functions / twins) if less; of functions of ordinary code as near as the document's."""
    number = sum(twin.times for twin in twins)
    return min(bits, math.log2(functions / number)) if number else bits
