"""How useful a source file is for teaching programming, 0 to 5; `curate score code --classifier code_edu`.

Learnt from 2,180 grades of large language models (0: 113, 1: 305, 2: 1,081, 3: 451, 4: 220, 5: 10): 1,620 Python files,
first 4,000 characters, and 560 files of the 14 other languages of Stack-Edu, 40 a language, first 2,000 to 2,700
(`benchmarks/grades`). The second teacher, reading 40 graded Python files blind, agreed with the first: quadratic kappa
0.925 (0.842 to 0.980), the same side of 3 for 39. Files drawn at random within repositories (600 Python, 30 of each
other language) measure and calibrate; the rest, chosen for a high predicted grade, only teach.

A column `language` (The Stack's names, any case) tells Python, which has a calibration of its own, from all others,
which share one: Lua or a null are calibrated so too, though no grade is of them. Without the column every row is read
as Python. Only `text` is scored, its first 4,000 characters.

Cut at 3 or more, five folds, calibrations learnt inside each, 95 % bootstrap intervals, all languages together:

            F1                   precision            recall               macro-F1
    mean    0.665 [0.600, 0.726] 0.620 [0.531, 0.707] 0.717 [0.652, 0.778] 0.784 [0.746, 0.820]
    gate    0.654 [0.590, 0.711] 0.601 [0.513, 0.685] 0.717 [0.648, 0.775] 0.776 [0.736, 0.810]
    head    0.576 [0.509, 0.634] 0.530 [0.445, 0.615] 0.632 [0.559, 0.693] 0.726 [0.688, 0.760]
    cascade 0.662 [0.597, 0.724] 0.619 [0.529, 0.705] 0.712 [0.648, 0.771] 0.783 [0.744, 0.818]

By language, of the gate (`benchmarks/code_languages.py`): no near-copy in two folds, and outside Python no repository
either, nor anything of it, in any language, among what is learnt from. `base` is the share graded 3 or more.

               files base  F1                   AUC                  Spearman
    Python       600  0.23 0.673 [0.607, 0.730] 0.879 [0.842, 0.910] 0.723 [0.677, 0.763]
    the other 14 420  0.17 0.605 [0.487, 0.726] 0.868 [0.815, 0.919] 0.693 [0.619, 0.762]
    C             30  0.30 0.706 [0.250, 0.923] 0.788                0.643 [0.340, 0.860]
    C#            30  0.00 0.000 [0.000, 0.000] -                    0.787 [-0.104, 0.864]
    C++           30  0.17 0.667 [0.000, 0.941] 0.944                0.712 [0.457, 0.889]
    Go            30  0.23 0.429 [0.000, 0.640] 0.627                0.500 [0.052, 0.728]
    Java          30  0.27 0.750 [0.444, 0.947] 0.881 [0.706, 1.000] 0.786 [0.517, 0.921]
    JavaScript    30  0.23 0.182 [0.000, 0.462] 0.745 [0.500, 0.944] 0.628 [0.297, 0.820]
    Markdown      30  0.67 0.895 [0.774, 0.976] 0.950 [0.852, 1.000] 0.798 [0.611, 0.904]
    PHP           30  0.03 0.000 [0.000, 0.000] 0.793                0.610 [0.186, 0.833]
    Ruby          30  0.03 0.000 [0.000, 0.000] 0.897                0.553 [-0.228, 0.786]
    Rust          30  0.30 0.556 [0.000, 0.857] 0.794 [0.500, 1.000] 0.553 [0.114, 0.833]
    SQL           30  0.03 0.000 [0.000, 0.000] 0.759                0.531 [0.098, 0.842]
    Shell         30  0.03 0.000 [0.000, 0.000] 0.897                0.799 [0.559, 0.871]
    Swift         30  0.10 0.750 [0.000, 1.000] 0.975                0.573 [0.000, 0.658]
    TypeScript    30  0.03 0.400 [0.000, 1.000] 1.000                0.622 [0.222, 0.870]

Read the languages with care: of 30 files an F1 is known to +-0.25 (Markdown: 0.1), and where one in thirty is good
(PHP, Ruby, SQL, Shell, TypeScript) or none (C#) it says nothing; the 14 together are known. In Go and JavaScript the
good files are not told well from the others. Markdown is of documentation, books and tutorials and reads far better
than a repository's; without it the others have F1 0.509 [0.368, 0.648], AUC 0.843, Spearman 0.669. Swift is three
repositories, C# five, Ruby seven: what is true of them need not be true of their language.

What was tried. Learning from Python alone ranks other code (Spearman 0.622) but finds hardly any of it good, F1 0.311,
since its cut is too high there; the new grades add 0.294 [0.149, 0.456]. To Python they do nothing that can be told: F1
+0.007 [-0.032, 0.049], Spearman -0.006 [-0.024, 0.010], on the same folds. Comment shares, keywords of other languages
and counting the new grades two or three times changed F1 by 0.02 or less, up and down, and are not here. A shift for
each language, shrunk to none, made a language's mean score truer (off by 0.08, not 0.11) and F1 without Markdown worse
(0.455, not 0.478). The encoder in `mean` adds 0.01 at forty times the cost, so the gate is the default. The hidden
states of SmolLM2-135M (layer 20, mean of 512 tokens; half of the grades) make a better head, F1 0.62 to the encoder's
0.55, and with the gate hardly more than the gate: AUC 0.884 and 0.876, F1 0.680 and 0.675, at two seconds a file.
Repeated readings of 12 files agree on the cut for 88 %, so no classifier can come near 1.

Thresholds. Stack-Edu's 3, and 2 for Java, are rounded scores and are taken as they are: Java at 2 keeps four in five,
the others at 3 about one in five. Python-Edu's 4 was on a scale that gave a tenth of the tokens 4 or more; on this one
the teacher graded 4.7 % of random Python files so, and the score reaches 4 for 2.0 % (three in four of them deserve
it). So Python is cut at the raw score that keeps a tenth here, 2.8. `keep_by_language` takes other rules.

Certificate, in 95 of 100 draws of labels: a cut of the gate at 1.782 keeps nine tenths of what the teacher grades 3 or
more in a mix of languages like the labels' (11 of 181 independent positives below it, exact bound 0.901). It keeps 64 %
of all files: what is good outside Python is not told as well.

Limits. Files of tutorials and algorithm collections are most of what is good here. Outside Python, clean exercises
without a comment, graded 2, are the errors to expect: 15 of 43 pass 3. Generated files, graded 0, score 1.6 (one of 20
passes): drop them by The Stack's rules first. Notebooks, and languages other than the 15, have no grades. Repositories
of Python's test folds are in its training folds too.

Fitted with: python -m classifiers code_edu --labels labels/code_edu.jsonl benchmarks/grades/code_languages.jsonl \\
    --documents code/code.parquet web/text.parquet
"""

from collections.abc import Mapping
from pathlib import Path

from curate.classify.embedding import Encoder
from curate.signals.by_language import KeepByLanguage
from curate.stage import Rule
from curate.teacher.rubric import CODE_EDU

RUBRIC = CODE_EDU
SCALE = (0, 5)  # grades, as Python-Edu's
AT_LEAST = 3  # the operating point; a raw score of 2.5
ENCODER = Encoder()
GATE_SHARE = 0.85  # of the mean
MODEL = Path(__file__).with_suffix("")  # code_edu.json and code_edu.npz
PART = "gate"  # n-grams alone: the encoder adds little on code
LANGUAGES = ("Python",)  # calibrated by itself; files of every other language share one calibration
LANGUAGE = "language"  # the column that tells; without it every row is Python

STACK_EDU = "Stack-Edu: 3 or more, 2 for Java (arXiv 2502.02737)"
THRESHOLDS: Mapping[str, Rule] = {
    "Python": Rule("score", at_least=2.8, source="a tenth, as of Python-Edu at 4 (its card: 40 B tokens to 4 B)"),
    "Java": Rule("int_score", at_least=2, source=STACK_EDU),
}
OTHERWISE = Rule("int_score", at_least=3, source=STACK_EDU)  # of other languages, and of files whose nobody told


def keep_by_language(thresholds: Mapping[str, Rule] = THRESHOLDS, otherwise: Rule = OTHERWISE) -> KeepByLanguage:
    """Return the stage that keeps what passed its language's threshold.

    Args:
        thresholds: language, as the column spells it -> the rule on `score` or `int_score`.
        otherwise: the rule of every other language.
    """
    rules = {language: (rule,) for language, rule in thresholds.items()}
    return KeepByLanguage("code_edu", rules, column=LANGUAGE, otherwise=(otherwise,))
