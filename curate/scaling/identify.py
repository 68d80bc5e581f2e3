"""Whether runs can tell five constants at all, said in a sentence.

Before a fit the sizes and budgets are looked at: with two of either, or with tokens that follow the size, other laws
fit as well. After it, the constants: one that ran to its end (no floor, a term that is nowhere seen) is no measurement,
and what the law says far away hangs on it. Wide intervals are no refusal: they are shown as they are.
"""

from collections.abc import Iterator

import numpy as np

from curate.scaling.law import NAMES, Floats, Law
from curate.scaling.rows import Rows

FEWEST = 3  # sizes, and budgets: two fix a slope of each term, and leave nothing for E
FEWEST_RUNS = 9
NARROWEST = 4.0  # largest over smallest size, and budget: two doublings
APART = 0.02  # sizes or budgets nearer than this share are one
MOST_CORRELATED = 0.98  # of log N with log D
SAME = 1e-6  # share within which losses are one
NOTHING = 1e-3  # of a loss: a term that is nowhere larger is not there
EXPONENTS = (0.02, 2.0)  # published laws lie between 0.05 and 0.8
MOST_AT_BOUNDS = 0.1  # of the resamples


def design_problem(rows: Rows) -> str | None:
    """Return why no losses at these sizes and tokens could identify the law, or None."""
    sizes, budgets = num_apart(rows.num_parameters), num_apart(rows.num_tokens)
    if sizes < FEWEST or budgets < FEWEST or len(rows) < FEWEST_RUNS:
        return (
            f"{len(rows)} runs of {sizes} sizes and {budgets} token budgets cannot fix the five constants of the law; "
            f"it takes at least {FEWEST} sizes and {FEWEST} budgets in {FEWEST_RUNS} runs, better 5 of each"
        )
    for what, values in (("sizes", rows.num_parameters), ("token budgets", rows.num_tokens)):
        ratio = values.max() / values.min()
        if ratio < NARROWEST:
            return (
                f"the {what} lie within a factor of {ratio:.2g}, too near to tell an exponent from a constant; "
                f"spread them over a factor of {NARROWEST:g} or more, better 16"
            )
    together = float(np.corrcoef(np.log(rows.num_parameters), np.log(rows.num_tokens))[0, 1])
    if abs(together) > MOST_CORRELATED:
        return (
            f"tokens follow the size in these runs (correlation {together:.3f} of their logarithms), so that the two "
            "terms of the law cannot be told apart; give each size several budgets"
        )
    return None


def loss_problem(rows: Rows) -> str | None:
    """Return why losses are none that a law could be read off, or None."""
    least, most = float(rows.loss.min()), float(rows.loss.max())
    if most / least - 1 > SAME:
        return None
    return f"all {len(rows)} runs have a {rows.measure} of {least:.6g}: neither size nor tokens made a difference"


def num_apart(values: Floats) -> int:
    """Return how many values there are, those within `APART` of the one before counted once."""
    steps = np.diff(np.log(np.sort(values)))
    return 1 + int(np.sum(steps > np.log1p(APART)))


def fit_problems(rows: Rows, law: Law, laws: Floats) -> tuple[str, ...]:
    """Return what speaks against a fitted law, the worst first; `laws` (S, 5) are its resamples."""
    found = list(_at_bounds(rows, law))
    if not found:
        share = float(np.mean([any(_at_bounds(rows, Law(*row))) for row in laws.tolist()]))
        if share > MOST_AT_BOUNDS:
            found.append(
                f"in {share:.0%} of the resamples a constant runs to its end: these runs do not fix the law. "
                "Add runs, of larger models and more tokens first"
            )
    return tuple(found)


def _at_bounds(rows: Rows, law: Law) -> Iterator[str]:
    A = law.A * rows.num_parameters**-law.alpha / rows.loss
    B = law.B * rows.num_tokens**-law.beta / rows.loss
    terms = {"E": law.E / rows.loss.min(), "A / N^alpha": float(A.max()), "B / D^beta": float(B.max())}
    absent = [name for name, share in terms.items() if share < NOTHING]
    if absent:
        yield (
            f"the fit has no {' and no '.join(absent)}: {_remedy(absent[0])}. The law describes these runs and says "
            "nothing beyond them"
        )
    low, high = EXPONENTS
    for name in NAMES[3:]:
        value = getattr(law, name)
        if not low < value < high:
            yield f"{name} is {value:.3g}, outside ({low:g}, {high:g}) where exponents of language models lie: no law"


def _remedy(term: str) -> str:
    return {
        "E": "the losses still fall so steeply that their floor is not in sight; train larger models on more tokens",
        "A / N^alpha": "size made no difference; take smaller models, or train all of them longer",
        "B / D^beta": "tokens made no difference; take smaller budgets, or larger models",
    }[term]
