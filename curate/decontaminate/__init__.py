"""Keep benchmarks out of a corpus: found by n-grams and syntax trees, confirmed, with the evidence kept.

    from curate.decontaminate import decontaminate

    print(decontaminate(Corpus("unique"), "final", "eval/", only=("humaneval", "gsm8k")))

`fields` says what the rows of a benchmark mean and `benchmarks` reads its files; `folding` and `scan` cut text into
words and look n-grams up, `index` says whose they are, `align` confirms, and `ngram` is the method of these. `pieces`
finds the code in a page, `code` and what it imports compare syntax trees, and `syntax` is their method. `evidence` are
the columns, `cut` takes out spans, `report` counts, and `decontaminate` runs it all over a corpus.
"""

from curate.decontaminate.benchmarks import Benchmarks, prepare, read_benchmarks
from curate.decontaminate.decontaminate import METHODS, Decontaminate, decontaminate, open_methods, stages
from curate.decontaminate.fields import Fields, Item
from curate.decontaminate.ngram import Ngram
from curate.decontaminate.report import Report, tau_curve
from curate.decontaminate.syntax import Ast

__all__ = [
    "METHODS",
    "Ast",
    "Benchmarks",
    "Decontaminate",
    "Fields",
    "Item",
    "Ngram",
    "Report",
    "decontaminate",
    "open_methods",
    "prepare",
    "read_benchmarks",
    "stages",
    "tau_curve",
]
