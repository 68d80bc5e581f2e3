"""Duplicates and near-duplicates leave; the best copy stays and every removed row names it.

    from curate.dedup import MinHash, dedup

    report = dedup(Corpus("runs/edu/scored"), "runs/edu/unique", settings=MinHash(), threshold=0.8)

`shingles` cuts text into words and hashes them, `minhash` finds candidates, `verify` computes their exact similarity,
`cluster` decides who stays, `guard` stops a run that removes too much, `dedup` runs it all over a corpus.
"""

from curate.dedup.dedup import DedupReport, TooMuchRemovedError, dedup
from curate.dedup.minhash import FINEWEB, MinHash

__all__ = ["FINEWEB", "DedupReport", "MinHash", "TooMuchRemovedError", "dedup"]
