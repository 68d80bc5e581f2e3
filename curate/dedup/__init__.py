"""Duplicates and near-duplicates leave; the best copy stays and every removed row names it.

    from curate.dedup import MinHash, dedup

    report = dedup(Corpus("runs/edu/scored"), "runs/edu/unique", settings=MinHash(threshold=0.8))

`words` and `shingles` cut text and hash it, `minhash` signs, `exact` and `url` hash what is the same; `order` ranks,
`candidates` finds who is compared, `compare` and `verify` compute exact similarities, `cluster` settles who stays and
`decide` goes through these; `evidence` names survivors, `guard` stops a run that removes too much, `index` keeps what
earlier dumps kept, `plan` says beforehand what it takes, and `dedup` runs it all over a corpus.
"""

from curate.dedup.dedup import DedupReport, TooMuchRemovedError, dedup
from curate.dedup.minhash import CHARACTERS, FINEWEB, SETTINGS, STACK, MinHash
from curate.dedup.plan import Plan, plan

__all__ = [
    "CHARACTERS",
    "FINEWEB",
    "SETTINGS",
    "STACK",
    "DedupReport",
    "MinHash",
    "Plan",
    "TooMuchRemovedError",
    "dedup",
    "plan",
]
