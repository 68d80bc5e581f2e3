"""How useful a web page is for teaching pupils, 0 to 5; `curate score pages --threshold 3`, or `--recall 0.9`.

Learnt from 1,116 grades of a large language model that read the first 3,500 characters (0: 468, 1: 288, 2: 128, 3:
137, 4: 90, 5: 5); repeated readings of 12 pages agreed on the cut. Pages were drawn by family (crawls, textbooks,
fixtures of extractors, templates, spam), so the shares are not the web's. Cut at 3 or more; five folds that never
divide near-copies, the calibration learnt inside each fold, 95 % bootstrap intervals:

            F1                   precision            recall               macro-F1
    mean    0.877 [0.843, 0.908] 0.863 [0.817, 0.904] 0.892 [0.847, 0.933] 0.922 [0.901, 0.942]
    gate    0.837 [0.793, 0.872] 0.846 [0.796, 0.889] 0.828 [0.774, 0.879] 0.897 [0.871, 0.919]
    head    0.857 [0.822, 0.891] 0.836 [0.787, 0.885] 0.879 [0.831, 0.921] 0.909 [0.888, 0.930]
    cascade 0.870 [0.835, 0.902] 0.858 [0.811, 0.899] 0.884 [0.836, 0.926] 0.918 [0.897, 0.938]
            Spearman             mean absolute error
    mean    0.857 [0.834, 0.876] 0.404 [0.381, 0.429]
    gate    0.833 [0.807, 0.856] 0.448 [0.424, 0.475]
    head    0.830 [0.804, 0.852] 0.451 [0.426, 0.478]
    cascade 0.857 [0.834, 0.876] 0.405 [0.382, 0.429]

The gate reads n-grams and the layout of the text, the head three layers of a small encoder, `mean` is .6 of the one and
.4 of the other. The cascade asks the encoder about 13 % of these pages. FineWeb-Edu's classifier, on its own pages and
grades, states F1 .682, precision .763, recall .617, macro-F1 .827.

Certificate, in 95 of 100 draws of labels: a cut of the cascade at 1.944 keeps nine tenths of what the teacher grades 3
or more (13 of 211 independent positives below it, exact bound 0.904).

Limits. Precision on a crawl, where good pages are rarer, will be lower: look at the pages a cut keeps. A kind of page
that no grade shows may fare worse, and the certificate is of pages like these: `curate score` says when a corpus is
unlike them. Machine-written articles read like lessons. The encoder knows English best. Only the first 4,000
characters count (the encoder: 512 tokens).

Fitted with: python -m classifiers web_edu --labels labels/web_edu.jsonl --documents web/text.parquet
"""

from pathlib import Path

from curate.classify.embedding import Encoder
from curate.teacher.rubric import WEB_EDU

RUBRIC = WEB_EDU
SCALE = (0, 5)  # grades, as FineWeb-Edu's
AT_LEAST = 3  # the operating point; a raw score of 2.5
ENCODER = Encoder()
GATE_SHARE = 0.6  # of the mean
MODEL = Path(__file__).with_suffix("")  # web_edu.json and web_edu.npz
PART = "mean"  # both together: the encoder helps a little on pages
