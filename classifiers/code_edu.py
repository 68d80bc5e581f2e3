"""How useful a Python file is for teaching programming, 0 to 5; `curate score --classifier code_edu`.

Learnt from 1,620 grades of a large language model that read the first 4,000 characters (0: 73, 1: 210, 2: 781, 3:
366, 4: 187, 5: 3). 600 files were drawn at random within their repositories; they alone measure and calibrate. The
others, partly chosen for a high predicted grade, only teach. Cut at 3 or more; five folds that never divide near-
copies, the calibration learnt inside each fold, 95 % bootstrap intervals:

             F1                   precision            recall               macro-F1
    mean     0.629 [0.564, 0.691] 0.588 [0.510, 0.662] 0.676 [0.597, 0.757] 0.753 [0.711, 0.793]
    gate     0.649 [0.585, 0.710] 0.596 [0.516, 0.667] 0.712 [0.632, 0.791] 0.765 [0.723, 0.803]
    head     0.537 [0.471, 0.599] 0.466 [0.395, 0.540] 0.633 [0.554, 0.712] 0.681 [0.638, 0.722]
             Spearman             mean absolute error
    mean     0.714 [0.666, 0.756] 0.435 [0.405, 0.468]
    gate     0.724 [0.675, 0.766] 0.427 [0.398, 0.461]
    head     0.553 [0.496, 0.609] 0.554 [0.518, 0.592]

Repeated readings of 12 files agree on the cut for 88 %, so no classifier can come near 1. Python-Edu's scorer states
macro-F1 .426 over six grades; Stack-Edu's, per language, F1 .5 to .8 at the same cut.

Limits. Python only. The encoder adds nothing that can be told from noise here (it knows prose, and loses indentation
and case): `part="gate"` is as good and far cheaper. Repositories of the test folds are in the training folds too.

Fitted with: python -m classifiers code_edu --labels labels/code_edu.jsonl --documents code/code.parquet
"""

from pathlib import Path

from curate.classify.embedding import Encoder
from curate.teacher.rubric import CODE_EDU

RUBRIC = CODE_EDU
SCALE = (0, 5)  # grades, as Python-Edu's
AT_LEAST = 3  # the operating point; a raw score of 2.5
ENCODER = Encoder()
MODEL = Path(__file__).with_suffix("")  # code_edu.json and code_edu.npz
PART = "gate"  # n-grams alone: the encoder adds nothing on code
