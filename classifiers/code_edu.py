"""How useful a Python file is for teaching programming, 0 to 5; `curate score --classifier code_edu`.

Learnt from 1,620 grades of a large language model that read the first 4,000 characters (0: 73, 1: 210, 2: 781, 3:
366, 4: 187, 5: 3). 600 files were drawn at random within their repositories; they alone measure and calibrate. The
others, partly chosen for a high predicted grade, only teach. Cut at 3 or more; five folds that never divide near-
copies, the calibration learnt inside each fold, 95 % bootstrap intervals:

            F1                   precision            recall               macro-F1
    mean    0.658 [0.594, 0.713] 0.622 [0.544, 0.693] 0.698 [0.623, 0.773] 0.773 [0.733, 0.809]
    gate    0.667 [0.603, 0.722] 0.616 [0.540, 0.687] 0.727 [0.648, 0.800] 0.777 [0.736, 0.812]
    head    0.559 [0.490, 0.620] 0.492 [0.416, 0.563] 0.647 [0.565, 0.721] 0.699 [0.658, 0.736]
    cascade 0.662 [0.602, 0.719] 0.636 [0.561, 0.706] 0.691 [0.617, 0.766] 0.777 [0.741, 0.813]
            Spearman             mean absolute error
    mean    0.731 [0.685, 0.770] 0.420 [0.390, 0.453]
    gate    0.729 [0.684, 0.769] 0.423 [0.392, 0.455]
    head    0.584 [0.521, 0.643] 0.512 [0.475, 0.550]
    cascade 0.733 [0.688, 0.772] 0.419 [0.389, 0.452]

The layout of a file (indentation, comments, docstrings, signs) gave the gate .02 of F1. Repeated readings of 12
files agree on the cut for 88 %, so no classifier can come near 1.
Python-Edu's scorer states macro-F1 .426 over six grades; Stack-Edu's, per language, F1 .5 to .8 at the same cut.

Certificate, in 95 of 100 draws of labels: a cut of the gate at 1.948 keeps nine tenths of what the teacher grades 3 or
more (7 of 131 independent positives below it, exact bound 0.902).

Limits. Python only. The encoder adds nothing that can be told from noise here (it knows prose, and loses indentation
and case): `part="gate"` is as good and far cheaper; `mean` gives it .15. Repositories of the test folds are in the
training folds too.

Fitted with: python -m classifiers code_edu --labels labels/code_edu.jsonl --documents code/code.parquet
"""

from pathlib import Path

from curate.classify.embedding import Encoder
from curate.teacher.rubric import CODE_EDU

RUBRIC = CODE_EDU
SCALE = (0, 5)  # grades, as Python-Edu's
AT_LEAST = 3  # the operating point; a raw score of 2.5
ENCODER = Encoder()
GATE_SHARE = 0.85  # of the mean
MODEL = Path(__file__).with_suffix("")  # code_edu.json and code_edu.npz
PART = "gate"  # n-grams alone: the encoder adds nothing on code
