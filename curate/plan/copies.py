"""How many near-copies the whole has when a sample of it was deduplicated: more, for copies find each other.

    growth(clusters, of=100)        clusters: sets of drawn pieces -> how many clusters lie in exactly these

In a tenth of a corpus a pair of copies meets only if both are drawn, one time in ten; copies within a piece (a site's
template, a file's versions) are seen whole. So a cluster counts once in each piece that holds it, an *entry*, and the
share of entries that find a copy in another piece grows with the number of pieces. How fast depends on how large the
clusters are, and a sample tells that by how many of its clusters lie in one, two, three of its pieces: a cluster in c
pieces of the whole is seen in k drawn ones with the binomial chance at the sample's share. The sizes c may be mixed
in any way (Laird 1978's maximum likelihood without a shape), and the interval is all shares of kept entries for which
some mixture is likely enough, widened by what leaving out one piece changes.

It is an extrapolation, and a wide one where the sample is small: how many kinds there are, unseen, is the oldest such
problem (Good and Toulmin 1956). Two bounds need no mixture: no further copies, and every copy seen is of a pair (as
many more as the whole is larger), with the chance error of the count of copies seen.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.stats import binom, chi2

from curate.plan.fit import LEVEL, Floats

SIZES = np.array([1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256, 512])  # pieces that a cluster may lie in
STEPS = 16  # of the share that stays, at which the likelihood is looked at
FEW = 1.65  # of log likelihood that a small count is worse known by: none seen is then up to 3.0, as Poisson's is
Z = 1.645  # 95 % of a normal distribution is below


@dataclass(frozen=True)
class Growth:
    """Entries of the whole that stay (one a cluster), as a share of all entries, with the 90 % interval."""

    kept: float
    low: float
    high: float
    now: float  # the share that stays in the sample


def clusters_by_pieces(members: Sequence[tuple[str, str]]) -> Counter[frozenset[str]]:
    """Return how many clusters lie in which pieces, from (cluster, piece) of every document."""
    pieces: dict[str, set[str]] = {}
    for cluster, piece in members:
        pieces.setdefault(cluster, set()).add(piece)
    return Counter(frozenset(found) for found in pieces.values())


def growth(clusters: Mapping[frozenset[str], int], *, drawn: int, of: int) -> Growth:
    """Return the share of entries that stay in the whole.

    Args:
        clusters: sets of drawn pieces -> clusters that lie in exactly these.
        drawn: pieces in the sample; of: in the whole.
    """
    seen, share = _histogram(clusters), drawn / of
    entries = sum(k * n for k, n in seen.items())
    if not entries:
        return Growth(1.0, 1.0, 1.0, 1.0)
    now = sum(seen.values()) / entries
    if share >= 1:
        return Growth(now, now, now, now)
    kept, low, high = fit_kept(seen, share, of)
    pieces = sorted(set().union(*clusters))
    if now < 1 and len(pieces) > 2:
        shares = [_likeliest(_histogram(clusters, left_out=piece), share, of) for piece in pieces]
        error = Z * float(np.sqrt((len(pieces) - 1) * np.var(shares)))  # the jackknife's
        low, high = min(low, kept - error), max(high, kept + error)
    return Growth(kept, max(low, 1 / of), min(high, now), now)


def _histogram(clusters: Mapping[frozenset[str], int], left_out: str = "") -> dict[int, int]:
    """Return the number of clusters by how many pieces they lie in."""
    found = Counter[int]()
    for pieces, num in clusters.items():
        found[len(pieces - {left_out})] += num
    return {k: n for k, n in sorted(found.items()) if k}


def fit_kept(seen: Mapping[int, int], share: float, of: int) -> tuple[float, float, float]:
    """Return the share of entries that stay: the likeliest, and the least and most that are likely enough.

    Args:
        seen: clusters by the number of drawn pieces they lie in.
        share: of the pieces that were drawn.
        of: pieces in the whole; no cluster lies in more.
    """
    entries = sum(k * n for k, n in seen.items())
    copies = entries - sum(seen.values())
    most = float(chi2.ppf((1 + LEVEL) / 2, 2 * copies + 2)) / 2
    now, least = 1 - copies / entries, max(1 - most / entries / share, 1 / of, 1e-3)
    if least >= now:
        return now, now, now
    grid = np.linspace(least, now, STEPS)
    likelihood = np.array([_profile(seen, share, of, kept) for kept in grid])
    enough = grid[likelihood >= likelihood.max() - chi2.ppf(LEVEL, 1) / 2 - FEW / (1 + copies)]
    flat = grid[likelihood >= likelihood.max() - 0.05]  # where the sample cannot tell, the middle
    return float(flat.mean()), float(enough.min()), float(enough.max())


def _likeliest(seen: Mapping[int, int], share: float, of: int) -> float:
    return fit_kept(seen, share, of)[0] if seen else 1.0


def _profile(seen: Mapping[int, int], share: float, of: int, kept: float) -> float:
    """Return the best log likelihood of a mixture of sizes under which this share of the entries stays."""
    sizes = SIZES[of >= SIZES]
    visible = 1 - (1 - share) ** sizes  # the chance to be seen at all
    chances = np.array([binom.pmf(k, sizes, share) for k in seen]) / visible  # (kinds, sizes), of those that are seen
    numbers = np.array(list(seen.values()), dtype=np.float64)
    if kept >= 1:  # no cluster lies in more than one piece
        return float(numbers @ np.log(np.maximum(chances[:, 0], 1e-300)))
    numbers_share = numbers / numbers.sum()
    balance = (1 - kept * sizes) / visible  # clusters less kept entries, of a seen cluster of each size
    balance = balance / np.abs(balance).max()

    def loss(mixed: Floats) -> tuple[float, Floats]:
        found = np.maximum(chances @ mixed, 1e-12)
        return -float(numbers_share @ np.log(found)), -(numbers_share / found) @ chances

    start = _balanced(balance)
    conditions = [
        {"type": "eq", "fun": lambda mixed: mixed.sum() - 1, "jac": lambda _: np.ones(len(sizes))},
        {"type": "eq", "fun": lambda mixed: balance @ mixed, "jac": lambda _: balance},
    ]
    bounds = [(0.0, 1.0)] * len(sizes)
    best = minimize(loss, start, jac=True, method="SLSQP", bounds=bounds, constraints=conditions)
    return -float(best.fun) * float(numbers.sum())


def _balanced(balance: Floats) -> Floats:
    """Return a mixture of sizes with no net balance, all of them in it."""
    above, below = balance > 0, balance <= 0
    mixed = np.where(above, 1 / max(above.sum(), 1), 0.0), np.where(below, 1 / max(below.sum(), 1), 0.0)
    up, down = float(balance @ mixed[0]), float(-balance @ mixed[1])
    part = down / (up + down) if up + down else 0.5
    return np.asarray(part * mixed[0] + (1 - part) * mixed[1])
